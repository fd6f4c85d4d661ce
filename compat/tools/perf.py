"""kafka-producer-perf-test, kafka-consumer-perf-test, kafka-e2e-latency, kafka-verifiable-producer and -consumer, kafka-replica-verification: that they finish, and that their counts are right."""

import json
import re

from harness import check, eventually, expect, expect_eq, expect_in, expect_match, expect_not_in, table


def end_offsets(ctx, topic):
    return sum(int(line.rsplit(":", 1)[1]) for line in ctx.tool("kafka-get-offsets", "--topic", topic).lines)


def events(result):
    found = [json.loads(line) for line in result.lines if line.startswith("{")]
    expect(found, "no event was printed", result)
    return found


def named(found, name):
    return [event for event in found if event["name"] == name]


def producer_perf_check(codec, acks):
    @check(f"producer-perf-test: {codec}, acks {acks}")
    def producer_perf(ctx):
        topic = ctx.topic(partitions=3)
        result = ctx.tool("kafka-producer-perf-test", "--topic", topic, "--num-records", 20000, "--record-size", 200, "--throughput", -1,
                          "--command-property", f"compression.type={codec}", f"acks={acks}",
                          *(["enable.idempotence=false"] if acks == "0" else []))
        expect_match(r"^20000 records sent, [\d.]+ records/sec \([\d.]+ MB/sec\), [\d.]+ ms avg latency, [\d.]+ ms max latency, "
                     r"\d+ ms 50th, \d+ ms 95th, \d+ ms 99th, \d+ ms 99.9th\.$", result.out, result)
        expect_eq(end_offsets(ctx, topic), 20000, "records in the topic", result)


for _codec, _acks in (("none", "all"), ("none", "0"), ("lz4", "1"), ("zstd", "all"), ("gzip", "all"), ("snappy", "all")):
    producer_perf_check(_codec, _acks)


@check("producer-perf-test: metrics of the client, payload from a file")
def producer_metrics(ctx):
    topic = ctx.topic()
    payload = ctx.work_dir / "payload.txt"
    payload.write_text("alpha\nbeta\ngamma\n")
    result = ctx.tool("kafka-producer-perf-test", "--topic", topic, "--num-records", 300, "--payload-file", payload, "--throughput", -1, "--print-metrics")
    expect_match(r"^producer-metrics:record-send-total:\{client-id=perf-producer-client\} +: 300\.000$", result.out, result)
    expect_match(r"^producer-metrics:record-error-total:\{client-id=perf-producer-client\} +: 0\.000$", result.out, result)
    expect_eq(set(ctx.consume(topic, 300)) - {"alpha", "beta", "gamma"}, set(), "payloads")


@check("consumer-perf-test: counts what the topic holds")
def consumer_perf(ctx):
    topic = ctx.topic(partitions=2)
    ctx.tool("kafka-producer-perf-test", "--topic", topic, "--num-records", 30000, "--record-size", 100, "--throughput", -1)
    result = ctx.tool("kafka-consumer-perf-test", "--topic", topic, "--num-records", 30000, "--timeout", 20000)
    expect_eq(result.lines[0].split(", ")[:5], ["start.time", "end.time", "data.consumed.in.MB", "MB.sec", "data.consumed.in.nMsg"], "heading", result)
    cells = result.lines[1].split(", ")
    expect_eq((cells[2], cells[4]), (f"{30000 * 100 / 1024 / 1024:.4f}", "30000"), "megabytes and records", result)
    result = ctx.tool("kafka-consumer-perf-test", "--topic", topic, "--num-records", 30000, "--timeout", 20000, "--show-detailed-stats", "--reporting-interval", 1)
    expect_in("time, threadId, data.consumed.in.MB", result.lines[0], result)


@check("consumer-perf-test: a group goes on where it stopped, topics by pattern")
def consumer_perf_group(ctx):
    prefix, group = ctx.unique("measured"), ctx.unique("perf")
    for suffix in ("a", "b"):
        ctx.tool("kafka-topics", "--create", "--topic", f"{prefix}-{suffix}")
        ctx.tool("kafka-producer-perf-test", "--topic", f"{prefix}-{suffix}", "--num-records", 3000, "--record-size", 50, "--throughput", -1)

    def consumed(*args):
        result = ctx.tool("kafka-consumer-perf-test", "--include", f"{prefix}-.*", "--group", group, "--hide-header", *args)
        return int(result.lines[-1].split(", ")[4])
    expect_eq(consumed("--num-records", 6000, "--timeout", 20000), 6000, "records of both topics")
    expect_eq(lag(ctx, group), 0, "lag")
    ctx.produce(f"{prefix}-a", ["one more", "and another"])
    expect_eq(consumed("--num-records", 2, "--timeout", 20000), 2, "what is new")


def lag(ctx, group):
    """Over all partitions; one without a record has none."""
    rows = table(ctx.tool("kafka-consumer-groups", "--describe", "--group", group).out, "GROUP")
    return sum(int(row["LOG-END-OFFSET"] if row["LAG"] == "-" else row["LAG"]) for row in rows)


@check("e2e-latency: a record at a time")
def e2e_latency(ctx):
    topic = ctx.topic()
    for acks in ("1", "all"):
        parts = ("--record-key-size", 20, "--num-headers", 2, "--record-header-key-size", 5, "--record-header-size", 10) if acks == "all" else ()
        result = ctx.tool("kafka-e2e-latency", "--topic", topic, "--num-records", 100, "--producer-acks", acks, "--record-size", 100, *parts)
        latency = float(expect_match(r"^Avg latency: ([\d.]+) ms$", result.out, result).group(1))
        expect_match(r"^Percentiles: 50th = \d+, 99th = \d+, 99.9th = \d+$", result.out, result)
        # Generous for a busy machine; a record or a fetch that is forgotten until something times out would show.
        expect(latency < 500, f"{latency} ms on average", result)


