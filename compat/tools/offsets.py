"""kafka-get-offsets, kafka-delete-records and kafka-log-dirs."""

import json
import time

from harness import check, expect, expect_eq, expect_in

KEYED = ("--reader-property", "parse.key=true", "--reader-property", "key.separator=:")


def get_offsets(ctx, *args):
    return ctx.tool("kafka-get-offsets", *args).lines


def write_json(ctx, name, value):
    path = ctx.work_dir / name
    path.write_text(json.dumps(value))
    return path


@check("get-offsets: every time spec")
def time_specs(ctx):
    topic = ctx.topic(partitions=2)
    ctx.produce(topic, [f"same:{n}" for n in range(6)], *KEYED)
    ctx.produce(topic, ["same:the latest timestamp"], *KEYED)
    full = 0 if f"{topic}:0:7" in get_offsets(ctx, "--topic", topic) else 1
    both = {full: 7, 1 - full: 0}
    latest = [f"{topic}:{p}:{both[p]}" for p in (0, 1)]
    earliest = [f"{topic}:{p}:0" for p in (0, 1)]

    for spec in ("-1", "latest"):
        expect_eq(get_offsets(ctx, "--topic", topic, "--time", spec), latest, spec)
    for spec in ("-2", "earliest", "-4", "earliest-local"):
        expect_eq(get_offsets(ctx, "--topic", topic, "--time", spec), earliest, spec)
    # The partition without records has no offset to show, and neither has a topic without tiered storage.
    for spec in ("-3", "max-timestamp"):
        expect_eq(get_offsets(ctx, "--topic", topic, "--time", spec), [f"{topic}:{full}:6"], spec)
    for spec in ("-5", "latest-tiered", "-6", "earliest-pending-upload"):
        expect_eq(get_offsets(ctx, "--topic", topic, "--time", spec), [], spec)
    expect_eq(get_offsets(ctx, "--topic", topic), latest, "without a time")


@check("get-offsets: by timestamp")
def by_timestamp(ctx):
    topic = ctx.topic()
    marks = []
    for n in range(3):
        marks.append(int(time.time() * 1000))
        ctx.produce(topic, [f"{n}a", f"{n}b"])
        time.sleep(0.05)
    for n, mark in enumerate(marks):
        expect_eq(get_offsets(ctx, "--topic", topic, "--time", mark), [f"{topic}:0:{2 * n}"], f"the first record at or after mark {n}")
    expect_eq(get_offsets(ctx, "--topic", topic, "--time", 0), [f"{topic}:0:0"], "time 0")
    expect_eq(get_offsets(ctx, "--topic", topic, "--time", int(time.time() * 1000) + 100000), [], "a time to come")
    # The exact timestamp of a record finds that record, not the one after it.
    stamps = [int(line.split("\t")[0].split(":")[1]) for line in ctx.consume(topic, 6, "--formatter-property", "print.timestamp=true")]
    expect_eq(get_offsets(ctx, "--topic", topic, "--time", stamps[4]), [f"{topic}:0:{stamps.index(stamps[4])}"], "the timestamp of record 4")


@check("get-offsets: by timestamp inside compressed batches and over many index entries")
def by_timestamp_deep(ctx):
    topic = ctx.topic(index_interval_bytes=100)
    for codec in ("none", "gzip", "zstd"):
        ctx.produce(topic, [f"{codec} {n} {'x' * 50}" for n in range(200)], "--compression-codec", codec, "--batch-size", 1000)
    lines = ctx.consume(topic, 600, "--formatter-property", "print.timestamp=true")
    stamps = [int(line.split("\t")[0].split(":")[1]) for line in lines]
    for wanted in sorted({stamps[0], stamps[150], stamps[250], stamps[399], stamps[400], stamps[599]}):
        first = next(offset for offset, stamp in enumerate(stamps) if stamp >= wanted)
        expect_eq(get_offsets(ctx, "--topic", topic, "--time", wanted), [f"{topic}:0:{first}"], f"time {wanted}")


@check("get-offsets: selections of topics and partitions")
def selections(ctx):
    prefix = ctx.unique("pick")
    for suffix, partitions in (("a", 1), ("b", 3)):
        ctx.tool("kafka-topics", "--create", "--topic", f"{prefix}-{suffix}", "--partitions", partitions)
    every = [f"{prefix}-a:0:0", *(f"{prefix}-b:{p}:0" for p in range(3))]
    expect_eq(get_offsets(ctx, "--topic", f"{prefix}-.*"), every, "by pattern")
    expect_eq(get_offsets(ctx, "--topic-partitions", f"{prefix}-a,{prefix}-b:1-3"), [every[0], every[2], every[3]], "by partition range")
    expect_eq(get_offsets(ctx, "--topic-partitions", f"{prefix}-b:2"), [every[3]], "by partition")
    expect_eq(get_offsets(ctx, "--topic", f"{prefix}-b", "--partitions", "0,2"), [every[1], every[3]], "--partitions")
    listed = get_offsets(ctx, "--exclude-internal-topics")
    expect(set(every) <= set(listed) and not any(line.startswith("__") for line in listed), f"all but internal topics: {listed}")
    result = ctx.tool("kafka-get-offsets", "--topic", ctx.unique("absent"), rc=1)
    expect_in("Could not match any topic-partitions with the specified filters", result.err, result)


