"""kcat. It has no admin calls, so topics are made by Kafka's tools or by the broker itself."""

import json
import re
import subprocess
import time

import toolchains
from beside import Beside
from harness import check, expect_eq, expect_in, expect_match, eventually

RECORD_COUNT = 200


@check("clients: kcat creates, sends and reads back, every codec", timeout_s=300)
def codecs(ctx):
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        # The broker creates the topic when the first record comes.
        topic = ctx.unique(f"kcat-{codec}")
        sent = lines(RECORD_COUNT)
        kcat(ctx, "-P", "-t", topic, "-z", codec, "-K", "\t", "-H", "app=kcat", "-H", "n=1", "-X", "acks=all", "-X", "enable.idempotence=true", input=joined(sent))
        read = [json.loads(line) for line in kcat(ctx, "-C", "-t", topic, "-e", "-J", "-o", "beginning").lines]
        expect_eq([f"{r['key']}\t{r['payload']}" for r in read], sent, f"keys and values, {codec}")
        expect_eq({json.dumps(r["headers"]) for r in read}, {json.dumps(["app", "kcat", "n", "1"])}, "headers")
        expect_eq([r["offset"] for r in read], list(range(RECORD_COUNT)), "offsets")


@check("clients: kcat goes on from its group's committed offset", timeout_s=300)
def group(ctx):
    topic, group = ctx.topic("kcat-group", partitions=2), ctx.unique("g")
    sent = lines(RECORD_COUNT)
    kcat(ctx, "-P", "-t", topic, "-K", "\t", input=joined(sent))
    first = member_values(ctx, topic, group, "-c", 80)
    expect_eq(len(first), 80, "records of the first run")
    described = ctx.tool("kafka-consumer-groups", "--describe", "--group", group)
    committed = [int(row.split()[3]) for row in described.lines if row.startswith(group)]
    expect_eq(sum(committed), 80, "committed offsets", described)
    rest = member_values(ctx, topic, group, "-e")
    expect_eq(sorted(first + rest), sorted(line.split("\t")[1] for line in sent), "records of both runs")


@check("clients: two kcat members share the partitions, and the one that stays takes over", timeout_s=300)
def rebalance(ctx):
    topic, group = ctx.topic("kcat-rebalance", partitions=4), ctx.unique("rg")
    a = Member(ctx, topic, group, "a")
    try:
        eventually(lambda: len(a.assigned()) == 4, "one member owns all 4 partitions", 30)
        b = Member(ctx, topic, group, "b")
        try:
            eventually(lambda: len(a.assigned()) == 2 and len(b.assigned()) == 2, "2 partitions each", 30)
            expect_eq(a.assigned() | b.assigned(), {0, 1, 2, 3}, "partitions of both")
            described = ctx.tool("kafka-consumer-groups", "--describe", "--group", group, "--state")
            expect_match(rf"^{group}\s.*\sStable\s+2\s*$", described.out)
        finally:
            b.stop()
        eventually(lambda: a.assigned() == {0, 1, 2, 3}, "the one that stays takes over", 30)
    finally:
        a.stop()
    expect_in(group, ctx.tool("kafka-consumer-groups", "--list").out)


@check("clients: kcat asks for metadata and for offsets by timestamp; the topic goes", timeout_s=300)
def queries(ctx):
    topic = ctx.topic("kcat-query", partitions=3)
    for n in range(3):
        kcat(ctx, "-P", "-t", topic, "-p", 0, input=f"record {n}\n")
        time.sleep(0.02)  # so that their timestamps differ
    read = [json.loads(line) for line in kcat(ctx, "-C", "-t", topic, "-p", 0, "-e", "-J", "-o", "beginning").lines]
    times = {"first": read[0]["ts"], "second": read[1]["ts"], "after the first": read[0]["ts"] + 1, "after the last": read[2]["ts"] + 1}
    for (what, time_ms), want in zip(times.items(), (0, 1, 1, -1)):
        asked = kcat(ctx, "-Q", "-t", f"{topic}:0:{time_ms}")
        expect_eq(asked.lines, [f"{topic} [0] offset {want}"], f"offset at the time {what}")
    metadata = json.loads(kcat(ctx, "-L", "-J", "-t", topic).out)
    expect_eq(metadata["brokers"], [{"id": 1, "name": ctx.broker.bootstrap}], "brokers")
    partitions = [(p["partition"], p["leader"], p["replicas"], p["isrs"]) for p in metadata["topics"][0]["partitions"]]
    expect_eq(partitions, [(n, 1, [{"id": 1}], [{"id": 1}]) for n in range(3)], "partitions")
    ctx.tool("kafka-topics", "--delete", "--topic", topic)
    names = lambda: [t["topic"] for t in json.loads(kcat(ctx, "-L", "-J").out)["topics"]]
    eventually(lambda: topic not in names(), "the deleted topic is gone from the metadata")


def lines(count):
    return [f"key-{n}\tvalue-{n} {'compressible text, ' * (n % 20)}".rstrip() for n in range(count)]


def joined(parts):
    return "".join(f"{part}\n" for part in parts)


def kcat(ctx, mode, *args, input=None):
    return ctx.sh(*toolchains.kcat(), "-q", "-b", ctx.broker.bootstrap, mode, *args, input=input, timeout=60)


def member_values(ctx, topic, group, *until):
    # A member names its topics after all options; it commits what it printed when it ends.
    return kcat(ctx, "-G", group, "-X", "auto.offset.reset=earliest", *until, topic).lines


class Member(Beside):
    """A kcat that stays in the group until it is told to go; it prints every rebalance to stderr."""

    def __init__(self, ctx, topic, group, name):
        self.topic = topic
        self.log = ctx.work_dir / f"member-{name}.log"
        command = [*toolchains.kcat(), "-b", ctx.broker.bootstrap, "-G", group, "-X", "heartbeat.interval.ms=300", "-X", "session.timeout.ms=10000", topic]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.log, "wb"))

    def assigned(self):
        rebalances = re.findall(r"rebalanced \(memberid [^)]*\): (\w+): ?(.*)", self.log.read_text(errors="replace"))
        if not rebalances or rebalances[-1][0] != "assigned":
            return set()
        return {int(partition) for partition in re.findall(rf"{re.escape(self.topic)} \[(\d+)\]", rebalances[-1][1])}
