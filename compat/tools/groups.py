"""kafka-consumer-groups and kafka-groups on classic groups, idle and alive."""

from harness import check, eventually, expect, expect_eq, expect_in, expect_match, expect_not_in, table


def groups(ctx, *args, rc=0):
    return ctx.tool("kafka-consumer-groups", *args, rc=rc)


def idle_group(ctx, records=10, consumed=4, partitions=1):
    """A topic with records, and a group that has committed `consumed` of partition 0 and left."""
    topic, group = ctx.topic(partitions=partitions), ctx.unique("group")
    ctx.produce(topic, [f"r{n}" for n in range(records)])
    ctx.consume(topic, consumed, "--group", group)
    return topic, group


def live_group(ctx, topic, members=1, partitions_each=1):
    """A group whose members stay; returns its name when the assignment stands."""
    group = ctx.unique("live")
    for _ in range(members):
        ctx.tool_start("kafka-console-consumer", "--topic", topic, "--group", group, "--from-beginning")

    def settled():
        rows = table(groups(ctx, "--describe", "--group", group, "--members").out, "GROUP")
        return len(rows) == members and all(row["#PARTITIONS"] == str(partitions_each) for row in rows)
    eventually(settled, f"{group} has {members} members with {partitions_each} partitions each", timeout_s=40)
    return group


@check("groups: list, by state and by type")
def list_groups(ctx):
    _, group = idle_group(ctx)
    expect_in(group, groups(ctx, "--list").lines)
    result = groups(ctx, "--list", "--state")
    expect_match(rf"^{group} +Empty *$", result.out, result)
    result = groups(ctx, "--list", "--type")
    expect_match(rf"^{group} +Classic *$", result.out, result)
    result = groups(ctx, "--list", "--type", "classic", "--state", "Empty")
    expect_match(rf"^{group} +Classic +Empty *$", result.out, result)
    expect_not_in(group, groups(ctx, "--list", "--state", "Stable").out)
    result = ctx.tool("kafka-groups", "--list")
    expect_match(rf"^{group} +Classic +consumer *$", result.out, result)
    expect_in(group, ctx.tool("kafka-groups", "--list", "--consumer").out)
    expect_in(group, ctx.tool("kafka-groups", "--list", "--group-type", "classic", "--protocol", "consumer").out)
    expect_not_in(group, ctx.tool("kafka-groups", "--list", "--protocol", "connect", rc=None).out)


@check("groups: describe a group without members")
def describe_idle(ctx):
    topic, group = idle_group(ctx, records=10, consumed=4)
    result = groups(ctx, "--describe", "--group", group)
    expect_in(f"Consumer group '{group}' has no active members.", result.err, result)
    expect_eq(table(result.out, "GROUP"), [{"GROUP": group, "TOPIC": topic, "PARTITION": "0", "CURRENT-OFFSET": "4", "LOG-END-OFFSET": "10",
                                            "LAG": "6", "CONSUMER-ID": "-", "HOST": "-", "CLIENT-ID": "-"}], "offsets", result)
    result = groups(ctx, "--describe", "--group", group, "--state")
    row = expect_match(rf"^{group} +(\S+) +\((\d)\) +(\S+) +(\S+) +(\d)$", result.out, result)
    expect_eq(row.groups(), (ctx.broker.bootstrap, "1", "-", "Empty", "0"), "state", result)
    result = groups(ctx, "--describe", "--group", group, "--offsets", "--verbose")
    expect_in("LEADER-EPOCH", result.out, result)
    result = groups(ctx, "--describe", "--group", group, "--members", "--verbose")
    expect_eq(table(result.out, "GROUP"), [], "members", result)
    absent = ctx.unique("absent")
    result = groups(ctx, "--describe", "--group", absent, rc=None)
    expect_in(f"org.apache.kafka.common.errors.GroupIdNotFoundException: Group {absent} not found.", result.out, result)


