"""MirrorMaker 2 between Apache Kafka and the broker under test, both ways in one process, and a move of topics under their own names.

Whatever is on the one side is on the other: records in all their parts, partitions, topic configs, and where groups stand.
"""

import re

from _mirrors import MirrorMaker, committed_records, end_offsets, expect_mirrored, group_offsets, records, send, topic_configs
from harness import check, eventually, expect, expect_eq, expect_match

CONFIGS = {"retention.ms": "86400000", "segment.bytes": "2097152", "cleanup.policy": "compact", "compression.type": "lz4", "max.message.bytes": "1500000"}


class Pair:
    """Apache Kafka and the broker under test, and MirrorMaker between them. Each side has topics of its own before it starts."""

    def __init__(self, ctx):
        self.ctx = ctx
        settings = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": 500}
        self.clusters = {"apache": ctx.new_broker(settings, kind="kafka", name="apache"), "tested": ctx.new_broker(settings, name="tested")}
        self.topic = ctx.unique("both")
        self.groups = {ctx.unique("both-group"): protocol for protocol in ("classic", "consumer")}
        for broker in self.clusters.values():
            create(ctx, broker, self.topic, 2, CONFIGS)
            send(ctx, broker, self.topic, range(500), "--compression-codec", "zstd")
            for group, protocol in self.groups.items():
                ctx.consume(self.topic, 500, *member(group, protocol), broker=broker)
        self.mirror_maker = MirrorMaker(ctx, self.clusters, {("apache", "tested"), ("tested", "apache")}, topics="both-.*", groups="both-.*")

    def flows(self):
        """(alias of the source, source, target), both ways."""
        apache, tested = self.clusters.values()
        return ("apache", apache, tested), ("tested", tested, apache)


def create(ctx, broker, topic, partitions, configs):
    args = [arg for key, value in configs.items() for arg in ("--config", f"{key}={value}")]
    ctx.tool("kafka-topics", "--create", "--topic", topic, "--partitions", partitions, *args, broker=broker)


def member(group, protocol):
    return "--group", group, "--command-property", f"group.protocol={protocol}"


@check("mirror: records and topic configs, from Apache Kafka and to it", own_broker=True)
def topics(ctx):
    pair = ctx.fixture("mirror", Pair)
    for alias, source, target in pair.flows():
        expect_mirrored(ctx, source, pair.topic, target, f"{alias}.{pair.topic}", timeout_s=60)
        expect(set(topic_configs(ctx, target, f"{alias}.{pair.topic}")) >= {f"{key}={value}" for key, value in CONFIGS.items()},
               f"configs of the mirrored topic: {topic_configs(ctx, target, f'{alias}.{pair.topic}')}")


@check("mirror: new partitions, new topics and changed configs follow", own_broker=True)
def changes(ctx):
    pair = ctx.fixture("mirror", Pair)
    old, new = ctx.unique("both"), ctx.unique("both")
    for _, source, _ in pair.flows():
        create(ctx, source, old, 1, {})
        send(ctx, source, old, range(50))
    for alias, source, target in pair.flows():
        expect_mirrored(ctx, source, old, target, f"{alias}.{old}")
        ctx.tool("kafka-topics", "--alter", "--topic", old, "--partitions", 3, broker=source)
        ctx.tool("kafka-configs", "--alter", "--entity-type", "topics", "--entity-name", old, "--add-config", "retention.ms=7200000", broker=source)
        create(ctx, source, new, 3, {})
        for topic in (old, new):
            send(ctx, source, topic, range(50, 150), "--compression-codec", "gzip")
    for alias, source, target in pair.flows():
        for topic in (old, new):
            expect_mirrored(ctx, source, topic, target, f"{alias}.{topic}")
        eventually(lambda: "retention.ms=7200000" in topic_configs(ctx, target, f"{alias}.{old}"), f"{old}'s new config reaches the target")


