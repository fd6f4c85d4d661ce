"""kafka-topics: create, list, describe, alter, delete, and every refusal a user meets."""

from harness import check, eventually, expect, expect_eq, expect_in, expect_match, expect_not_in

PARTITION = "Leader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: "


def describe(ctx, topic):
    return ctx.tool("kafka-topics", "--describe", "--topic", topic)


@check("topics: create, list and describe with configs")
def create_list_describe(ctx):
    topic = ctx.topic("create", partitions=3, retention_ms=60000, cleanup_policy="compact,delete")
    plain = ctx.topic("plain")
    listed = ctx.tool("kafka-topics", "--list").lines
    expect(topic in listed and plain in listed, f"{topic} or {plain} is not listed: {listed}")

    result = describe(ctx, topic)
    expect_match(rf"^Topic: {topic}\tTopicId: [A-Za-z0-9_-]{{22}}\tPartitionCount: 3\tReplicationFactor: 1\tConfigs: ", result.out, result)
    configs = set(result.lines[0].split("Configs: ")[1].replace("compact,delete", "compact+delete").split(","))
    expect_eq(configs, {"min.insync.replicas=1", "cleanup.policy=compact+delete", "retention.ms=60000"}, "configs", result)
    expect_eq(result.lines[1:], [f"\tTopic: {topic}\tPartition: {p}\t{PARTITION}" for p in range(3)], "partitions", result)

    # min.insync.replicas is a cluster-wide dynamic config since eligible leader replicas, so every topic shows it.
    expect_in("Configs: min.insync.replicas=1\n", describe(ctx, plain).out)
    expect_eq(describe(ctx, topic).lines[0], result.lines[0], "the topic id on a second look")


@check("topics: default partitions, manual assignment, topic with a period")
def create_variants(ctx):
    name = ctx.unique("defaults")
    ctx.tool("kafka-topics", "--create", "--topic", name)
    expect_match(r"PartitionCount: 1\tReplicationFactor: 1\t", describe(ctx, name).out)

    manual = ctx.unique("manual")
    ctx.tool("kafka-topics", "--create", "--topic", manual, "--replica-assignment", "1,1")
    expect_in("PartitionCount: 2\tReplicationFactor: 1\t", describe(ctx, manual).out)

    dotted = ctx.unique("with.period")
    result = ctx.tool("kafka-topics", "--create", "--topic", dotted, "--partitions", 2, "--replication-factor", 1)
    expect_in("WARNING: Due to limitations in metric names", result.out, result)
    expect_in(f"Created topic {dotted}.", result.out, result)


@check("topics: refusals at create")
def create_refusals(ctx):
    topic = ctx.topic("taken")
    absent = ctx.unique("refused")

    def refused(message, *args, name=absent):
        result = ctx.tool("kafka-topics", "--create", "--topic", name, *args, rc=1)
        expect_in(message, result.all, result)

    refused(f"Topic '{topic}' already exists.", name=topic)
    ctx.tool("kafka-topics", "--create", "--topic", topic, "--if-not-exists")
    refused("contains one or more characters other than ASCII alphanumerics", name="bad topic")
    refused("Topic name is invalid: '..' is not allowed", name="..")
    refused("Unable to replicate the partition 3 time(s)", "--replication-factor", 3)
    refused("The manual partition assignment includes broker 7, but no such broker is registered.", "--replica-assignment", "7")
    refused("Excessively large number of partitions per request.", "--partitions", 1000000)
    # These configs pass the tool's own validation and are refused by the broker.
    refused("conflict topic config setting min.compaction.lag.ms (100) > max.compaction.lag.ms (50)",
            "--config", "min.compaction.lag.ms=100", "--config", "max.compaction.lag.ms=50")
    expect_not_in(absent, ctx.tool("kafka-topics", "--list").out)


@check("topics: names that collide in metric names are refused")
def metric_name_collision(ctx):
    topic = ctx.topic("col.lide")
    other = topic.replace("col.lide", "col_lide")
    result = ctx.tool("kafka-topics", "--create", "--topic", other, rc=1)
    expect_in(f"collides with existing topic: {topic}", result.all, result)


