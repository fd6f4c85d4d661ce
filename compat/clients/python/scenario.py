"""The life of a client, told once for every Python client.

`confluent_client.py` and `kafka_python_client.py` each hand an adapter (the methods `run` calls) to `run`, which walks
through the steps of ../README.md and prints `ok STEP` or `FAIL STEP reason` for each. The programs in other languages
tell the same story in their own words, so the steps and the records are described in ../README.md.
"""

import os
import sys
import time
from collections import namedtuple

from steps import run as run_steps

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
RECORD_COUNT = 200
WAIT_S = 90

Record = namedtuple("Record", "partition key value headers timestamp_ms")
Stored = namedtuple("Stored", "offset record")


def records(count, partitions, base_ms, first=0):
    """Record i goes to partition i % partitions, one millisecond after record i - 1; sizes vary, one key in ten is null."""
    for i in range(first, first + count):
        yield Record(
            partition=i % partitions,
            key=None if i % 10 == 9 else b"key-%d" % i,
            value=b"value-%d " % i + b"compressible text, " * (i % 20),
            headers=[("n", b"%d" % i), ("bytes", bytes([0, 255, i & 255]))],
            timestamp_ms=base_ms + i,
        )


def run(adapter, argv):
    """`argv`: BOOTSTRAP PREFIX scenario|before|after. Exits 1 if any step failed."""
    bootstrap, prefix, part = argv[1:4]
    scenario = Scenario(adapter(bootstrap), prefix)
    steps = {"scenario": scenario.steps(), "before": [("before", scenario.before)], "after": [("after", scenario.after)]}
    code = run_steps(steps[part])
    sys.stdout.flush()
    # Some clients keep threads that outlive a failed step; the verdict is printed, so leave.
    os._exit(code)