@check("mirror: groups of both protocols go on with the mirrored topic where they stood", own_broker=True)
def groups(ctx):
    pair = ctx.fixture("mirror", Pair)
    for alias, source, target in pair.flows():
        mirrored = f"{alias}.{pair.topic}"
        eventually(lambda: sum(end_offsets(ctx, target, mirrored).values()) == 500, f"the first records are in {mirrored}", timeout_s=40)
        # MirrorMaker notes where ten records have got to, and of the others at its leisure: what it notes last is certain only of a trickle.
        send(ctx, source, pair.topic, range(500, 510))
        for group, protocol in pair.groups.items():
            ctx.consume(pair.topic, 10, *member(group, protocol), broker=source)
        ends = end_offsets(ctx, source, pair.topic)
        for group in pair.groups:
            expect_translated(ctx, target, alias, group, mirrored, ends)
        send(ctx, source, pair.topic, range(510, 610))
        eventually(lambda: sum(end_offsets(ctx, target, mirrored).values()) == 610, f"the new records are in {mirrored}")
        for group, protocol in pair.groups.items():
            numbers = ctx.consume(mirrored, 100, *member(group, protocol), "--formatter-property", "print.headers=true", "--formatter-property", "print.value=false", broker=target, from_beginning=False)
            expect_eq(sorted(int(re.match(r"n:(\d+),", line)[1]) for line in numbers), list(range(510, 610)), f"what {group}, {protocol}, had not read yet")


def expect_translated(ctx, target, alias, group, mirrored, ends):
    """The group stands on the target at these ends of the mirrored topic, and the checkpoints say why."""
    translated = {(mirrored, partition): end for partition, end in ends.items()}

    def there():
        expect_eq({key: offset for key, offset in group_offsets(ctx, target, group).items() if key[0] == mirrored}, translated, "translated offsets")
        return True
    eventually(there, f"{group} of {alias} is at the end of {mirrored}", timeout_s=40)

    def said_why():
        result = ctx.tool("kafka-console-consumer", "--topic", f"{alias}.checkpoints.internal", "--from-beginning", "--timeout-ms", 2000,
                          "--formatter", "org.apache.kafka.connect.mirror.formatters.CheckpointFormatter", broker=target, rc=None)
        for partition, end in ends.items():
            expect_match(rf"^Checkpoint\{{consumerGroupId={group}, topicPartition={re.escape(mirrored)}-{partition}, upstreamOffset={end}, downstreamOffset={end}, ",
                         result.out, result)
        return True
    eventually(said_why, f"checkpoints of {group}")


@check("mirror: heartbeats go both ways, and nothing is complained of", own_broker=True)
def heartbeats(ctx):
    pair = ctx.fixture("mirror", Pair)
    for alias, _, target in pair.flows():
        lines = ctx.consume(f"{alias}.heartbeats", 3, "--formatter", "org.apache.kafka.connect.mirror.formatters.HeartbeatFormatter", broker=target)
        for line in lines:
            expect_match(rf"^Heartbeat\{{sourceClusterAlias=\w+, targetClusterAlias=\w+, timestamp=\d{{13}}\}}$", line)
    for _, broker, _ in pair.flows():
        names = ctx.tool("kafka-topics", "--list", broker=broker).lines
        for name in [name for name in names if name.endswith(".internal")]:
            expect("cleanup.policy=compact" in topic_configs(ctx, broker, name), f"{name} is compacted")
    expect_eq(pair.mirror_maker.complaints(), [], "errors that MirrorMaker logged")