@check("topics: alter partitions")
def alter_partitions(ctx):
    topic = ctx.topic("grow", partitions=2)
    before = describe(ctx, topic).lines[0]
    ctx.tool("kafka-topics", "--alter", "--topic", topic, "--partitions", 4)
    after = describe(ctx, topic)
    expect_in("PartitionCount: 4\t", after.out, after)
    expect_eq(after.lines[1:], [f"\tTopic: {topic}\tPartition: {p}\t{PARTITION}" for p in range(4)], "partitions", after)
    expect_eq(after.lines[0].replace("PartitionCount: 4", "PartitionCount: 2"), before, "id and configs")

    result = ctx.tool("kafka-topics", "--alter", "--topic", topic, "--partitions", 3, rc=1)
    expect_in(f"The topic {topic} currently has 4 partition(s); 3 would not be an increase.", result.all, result)
    result = ctx.tool("kafka-topics", "--alter", "--topic", topic, "--partitions", 4, rc=1)
    expect_in("Topic already has 4 partition(s).", result.all, result)

    absent = ctx.unique("absent")
    result = ctx.tool("kafka-topics", "--alter", "--topic", absent, "--partitions", 4, rc=1)
    expect_in(f"Topic '{absent}' does not exist as expected", result.all, result)
    ctx.tool("kafka-topics", "--alter", "--topic", absent, "--partitions", 4, "--if-exists")
    # The new partitions take records.
    ctx.produce(topic, [f"k{n},v{n}" for n in range(40)], "--reader-property", "parse.key=true", "--reader-property", "key.separator=,")
    result = ctx.tool("kafka-get-offsets", "--topic", topic)
    counts = [int(line.rsplit(":", 1)[1]) for line in result.lines]
    expect(len(counts) == 4 and sum(counts) == 40 and all(counts), "40 keyed records must reach all four partitions", result)


@check("topics: manual assignment at alter")
def alter_with_assignment(ctx):
    topic = ctx.topic("assign", partitions=1)
    ctx.tool("kafka-topics", "--alter", "--topic", topic, "--partitions", 3, "--replica-assignment", "1,1,1")
    expect_in("PartitionCount: 3\t", describe(ctx, topic).out)
    result = ctx.tool("kafka-topics", "--alter", "--topic", topic, "--partitions", 4, "--replica-assignment", "1,1,1,9", rc=1)
    expect_in("The manual partition assignment includes broker 9, but no such broker is registered.", result.all, result)


@check("topics: delete by name, by pattern and by absence")
def delete(ctx):
    doomed = ctx.topic("doomed")
    prefix = ctx.unique("sweep")
    for suffix in "ab":
        ctx.tool("kafka-topics", "--create", "--topic", f"{prefix}-{suffix}")
    ctx.produce(doomed, ["something"])
    ctx.tool("kafka-topics", "--delete", "--topic", doomed)
    ctx.tool("kafka-topics", "--delete", "--topic", f"{prefix}-.*")
    listed = ctx.tool("kafka-topics", "--list").out
    expect(doomed not in listed and prefix not in listed, f"still listed:\n{listed}")

    result = ctx.tool("kafka-topics", "--delete", "--topic", doomed, rc=1)
    expect_in(f"Topic '{doomed}' does not exist as expected", result.all, result)
    ctx.tool("kafka-topics", "--delete", "--topic", doomed, "--if-exists")
    result = ctx.tool("kafka-topics", "--describe", "--topic", doomed, rc=1)
    expect_in("does not exist as expected", result.all, result)
    # A topic of the same name is a new one: another id, and nothing in it.
    ctx.tool("kafka-topics", "--create", "--topic", doomed)
    expect_eq(ctx.tool("kafka-get-offsets", "--topic", doomed).lines, [f"{doomed}:0:0"], "offsets of the new topic")


