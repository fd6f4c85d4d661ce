"""The swap: Apache Kafka is stopped, Ottla starts with the same server.properties on the same directories, and back again.

What is compared lies in ../lib/TakeoverData.java. Against Apache Kafka itself (--peer) both sides are Apache Kafka.
"""

import json
import re
import shutil
import time

from harness import check, eventually, expect, expect_eq, expect_match

# Snapshots of the metadata within seconds, and logs' starts in their checkpoint at once: the default lets a kill -9 undo a DeleteRecords.
SETTINGS = {"broker.session.timeout.ms": 2000, "metadata.log.max.record.bytes.between.snapshots": 12000,
            "log.initial.task.delay.ms": 300, "log.flush.start.offset.checkpoint.interval.ms": 300}
# Ottla refuses to start with an authorizer it does not have yet; the ACLs written with it must outlive Ottla nevertheless.
AUTHORIZER = {"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users": "User:ANONYMOUS"}
NO_AUTHORIZER = dict.fromkeys(AUTHORIZER)


class Swap:
    """One set of directories, served by one broker after the other; what only grows is checked at every change."""

    def __init__(self, ctx, broker):
        self.ctx, self.broker = ctx, broker
        self.facts = []
        self.heights = {}
        ctx.tools.classes["takeover-data"] = "TakeoverData"

    def data(self, command, *args):
        return self.ctx.tools.call("takeover-data", [command, self.broker.bootstrap, *args], b"", 90)

    def write(self, command, *args):
        result = self.data(command, *args)
        expect(result.rc == 0, f"{command} on {self.broker.kind} failed", result)

    def see(self):
        result = self.data("show")
        expect(result.rc == 0, f"what {self.broker.kind} serves cannot be read", result)
        return result.lines

    def remember(self):
        """What is there now must be there after the next start; what Ottla does not answer is as Apache Kafka last said."""
        later_on = [line for line in self.facts if line.startswith("later ")]
        seen = self.see()
        self.facts = seen if self.broker.kind == "kafka" else sorted(now(seen) + later_on)

    def still_there(self):
        seen = self.see()
        if self.broker.kind == "kafka":
            expect_eq(seen, self.facts, f"what kafka serves of what {self.last_kind} left")
            return
        # Ottla does not answer yet for share groups and for security: what it must keep is seen when Apache Kafka is back.
        expect_eq(now(seen), now(self.facts), f"what {self.broker.kind} serves of what {self.last_kind} left")

    def change(self, kind, kill=False, overrides=None):
        """Ends the running broker and starts one of `kind` in its place."""
        self.last_kind = self.broker.kind
        if kill:
            eventually(self.starts_are_kept, "the logs' starts are in their checkpoints")
        self.broker.kill9() if kill else self.broker.stop()
        for folder in self.broker.log_dirs:
            expect_eq((folder / ".kafka_cleanshutdown").exists(), not kill, f"clean-shutdown marker in {folder.name} after {self.last_kind}")
        self.only_up()
        self.broker.hand_over(kind).start(overrides)
        expect(not [path for folder in self.broker.log_dirs for path in folder.glob("*-stray")], f"{kind} set partitions aside")
        return self

    def starts_are_kept(self):
        """A kill cannot undo the DeleteRecords any more."""
        result = self.ctx.tool("kafka-get-offsets", "--topic", "cut", "--time", "earliest", broker=self.broker)
        for partition, start in re.findall(r"^cut:(\d+):(\d+)$", result.out, re.M):
            folder = self.broker.partition_dir("cut", int(partition))
            checkpoint = (folder.parent / "log-start-offset-checkpoint").read_text()
            first = min(int(path.stem) for path in folder.glob("*.log"))
            expect(first == int(start) or re.search(rf"^cut {partition} {start}$", checkpoint, re.M), f"cut-{partition} starts at {start}, in {checkpoint}")
        return True

    def only_up(self):
        """Leader epochs, broker epochs, producer ids and the epoch of the quorum never go down, and each change raises them."""
        quorum = json.loads((self.broker.data_dir / "__cluster_metadata-0" / "quorum-state").read_text())
        self.rises("quorum epoch", quorum["leaderEpoch"])
        for folder in self.broker.log_dirs:
            for path in folder.glob("*/leader-epoch-checkpoint"):
                lines = [tuple(map(int, line.split())) for line in path.read_text().splitlines()[2:]]
                expect_eq(lines, sorted(set(lines)), f"epochs of {path.parent.name} grow")
                if lines and "." not in path.parent.name:
                    last = self.heights.get(path.parent.name, -1)
                    expect(lines[-1][0] >= last, f"leader epoch of {path.parent.name}: {lines[-1][0]} after {last}")
                    self.heights[path.parent.name] = lines[-1][0]
        files = sorted((self.broker.data_dir / "__cluster_metadata-0").glob("*.log"))
        result = self.ctx.tool("kafka-dump-log", "--cluster-metadata-decoder", "--files", ",".join(map(str, files)))
        records = [json.loads(line.split("payload: ", 1)[1]) for line in result.lines if line.startswith("| ") and "payload: {" in line]
        for kind, field in (("REGISTER_BROKER_RECORD", "brokerEpoch"), ("PRODUCER_IDS_RECORD", "nextProducerId")):
            data = [record["data"] for record in records if record["type"] == kind]
            # Apache Kafka's node that waits too long for the answer registers again, the same incarnation in the same epoch.
            values = [*{one.get("incarnationId", one[field]): one[field] for one in data}.values()]
            expect_eq(values, sorted(set(values)), f"{field} in the metadata log grows")
            if values:
                self.rises(field, values[-1])
        offsets = [int(offset) for offset in re.findall(r"^baseOffset: (\d+) ", result.out, re.M)]
        expect_eq(offsets, sorted(set(offsets)), "offsets of the metadata log")

    def rises(self, what, value):
        expect(value > self.heights.get(what, -1), f"{what} after {self.broker.kind}: {value}, before {self.heights.get(what)}")
        self.heights[what] = value


