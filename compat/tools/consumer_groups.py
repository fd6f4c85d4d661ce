"""kafka-console-consumer, kafka-consumer-groups and kafka-configs on live groups of the consumer protocol (KIP-848)."""

from consumer_protocol import PROMPT
from harness import check, eventually, expect, expect_eq, expect_in, expect_match, expect_not_in, table

PROTOCOL = ("--command-property", "group.protocol=consumer")


# Longer than any check waits: a member whose session ends has a timeout of its own.
LONG_SESSIONS = {"group.consumer.session.timeout.ms": 600_000, "group.consumer.max.session.timeout.ms": 600_000}


def node(ctx):
    return ctx.new_broker({**PROMPT, **LONG_SESSIONS})


class Group:
    """Console consumers that stay in a group of the consumer protocol."""

    def __init__(self, ctx, topic):
        self.ctx, self.topic, self.name = ctx, topic, ctx.unique("consumers")
        self.broker = ctx.fixture("consumer-groups", node)

    def join(self, *options):
        return self.ctx.tool_start("kafka-console-consumer", "--topic", self.topic, "--group", self.name, "--from-beginning", *PROTOCOL, *options,
                                   broker=self.broker)

    def tool(self, *args, rc=0):
        return self.ctx.tool("kafka-consumer-groups", *args, "--group", self.name, broker=self.broker, rc=rc)

    def members(self):
        return table(self.tool("--describe", "--members", "--verbose").out, "GROUP")

    def has(self, *counts):
        """Waits until there are members with so many partitions, all where they are to be; returns their rows."""
        def rows():
            found = self.members()
            settled = all(row["CURRENT-ASSIGNMENT"] == row["TARGET-ASSIGNMENT"] and row["CURRENT-EPOCH"] == row["TARGET-EPOCH"] for row in found)
            expect_eq(sorted(int(row["#PARTITIONS"]) for row in found), sorted(counts), "partitions of the members")
            return found if settled else None
        return eventually(rows, f"members with {counts} partitions", timeout_s=40)


def topic_of(ctx, partitions):
    broker = ctx.fixture("consumer-groups", node)
    topic = ctx.topic(partitions=partitions, broker=broker)
    ctx.produce(topic, [f"r{n}" for n in range(12)], broker=broker)
    return topic


@check("consumer groups: members, state, offsets, list and what a live group refuses", own_broker=True)
def live(ctx):
    group = Group(ctx, topic_of(ctx, 4))
    group.join()
    group.has(4)
    group.join("--command-property", "client.id=second")
    rows = group.has(2, 2)
    for row in rows:
        expect_match(r"^[A-Za-z0-9_-]{22}$", row["CONSUMER-ID"])
        expect_eq(row["HOST"], "/127.0.0.1", "host of a member")
    assigned = sorted(part for row in rows for part in row["CURRENT-ASSIGNMENT"].split(":")[1].split(","))
    expect_eq(assigned, ["0", "1", "2", "3"], "all partitions, once")
    (epoch,) = {row["CURRENT-EPOCH"] for row in rows}

    result = group.tool("--describe", "--state", "--verbose")
    expect_match(rf"^{group.name} +{group.broker.bootstrap} +\(1\) +uniform +Stable +{epoch} +{epoch} +2$", result.out, result)

    def committed():
        result = group.tool("--describe", "--offsets", "--verbose")
        rows = table(result.out, "GROUP")
        expect_eq(sum(int(row["CURRENT-OFFSET"]) for row in rows if row["CURRENT-OFFSET"] != "-"), 12, "what is committed", result)
        return rows
    rows = eventually(committed, "all records are committed")
    expect_eq({row["LAG"] for row in rows} - {"-"}, {"0"}, "lag")

    for args, line in ((("--state",), rf"^{group.name} +Stable *$"), (("--type", "consumer"), rf"^{group.name} *(Consumer)? *$"),
                       (("--state", "stable", "--type", "consumer"), rf"^{group.name} +Consumer +Stable *$")):
        result = ctx.tool("kafka-consumer-groups", "--list", *args, broker=group.broker)
        expect_match(line, result.out, result)
    expect_not_in(group.name, ctx.tool("kafka-consumer-groups", "--list", "--type", "classic", broker=group.broker).out)
    result = ctx.tool("kafka-groups", "--list", broker=group.broker)
    expect_match(rf"^{group.name} +Consumer +consumer *$", result.out, result)

    result = group.tool("--delete", rc=None)
    expect_in("GroupNotEmptyException", result.out, result)
    result = group.tool("--reset-offsets", "--topic", group.topic, "--to-earliest", "--execute", rc=None)
    expect_in(f"Assignments can only be reset if the group '{group.name}' is inactive, but the current state is Stable.", result.all, result)
    result = group.tool("--delete-offsets", "--topic", group.topic, rc=None)
    expect_in("GroupSubscribedToTopicException", result.all, result)

    read = sorted(line for process in ctx.processes for line in process.stop().out.split())
    expect_eq(read, sorted(f"r{n}" for n in range(12)), "what both members printed")
    result = group.tool("--describe", "--state")
    expect_match(rf"^{group.name} +\S+ +\(1\) +uniform +Empty +\d+$", result.out, result)
    result = group.tool("--reset-offsets", "--topic", group.topic, "--to-earliest", "--execute")
    expect_eq({row["NEW-OFFSET"] for row in table(result.out, "GROUP")}, {"0"}, "offsets after the reset")
    result = group.tool("--delete")
    expect_in(f"Deletion of requested consumer groups ('{group.name}') was successful.", result.out, result)
    expect_not_in(group.name, ctx.tool("kafka-consumer-groups", "--list", broker=group.broker).out)


