"""The swap under groups of the consumer protocol (KIP-848): brokers change, members stay. Epochs, assignments and offsets are those
that the broker before left, a rebalance that was under way goes on, and no member has to join again."""

import time

from consumer_protocol import PROMPT
from harness import KAFKA_HOME, check, eventually, expect, expect_eq, table
from kafka_codec import Connection, Schemas

RETRIED = {14, 15, 16}
# Scripted members are not heard of while other things happen, and a node is not fenced because the machine is busy.
UNHURRIED = {"group.consumer.session.timeout.ms": 600_000, "group.consumer.max.session.timeout.ms": 600_000, "broker.session.timeout.ms": 9000}
PARTITIONS = 6


class Scripted:
    """Members of one group that do only what the check says, and remember their epochs and what they are to have."""

    def __init__(self, groups, name):
        self.groups, self.name = groups, name
        self.epochs, self.given = {}, {}

    def beat(self, member, epoch=None, owns=None, **says):
        """A heartbeat, in the epoch that the member was told last unless it says another; returns the epoch that it is told."""
        epoch = self.epochs.get(member, 0) if epoch is None else epoch
        joins = {"SubscribedTopicNames": ["read"], "TopicPartitions": [], "RebalanceTimeoutMs": 300_000} if epoch == 0 else {"RebalanceTimeoutMs": -1}
        has = {} if owns is None else {"TopicPartitions": [{"TopicId": self.groups.topic_id, "Partitions": owns}]}
        says = {key: value for key, value in {**joins, **has, **says}.items() if value is not None}
        answer = self.groups.ask("ConsumerGroupHeartbeat", {"GroupId": self.name, "MemberId": member, "MemberEpoch": epoch, **says})
        expect_eq(answer["ErrorCode"], 0, f"heartbeat of {member} in epoch {epoch}: {answer['ErrorMessage']}")
        self.epochs[member] = answer["MemberEpoch"]
        if answer["Assignment"] is not None:
            self.given[member] = sorted(p for topic in answer["Assignment"]["TopicPartitions"] for p in topic["Partitions"])
        return answer["MemberEpoch"]

    def beat_until(self, member, count):
        """Beats until the member is to have so many partitions."""
        eventually(lambda: self.beat(member) and len(self.given[member]) == count, f"{member} is given {count} partitions")

    def leave(self, member):
        self.beat(member, epoch=-1)
        del self.epochs[member], self.given[member]


class Groups:
    """Groups on one set of directories, whoever serves it."""

    def __init__(self, ctx):
        self.ctx = ctx
        self.broker = ctx.new_broker({**PROMPT, **UNHURRIED}, kind="kafka", name="node")
        self.schemas = Schemas(KAFKA_HOME / "libs")
        self.connection = Connection(self.schemas, self.broker.bootstrap)
        self.tool("kafka-topics", "--create", "--topic", "read", "--partitions", PARTITIONS)
        (topic,) = self.ask("DescribeTopicPartitions", {"Topics": [{"Name": "read"}], "Cursor": None}, 0)["Topics"]
        self.topic_id = topic["TopicId"]
        self.sent = []

    def tool(self, *args, **options):
        return self.ctx.tool(*args, broker=self.broker, **options)

    def ask(self, api, message, version=1):
        def answer():
            found = self.connection.call(api, version, message)
            expect(found is not None, "the connection was closed")
            return None if found.get("ErrorCode", 0) in RETRIED or any(group["ErrorCode"] in RETRIED for group in found.get("Groups", ())) else found
        return eventually(answer, f"an answer to {api}", timeout_s=40)

    def send(self, count=12):
        lines = [f"r{len(self.sent) + n}" for n in range(count)]
        self.tool("kafka-console-producer", "--topic", "read", input="".join(f"{line}\n" for line in lines))
        self.sent += lines

    def described(self, *names):
        """What the broker says of the groups, with members and partitions in order."""
        groups = self.ask("ConsumerGroupDescribe", {"GroupIds": list(names)})["Groups"]
        for group in groups:
            group["Members"].sort(key=lambda member: member["MemberId"])
            for topics in (part["TopicPartitions"] for member in group["Members"] for part in (member["Assignment"], member["TargetAssignment"])):
                topics.sort(key=lambda topic: topic["TopicName"])
                [topic["Partitions"].sort() for topic in topics]
        return sorted(groups, key=lambda group: group["GroupId"])

    def offsets(self, name):
        rows = table(self.tool("kafka-consumer-groups", "--describe", "--offsets", "--group", name).out, "GROUP")
        return sorted((row["TOPIC"], row["PARTITION"], row["CURRENT-OFFSET"], row["LAG"], row["CONSUMER-ID"]) for row in rows)

    def all_read(self, name):
        def read():
            rows = self.offsets(name)
            return sum(int(row[2]) for row in rows if row[2] != "-") == len(self.sent) and rows
        return eventually(read, f"all {len(self.sent)} records are read and committed", timeout_s=30)

    def change(self, kind, kill):
        self.broker.kill9() if kill else self.broker.stop()
        self.connection.close()
        self.broker.hand_over(kind).start()
        self.connection = Connection(self.schemas, self.broker.bootstrap)