def now(facts):
    return [line for line in facts if not line.startswith("later ")]


def seeded(ctx, security=False):
    broker = ctx.new_broker({**SETTINGS, **(AUTHORIZER if security else {})}, kind="kafka", log_dirs=2, name="node")
    swap = Swap(ctx, broker)
    swap.write("seed")
    if security:
        swap.write("seed-security")
    swap.remember()
    return swap


def there_and_back(ctx, kill):
    swap = seeded(ctx, security=not kill)
    kinds = {line.split()[1] for line in swap.facts if line.startswith("later ")}
    expect_eq(kinds, {"group", "share"} | (set() if kill else {"acl", "quota", "scram"}), "what Apache Kafka alone knows")
    other = ctx.suite.kind
    for turn in range(2):
        swap.change(other, kill, None if ctx.peer else NO_AUTHORIZER)
        swap.still_there()
        swap.write("more", turn * 2)
        swap.remember()
        swap.change("kafka", kill, {} if kill else AUTHORIZER)
        swap.still_there()
        swap.write("more", turn * 2 + 1)
        swap.remember()
    finish_transaction(swap)
    no_complaints(swap.broker)


def finish_transaction(swap):
    """It was open through all the changes; the next producer of its id aborts it."""
    def committed():
        return next(line for line in swap.see() if line.startswith("data open-0 read_committed "))
    expect_match(r"^data open-0 read_committed 5 records to 5 ", committed())
    swap.write("finish")
    # Five records, the aborted one, five more, the marker, one more and its marker.
    expect_match(r"^data open-0 read_committed 11 records to 14 ", committed())


# Apache Kafka's own start after a kill: it begins to load what it led, hears that its old registration has lost it, and loads again. And what
# it says of itself on a busy machine.
PASSING = ("because the partition is not online or is no longer the leader", "Exceptionally slow controller event")


def no_complaints(broker):
    bad = [line for line in broker.log_text().splitlines() if re.search(r"\] (ERROR|FATAL) ", line) and not any(said in line for said in PASSING)]
    expect(not bad, f"{broker.log_path} complains:\n" + "\n".join(bad[:10]))


@check("takeover: Kafka, Ottla, Kafka, Ottla, Kafka with clean stops", own_broker=True, timeout_s=300)
def clean_stops(ctx):
    there_and_back(ctx, kill=False)


@check("takeover: Kafka, Ottla, Kafka, Ottla, Kafka with kill -9", own_broker=True, timeout_s=300)
def kills(ctx):
    there_and_back(ctx, kill=True)


def older(ctx, release, static):
    """A cluster formatted for an older release, as one that was upgraded is until its features are."""
    broker = ctx.new_broker({**SETTINGS, "metadata.log.max.record.bytes.between.snapshots": 3000, "metadata.log.segment.ms": 1000}, kind="kafka", log_dirs=2, name="node", start=False)
    broker.format_options = ["--release-version", release, *([] if static else ["--standalone"])]
    if static:
        broker.overrides.update({"controller.quorum.voters": f"1@{broker.controller}", "controller.quorum.bootstrap.servers": ""})
    broker.start()
    swap = Swap(ctx, broker)
    swap.write("seed-small")
    swap.remember()
    return swap


def features(swap):
    result = swap.ctx.tool("kafka-features", "describe", broker=swap.broker)
    return re.findall(r"^Feature: (\S+)\s.*FinalizedVersionLevel: (\S+)\s", result.out, re.M)


def back_and_forth(swap, other):
    levels = features(swap)
    swap.change(other)
    expect_eq(features(swap), levels, "features")
    swap.still_there()
    swap.write("more", 0)
    swap.remember()
    swap.change("kafka")
    expect_eq(features(swap), levels, "features")
    swap.still_there()
    swap.write("more", 1)
    no_complaints(swap.broker)


@check("takeover: static voters, formatted for 3.9", own_broker=True)
def static_voters(ctx):
    back_and_forth(older(ctx, "3.9", static=True), ctx.suite.kind)


