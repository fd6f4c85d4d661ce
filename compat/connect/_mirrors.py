"""MirrorMaker 2 in its dedicated mode beside a check, and what is compared of two clusters."""

import re

from harness import eventually, expect, expect_eq

# Everything that MirrorMaker does now and then, every second.
EVERY_SECOND = ("refresh.topics", "refresh.groups", "sync.topic.configs", "sync.topic.acls", "emit.checkpoints", "sync.group.offsets", "emit.heartbeats")
MIRROR_MAKER = {
    **{f"{what}.interval.seconds": 1 for what in EVERY_SECOND},
    **{f"{what}.replication.factor": 1 for what in ("offset-syncs.topic", "heartbeats.topic", "checkpoints.topic", "config.storage", "offset.storage", "status.storage")},
    "replication.factor": 1,
    "offset.storage.partitions": 5,
    "status.storage.partitions": 2,
    "sync.group.offsets.enabled": "true",
    "offset.lag.max": 0,
    "tasks.max": 2,
    "plugin.discovery": "service_load",
}
# Of the Connect workers inside; these go by the name of a cluster, or MirrorMaker keeps them from its workers.
WORKER = {
    "offset.flush.interval.ms": 500,
    "session.timeout.ms": 6000,
    "heartbeat.interval.ms": 500,
    "scheduled.rebalance.max.delay.ms": 500,
    "plugin.discovery": "service_load",
}


class MirrorMaker:
    """One process that mirrors between clusters; `flows` are pairs of their aliases, source and target."""

    def __init__(self, ctx, clusters, flows, name="mm2", **settings):
        enabled = {f"{source}->{target}.{what}": str((source, target) in flows).lower()
                   for source in clusters for target in clusters if source != target for what in ("enabled", "emit.heartbeats.enabled")}
        of_clusters = {f"{alias}.{key}": value for alias, broker in clusters.items() for key, value in {"bootstrap.servers": broker.bootstrap, **WORKER}.items()}
        self.ctx, self.path = ctx, ctx.work_dir / f"{name}.properties"
        all_settings = {"clusters": ",".join(clusters), **of_clusters, **enabled, **MIRROR_MAKER, **settings}
        self.path.write_text("".join(f"{key}={value}\n" for key, value in all_settings.items()))
        self.start()

    def start(self):
        self.process = self.ctx.tool_start("connect-mirror-maker", self.path, heap="-Xmx256m", log_level="INFO")

    def complaints(self):
        """What it logged as an error, without the stack."""
        return re.findall(r"^\[[^]]*\] ERROR .*$", self.process.err, re.M)


def send(ctx, broker, topic, numbers, *args):
    """Records with a header, a key (so that all partitions get some) and a value; every tenth is a tombstone."""
    rows = (f"n:{n},origin:{topic}\tkey {n % 17}\t{'NULL' if n % 10 == 9 else f'value {n} ' + 'x' * (n % 97)}" for n in numbers)
    ctx.produce(topic, rows, "--reader-property", "parse.headers=true", "--reader-property", "parse.key=true", "--reader-property", "null.marker=NULL", *args, broker=broker)


def end_offsets(ctx, broker, topic):
    """End offset of each partition; empty as long as there is no such topic."""
    result = ctx.tool("kafka-get-offsets", "--topic", topic, broker=broker, rc=None)
    return {int(partition): int(offset) for partition, offset in re.findall(r":(\d+):(\d+)$", result.out, re.M)}


def printed(*parts):
    return [arg for what in parts for arg in ("--formatter-property", f"print.{what}=true")] + ["--formatter-property", "null.literal=NULL"]


def committed_records(ctx, broker, topic, count):
    """Every committed record, once there are so many, with all that it has but its offset, which markers of transactions move; sorted."""
    parts = printed("partition", "timestamp", "headers", "key", "value")

    def there():
        lines = ctx.tool("kafka-console-consumer", "--topic", topic, "--from-beginning", "--isolation-level", "read_committed", "--timeout-ms", 3000, *parts, broker=broker, rc=None).out.splitlines()
        expect(len(lines) >= count, f"{len(lines)} committed records of {count}")
        return sorted(lines)
    return eventually(there, f"{count} committed records in {topic}", timeout_s=60)


def records(ctx, broker, topic):
    """Every record with all that it has: partition, offset, timestamp, headers, key, value."""
    count = sum(end_offsets(ctx, broker, topic).values())
    lines = ctx.consume(topic, count, *printed("partition", "offset", "timestamp", "headers", "key", "value"), broker=broker)
    return sorted(lines, key=lambda line: [int(part.split(":")[1]) for part in line.split("\t")[1:3]])


def expect_mirrored(ctx, source, topic, target, mirrored_as, timeout_s=40):
    ends = end_offsets(ctx, source, topic)
    eventually(lambda: expect_eq(end_offsets(ctx, target, mirrored_as), ends, f"end offsets of {mirrored_as}") or True, f"{topic} is mirrored as {mirrored_as}", timeout_s)
    expect_eq(records(ctx, target, mirrored_as), records(ctx, source, topic), f"records of {topic} and {mirrored_as}")


def topic_configs(ctx, broker, topic):
    """The configs that were set, as name=value."""
    out = ctx.tool("kafka-configs", "--describe", "--entity-type", "topics", "--entity-name", topic, broker=broker).out
    return sorted(re.findall(r"^  (\S+=\S*) sensitive=", out, re.M))


def group_offsets(ctx, broker, group):
    """Committed offsets by (topic, partition)."""
    out = ctx.tool("kafka-consumer-groups", "--describe", "--group", group, broker=broker, rc=None).out
    return {(topic, int(partition)): int(offset) for topic, partition, offset in re.findall(rf"^{re.escape(group)} +(\S+) +(\d+) +(\d+) ", out, re.M)}