@check("delete-records: the log starts later, and the records are gone")
def delete_records(ctx):
    topic = ctx.topic(partitions=2)
    ctx.produce(topic, [f"same:{n}" for n in range(10)], *KEYED)
    partition = 0 if f"{topic}:0:10" in get_offsets(ctx, "--topic", topic) else 1

    def delete(offset, rc=0):
        path = write_json(ctx, f"delete-{offset}.json", {"partitions": [{"topic": topic, "partition": partition, "offset": offset}], "version": 1})
        return ctx.tool("kafka-delete-records", "--offset-json-file", path, rc=rc)

    result = delete(4)
    expect_eq(result.lines, ["Executing records delete operation", "Records delete operation completed:", f"partition: {topic}-{partition}\tlow_watermark: 4"], "lines", result)
    expect_eq(get_offsets(ctx, "--topic-partitions", f"{topic}:{partition}", "--time", "-2"), [f"{topic}:{partition}:4"], "log start")
    expect_eq(ctx.consume(topic, 6), [str(n) for n in range(4, 10)], "what is left")

    result = delete(100)
    expect_in(f"partition: {topic}-{partition}\terror: org.apache.kafka.common.errors.OffsetOutOfRangeException", result.out, result)
    # -1 stands for the high watermark.
    expect_in(f"partition: {topic}-{partition}\tlow_watermark: 10", delete(-1).out)
    expect_eq(get_offsets(ctx, "--topic-partitions", f"{topic}:{partition}", "--time", "-2"), [f"{topic}:{partition}:10"], "log start at the end")
    ctx.produce(topic, ["same:next"], *KEYED)
    expect_eq(ctx.consume(topic, 1), ["next"], "the offset after the deleted ones")
    # Reading below the start: the consumer resets.
    lines = ctx.consume(topic, 1, "--partition", partition, "--offset", 2, "--command-property", "auto.offset.reset=earliest",
                        "--formatter-property", "print.offset=true", from_beginning=False)
    expect_eq(lines, ["Offset:10\tnext"], "after a reset")


@check("delete-records: a compacted topic refuses")
def delete_records_compacted(ctx):
    topic = ctx.topic(cleanup_policy="compact")
    ctx.produce(topic, ["k:v"], *KEYED)
    path = write_json(ctx, "compacted.json", {"partitions": [{"topic": topic, "partition": 0, "offset": 1}], "version": 1})
    result = ctx.tool("kafka-delete-records", "--offset-json-file", path)
    expect_in("error: org.apache.kafka.common.errors.PolicyViolationException", result.out, result)


def log_dirs(ctx, *args):
    result = ctx.tool("kafka-log-dirs", "--describe", *args)
    expect_eq(result.lines[:2], ["Querying brokers for log directories information", "Received log directory information from brokers 1"], "heading", result)
    report = json.loads(result.lines[2])
    expect_eq((report["version"], [broker["broker"] for broker in report["brokers"]]), (1, [1]), "version and brokers", result)
    return report["brokers"][0]["logDirs"]


@check("log-dirs: sizes are those of the files")
def sizes(ctx):
    topic = ctx.topic(partitions=2)
    ctx.produce(topic, ["some bytes " * 10] * 20)
    (directory,) = log_dirs(ctx, "--topic-list", topic)
    expect_eq((directory["error"], directory["logDir"]), (None, str(ctx.broker.data_dir)), "the directory")
    seen = {}
    for replica in directory["partitions"]:
        seen[replica["partition"]] = replica["size"]
        expect_eq((replica["offsetLag"], replica["isFuture"]), (0, False), "lag and future")
    on_disk = {f"{topic}-{p}": sum(log.stat().st_size for log in ctx.broker.partition_dir(topic, p).glob("*.log")) for p in (0, 1)}
    expect_eq(seen, on_disk, "size by partition")
    everything = {replica["partition"] for replica in log_dirs(ctx)[0]["partitions"]}
    expect(set(seen) <= everything, f"{set(seen)} in the list without --topic-list")
    result = ctx.tool("kafka-log-dirs", "--describe", "--broker-list", "7", rc=1)
    expect_in("The given brokers do not exist from --broker-list: 7", result.all, result)
