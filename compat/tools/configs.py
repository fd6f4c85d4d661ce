"""kafka-configs on topics, brokers, the cluster default, groups and client metrics: values, sources, synonyms, and refusals."""

from harness import check, data_file, expect, expect_eq, expect_golden, expect_in, expect_not_in

DATA = __file__


def configs(ctx, *args, rc=0):
    return ctx.tool("kafka-configs", *args, rc=rc)


def describe(ctx, entity_type, name, *args):
    return configs(ctx, "--describe", "--entity-type", entity_type, "--entity-name", name, *args)


def alter(ctx, entity_type, name, option, value, rc=0):
    return configs(ctx, "--alter", "--entity-type", entity_type, "--entity-name", name, option, value, rc=rc)


def refused(ctx, entity_type, name, value, exception, message):
    result = alter(ctx, entity_type, name, "--add-config", value, rc=1)
    expect_in(f"org.apache.kafka.common.errors.{exception}: {message}", result.all, result)


def rows(result):
    """The config lines, without the indent."""
    return [line.strip() for line in result.lines[1:]]


def masked(ctx, line):
    """What differs between two brokers by nature."""
    broker = ctx.broker
    for text, mark in ((str(broker.port), "PORT"), (str(broker.controller_port), "CONTROLLER_PORT"), (str(broker.data_dir), "DATA")):
        line = line.replace(text, mark)
    return line


@check("configs: describe --all of a topic is Apache Kafka's")
def topic_all(ctx):
    topic = ctx.topic("all", retention_ms=60000, cleanup_policy="compact,delete")
    result = describe(ctx, "topics", topic, "--all")
    expect_eq(result.lines[0], f"All configs for topic {topic} are:", "heading", result)
    expect_golden(ctx, data_file("topic-configs.txt", DATA), rows(result))


@check("configs: describe --all of a broker is Apache Kafka's")
def broker_all(ctx):
    result = describe(ctx, "brokers", "1", "--all")
    expect_eq(result.lines[0], "All configs for broker 1 are:", "heading", result)
    expect_golden(ctx, data_file("broker-configs.txt", DATA), [masked(ctx, line) for line in rows(result)])


@check("configs: describe --all of a group is Apache Kafka's")
def group_all(ctx):
    group = ctx.unique("group")
    result = describe(ctx, "groups", group, "--all")
    expect_eq(result.lines[0], f"All configs for group {group} are:", "heading", result)
    expect_golden(ctx, data_file("group-configs.txt", DATA), rows(result))


@check("configs: alter a topic, add, append to and delete")
def alter_topic(ctx):
    topic = ctx.topic("alter")
    result = alter(ctx, "topics", topic, "--add-config", "retention.ms=1234,cleanup.policy=[compact,delete],max.message.bytes=2000")
    expect_in(f"Completed updating config for topic {topic}.", result.out, result)
    expect_eq(rows(describe(ctx, "topics", topic)), [
        "cleanup.policy=compact,delete sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete, DEFAULT_CONFIG:log.cleanup.policy=delete}",
        "max.message.bytes=2000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:max.message.bytes=2000, DEFAULT_CONFIG:message.max.bytes=1048588}",
        "retention.ms=1234 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=1234}",
    ], "configs set")

    alter(ctx, "topics", topic, "--delete-config", "retention.ms,max.message.bytes")
    # Deleting what is not set is no error.
    alter(ctx, "topics", topic, "--delete-config", "flush.ms")
    expect_eq([row.split(" ")[0] for row in rows(describe(ctx, "topics", topic))], ["cleanup.policy=compact,delete"], "configs left")
    expect_in("Configs: min.insync.replicas=1,cleanup.policy=compact,delete\n", ctx.tool("kafka-topics", "--describe", "--topic", topic).out)


@check("configs: a changed topic config takes effect")
def effect(ctx):
    topic = ctx.topic("effect")
    ctx.produce(topic, ["x" * 3000])
    alter(ctx, "topics", topic, "--add-config", "max.message.bytes=1000")
    result = ctx.tool("kafka-console-producer", "--topic", topic, input="y" * 3000 + "\n", rc=None)
    expect_in("RecordTooLargeException", result.all, result)
    alter(ctx, "topics", topic, "--delete-config", "max.message.bytes")
    ctx.produce(topic, ["z" * 3000])
    expect_eq([line[0] for line in ctx.consume(topic, 2)], ["x", "z"], "records kept")