@check("mirror: a move under the topics' own names, MirrorMaker killed in the middle", own_broker=True)
def move(ctx):
    pair = ctx.fixture("mirror", Pair)
    topic, group = ctx.unique("moved"), ctx.unique("moved-group")
    _, source, target = pair.flows()[0]
    create(ctx, source, topic, 3, CONFIGS)
    send(ctx, source, topic, range(4000))
    # The heartbeats of the other MirrorMaker come back by their own name: two that mirror the same topics in opposite ways never end.
    mirror_maker = MirrorMaker(ctx, {"old": source, "new": target}, {("old", "new")}, topics="moved-.*", groups="moved-.*",
                               **{"replication.policy.class": "org.apache.kafka.connect.mirror.IdentityReplicationPolicy", "heartbeats.replication.enabled": "false"})
    eventually(lambda: sum(end_offsets(ctx, target, topic).values()) > 0, "the first records are there", timeout_s=60, interval_s=0.05)
    mirror_maker.process.kill9()
    send(ctx, source, topic, range(4000, 5000))
    ctx.consume(topic, 5000, "--group", group, broker=source)
    mirror_maker.start()
    expect_same_or_twice(ctx, source, topic, target, topic, 5000)
    expect_eq(topic_configs(ctx, target, topic), sorted(f"{key}={value}" for key, value in CONFIGS.items()), "configs")

    def at_the_end():
        expect_eq(group_offsets(ctx, target, group), {(topic, n): end for n, end in end_offsets(ctx, target, topic).items()}, f"offsets of {group}")
        return True
    eventually(at_the_end, f"{group} is at the end", timeout_s=40)


@check("mirror: a move exactly once, MirrorMaker killed in the middle", own_broker=True)
def exactly_once(ctx):
    pair = ctx.fixture("mirror", Pair)
    topic = ctx.unique("once")
    _, source, target = pair.flows()[0]
    create(ctx, source, topic, 3, {})
    send(ctx, source, topic, range(20000))
    mirror_maker = MirrorMaker(ctx, {"from": source, "into": target}, {("from", "into")}, topics="once-.*", groups="once-.*",
                               **{"replication.policy.class": "org.apache.kafka.connect.mirror.IdentityReplicationPolicy", "heartbeats.replication.enabled": "false",
                                  "into.exactly.once.source.support": "enabled", "into.producer.transaction.timeout.ms": 10000})
    eventually(lambda: sum(end_offsets(ctx, target, topic).values()) > 0, "the first records are there", timeout_s=60, interval_s=0.05)
    mirror_maker.process.kill9()
    send(ctx, source, topic, range(20000, 21000))
    mirror_maker.start()
    expected = committed_records(ctx, source, topic, 21000)
    expect_eq(len(expected), 21000, "records on the source")
    expect_eq(committed_records(ctx, target, topic, 21000), expected, "records")


@check("mirror: the broker is killed as a source and as a target", own_broker=True)
def broker_killed(ctx):
    pair = ctx.fixture("mirror", Pair)
    topic = ctx.unique("both")
    for _, source, _ in pair.flows():
        create(ctx, source, topic, 2, {})
        send(ctx, source, topic, range(3000))
    for alias, _, target in pair.flows():
        eventually(lambda: sum(end_offsets(ctx, target, f"{alias}.{topic}").values()) > 0, "the first records are there", timeout_s=40, interval_s=0.05)
    tested = pair.clusters["tested"]
    tested.kill9()
    send(ctx, pair.clusters["apache"], topic, range(3000, 4000))
    tested.start()
    send(ctx, tested, topic, range(3000, 4000))
    for alias, source, target in pair.flows():
        expect_same_or_twice(ctx, source, topic, target, f"{alias}.{topic}", 4000)


def expect_same_or_twice(ctx, source, topic, target, mirrored, count):
    """After a kill: what was not known to have arrived is sent again."""
    def without_offset(line):
        return re.sub(r"\tOffset:\d+", "", line)
    expected = {without_offset(line) for line in records(ctx, source, topic)}
    expect_eq(len(expected), count, "records on the source")
    eventually(lambda: sum(end_offsets(ctx, target, mirrored).values()) >= count, "as many records as on the source", timeout_s=60)
    eventually(lambda: {without_offset(line) for line in records(ctx, target, mirrored)} == expected, "the same records, some of them twice")