@check("takeover: formatted for 4.0, the metadata log starts at a snapshot", own_broker=True)
def log_after_snapshot(ctx):
    swap = older(ctx, "4.0", static=False)
    folder = swap.broker.data_dir / "__cluster_metadata-0"
    time.sleep(1.5)  # so that the last segment is rolled by what comes next
    swap.write("more", 9)
    swap.remember()

    def covered():
        """A snapshot, and the segments that it makes superfluous."""
        snapshot = max(int(path.name[:20]) for path in folder.glob("*.checkpoint"))
        bases = sorted(int(path.stem) for path in folder.glob("*.log"))
        return [base for base, following in zip(bases, bases[1:]) if following <= snapshot]
    eventually(covered, "a snapshot covers whole segments")
    swap.broker.stop()
    # Apache Kafka's own cleaning does the same, but not within a minute.
    for base in covered():
        for path in folder.glob(f"{base:020}.*"):
            path.unlink()
    swap.broker.start()
    back_and_forth(swap, ctx.suite.kind)


def refused(ctx, spoil, *patterns):
    """A stopped node's directories, spoiled: the start must fail and say why."""
    stopped = ctx.fixture("takeover-node", node)
    twin = ctx.twin(stopped)
    spoil(twin)
    twin.write_properties()
    twin.launch()
    eventually(lambda: not twin.running(), "the broker gives up", timeout_s=30)
    expect(twin.process.returncode != 0, "the exit code")
    for pattern in patterns:
        expect_match(pattern, twin.log_text())


def node(ctx):
    broker = ctx.new_broker(SETTINGS, log_dirs=2)
    ctx.tool("kafka-topics", "--create", "--topic", "here", "--partitions", 4, broker=broker)
    ctx.produce("here", [f"line {n}" for n in range(40)], broker=broker)
    broker.stop()
    return broker


def rewrite(path, old, new):
    text = path.read_text()
    expect(re.search(old, text, re.M), f"no {old} in {path}")
    path.write_text(re.sub(old, new, text, flags=re.M))


@check("takeover: directories of another node or cluster are refused", own_broker=True)
def foreign_meta(ctx):
    refused(ctx, lambda twin: [rewrite(folder / "meta.properties", "^node.id=1$", "node.id=7") for folder in twin.log_dirs], r"node\.?\s?id.*\b7\b")
    refused(ctx, lambda twin: rewrite(twin.log_dirs[1] / "meta.properties", "^cluster.id=.*$", "cluster.id=4L6g3nShT-eMCtK--X86sw"), r"4L6g3nShT-eMCtK--X86sw")
    refused(ctx, lambda twin: (twin.log_dirs[1] / "meta.properties").unlink(), r"data-1")
    refused(ctx, lambda twin: [rewrite(folder / "meta.properties", "^version=1$", "version=9") for folder in twin.log_dirs], r"(?i)meta\.properties.*version|version.*meta\.properties")


@check("takeover: a foreign directory among the partitions is refused", own_broker=True)
def foreign_directory(ctx):
    refused(ctx, lambda twin: (twin.log_dirs[1] / "backup").mkdir(), r"backup'? is not in the form of topic-partition")
    refused(ctx, lambda twin: (twin.log_dirs[1] / "__cluster_metadata-0").mkdir(), r"__cluster_metadata-0")

    def twice(twin):
        first = next(twin.log_dirs[0].glob("here-*"))
        shutil.copytree(first, twin.log_dirs[1] / first.name)
    refused(ctx, twice, r"here-\d")


@check("takeover: partitions that the metadata does not know are set aside", own_broker=True)
def strays(ctx):
    twin = ctx.twin(ctx.fixture("takeover-node", node))
    other = twin.log_dirs[0] / "other-0"
    shutil.copytree(next(twin.log_dirs[0].glob("here-*")), other)
    rewrite(other / "partition.metadata", "^topic_id: .*$", "topic_id: 4L6g3nShT-eMCtK--X86sw")
    # A topic of that name, but another id: its new log begins empty, and the old data are kept aside.
    wrong = next(twin.log_dirs[1].glob("here-*"))
    rewrite(wrong / "partition.metadata", "^topic_id: .*$", "topic_id: 4L6g3nShT-eMCtK--X86sw")
    before = sum(path.stat().st_size for path in wrong.glob("*.log"))
    nameless = sorted(twin.log_dirs[0].glob("here-*"))[0]
    (nameless / "partition.metadata").unlink()
    twin.start()
    for path in (other, wrong, nameless):
        (aside,) = path.parent.glob(f"{path.name}.*-stray")
        expect_match(rf"(?i){path.name}", twin.log_text())
        if path is wrong:
            expect_eq(sum(log.stat().st_size for log in aside.glob("*.log")), before, "bytes set aside")
    expect(not other.exists(), "other-0 is not served")
    seen = dict(re.findall(r"^here:(\d):(\d+)$", ctx.tool("kafka-get-offsets", "--topic", "here", broker=twin).out, re.M))
    for path in (wrong, nameless):
        expect_eq(seen[path.name[-1]], "0", f"the end of {path.name}")
    twin.restart()
    expect_eq(len([path for folder in twin.log_dirs for path in folder.glob("*-stray")]), 3, "set aside, once")