@check("groups: describe a live group, one member")
def describe_live(ctx):
    topic = ctx.topic(partitions=2)
    ctx.produce(topic, ["a", "b", "c"])
    group = live_group(ctx, topic, members=1, partitions_each=2)

    def caught_up():
        result = groups(ctx, "--describe", "--group", group)
        rows = table(result.out, "GROUP")
        expect(len(rows) == 2 and sum(int(row["LAG"]) for row in rows if row["LAG"] != "-") == 0
               and sum(int(row["CURRENT-OFFSET"]) for row in rows if row["CURRENT-OFFSET"] != "-") == 3, "not all committed yet", result)
        return rows
    for row in eventually(caught_up, "three records are committed"):
        expect_match(r"^console-consumer-[0-9a-f-]{36}$", row["CONSUMER-ID"])
        expect_eq((row["HOST"], row["CLIENT-ID"]), ("/127.0.0.1", "console-consumer"), "host and client id")

    result = groups(ctx, "--describe", "--group", group, "--state")
    row = expect_match(rf"^{group} +(\S+) +\((\d)\) +(\S+) +(\S+) +(\d)$", result.out, result)
    expect_eq(row.groups()[1:], ("1", "range", "Stable", "1"), "state", result)
    result = groups(ctx, "--describe", "--group", group, "--members", "--verbose")
    expect_match(rf"^{group} +console-consumer-[0-9a-f-]{{36}} +/127.0.0.1 +console-consumer +2 +.*{topic}:0,1", result.out, result)
    # What a live group refuses.
    result = groups(ctx, "--delete", "--group", group, rc=None)
    expect_in(f"* Group '{group}' could not be deleted due to: org.apache.kafka.common.errors.GroupNotEmptyException: The group is not empty.", result.out, result)
    result = groups(ctx, "--reset-offsets", "--group", group, "--topic", topic, "--to-earliest", "--execute", rc=None)
    expect_in(f"Assignments can only be reset if the group '{group}' is inactive, but the current state is Stable.", result.all, result)
    result = groups(ctx, "--delete-offsets", "--group", group, "--topic", topic, rc=None)
    expect_in("GroupSubscribedToTopicException: Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it.", result.all, result)


@check("groups: two members share the partitions, and one takes over when the other leaves")
def rebalance(ctx):
    topic = ctx.topic(partitions=4)
    group = live_group(ctx, topic, members=2, partitions_each=2)
    rows = table(groups(ctx, "--describe", "--group", group).out, "GROUP")
    # Nothing is committed yet, so only the assignment shows.
    owners = {row["PARTITION"]: row["CONSUMER-ID"] for row in rows}
    expect(len(owners) == 4 and len(set(owners.values())) == 2, f"four partitions, two owners: {owners}")
    ctx.processes[0].stop()

    def one_member():
        members = table(groups(ctx, "--describe", "--group", group, "--members").out, "GROUP")
        return [row["#PARTITIONS"] for row in members] == ["4"]
    eventually(one_member, "the other member has all four partitions", timeout_s=20)


@check("groups: reset-offsets, every rule, dry run and execute")
def reset_offsets(ctx):
    topic, group = idle_group(ctx, records=10, consumed=4)

    def reset(*rule):
        result = groups(ctx, "--reset-offsets", "--group", group, "--topic", topic, *rule)
        return [(row["TOPIC"], row["PARTITION"], row["NEW-OFFSET"]) for row in table(result.out, "GROUP")]

    def to(offset):
        return [(topic, "0", str(offset))]

    def committed():
        return table(groups(ctx, "--describe", "--group", group).out, "GROUP")[0]["CURRENT-OFFSET"]

    dry = "--dry-run"
    expect_eq(reset("--to-earliest", dry), to(0), "--to-earliest")
    expect_eq(reset("--to-latest", dry), to(10), "--to-latest")
    expect_eq(reset("--to-current", dry), to(4), "--to-current")
    expect_eq(reset("--to-offset", 7, dry), to(7), "--to-offset")
    expect_eq(reset("--to-offset", 700, dry), to(10), "--to-offset beyond the end")
    expect_eq(reset("--shift-by", 3, dry), to(7), "--shift-by 3")
    expect_eq(reset("--shift-by", -1, dry), to(3), "--shift-by -1")
    expect_eq(reset("--to-datetime", "2020-01-01T00:00:00.000", dry), to(0), "--to-datetime long ago")
    expect_eq(reset("--to-datetime", "2099-01-01T00:00:00.000", dry), to(10), "--to-datetime to come")
    expect_eq(reset("--by-duration", "PT1H", dry), to(0), "--by-duration an hour")
    expect_eq(committed(), "4", "a dry run changes nothing")
    result = groups(ctx, "--reset-offsets", "--group", group, "--topic", f"{topic}:0", "--to-offset", 2, "--export", dry)
    expect_eq(result.lines, [f"{topic},0,2"], "--export", result)

    expect_eq(reset("--to-offset", 8, "--execute"), to(8), "executed")
    expect_eq(committed(), "8", "the committed offset")
    expect_eq(ctx.consume(topic, 2, "--group", group), ["r8", "r9"], "what the group reads now")
    plan = ctx.work_dir / "plan.csv"
    plan.write_text(f"{topic},0,5\n")
    result = groups(ctx, "--reset-offsets", "--group", group, "--from-file", plan, "--execute")
    expect_eq(committed(), "5", "--from-file", result)
    # A group that never was: created by the commit.
    fresh = ctx.unique("fresh")
    groups(ctx, "--reset-offsets", "--group", fresh, "--topic", topic, "--to-offset", 9, "--execute")
    expect_eq(ctx.consume(topic, 1, "--group", fresh), ["r9"], "what the new group reads")