@check("verifiable-producer and -consumer: everything acknowledged is consumed")
def verifiable(ctx):
    topic, group = ctx.topic(partitions=2), ctx.unique("verify")
    result = ctx.tool("kafka-verifiable-producer", "--topic", topic, "--max-messages", 500, "--acks", "-1", "--value-prefix", 7)
    produced = events(result)
    expect_eq(len(named(produced, "startup_complete")), 1, "startup", result)
    sent = named(produced, "producer_send_success")
    expect_eq(len(sent), 500, "successes", result)
    expect_eq(sorted(event["value"] for event in sent), sorted(f"7.{n}" for n in range(500)), "values", result)
    (summary,) = named(produced, "tool_data")
    expect_eq((summary["sent"], summary["acked"]), (500, 500), "sent and acked", result)

    result = ctx.tool("kafka-verifiable-consumer", "--topic", topic, "--group-id", group, "--max-messages", 500, "--reset-policy", "earliest", "--verbose")
    consumed = events(result)
    records = named(consumed, "record_data")
    key = ("value", "partition", "offset")
    expect_eq(sorted(tuple(event[k] for k in key) for event in records), sorted(tuple(event[k] for k in key) for event in sent), "records", result)
    (assigned,) = named(consumed, "partitions_assigned")
    expect_eq(sorted(p["partition"] for p in assigned["partitions"]), [0, 1], "assignment", result)
    commits = named(consumed, "offsets_committed")
    expect(commits and all(event["success"] for event in commits), "every commit succeeds", result)
    last = {p["partition"]: p["offset"] for event in commits for p in event["offsets"]}
    expect_eq(sum(last.values()), 500, "committed offsets", result)
    expect_eq(len(named(consumed, "shutdown_complete")), 1, "shutdown", result)
    row = ctx.tool("kafka-consumer-groups", "--describe", "--group", group).out
    expect_in(f"{group}", row)


def said(process):
    """The events that a running tool has printed, but for a line it is just writing."""
    return [json.loads(line) for line in process.out.splitlines() if line.startswith("{") and line.endswith("}")]


def owned(process):
    """The partitions that the member says it has; with the cooperative assignor they come and go one by one."""
    now = set()
    for event in said(process):
        if event["name"] == "partitions_assigned":
            now |= {part["partition"] for part in event["partitions"]}
        elif event["name"] == "partitions_revoked":
            now -= {part["partition"] for part in event["partitions"]}
    return now


def consumed(*members):
    spans = [part for process in members for event in named(said(process), "records_consumed") for part in event["partitions"]]
    return sorted((span["partition"], offset) for span in spans for offset in range(span["minOffset"], span["maxOffset"] + 1))


@check("verifiable-consumer: a group of two; one is killed, and the other has everything when its session ends")
def verifiable_group(ctx):
    topic, group = ctx.topic(partitions=4), ctx.unique("verify")

    def member():
        return ctx.tool_start("kafka-verifiable-consumer", "--topic", topic, "--group-id", group, "--session-timeout", 6000,
                              "--assignment-strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor")

    def produced(count):
        result = ctx.tool("kafka-verifiable-producer", "--topic", topic, "--max-messages", count)
        return named(events(result), "tool_data")[0]["acked"]
    first = member()
    eventually(lambda: len(owned(first)) == 4, "the first has all", timeout_s=40)
    second = member()
    eventually(lambda: (len(owned(first)), len(owned(second))) == (2, 2) and not owned(first) & owned(second), "two each", timeout_s=40)
    total = produced(300)
    eventually(lambda: len(consumed(first, second)) == total, "all is consumed by the two", timeout_s=30)
    eventually(lambda: lag(ctx, group) == 0, "all is committed")
    second.process.kill()
    eventually(lambda: len(owned(first)) == 4, "the first has all again", timeout_s=30)
    total += produced(200)
    eventually(lambda: len(consumed(first, second)) == total, "all is consumed", timeout_s=30)
    expect_eq(len(set(consumed(first, second))), total, "each record once")
    ended = first.stop()
    expect_eq(len(named(events(ended), "shutdown_complete")), 1, "shutdown", ended)
    left = ctx.tool("kafka-consumer-groups", "--describe", "--group", group, "--state")
    expect_match(rf"^{group} .* Empty +0$", left.out, left)


@check("replica-verification: every replica has what the leader has")
def replica_verification(ctx):
    topic = ctx.topic(partitions=2)
    for codec in ("none", "zstd"):
        ctx.produce(topic, [f"{codec} {n}" for n in range(300)], "--compression-codec", codec, "--batch-size", 500)
    verifier = ctx.tool_start("kafka-replica-verification", "--broker-list", ctx.broker.bootstrap, "--topics-include", topic, "--time", -2, "--report-interval-ms", 500)

    def caught_up():
        return re.search(rf": max lag is 0 for partition {topic}-\d at offset [1-9]\d* among 2 partitions$", verifier.out, re.M)
    eventually(caught_up, "a report without lag", timeout_s=30)
    result = verifier.stop()
    expect_not_in("doesn't match", result.out, result)
