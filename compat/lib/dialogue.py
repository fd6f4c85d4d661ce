"""Dialogues with the console tools, kept as text: commands, and under each what Apache Kafka's run of it printed.

A dialogue is a text file. Lines that begin with "$ " are commands; what follows is the answer: stdout lines indented by two blanks, stderr
lines by "! ", and "? N" for an exit code other than 0. Lines that begin with "#" and empty lines are the reader's. `compat/run --peer --record`
runs the commands against Apache Kafka and writes the answers anew; every other run compares.

A command is a tool of Kafka's, or one of this file's own:
    produce TOPIC KEY...         one record for each key, in that order; the key decides the partition
    consume GROUP TOPIC COUNT    a member that reads COUNT records, commits and leaves; prints nothing
    join GROUP TOPIC... [NAME=VALUE...]  a member that stays, started and seen in a stable group
    leave                        the members that stay go, and their groups are empty (but for static members)
    mark NAME                    a moment between the records before it and those after it
    write FILE LINE...           a file for --from-file
    records DIRECTORY            the records of a partition of __consumer_offsets, tombstones and all, as kafka-dump-log decodes them
    sort COMMAND...              a tool whose answer comes in no certain order
`{dir}` is where files are, `{NAME:FORMAT}` a mark's moment, and `> FILE` after a command keeps its stdout.
"""

import difflib
import re
import shlex
import time
from datetime import datetime, timedelta, timezone

from harness import as_bytes, clip, eventually, expect, table

# Text that is not the same in two runs, and what stands for it.
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<= )[\w-]{22}(?= +(instance-\d+ +)?/127\.0\.0\.1 )")
# Stack traces; and what clients of earlier commands, left open by an exit, say of brokers that are gone.
NOISE = re.compile(r"^\s+(at .*\)|\.\.\. \d+ (more|common frames omitted))$|\(org\.apache\.kafka\.clients\.NetworkClient\)$")
# Lists that the tools print from sets.
SET = re.compile(r"((?:options|scenarios|states are|types are): |consumer groups \()([^)]*)")
# What a record of a group holds of its own time and ids.
OWN = re.compile(r'("(?:\w*[tT]imestamp|topicId|TopicId|memberId|metadataHash|leader)":)("[\w-]{22}"|-?\d{5,})')
RECORD = re.compile(r"^\| offset: .*? key: (.*?)(?: payload: (.*))?$")
WORD = re.compile(r"[\w-]+")
USAGE = re.compile(r"^Option( \(\* = required\))? +Description")
LOGGED = re.compile(r"^\[\d{4}-[^]]*\] |(?<=clientId=adminclient-)\d+")


def run_dialogue(ctx, broker, path):
    """Runs every command of the file and compares the answers, or with --record writes them into it."""
    dialogue = Dialogue(ctx, broker)
    expected = path.read_text().splitlines()
    got = []
    for line in expected:
        if line.startswith("$ "):
            got += [line, *dialogue.answer(line[2:])]
        elif not line.startswith(("  ", "! ", "? ")):
            got.append(line)
    if ctx.suite.record:
        path.write_text("".join(f"{line}\n" for line in got))
        return
    diff = difflib.unified_diff(expected, got, "Apache Kafka", "here", lineterm="", n=4)
    text = "\n".join(line for line in diff if not line.startswith("@@"))
    expect(not text, f"not what Apache Kafka's run of {path.name} says:\n{clip(text)}")