def stay(ctx, kill):
    groups = Groups(ctx)
    live = [ctx.tool_start("kafka-console-consumer", "--topic", "read", "--group", "live", "--from-beginning",
                           "--command-property", "group.protocol=consumer", "--command-property", "auto.commit.interval.ms=100",
                           broker=groups.broker) for _ in range(2)]

    def settled():
        (group,) = groups.described("live")
        return group["GroupState"] == "Stable" and [len(m["Assignment"]["TopicPartitions"]) for m in group["Members"]] == [1, 1]
    eventually(settled, "two members share the topic", timeout_s=40)
    scripted = Scripted(groups, "scripted")
    scripted.beat("pattern", SubscribedTopicRegex="re.d|nothing-.*", SubscribedTopicNames=None)
    scripted.beat_until("pattern", PARTITIONS)
    scripted.beat("static", InstanceId="instance", RackId="rack", ServerAssignor="range")
    scripted.beat_until("pattern", PARTITIONS // 2)
    scripted.beat("pattern", owns=scripted.given["pattern"])
    scripted.beat_until("static", PARTITIONS // 2)
    scripted.beat("static", epoch=-2, InstanceId="instance")
    halfway = Scripted(groups, "halfway")
    names = ("live", "scripted", "halfway")

    for turn, kind in enumerate((ctx.suite.kind, "kafka")):
        half_a_rebalance(groups, halfway, turn)
        groups.send()
        offsets = groups.all_read("live")
        before = groups.described(*names)
        last_kind = groups.broker.kind
        groups.change(kind, kill)
        expect_eq(groups.described(*names), before, f"the groups on {kind} that {last_kind} left")
        expect_eq(groups.offsets("live"), offsets, f"offsets on {kind} that {last_kind} left")
        epoch = scripted.epochs["pattern"]
        expect_eq(scripted.beat("pattern", owns=scripted.given["pattern"]), epoch, "epoch of a member that is heard of again")
        rest_of_the_rebalance(halfway, turn)
        groups.send()
        groups.all_read("live")
        expect_eq(groups.described("live", "scripted"), [group for group in before if group["GroupId"] != "halfway"],
                  f"the groups on {kind}, with their members heard of again")
    time.sleep(0.5)
    read = sorted(line for process in live for line in process.stop().out.split())
    if not kill:  # what is read and not committed when the broker is killed is read again
        expect_eq(read, sorted(groups.sent), "what the live members read")
    expect_eq(sorted(set(read)), sorted(groups.sent), "what the live members read, at least once")


def half_a_rebalance(groups, group, turn):
    """One member has everything, another comes, and the first one is told to give up half of it, and does not yet."""
    first, second = f"first-{turn}", f"second-{turn}"
    group.beat(first)
    group.beat_until(first, PARTITIONS)
    group.beat(second)
    group.beat_until(first, PARTITIONS // 2)
    (described,) = groups.described(group.name)
    expect_eq(described["GroupState"], "Reconciling", "the group in the middle of a rebalance")


def rest_of_the_rebalance(group, turn):
    first, second = f"first-{turn}", f"second-{turn}"
    kept, epoch = group.given[first], group.epochs[first]
    expect_eq(group.beat(first, owns=list(range(PARTITIONS))), epoch, "epoch of the first before it gives up")
    group.beat(second)
    expect_eq((group.given[first], group.given[second]), (kept, []), "what both are to have before the first gives up")
    expect(group.beat(first, owns=kept) > epoch, "the first gave up, and follows")
    group.beat_until(second, PARTITIONS // 2)
    expect_eq(sorted(group.given[second] + kept), list(range(PARTITIONS)), "all partitions, once")
    group.leave(first)
    group.leave(second)


@check("takeover: members of consumer groups stay while Kafka and Ottla change places, clean stops", own_broker=True, timeout_s=400)
def clean(ctx):
    stay(ctx, kill=False)


@check("takeover: members of consumer groups stay while Kafka and Ottla change places, kill -9", own_broker=True, timeout_s=400)
def killed(ctx):
    stay(ctx, kill=True)