@check("configs: refusals on topics")
def topic_refusals(ctx):
    topic = ctx.topic("refuse")
    bad = "InvalidConfigurationException"
    refused(ctx, "topics", topic, "retention.ms=x", bad, "Invalid value x for configuration retention.ms: Not a number of type LONG")
    refused(ctx, "topics", topic, "retention.ms=-2", bad, "Invalid value -2 for configuration retention.ms: Value must be at least -1")
    refused(ctx, "topics", topic, "cleanup.policy=shred", bad, "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete")
    refused(ctx, "topics", topic, "compression.type=bz2", bad, "Invalid value bz2 for configuration compression.type: String must be one of: ")
    refused(ctx, "topics", topic, "min.cleanable.dirty.ratio=2", bad, "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1")
    refused(ctx, "topics", topic, "preallocate=maybe", bad, "Invalid value maybe for configuration preallocate: Expected value to be either true or false")
    refused(ctx, "topics", topic, "segment.bytes=10", bad, "Invalid value 10 for configuration segment.bytes: Value must be at least 1048576")
    refused(ctx, "topics", topic, "no.such.key=x", bad, "Unknown topic config name: no.such.key")
    absent = ctx.unique("absent")
    refused(ctx, "topics", absent, "retention.ms=5", "UnknownTopicOrPartitionException", f"The topic '{absent}' does not exist.")
    result = describe(ctx, "topics", absent)
    expect_in(f"The topic '{absent}' doesn't exist and doesn't have dynamic config.", result.out, result)
    expect_eq(rows(describe(ctx, "topics", topic)), [], "nothing was changed")


@check("configs: broker and cluster default, with their synonyms")
def brokers(ctx):
    retention = "log.retention.ms"
    result = configs(ctx, "--alter", "--entity-type", "brokers", "--entity-default", "--add-config", f"{retention}=7777777")
    expect_in("Completed updating default config for brokers in the cluster.", result.out, result)
    result = alter(ctx, "brokers", "1", "--add-config", f"{retention}=8888888,message.max.bytes=2000000")
    expect_in("Completed updating config for broker 1.", result.out, result)
    try:
        expect_eq(rows(describe(ctx, "brokers", "1")), [
            "log.retention.ms=8888888 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:log.retention.ms=8888888, "
            "DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=7777777, DEFAULT_CONFIG:log.retention.hours=168}",
            "message.max.bytes=2000000 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:message.max.bytes=2000000, DEFAULT_CONFIG:message.max.bytes=1048588}",
        ], "configs of broker 1")
        result = configs(ctx, "--describe", "--entity-type", "brokers", "--entity-default")
        expect_eq(result.lines, [
            "Default configs for brokers in the cluster are:",
            "  log.retention.ms=7777777 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=7777777}",
            "  min.insync.replicas=1 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:min.insync.replicas=1}",
        ], "cluster default")
        # A topic without a value of its own shows the broker's.
        topic = ctx.topic("inherits")
        result = describe(ctx, "topics", topic, "--all")
        expect_in("  max.message.bytes=2000000 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:message.max.bytes=2000000, "
                  "DEFAULT_CONFIG:message.max.bytes=1048588}\n", result.out, result)
        expect_in("  retention.ms=8888888 sensitive=false", result.out, result)
        ctx.produce(topic, ["x" * 1500000], "--command-property", "max.request.size=3000000")
    finally:
        alter(ctx, "brokers", "1", "--delete-config", f"{retention},message.max.bytes")
        configs(ctx, "--alter", "--entity-type", "brokers", "--entity-default", "--delete-config", retention)
    expect_eq(rows(describe(ctx, "brokers", "1")), [], "configs of broker 1 at the end")


@check("configs: refusals on brokers")
def broker_refusals(ctx):
    refused(ctx, "brokers", "1", "log.dirs=/x", "InvalidRequestException", "Cannot update these configs dynamically: [log.dirs]")
    refused(ctx, "brokers", "1", "log.retention.ms=abc", "InvalidRequestException",
            "Invalid value abc for configuration log.retention.ms: Not a number of type LONG")
    result = configs(ctx, "--describe", "--entity-type", "brokers", "--entity-name", "1")
    expect_not_in("log.", result.out, result)