class Moment:
    """A mark: formats as milliseconds, or as the wall clock's time with a zone behind it (`{m:+02:00}`, `{m:Z}`) or without one (`{m:}`)."""

    def __init__(self):
        time.sleep(0.02)
        self.at = datetime.now(timezone.utc)
        time.sleep(0.02)

    def __format__(self, form):
        if form == "ms":
            return str(int(self.at.timestamp() * 1000))
        hours = int(form[:3]) if form[:1] in ("+", "-") else 0
        return (self.at + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S.") + f"{self.at.microsecond // 1000:03}{form}"


class Dialogue:
    def __init__(self, ctx, broker):
        self.ctx, self.broker = ctx, broker
        self.names = {"dir": ctx.work_dir}
        self.members = []

    def answer(self, command):
        words = [word.format_map(self.names) for word in shlex.split(command)]
        own = getattr(self, f"do_{words[0]}", None)
        return own(*words[1:]) or [] if own else self.tool(words)

    def tool(self, words):
        keep = None
        if len(words) > 2 and words[-2] == ">":
            *words, _, keep = words
        result = self.ctx.tool(*words, broker=self.broker, rc=None)
        out = self.plain(result.out)
        if "--list" in words:  # in the order of somebody's hash table
            out.sort(key=lambda line: (not line.startswith("GROUP "), line))
        if keep is not None:
            (self.ctx.work_dir / keep).write_text(result.out)
            out = []
        return [*(f"  {line}" for line in out), *(f"! {line}" for line in self.plain(result.err)), *([f"? {result.rc}"] if result.rc else [])]

    def plain(self, text):
        """The lines of an answer without what differs from run to run; of a usage only the message before it."""
        text = UUID.sub("UUID", text.replace(self.broker.bootstrap, "SERVER").replace(str(self.ctx.work_dir), "DIR"))
        lines = []
        for line in text.splitlines():
            if USAGE.match(line):
                return [*lines, "(usage)"]
            if line.strip() and not NOISE.search(line):
                line = SET.sub(lambda found: found[1] + ", ".join(sorted(WORD.findall(found[2]))), LOGGED.sub("", line.rstrip()))
                lines.append(re.sub(" {2,}", "  ", line))
        return lines

    def do_records(self, directory):
        files = sorted((self.broker.data_dir / directory).glob("*.log"))
        result = self.ctx.tool("kafka-dump-log", "--offsets-decoder", "--files", ",".join(map(str, files)))
        found = [RECORD.match(line) for line in result.lines if line.startswith("| ")]
        text = OWN.sub(r"\1OWN", "\n".join(f"{record[1]} {record[2]}" for record in found))
        return [f"  {line}" for line in self.plain(text)]

    def do_sort(self, *words):
        return sorted(self.tool(words))

    def do_produce(self, topic, *keys):
        self.ctx.produce(topic, [f"{key}:{n}" for n, key in enumerate(keys)], "--reader-property", "parse.key=true",
                         "--reader-property", "key.separator=:", broker=self.broker)

    def do_consume(self, group, topic, count):
        self.ctx.consume(topic, int(count), "--group", group, broker=self.broker)

    def do_join(self, group, *words):
        settings = [arg for word in words if "=" in word for arg in ("--command-property", word)]
        topics = [word for word in words if "=" not in word]
        # The console consumer reads one topic, or all that a pattern takes.
        source = ["--topic", *topics] if len(topics) == 1 else ["--include", "|".join(topics)]
        before = self.ids(group)
        self.members.append((group, self.ctx.tool_start("kafka-console-consumer", *source, "--group", group, *settings, broker=self.broker)))
        count = str(sum(1 for name, _ in self.members if name == group))
        # A static member may come back without a moment in which the group is not stable.
        eventually(lambda: self.ids(group) - before, f"a new member is in {group}", timeout_s=40)
        self.wait_for(group, "Stable", count)

    def ids(self, group):
        result = self.ctx.tool("kafka-consumer-groups", "--describe", "--group", group, "--members", broker=self.broker)
        return {row["CONSUMER-ID"] for row in table(result.out, "GROUP")}

    def do_leave(self):
        for _, process in self.members:
            process.stop()
        for group in {name for name, process in self.members if "group.instance.id" not in process.command}:
            self.wait_for(group, "Empty", "0")
        self.members = []

    def wait_for(self, group, state, members):
        def there():
            result = self.ctx.tool("kafka-consumer-groups", "--describe", "--group", group, "--state", broker=self.broker, rc=None)
            return re.search(rf"^{re.escape(group)} .* {state} +{members}$", result.out, re.M)
        eventually(there, f"{group} is {state} with {members} members", timeout_s=40)

    def do_mark(self, name):
        self.names[name] = Moment()

    def do_write(self, name, *lines):
        (self.ctx.work_dir / name).write_bytes(as_bytes("".join(f"{line}\n" for line in lines)))