@check("consumer groups: a killed member's partitions move when the session that its group sets has ended", own_broker=True)
def killed(ctx):
    group = Group(ctx, topic_of(ctx, 4))
    result = ctx.tool("kafka-configs", "--alter", "--entity-type", "groups", "--entity-name", group.name, "--add-config",
                      "consumer.session.timeout.ms=6000", broker=group.broker)
    expect_in(f"Completed updating config for group {group.name}.", result.out, result)
    result = ctx.tool("kafka-configs", "--describe", "--entity-type", "groups", "--entity-name", group.name, broker=group.broker)
    expect_in("consumer.session.timeout.ms=6000", result.out, result)
    group.join()
    victim = group.join()
    group.has(2, 2)
    victim.kill9()
    expect_eq(len(group.members()), 2, "members a moment after one was killed")
    group.has(4)
    result = ctx.tool("kafka-configs", "--alter", "--entity-type", "groups", "--entity-name", group.name, "--add-config",
                      "consumer.session.timeout.ms=10", broker=group.broker, rc=1)
    expect_in("consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms", result.all, result)


@check("consumer groups: a static member comes back to what it had", own_broker=True)
def static(ctx):
    group = Group(ctx, topic_of(ctx, 4))
    instance = ("--command-property", "group.instance.id=one")
    first = group.join(*instance)
    (row,) = group.has(4)
    first.stop()
    (away,) = group.members()
    expect_eq((away["CONSUMER-ID"], away["CURRENT-EPOCH"]), (row["CONSUMER-ID"], "-2"), "the member that is away")
    group.join(*instance)

    def back():
        (found,) = group.members()
        return found["CONSUMER-ID"] != row["CONSUMER-ID"] and found["CURRENT-EPOCH"] != "-2" and found
    back = eventually(back, "the member is back", timeout_s=30)
    for column in ("CURRENT-EPOCH", "CURRENT-ASSIGNMENT", "TARGET-EPOCH", "TARGET-ASSIGNMENT"):
        expect_eq(back[column], row[column], column)


@check("consumer groups: topics that match a pattern of the console consumer", own_broker=True)
def pattern(ctx):
    broker = ctx.fixture("consumer-groups", node)
    prefix = ctx.unique("pattern")
    group = Group(ctx, prefix)
    topics = [f"{prefix}-{n}" for n in range(2)]
    for topic in topics:
        ctx.tool("kafka-topics", "--create", "--topic", topic, "--partitions", 2, broker=broker)
    ctx.tool_start("kafka-console-consumer", "--include", f"{prefix}-.*", "--group", group.name, *PROTOCOL, broker=broker)
    (row,) = group.has(4)
    expect(all(topic in row["CURRENT-ASSIGNMENT"] for topic in topics), f"both topics are assigned: {row}")
