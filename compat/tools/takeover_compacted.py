"""The swap once more, for what the cleaner works on: a compacted topic, and the groups in `__consumer_offsets`, small segments and all.

Apache Kafka and Ottla clean each other's logs in turn, some turns end with kill -9. What must hold at every start: the last value of every
key and no deleted one, every group and offset, none that was deleted or has expired, and a cleaner that goes on from the other's checkpoint.
"""

import random
import re

from harness import KAFKA_HOME, check, eventually, expect, expect_eq
from kafka_codec import Connection, Schemas

SETTINGS = {
    "broker.session.timeout.ms": 2000, "log.initial.task.delay.ms": 300, "log.cleaner.backoff.ms": 200, "log.cleaner.min.cleanable.ratio": 0.01,
    "log.cleaner.delete.retention.ms": 0, "log.segment.delete.delay.ms": 500, "log.roll.ms": 400, "offsets.topic.num.partitions": 2,
    "offsets.retention.check.interval.ms": 300, "log.retention.check.interval.ms": 500,
}
# Segments of the internal topic are as short as the others only when the topic itself says so.
OFFSETS_TOPIC = "segment.ms=400,min.cleanable.dirty.ratio=0.01,delete.retention.ms=0"
GROUPS, PARTITIONS, RECORDS, KEYS, STEPS = 12, 3, 30, 150, 3
CODECS = ("none", "lz4", "zstd", "gzip", "snappy")


