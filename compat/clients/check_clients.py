"""Each client library through the life that README.md describes, one check per client, and all of them across a restart of the broker."""

import struct

import toolchains
from _steps import report
from harness import check, expect, expect_eq

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
BASIC = ("group", "resume", "rebalance", "timestamps")
COMMON = ("create", *BASIC, "groups", "delete")
JAVA = (*BASIC, "idempotence", "acks", "seek", "pause", "rebalance-cooperative", "static-membership", "commit-metadata")
JAVA_ADMIN = (
    "create-topics", "topic-configs", "create-partitions", "delete-records", "list-offsets", "log-dirs", "elect-leaders",
    "reassignments", "delete-topics", "list-and-describe-groups", "group-offsets", "remove-members", "delete-groups",
    "describe-cluster", "features", "quorum", "broker-configs")

CLIENTS = {
    "rdkafka": toolchains.rust,
    "confluent-kafka": lambda: toolchains.python("confluent_client.py"),
    "kafka-python": lambda: toolchains.python("kafka_python_client.py"),
    "kafkajs": toolchains.kafkajs,
    "franz-go": toolchains.go,
    "java": toolchains.java,
}


@check("clients: install", own_broker=True, timeout_s=1500)
def install(ctx):
    failures = []
    for name, command in {**CLIENTS, "kcat": toolchains.kcat}.items():
        try:
            command()
        except AssertionError as error:
            failures.append(f"{name}: {error}")
    expect(not failures, "\n".join(failures))


@check("clients: rdkafka", timeout_s=600)
def rdkafka(ctx):
    life(ctx, "rdkafka", COMMON, CODECS)


@check("clients: confluent-kafka", timeout_s=600)
def confluent_kafka(ctx):
    life(ctx, "confluent-kafka", COMMON, CODECS)


@check("clients: kafka-python", timeout_s=600)
def kafka_python(ctx):
    life(ctx, "kafka-python", COMMON, CODECS)


@check("clients: kafkajs", timeout_s=600)
def kafkajs(ctx):
    life(ctx, "kafkajs", COMMON, ("none", "gzip", "snappy"))


@check("clients: franz-go", timeout_s=600)
def franz_go(ctx):
    life(ctx, "franz-go", COMMON, CODECS)


@check("clients: java", timeout_s=600)
def java(ctx):
    life(ctx, "java", JAVA, CODECS)


@check("clients: java admin", timeout_s=600)
def java_admin(ctx):
    run_steps(ctx, "java", ctx.broker, ctx.unique("java-admin"), "admin", JAVA_ADMIN)


@check("clients: all go on after the broker's restart", own_broker=True, timeout_s=600)
def restart(ctx):
    broker = ctx.new_broker()
    prefixes = {name: ctx.unique(name) for name in CLIENTS}
    failures = []
    for part in ("before", "after"):
        for name, prefix in prefixes.items():
            try:
                run_steps(ctx, name, broker, prefix, part, (part,))
            except AssertionError as error:
                failures.append(f"{name}, {part} the restart: {error}")
        if part == "before":
            broker.restart()
    expect(not failures, "\n".join(failures))


def life(ctx, client, steps, codecs):
    prefix = ctx.unique(client)
    run_steps(ctx, client, ctx.broker, prefix, "scenario", (*steps, *(f"codec-{codec}" for codec in codecs)))
    for codec in codecs:
        for partition in (0, 1):
            log = ctx.broker.partition_dir(f"{prefix}-{codec}", partition) / "00000000000000000000.log"
            expect_eq(stored_codecs(log.read_bytes()), {codec}, f"codec of the batches in {log}")


def run_steps(ctx, client, broker, prefix, part, steps):
    report(ctx.sh(*CLIENTS[client](), broker.bootstrap, prefix, part, timeout=300, rc=None), steps)


def stored_codecs(log):
    """The codecs named in the attributes of the batches of a segment, which holds each batch as the producer sent it."""
    found, at = set(), 0
    while at < len(log):
        size, magic, attributes = *struct.unpack_from(">i", log, at + 8), log[at + 16], *struct.unpack_from(">h", log, at + 21)
        expect_eq(magic, 2, f"magic of the batch at {at}")
        found.add(CODECS[attributes & 7])
        at += 12 + size
    return found