@check("configs: groups")
def groups(ctx):
    group = ctx.unique("group")
    alter(ctx, "groups", group, "--add-config", "consumer.session.timeout.ms=50000")
    expect_eq(describe(ctx, "groups", group).lines, [
        f"Dynamic configs for group {group} are:",
        "  consumer.session.timeout.ms=50000 sensitive=false synonyms={DYNAMIC_GROUP_CONFIG:consumer.session.timeout.ms=50000, "
        "DEFAULT_CONFIG:group.consumer.session.timeout.ms=45000}",
    ], "configs of the group")
    # Without a name: every group that has a config, though none has a member.
    expect_in(f"Dynamic configs for group {group} are:", configs(ctx, "--describe", "--entity-type", "groups").out)
    refused(ctx, "groups", group, "consumer.session.timeout.ms=1", "InvalidConfigurationException",
            "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms")
    refused(ctx, "groups", group, "no.such=1", "InvalidConfigurationException", "Unknown group config name: no.such")
    alter(ctx, "groups", group, "--delete-config", "consumer.session.timeout.ms")
    expect_in(f"The group '{group}' doesn't exist and doesn't have dynamic config.", describe(ctx, "groups", group).out)


@check("configs: client metrics")
def client_metrics(ctx):
    name = ctx.unique("metrics")
    alter(ctx, "client-metrics", name, "--add-config", "metrics=org.apache.kafka.,interval.ms=10000")
    interval = "  interval.ms=10000 sensitive=false synonyms={DYNAMIC_CLIENT_METRICS_CONFIG:interval.ms=10000}"
    metrics = "  metrics=org.apache.kafka. sensitive=false synonyms={DYNAMIC_CLIENT_METRICS_CONFIG:metrics=org.apache.kafka.}"
    expect_eq(describe(ctx, "client-metrics", name).lines, [f"Dynamic configs for client-metric {name} are:", interval, metrics], "dynamic")
    expect_eq(describe(ctx, "client-metrics", name, "--all").lines,
              [f"All configs for client-metric {name} are:", interval, "  match= sensitive=false synonyms={}", metrics], "all")
    refused(ctx, "client-metrics", name, "interval.ms=1", "InvalidRequestException",
            "Invalid value 1 for interval.ms, interval must be between 100 and 3600000 (1 hour)")
    alter(ctx, "client-metrics", name, "--delete-config", "metrics,interval.ms")


@check("client-metrics: list, describe, alter, delete")
def client_metrics_tool(ctx):
    name = ctx.unique("subscription")
    result = ctx.tool("kafka-client-metrics", "--alter", "--name", name, "--metrics", "org.apache.", "--interval", 20000, "--match", "client_id=foo")
    expect_in(f"Altered client metrics config for {name}.", result.out, result)
    expect_in(name, ctx.tool("kafka-client-metrics", "--list").lines)
    result = ctx.tool("kafka-client-metrics", "--describe", "--name", name)
    expect_eq(result.lines, [f"Client metrics configs for {name} are:", "  interval.ms=20000", "  match=client_id=foo", "  metrics=org.apache."], "describe", result)
    result = ctx.tool("kafka-client-metrics", "--delete", "--name", name)
    expect_in(f"Deleted client metrics config for {name}.", result.out, result)
    expect(name not in ctx.tool("kafka-client-metrics", "--list").lines, f"{name} is still listed")


@check("configs: broker loggers can be listed and set")
def broker_loggers(ctx):
    result = describe(ctx, "broker-loggers", "1")
    expect_eq(result.lines[0], "Dynamic configs for broker-logger 1 are:", "heading", result)
    loggers = [row.split("=")[0] for row in rows(result)]
    expect(len(loggers) > 1 and "root" in loggers, "at least the root logger and one more", result)
    logger = next(name for name in loggers if name != "root")
    alter(ctx, "broker-loggers", "1", "--add-config", f"{logger}=DEBUG")
    expect_in(f"  {logger}=DEBUG sensitive=false synonyms={{}}\n", describe(ctx, "broker-loggers", "1").out)
    alter(ctx, "broker-loggers", "1", "--delete-config", logger)
    refused(ctx, "broker-loggers", "1", f"{logger}=LOUD", "InvalidConfigurationException", "")
