"""kafka-producer-perf-test, kafka-consumer-perf-test, kafka-e2e-latency, kafka-verifiable-producer and -consumer: that they finish, and that their counts are right."""

import json

from harness import check, expect, expect_eq, expect_in, expect_match


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


@check("e2e-latency: a record at a time")
def e2e_latency(ctx):
    topic = ctx.topic()
    for acks in ("1", "all"):
        result = ctx.tool("kafka-e2e-latency", "--topic", topic, "--num-records", 100, "--producer-acks", acks, "--record-size", 100)
        latency = float(expect_match(r"^Avg latency: ([\d.]+) ms$", result.out, result).group(1))
        expect_match(r"^Percentiles: 50th = \d+, 99th = \d+, 99.9th = \d+$", result.out, result)
        # Generous for a busy machine; a fetch that sleeps instead of being woken would show.
        expect(latency < 100, f"{latency} ms on average", result)


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