@check("groups: delete-offsets and delete")
def delete(ctx):
    topic, group = idle_group(ctx)
    other = ctx.topic()
    ctx.produce(other, ["x"])
    ctx.consume(other, 1, "--group", group)
    expect_eq(len(table(groups(ctx, "--describe", "--group", group).out, "GROUP")), 2, "topics with commits")
    result = groups(ctx, "--delete-offsets", "--group", group, "--topic", topic)
    expect_in(f"Request succeeded for deleting offsets from group {group}.", result.out, result)
    expect_match(rf"^{topic} +0 +Successful *$", result.out, result)
    rows = table(groups(ctx, "--describe", "--group", group).out, "GROUP")
    expect_eq([row["TOPIC"] for row in rows], [other], "topics left")

    result = groups(ctx, "--delete", "--group", group)
    expect_in(f"Deletion of requested consumer groups ('{group}') was successful.", result.out, result)
    expect_not_in(group, groups(ctx, "--list").out)
    result = groups(ctx, "--delete", "--group", group)
    expect_in(f"* Group '{group}' could not be deleted due to: org.apache.kafka.common.errors.GroupIdNotFoundException: The group id does not exist.", result.out, result)
    # Deleted means forgotten: the group starts from the beginning.
    expect_eq(ctx.consume(topic, 1, "--group", group), ["r0"], "the first record again")


@check("groups: a deleted topic takes its offsets along")
def deleted_topic(ctx):
    topic, group = idle_group(ctx)
    kept = ctx.topic()
    ctx.produce(kept, ["x"])
    ctx.consume(kept, 1, "--group", group)
    ctx.tool("kafka-topics", "--delete", "--topic", topic)

    def only_the_kept_topic():
        rows = table(groups(ctx, "--describe", "--group", group).out, "GROUP")
        return [row["TOPIC"] for row in rows] == [kept]
    eventually(only_the_kept_topic, f"{group} has offsets of {kept} alone")


@check("groups: lag grows as records come")
def lag(ctx):
    topic, group = idle_group(ctx, records=5, consumed=5)
    expect_eq(table(groups(ctx, "--describe", "--group", group).out, "GROUP")[0]["LAG"], "0", "lag")
    ctx.produce(topic, ["x"] * 7)
    row = table(groups(ctx, "--describe", "--group", group).out, "GROUP")[0]
    expect_eq((row["CURRENT-OFFSET"], row["LOG-END-OFFSET"], row["LAG"]), ("5", "12", "7"), "offset, end and lag")


@check("groups: static membership keeps its place over a restart of the member")
def static_member(ctx):
    topic, group = ctx.topic(partitions=2), ctx.unique("static")
    options = ("--topic", topic, "--group", group, "--command-property", "group.instance.id=one", "--command-property", "session.timeout.ms=30000")

    def member_id():
        result = groups(ctx, "--describe", "--group", group, "--members", "--verbose")
        return expect_match(rf"^{group} +(one-[0-9a-f-]{{36}}) +one +/127.0.0.1 ", result.out, result).group(1)
    first = ctx.tool_start("kafka-console-consumer", *options)
    member = eventually(member_id, "the member is there", timeout_s=30)
    first.stop()
    # A static member that goes does not leave: the group stays as it is until the session ends.
    expect_eq(member_id(), member, "the member after it went")
    result = groups(ctx, "--describe", "--group", group, "--state")
    expect_in("Stable", result.out, result)
    ctx.tool_start("kafka-console-consumer", *options)
    eventually(lambda: member_id() != member, "the member came back under a new member id", timeout_s=30)
    result = groups(ctx, "--describe", "--group", group, "--state")
    expect_match(rf"^{group} +\S+ +\(1\) +range +Stable +1$", result.out, result)
