"""Compaction: a topic written by Kafka's own tools shrinks on disk, stays readable to Kafka's dump tool, and loads in Apache Kafka."""

import re

from harness import check, eventually, expect, expect_eq, expect_in

FAST_CLEANER = {"log.cleaner.backoff.ms": 200, "log.retention.check.interval.ms": 500, "log.initial.task.delay.ms": 500, "log.segment.delete.delay.ms": 1000}
COMPACTED = {"cleanup_policy": "compact", "segment_bytes": 1048576, "min_cleanable_dirty_ratio": 0.01, "delete_retention_ms": 0}
KEYS = 200
ROUNDS = 40
CODECS = ("none", "lz4", "zstd", "gzip", "snappy")
TESTER_MESSAGES = 60000


def segments(folder):
    return sorted(int(log.stem) for log in folder.glob("*.log"))


def size(folder):
    return sum(log.stat().st_size for log in folder.glob("*.log"))


def keyed(ctx, broker, topic, lines, *args):
    ctx.produce(topic, lines, "--reader-property", "parse.key=true", "--reader-property", "key.separator=|", "--reader-property", "null.marker=NULL", *args, broker=broker)


def table(ctx, broker, topic):
    """What a reader of the whole topic knows in the end, and of how many records."""
    records = ctx.read(topic, broker)
    return {key: value for key, value in dict(records).items() if value != "null"}, len(records)


def fill(ctx, broker, topic):
    """Every key again and again, some deleted in the end; then enough to let the last segment roll. Returns the table."""
    padding = "x" * 200
    expected = {}
    for codec in CODECS:
        lines = []
        for n in range(ROUNDS):
            for key in range(KEYS):
                expected[f"k{key}"] = f"{codec} {n} {padding}"
                lines.append(f"k{key}|{expected[f'k{key}']}")
        keyed(ctx, broker, topic, lines, "--compression-codec", codec)
    gone = [f"k{key}" for key in range(0, KEYS, 4)]
    keyed(ctx, broker, topic, [f"{key}|NULL" for key in gone])
    for key in gone:
        del expected[key]
    return expected


def roll(ctx, broker, topic, expected):
    lines = [f"filler{n}|{'y' * 4000}" for n in range(300)]
    keyed(ctx, broker, topic, lines)
    expected.update(line.split("|", 1) for line in lines)


def deep_dump_is_clean(ctx, folder):
    for log in sorted(folder.glob("*.log")):
        result = ctx.tool("kafka-dump-log", "--deep-iteration", "--files", log)
        expect("isvalid: false" not in result.out.replace("isValid", "isvalid"), f"{log.name} has batches that are not valid", result)
        index = log.with_suffix(".index")
        if index.exists() and index.stat().st_size and index.stat().st_size < 1 << 20:
            expect_in("passed sanity check", ctx.tool("kafka-dump-log", "--index-sanity-check", "--files", index).out)


@check("compaction: the last value of every key stays, the rest goes, and Apache Kafka reads on", own_broker=True, timeout_s=300)
def compaction(ctx):
    broker = ctx.new_broker(FAST_CLEANER)
    topic = ctx.topic("compacted", broker=broker, **COMPACTED)
    folder = broker.partition_dir(topic)
    expected = fill(ctx, broker, topic)
    roll(ctx, broker, topic, expected)
    end = ctx.tool("kafka-get-offsets", "--topic", topic, broker=broker).lines
    written = 5 * ROUNDS * KEYS
    # Small segments become one; what is written last stays as it is.
    eventually(lambda: len(segments(folder)) <= 4, "the old segments are merged", timeout_s=60)
    eventually(lambda: table(ctx, broker, topic)[1] < written // 10, f"most of {written} records are gone", timeout_s=60)
    expect_eq(table(ctx, broker, topic)[0], expected, "the last values")
    expect_eq(ctx.tool("kafka-get-offsets", "--topic", topic, broker=broker).lines, end, "end offset")
    checkpoint = (broker.data_dir / "cleaner-offset-checkpoint").read_text()
    expect(re.search(rf"^{re.escape(topic)} 0 [1-9]\d*$", checkpoint, re.M), f"cleaner-offset-checkpoint names the topic: {checkpoint}")

    # Tombstones whose time has passed go with the next cleaning.
    roll(ctx, broker, topic, expected)
    eventually(lambda: all(value != "null" for _, value in ctx.read(topic, broker)), "tombstones are gone", timeout_s=60, interval_s=0.5)
    broker.kill9()
    broker.start()
    expect_eq(table(ctx, broker, topic)[0], expected, "the last values after kill -9")
    broker.stop()
    deep_dump_is_clean(ctx, folder)
    for kind in (ctx.suite.kind, "kafka"):
        other = ctx.twin(broker, kind=kind)
        other.start()
        expect_eq(table(ctx, other, topic)[0], expected, f"the last values in {kind}")
        keyed(ctx, other, topic, ["after|1"])
        expect_eq(table(ctx, other, topic)[0], {**expected, "after": "1"}, f"{kind} goes on")
        other.stop()


@check("compaction: compact,delete takes old segments too", own_broker=True)
def compact_and_delete(ctx):
    broker = ctx.new_broker(FAST_CLEANER)
    topic = ctx.topic("both", broker=broker, **{**COMPACTED, "cleanup_policy": "compact,delete", "retention_ms": 5000})
    folder = broker.partition_dir(topic)
    keyed(ctx, broker, topic, [f"k{n}|{'x' * 2000}" for n in range(1500)])
    expect(len(segments(folder)) >= 3, f"segments of 1 MiB: {segments(folder)}")
    eventually(lambda: segments(folder)[0] > 0, "the first segments go", timeout_s=40)
    eventually(lambda: size(folder) < 1048576, "all that is old goes", timeout_s=40)


@check("compaction: Kafka's LogCompactionTester, every codec", own_broker=True)
def log_compaction_tester(ctx):
    # Segments of a blink (a roll takes an append), cleaned while the tester still writes; tombstones go as soon as they may.
    broker = ctx.new_broker({**FAST_CLEANER, "log.roll.ms": 20, "log.cleaner.min.cleanable.ratio": 0.01, "log.cleaner.delete.retention.ms": 0})
    options = ("--messages", TESTER_MESSAGES, "--duplicates", 20, "--percent-deletes", 30, "--sleep", 3)
    result = ctx.together("kafka-log-compaction-tester", *((*options, "--compression-type", codec) for codec in CODECS), broker=broker, timeout=150)
    expect_eq(result.lines.count("Data verification is completed"), len(CODECS), "testers that are content", result)
    reductions = [float(share) for share in re.findall(rf"^{TESTER_MESSAGES} rows of data produced, \d+ rows of data consumed \(([\d.]+)% reduction\)", result.out, re.M)]
    # How far the cleaner gets in each log before the tester reads it depends on the machine.
    expect(len(reductions) == len(CODECS) and max(reductions) > 30, f"what the cleaner took away: {reductions}", result)