@check("topics: the directory of a deleted topic is set aside")
def delete_renames(ctx):
    topic = ctx.topic("aside")
    ctx.produce(topic, ["x"])
    directory = ctx.broker.partition_dir(topic)
    ctx.tool("kafka-topics", "--delete", "--topic", topic)
    eventually(lambda: not directory.exists(), f"{directory} goes away")
    # The name is Kafka's: an Apache Kafka that starts now carries on with the deletion.
    leftovers = [path.name for path in directory.parent.glob(f"{topic}-0.*")]
    expect(len(leftovers) == 1, f"{leftovers}")
    expect_match(rf"^{topic}-0\.[0-9a-f]{{32}}-delete$", leftovers[0])


@check("topics: describe by health")
def describe_by_health(ctx):
    topic = ctx.topic("needs-two", min_insync_replicas=2)
    healthy = ctx.topic("healthy")

    def partitions(option):
        return ctx.tool("kafka-topics", "--describe", option).out

    expect_in(f"Topic: {topic}\tPartition: 0\t{PARTITION}", partitions("--under-min-isr-partitions"))
    expect_not_in(f"Topic: {healthy}\t", partitions("--under-min-isr-partitions"))
    expect_in(f"Topic: {healthy}\tPartition: 0\t{PARTITION}", partitions("--at-min-isr-partitions"))
    expect_not_in(f"Topic: {topic}\t", partitions("--at-min-isr-partitions"))
    expect_eq(partitions("--under-replicated-partitions").strip(), "", "under-replicated partitions")
    expect_eq(partitions("--unavailable-partitions").strip(), "", "unavailable partitions")
    result = ctx.tool("kafka-topics", "--describe", "--topics-with-overrides")
    expect_match(rf"^Topic: {topic}\t.*\tConfigs: min.insync.replicas=2$", result.out, result)
    expect_not_in("Partition: 0", result.out, result)
    ctx.tool("kafka-topics", "--delete", "--topic", topic)


@check("topics: describe by topic id, list without internal topics")
def by_id_and_internal(ctx):
    topic = ctx.topic("by-id", partitions=2)
    result = describe(ctx, topic)
    topic_id = expect_match(r"TopicId: (\S+)", result.out).group(1)
    by_id = ctx.tool("kafka-topics", "--describe", "--topic-id", topic_id)
    # By id the tool asks with Metadata, which has no columns for eligible leader replicas.
    expect_eq(by_id.lines, [line.replace("Elr: \tLastKnownElr: ", "Elr: N/A\tLastKnownElr: N/A") for line in result.lines], "describe by id")
    result = ctx.tool("kafka-topics", "--describe", "--topic-id", "AAAAAAAAAAAAAAAAAAABAQ", rc=1)
    expect_in("does not exist as expected", result.all, result)

    ctx.produce(topic, ["x"])
    ctx.consume(topic, 1, "--group", ctx.unique("g"))
    expect_in("__consumer_offsets\n", ctx.tool("kafka-topics", "--list").out)
    expect_not_in("__consumer_offsets", ctx.tool("kafka-topics", "--list", "--exclude-internal").out)
    offsets = describe(ctx, "__consumer_offsets")
    expect_in("PartitionCount: 4\tReplicationFactor: 1\t", offsets.out, offsets)
    for config in ("cleanup.policy=compact", "segment.bytes=104857600", "compression.type=producer"):
        expect_in(config, offsets.lines[0], offsets)


@check("topics: a thousand partitions")
def many_partitions(ctx):
    topic = ctx.topic("wide", partitions=1000)
    result = describe(ctx, topic)
    expect_eq(len(result.lines), 1001, "lines of describe")
    expect(all(line.endswith(PARTITION) for line in result.lines[1:]), "every partition has its leader", result)
    result = ctx.tool("kafka-get-offsets", "--topic", topic)
    expect_eq(sorted(result.lines), sorted(f"{topic}:{p}:0" for p in range(1000)), "offsets")
    ctx.tool("kafka-topics", "--delete", "--topic", topic)