class Scenario:
    def __init__(self, client, prefix):
        self.client = client
        self.prefix = prefix
        self.base_ms = int(time.time() * 1000) - 3_600_000

    def steps(self):
        codecs = [(f"codec-{c}", lambda c=c: self.codec(c)) for c in CODECS]
        names = ["create", "group", "resume", "rebalance", "groups", "timestamps", "delete"]
        rest = [(n, getattr(self, n)) for n in names]
        return rest[:1] + codecs + rest[1:]

    def create(self):
        topic = f"{self.prefix}-create"
        self.client.create_topic(topic, 3, {"retention.ms": "86400000"})
        wait_until(lambda: self.client.partition_count(topic) == 3, "3 partitions")
        equal(self.client.topic_config(topic, "retention.ms"), "86400000", "retention.ms")

    def codec(self, codec):
        """Every record comes back whole, and the acknowledged offsets are dense in each partition."""
        topic = f"{self.prefix}-{codec}"
        self._filled(topic, 2, codec)

    def group(self):
        topic = f"{self.prefix}-group"
        self._filled(topic, 2, "none")
        self.first = self._consume_and_commit(topic, f"{self.prefix}-g", 80)

    def resume(self):
        """A second consumer of the group goes on exactly where the first one committed."""
        topic = f"{self.prefix}-group"
        rest = self._consume_and_commit(topic, f"{self.prefix}-g", RECORD_COUNT - len(self.first), to_end=True)
        want = sorted(r.value for r in records(RECORD_COUNT, 2, self.base_ms))
        equal(sorted(self.first + rest), want, "values before and after the commit")

    def rebalance(self):
        topic, group = f"{self.prefix}-rebalance", f"{self.prefix}-rg"
        self._create(topic, 4)
        a = self.client.member(topic, group)
        pump_until([a], lambda: len(a.assignment()) == 4, "one member owns all 4 partitions")
        b = self.client.member(topic, group)
        pump_until([a, b], lambda: len(a.assignment()) == 2 and len(b.assignment()) == 2, "2 partitions each")
        equal(a.assignment() | b.assignment(), {0, 1, 2, 3}, "partitions of both members")
        state, members = self.client.describe_group(group)
        equal((state.lower(), members), ("stable", 2), "described group")
        b.close()
        pump_until([a], lambda: a.assignment() == {0, 1, 2, 3}, "the one that stays takes over")
        self.client.produce(topic, list(records(40, 4, self.base_ms)), "none")
        got = []
        pump_until([a], lambda: len(got) >= 40, "40 records after the take-over", got)
        equal(sorted(got), sorted(r.value for r in records(40, 4, self.base_ms)), "records after the take-over")
        a.close()

    def groups(self):
        group = f"{self.prefix}-rg"
        if group not in self.client.list_groups():
            raise AssertionError(f"{group} is not listed")
        state, members = self.client.describe_group(group)
        equal((state.lower(), members), ("empty", 0), "group after both members left")

    def timestamps(self):
        topic = f"{self.prefix}-times"
        self._filled(topic, 2, "none")
        # Partition 0 holds the records 0, 2, 4, ...: time base + 41 first lies in or after record 42, offset 21.
        for partition, time_ms, want in [(0, 41, 21), (1, 41, 20), (0, 0, 0), (1, 199, 99)]:
            equal(self.client.offset_at(topic, partition, self.base_ms + time_ms), want, f"offset at +{time_ms} ms")
        equal(self.client.offset_at(topic, 0, self.base_ms + 10_000), None, "offset after the last record")
        equal(self.client.bounds(topic, 0), (0, 100), "beginning and end")

    def delete(self):
        topic = f"{self.prefix}-create"
        self.client.delete_topic(topic)
        wait_until(lambda: self.client.partition_count(topic) == 0, "topic gone")

    def before(self):
        """The half of a life before the broker restarts; `after` is the other half."""
        self._filled(f"{self.prefix}-restart", 2, "none")
        self._consume_and_commit(f"{self.prefix}-restart", f"{self.prefix}-restart-g", 120)

    def after(self):
        topic = f"{self.prefix}-restart"
        self.client.produce(topic, list(records(100, 2, self.base_ms, first=RECORD_COUNT)), "none")
        state, members = self.client.describe_group(f"{self.prefix}-restart-g")
        equal((state.lower(), members), ("empty", 0), "group after the restart")
        got = self._consume_and_commit(topic, f"{self.prefix}-restart-g", RECORD_COUNT + 100 - 120, to_end=True)
        numbers = sorted(int(v.split()[0].split(b"-")[1]) for v in got)
        equal(len(set(numbers)), 180, "distinct records after the restart")
        equal([n for n in numbers if n >= RECORD_COUNT], list(range(200, 300)), "records produced after the restart")

    def _create(self, topic, partitions):
        self.client.create_topic(topic, partitions, {})
        wait_until(lambda: self.client.partition_count(topic) == partitions, f"{partitions} partitions of {topic}")

    def _filled(self, topic, partitions, codec):
        self._create(topic, partitions)
        sent = list(records(RECORD_COUNT, partitions, self.base_ms))
        acked = self.client.produce(topic, sent, codec)
        for p in range(partitions):
            offsets = [offset for partition, offset in acked if partition == p]
            equal(offsets, list(range(RECORD_COUNT // partitions)), f"acknowledged offsets of partition {p}")
        for p in range(partitions):
            want = [Stored(n, r) for n, r in enumerate(r for r in sent if r.partition == p)]
            equal(self.client.read(topic, p, len(want)), want, f"records of partition {p}")

    def _consume_and_commit(self, topic, group, count, to_end=False):
        member = self.client.member(topic, group)
        got = []
        # At most `count`: what is not handed over is not committed either.
        deadline = time.time() + WAIT_S
        while len(got) < count:
            if time.time() > deadline:
                raise AssertionError(f"{len(got)} of {count} records in {WAIT_S} s")
            got += member.poll(count - len(got))
        member.commit()
        if to_end:
            equal([v for _ in range(3) for v in member.poll(10)], [], "records after the last one")
        member.close()
        return got


def equal(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: got {shorten(got)}, want {shorten(want)}")


def shorten(value):
    text = repr(value)
    return text if len(text) < 300 else text[:300] + "..."


def wait_until(condition, what):
    deadline = time.time() + WAIT_S
    while not condition():
        if time.time() > deadline:
            raise AssertionError(f"not within {WAIT_S} s: {what}")
        time.sleep(0.05)


def pump_until(members, condition, what, got=None):
    """Polls all members in turn, as a consumer must to take part in a rebalance, until the condition holds."""
    deadline = time.time() + WAIT_S
    while not condition():
        if time.time() > deadline:
            owned = [sorted(m.assignment()) for m in members]
            raise AssertionError(f"not within {WAIT_S} s: {what}; assignments {owned}")
        for member in members:
            values = member.poll(100)
            if got is not None:
                got += values