class Life:
    """What was written through all the changes, and what must be there because of it."""

    def __init__(self, ctx):
        self.ctx, self.random = ctx, random.Random(4)
        self.broker = ctx.new_broker(SETTINGS, kind="kafka", name="node")
        self.offsets, self.table, self.cleaned = {}, {}, {}
        self.tool("kafka-topics", "--create", "--topic", "read", "--partitions", PARTITIONS, "--config", "segment.ms=604800000")
        self.tool("kafka-topics", "--create", "--topic", "keyed", "--config", "cleanup.policy=compact")
        ctx.produce("read", [f"k{n}|{n}" for n in range(PARTITIONS * RECORDS)], *self.keyed(), broker=self.broker)
        self.commit({("reader", 0): 1})
        self.tool("kafka-configs", "--alter", "--entity-type", "topics", "--entity-name", "__consumer_offsets", "--add-config", OFFSETS_TOPIC)

    def tool(self, *args, **options):
        return self.ctx.tool(*args, broker=self.broker, **options)

    @staticmethod
    def keyed():
        return "--reader-property", "parse.key=true", "--reader-property", "key.separator=|", "--reader-property", "null.marker=NULL"

    # ---- one turn

    def turn(self, number):
        """New values and tombstones, commits, groups and offsets that go, members that come and leave, an offset that expires."""
        for step in range(STEPS):
            lines = []
            for key in self.random.sample(range(KEYS), 60):
                value = "NULL" if self.random.random() < 0.25 else f"turn {number} step {step} {'x' * 100}"
                self.table[f"k{key}"] = value
                lines.append(f"k{key}|{value}")
            self.ctx.produce("keyed", lines, *self.keyed(), "--compression-codec", CODECS[(number + step) % len(CODECS)], broker=self.broker)
            self.commit({(f"group-{n}", p): self.random.randrange(10) for n in range(GROUPS) for p in range(PARTITIONS)})
        self.forget(number)
        for protocol in ("classic", "consumer"):
            self.tool("kafka-console-consumer", "--topic", "read", "--group", f"member-{protocol}", "--from-beginning", "--max-messages", 2 + number,
                      "--timeout-ms", 15000, "--command-property", "max.poll.records=1", "--command-property", f"group.protocol={protocol}")
        self.offsets.update({key: offset for key, offset in self.committed().items() if key[0].startswith("member-")})
        self.expire(f"brief-{number}")

    def commit(self, offsets):
        plan = self.ctx.work_dir / "plan.csv"
        plan.write_text("".join(f"{group},read,{partition},{offset}\n" for (group, partition), offset in offsets.items()))
        groups = sorted({group for group, _ in offsets} | {"none"})
        self.tool("kafka-consumer-groups", "--reset-offsets", "--from-file", plan, "--execute", *(arg for group in groups for arg in ("--group", group)))
        self.offsets.update(offsets)

    def forget(self, number):
        """A group, all offsets of a group one by one, and one offset of a third."""
        gone, emptied, poorer = (f"group-{(number + n) % GROUPS}" for n in (0, 4, 8))
        self.tool("kafka-consumer-groups", "--delete", "--group", gone)
        self.tool("kafka-consumer-groups", "--delete-offsets", "--group", emptied, "--topic", "read")
        self.tool("kafka-consumer-groups", "--delete-offsets", "--group", poorer, "--topic", "read:1")
        for group, partition in list(self.offsets):
            if group in (gone, emptied) or (group, partition) == (poorer, 1):
                del self.offsets[group, partition]

    def expire(self, group):
        """An offset committed for half a second, as only old clients can ask for it."""
        connection = Connection(Schemas(KAFKA_HOME / "libs"), self.broker.bootstrap)
        partitions = [{"PartitionIndex": 0, "CommittedOffset": 1, "CommittedMetadata": "soon gone"}]
        answer = connection.call("OffsetCommit", 4, {"GroupId": group, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "RetentionTimeMs": 500,
                                                     "Topics": [{"Name": "read", "Partitions": partitions}]})
        connection.close()
        expect_eq(answer["Topics"][0]["Partitions"][0]["ErrorCode"], 0, f"the commit of {group}")
        eventually(lambda: group not in self.tool("kafka-consumer-groups", "--list").lines, f"{group} expires")

    # ---- what is seen

    def committed(self):
        lines = self.tool("kafka-consumer-groups", "--reset-offsets", "--all-groups", "--all-topics", "--to-current", "--dry-run", "--export").lines
        cells = [re.fullmatch(r"(?:(\S+),)?read,(\d),(\d+)", line).groups() for line in lines]
        return {(group, int(partition)): int(offset) for group, partition, offset in cells}

    def read(self):
        """The last value of every key, and how many records there are."""
        records = self.ctx.read("keyed", self.broker)
        return dict(records), len(records)

    def holds(self, when):
        # Apache Kafka lists no groups of a partition before it has begun to load it.
        eventually(lambda: expect_eq(sorted(self.committed().items()), sorted(self.offsets.items()), f"groups and offsets {when}") or True,
                   f"groups and offsets {when}", patience=1)
        types = {group: "Consumer" if group == "member-consumer" else "Classic" for group, _ in self.offsets}
        listed = self.tool("kafka-consumer-groups", "--list", "--type").lines[1:]
        expect_eq(sorted(map(str.split, listed)), sorted(map(list, types.items())), f"groups listed {when}")
        seen, _ = self.read()
        live = {key: value for key, value in seen.items() if value != "null"}
        expect_eq(sorted(live.items()), sorted((key, value) for key, value in self.table.items() if value != "NULL"), f"last values {when}")

    def checkpoint(self):
        lines = (self.broker.data_dir / "cleaner-offset-checkpoint").read_text().splitlines()[2:]
        return {f"{topic}-{partition}": int(offset) for topic, partition, offset in map(str.split, lines)}

    def wait_for_cleaner(self):
        """It has come further in all these logs than the broker before it."""
        names = ["keyed-0", "__consumer_offsets-0", "__consumer_offsets-1"]
        before = dict(self.cleaned)

        def further():
            now = self.checkpoint()
            expect(all(now.get(name, 0) > before.get(name, 0) for name in names), f"cleaned up to {now}, by the broker before {before}")
            return now
        self.cleaned = eventually(further, "all logs are cleaned further", timeout_s=30)

    def change(self, kind, kill):
        self.broker.kill9() if kill else self.broker.stop()
        known = self.checkpoint()
        self.broker.hand_over(kind).start()
        now = self.checkpoint()
        expect(all(now.get(name, 0) >= offset for name, offset in known.items()), f"the cleaner goes on from {known}: {now}")
        # From here on the cleaner may be further than when it was waited for.
        self.cleaned = now


@check("takeover: compacted logs and groups, cleaned by Apache Kafka and Ottla in turn, with kill -9", own_broker=True, timeout_s=300)
def compacted(ctx):
    life, other = Life(ctx), ctx.suite.kind
    turns = ((other, False), ("kafka", True), (other, True), ("kafka", False))
    for number, (kind, kill) in enumerate(turns):
        life.turn(number)
        life.wait_for_cleaner()
        life.holds(f"before the change to {kind}")
        life.change(kind, kill)
        life.holds(f"after the change to {kind}")
    _, count = life.read()
    # How much lies in the active segment, which is never cleaned, is a matter of moments.
    written = len(turns) * STEPS * 60
    expect(count < written // 2, f"{count} records are left of {written}")
