"""Request by request: what Ottla answers is what Apache Kafka answers, field by field, in every version, errors included.

Both brokers are new and get the same requests. What must differ (ids, ports, times, paths) is replaced by its kind; of an
error's words only whether there are any is compared.
"""

import time

from harness import KAFKA_HOME, check, expect
from kafka_codec import NIL, Connection, Schemas

# Values that are a node's own. The absent ones (-1, empty, nil) are compared all the same.
OWN = {"Port", "ClusterId", "ReplicaDirectoryId", "LastFetchTimestamp", "LastCaughtUpTimestamp", "LogEndOffset", "HighWatermark",
       "FinalizedFeaturesEpoch", "MemberId", "ProducerId", "LogDir", "TotalBytes", "UsableBytes", "LeaderEpoch", "TopicId"}
ABSENT = (-1, "", NIL, None)
WORDS = {"ErrorMessage", "BatchIndexErrorMessage"}
OTHER_ID = bytes(range(16))
RETRIED = {14, 15, 16}
OPTIONS = {"group.initial.rebalance.delay.ms": 0, "offsets.topic.num.partitions": 3, "group.consumer.assignment.interval.ms": 0}


class Pair:
    """Apache Kafka and the broker under test, asked the same."""

    def __init__(self, schemas, addresses):
        self.connections = [Connection(schemas, address) for address in addresses]
        self.schemas, self.addresses = schemas, addresses
        self.ids = [{}, {}]
        self.compared, self.differences = 0, []

    def ask(self, api, message, versions=None, note=""):
        """Compares the answers in all these versions (by default in all there are). `message` may be a function of the
        broker's topic ids by name."""
        first, last = self.schemas.versions(api)
        for version in versions or range(first, last + 1):
            answers = []
            for side in (0, 1):
                request = message(self.ids[side]) if callable(message) else message
                answers.append(self._settled(side, api, version, request))
            self.compared += 1
            self.differences += [f"{api} {version} {note}: {found}" for found in _differences("", *map(_plain, answers))]

    def create(self, name, partitions=1):
        topic = {"Name": name, "NumPartitions": partitions, "ReplicationFactor": 1}
        for side in (0, 1):
            answer = self._settled(side, "CreateTopics", 7, {"Topics": [topic], "timeoutMs": 10_000})
            assert answer["Topics"][0]["ErrorCode"] == 0, answer
            self.ids[side][name] = answer["Topics"][0]["TopicId"]

    def _settled(self, side, api, version, request):
        """The answer once it is no longer "not yet"."""
        for _ in range(100):
            answer = self.connections[side].call(api, version, request)
            if answer is None:
                self.connections[side].close()
                self.connections[side] = Connection(self.schemas, self.addresses[side])
                return "the connection was closed"
            if not RETRIED & set(_codes(answer)):
                return answer
            time.sleep(0.2)
        return answer


def _codes(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "ErrorCode":
                yield inner
            yield from _codes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _codes(inner)


def _plain(value, key=""):
    if isinstance(value, dict):
        return {name: _plain(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return sorted((_plain(inner, key) for inner in value), key=repr)
    if key in WORDS:
        return "words" if value else value
    return f"<{key}>" if key in OWN and value not in ABSENT else value


def _differences(path, kafka, ours):
    if isinstance(kafka, dict) and isinstance(ours, dict):
        return [found for key in kafka for found in _differences(f"{path}.{key}", kafka[key], ours[key])]
    if isinstance(kafka, list) and isinstance(ours, list) and len(kafka) == len(ours):
        return [found for i, both in enumerate(zip(kafka, ours)) for found in _differences(f"{path}[{i}]", *both)]
    return [] if kafka == ours else [f"{path} is {str(ours)[:200]}, with Apache Kafka {str(kafka)[:200]}"]


def _compare(ctx, ask_all, **options):
    options = {**OPTIONS, **options}
    brokers = [ctx.new_broker(options, kind="kafka", name="kafka"), ctx.new_broker(options, name="tested")]
    pair = Pair(Schemas(KAFKA_HOME / "libs"), [broker.bootstrap for broker in brokers])
    ask_all(pair)
    expect(not pair.differences, f"{len(pair.differences)} differences in {pair.compared} answers:\n" + "\n".join(pair.differences[:40]))


@check("protocol: topics and configurations are answered as by Apache Kafka, in every version", tags=("slow",), own_broker=True)
def topics(ctx):
    _compare(ctx, _topics)


@check("protocol: groups and offsets are answered as by Apache Kafka, in every version", tags=("slow",), own_broker=True)
def groups(ctx):
    _compare(ctx, _groups)


@check("protocol: consumer groups are answered as by Apache Kafka, in every version", tags=("slow",), own_broker=True)
def consumer_groups(ctx):
    _compare(ctx, _consumer_groups)


@check("protocol: without the consumer protocol its requests are refused as by Apache Kafka", tags=("slow",), own_broker=True)
def no_consumer_groups(ctx):
    _compare(ctx, _no_consumer_groups, **{"group.coordinator.rebalance.protocols": "classic"})


def _topics(pair):
    def topic(name, partitions=1, factor=1, **more):
        return {"Name": name, "NumPartitions": partitions, "ReplicationFactor": factor, **more}

    pair.create("t")
    pair.create("u", partitions=2)
    wanted = [topic("t"), topic("a/b"), topic(".."), topic(""), topic("new"), topic("x1", partitions=0), topic("x3", factor=3),
              topic("x4", Configs=[{"Name": "retention.ms", "Value": "abc"}]), topic("x5", Configs=[{"Name": "nope", "Value": "1"}])]
    pair.ask("CreateTopics", {"Topics": wanted, "timeoutMs": 5000, "validateOnly": True})
    names = [{"Name": "t"}, {"Name": "nosuch"}, {"Name": "a/b"}]
    pair.ask("Metadata", {"Topics": names, "AllowAutoTopicCreation": False}, range(4, 14))
    pair.ask("Metadata", lambda ids: {"Topics": [{"TopicId": ids["t"], "Name": None}, {"TopicId": OTHER_ID, "Name": None}],
                                      "AllowAutoTopicCreation": False}, [12, 13])
    pair.ask("DescribeTopicPartitions", {"Topics": [{"Name": "t"}, {"Name": "nosuch"}], "Cursor": None})
    pair.ask("DescribeCluster", {"IncludeClusterAuthorizedOperations": True})
    pair.ask("DescribeCluster", {"EndpointType": 2}, [1, 2])
    acl = {"Operation": 3, "PermissionType": 3}
    acl_filter = {**acl, "ResourceTypeFilter": 2, "ResourceNameFilter": None, "PrincipalFilter": None, "HostFilter": None}
    pair.ask("DescribeAcls", acl_filter)
    pair.ask("CreateAcls", {"Creations": [{**acl, "ResourceType": 2, "ResourceName": name, "Principal": "User:a", "Host": "*"} for name in ("t", "u")]})
    pair.ask("DeleteAcls", {"Filters": [acl_filter, acl_filter]})
    configs = [{"ResourceType": 2, "ResourceName": name} for name in ("t", "nosuch", "a/b")]
    pair.ask("DescribeConfigs", {"Resources": configs, "IncludeSynonyms": True})
    change = {"Name": "retention.ms", "ConfigOperation": 0, "Value": "1000"}
    pair.ask("IncrementalAlterConfigs", {"Resources": [{"ResourceType": 2, "ResourceName": name, "Configs": [change]} for name in ("u", "nosuch")]})
    value = {"Name": "retention.ms", "Value": "2000"}
    pair.ask("AlterConfigs", {"Resources": [{"ResourceType": 2, "ResourceName": name, "Configs": [value]} for name in ("u", "nosuch")]})
    pair.ask("ListConfigResources", {})
    pair.ask("CreatePartitions", {"Topics": [{"Name": name, "Count": 1, "Assignments": None} for name in ("u", "nosuch")],
                                  "TimeoutMs": 5000, "ValidateOnly": True})
    pair.ask("ElectLeaders", {"TopicPartitions": [{"Topic": "t", "Partitions": [0, 5]}], "TimeoutMs": 5000})
    moves = [{"PartitionIndex": 0, "Replicas": [1]}, {"PartitionIndex": 7, "Replicas": [1]}, {"PartitionIndex": 8, "Replicas": None}]
    pair.ask("AlterPartitionReassignments", {"Topics": [{"Name": "t", "Partitions": moves}]})
    pair.ask("ListPartitionReassignments", {"Topics": None})
    pair.ask("DescribeQuorum", {"Topics": [{"TopicName": "__cluster_metadata", "Partitions": [{"PartitionIndex": 0}]}]})
    pair.ask("DescribeQuorum", {"Topics": [{"TopicName": "t", "Partitions": [{"PartitionIndex": 0}]}]})
    pair.ask("UpdateFeatures", {"FeatureUpdates": [{"Feature": "group.version", "MaxVersionLevel": 1}]})
    pair.ask("UpdateFeatures", {"FeatureUpdates": [{"Feature": "nope", "MaxVersionLevel": 1}], "ValidateOnly": True}, [1, 2])
    pair.ask("UnregisterBroker", {"BrokerId": 77})
    pair.ask("DescribeLogDirs", {"Topics": [{"Topic": "t", "Partitions": [0]}]})
    pair.ask("AlterReplicaLogDirs", {"Dirs": [{"Path": "/nosuch", "Topics": [{"Name": "t", "Partitions": [0]}]}]})
    pair.ask("DescribeProducers", {"Topics": [{"Name": "t", "PartitionIndexes": [0, 9]}, {"Name": "nosuch", "PartitionIndexes": [0]}]})
    pair.ask("DeleteRecords", {"Topics": [{"Name": "t", "Partitions": [{"PartitionIndex": 0, "Offset": -1}, {"PartitionIndex": 4, "Offset": 0}]}],
                               "TimeoutMs": 5000})
    for timestamp in (-1, -2, -3, -4, -5, -6, -7, 0):
        asked = {"ReplicaId": -1, "Topics": [{"Name": name, "Partitions": [{"PartitionIndex": 0, "Timestamp": timestamp}]} for name in ("t", "nosuch")]}
        pair.ask("ListOffsets", asked, note=str(timestamp))
    epochs = [{"Partition": index, "LeaderEpoch": 0} for index in (0, 3)]
    pair.ask("OffsetForLeaderEpoch", {"ReplicaId": -1, "Topics": [{"Topic": "t", "Partitions": epochs}]})
    partitions = [{"Partition": index, "FetchOffset": 0, "PartitionMaxBytes": 10_000} for index in (0, 6)]
    for version in range(4, 19):
        replica = {"ReplicaId": -1} if version < 15 else {}
        pair.ask("Fetch", lambda ids: {**replica, "MaxWaitMs": 10, "MinBytes": 1, "MaxBytes": 100_000, "SessionEpoch": -1, "Topics": [
            {"TopicId": ids["t"], "Partitions": partitions} if version >= 13 else {"Topic": "t", "Partitions": partitions}]}, [version])
    pair.ask("GetTelemetrySubscriptions", {"ClientInstanceId": OTHER_ID})
    pair.ask("PushTelemetry", {"ClientInstanceId": NIL, "Metrics": b""})
    pair.ask("DeleteTopics", {"TopicNames": ["nosuch"], "TimeoutMs": 5000}, range(1, 6))
    pair.ask("DeleteTopics", {"Topics": [{"Name": "nosuch"}, {"Name": None, "TopicId": OTHER_ID}], "TimeoutMs": 5000}, [6])


def _groups(pair):
    pair.create("g", partitions=2)
    pair.ask("FindCoordinator", {"Key": "grp", "KeyType": 0}, range(0, 4))
    pair.ask("FindCoordinator", {"CoordinatorKeys": ["grp", ""], "KeyType": 0}, range(4, 7))
    pair.ask("FindCoordinator", {"Key": "grp", "KeyType": 7}, [2, 3])
    pair.ask("Heartbeat", {"GroupId": "grp", "MemberId": "m", "GenerationId": 1})
    pair.ask("LeaveGroup", {"GroupId": "grp", "MemberId": "m"}, range(0, 3))
    pair.ask("LeaveGroup", {"GroupId": "grp", "Members": [{"MemberId": "m"}, {"MemberId": "", "GroupInstanceId": "i"}]}, range(3, 6))
    pair.ask("SyncGroup", {"GroupId": "grp", "MemberId": "m", "GenerationId": 1})
    join = {"GroupId": "grp", "SessionTimeoutMs": 10_000, "MemberId": "", "ProtocolType": "consumer",
            "Protocols": [{"Name": "range", "Metadata": b"meta"}]}
    wait = {"RebalanceTimeoutMs": 10_000}
    pair.ask("JoinGroup", {**join, "SessionTimeoutMs": 1}, [0])
    pair.ask("JoinGroup", {**join, **wait, "SessionTimeoutMs": 1}, range(1, 10), "session too short")
    pair.ask("JoinGroup", {**join, **wait, "GroupId": ""}, range(1, 10), "no group")
    pair.ask("JoinGroup", {**join, **wait, "MemberId": "nobody"}, range(1, 10), "unknown member")
    pair.ask("JoinGroup", {**join, **wait}, range(4, 10), "member id required")
    partitions = [{"PartitionIndex": 0, "CommittedOffset": 5, "CommittedMetadata": "md"}, {"PartitionIndex": 9, "CommittedOffset": 5, "CommittedMetadata": None}]
    topics = [{"Name": "g", "Partitions": partitions}, {"Name": "nosuch", "Partitions": partitions[:1]}]
    commit = {"GroupId": "simple", "GenerationIdOrMemberEpoch": -1, "Topics": topics}
    pair.ask("OffsetCommit", commit, range(2, 10))
    pair.ask("OffsetCommit", {**commit, "GenerationIdOrMemberEpoch": 3, "MemberId": "nobody"}, range(2, 10), "unknown member")
    long = [{"PartitionIndex": 1, "CommittedOffset": 6, "CommittedMetadata": "x" * 5000}]
    pair.ask("OffsetCommit", lambda ids: {**commit, "Topics": [{"TopicId": ids["g"], "Partitions": partitions[:1] + long},
                                                               {"TopicId": OTHER_ID, "Partitions": partitions[:1]}]}, [10])
    asked = [{"Name": "g", "PartitionIndexes": [0, 1, 7]}, {"Name": "nosuch", "PartitionIndexes": [0]}]
    pair.ask("OffsetFetch", {"GroupId": "simple", "Topics": asked}, range(1, 8))
    pair.ask("OffsetFetch", {"GroupId": "simple", "Topics": None}, range(2, 8))
    pair.ask("OffsetFetch", {"Groups": [{"GroupId": "simple", "Topics": asked}, {"GroupId": "none", "Topics": None}]}, [8, 9])
    pair.ask("OffsetFetch", lambda ids: {"Groups": [{"GroupId": "simple", "Topics": [{"TopicId": ids["g"], "PartitionIndexes": [0, 1, 7]},
                                                                                    {"TopicId": OTHER_ID, "PartitionIndexes": [0]}]}]}, [10])
    pair.ask("ListGroups", {})
    pair.ask("ListGroups", {"StatesFilter": ["Empty"]}, [4, 5])
    pair.ask("DescribeGroups", {"Groups": ["simple", "none", ""]})
    pair.ask("OffsetDelete", {"GroupId": "simple", "Topics": [{"Name": "g", "Partitions": [{"PartitionIndex": 0}, {"PartitionIndex": 5}]}]})
    pair.ask("OffsetDelete", {"GroupId": "none", "Topics": []})
    pair.ask("DeleteGroups", {"GroupsNames": ["simple", "none", ""]})
    pair.ask("ListGroups", {}, note="after the deletion")


def _consumer_groups(pair):
    pair.create("c", partitions=3)
    pair.create("d")
    pair.ask("FindCoordinator", {"CoordinatorKeys": ["consumers"], "KeyType": 0}, [6])
    first = {"GroupId": "consumers", "MemberId": "a", "MemberEpoch": 0, "RebalanceTimeoutMs": 30_000, "SubscribedTopicNames": ["c"],
             "TopicPartitions": []}
    beats = {"RebalanceTimeoutMs": -1}

    def beat(note, versions=(0, 1), owned=None, **says):
        """A heartbeat; `owned` are partitions of topic c."""
        def message(ids):
            has = {} if owned is None else {"TopicPartitions": [{"TopicId": ids["c"], "Partitions": owned}]}
            return {**beats, **has, **{"GroupId": "consumers", **says}}
        pair.ask("ConsumerGroupHeartbeat", message, versions, note)

    def describe(note, *groups, versions=(0, 1)):
        asked = {"GroupIds": list(groups or ["consumers"]), "IncludeAuthorizedOperations": True}
        pair.ask("ConsumerGroupDescribe", asked, versions, note)

    # What is refused for what it says, in a group that never was.
    for wrong in ({"MemberId": ""}, {"GroupId": ""}, {"InstanceId": ""}, {"RackId": ""}, {"RebalanceTimeoutMs": -1},
                  {"TopicPartitions": None}, {"SubscribedTopicNames": None}, {"MemberEpoch": -3}, {"MemberEpoch": -2},
                  {"MemberEpoch": 5, "MemberId": ""}, {"MemberEpoch": -1, "MemberId": ""}, {"ServerAssignor": "random"}):
        versions = [1] if wrong == {"MemberId": ""} else None
        pair.ask("ConsumerGroupHeartbeat", {**first, "GroupId": "wrong", **wrong}, versions, str(wrong))
    pair.ask("ConsumerGroupHeartbeat", lambda ids: {**first, "TopicPartitions": [{"TopicId": ids["c"], "Partitions": [0]}]}, note="owns when it joins")
    for regex in ("(", "a)|(b", "[", "*", "(a)\\1", "a\\"):
        pair.ask("ConsumerGroupHeartbeat", {**first, "SubscribedTopicNames": None, "SubscribedTopicRegex": regex, "GroupId": "wrong"}, [1], regex)
    for epoch in (1, -1, -2):
        beat(f"no such group, epoch {epoch}", MemberId="a", MemberEpoch=epoch, InstanceId="i" if epoch == -2 else None)
    pair.ask("ConsumerGroupHeartbeat", {**first, "MemberId": "", "GroupId": "given-ids"}, [0], "is given an id")
    describe("none", "none", "", "given-ids")

    # Members come, share and go. The first epoch of a group that somebody subscribes in is 2.
    pair.ask("ConsumerGroupHeartbeat", first, [1], "a joins")
    describe("one member")
    beat("a again", MemberId="a", MemberEpoch=2, owned=[0, 1, 2])
    beat("a says nothing", MemberId="a", MemberEpoch=2)
    beat("unknown member", MemberId="x", MemberEpoch=2)
    beat("ahead", MemberId="a", MemberEpoch=9)
    beat("a never had an instance id", MemberId="a", MemberEpoch=-1, InstanceId="nobody")
    pair.ask("ConsumerGroupHeartbeat", {**first, "MemberId": "b", "ServerAssignor": "range"}, [1], "b joins")
    describe("two members, one waits")
    beat("b waits", [1], MemberId="b", MemberEpoch=3, owned=[])
    beat("a is to give up", [1], MemberId="a", MemberEpoch=2)
    describe("a gives up")
    beat("a still has all", [1], MemberId="a", MemberEpoch=2, owned=[0, 1, 2])
    beat("a gave up", [1], MemberId="a", MemberEpoch=2, owned=[0, 1])
    beat("b waits no more", [1], MemberId="b", MemberEpoch=3)
    beat("b has it", [1], MemberId="b", MemberEpoch=3, owned=[2])
    describe("both have what they are to have")
    beat("a one epoch behind", [1], MemberId="a", MemberEpoch=2, owned=[0])
    beat("a one epoch behind, with more than it has", [1], MemberId="a", MemberEpoch=2, owned=[0, 1, 2])
    beat("a two epochs behind", [1], MemberId="a", MemberEpoch=1, owned=[0])
    full = {**beats, "RebalanceTimeoutMs": 30_000}
    beat("b subscribes to more", [1], MemberId="b", MemberEpoch=3, SubscribedTopicNames=["c", "d", "not-there"], **full)
    describe("after that")
    beat("b says everything", [1], MemberId="b", MemberEpoch=4, SubscribedTopicNames=["c", "d", "not-there"], owned=[2], **full)
    beat("b says it again", [1], MemberId="b", MemberEpoch=4, SubscribedTopicNames=["c", "d", "not-there"], owned=[2], **full)
    beat("a follows", [1], MemberId="a", MemberEpoch=3)
    beat("b subscribes to less", [1], MemberId="b", MemberEpoch=4, SubscribedTopicNames=["d"], **full)
    describe("b gives up topic c")
    beat("b gave up topic c", [1], MemberId="b", MemberEpoch=5, owned=[])
    beat("b gave up topic c and follows", [1], MemberId="b", MemberEpoch=4, owned=[])
    describe("b has topic d")
    beat("a takes the rest", [1], MemberId="a", MemberEpoch=4, owned=[0, 1])
    describe("a has topic c")
    commit = [{"PartitionIndex": 0, "CommittedOffset": 5, "CommittedMetadata": ""}]
    for member, epoch in (("a", 5), ("a", 4), ("a", 2), ("a", 99), ("x", 2), ("", -1)):
        of_member = {"GroupId": "consumers", "MemberId": member, "GenerationIdOrMemberEpoch": epoch}
        note = f"{member} {epoch}"
        pair.ask("OffsetCommit", lambda ids: {**of_member, "Topics": [{"TopicId": ids["c"], "Partitions": commit}]}, [10], note)
        pair.ask("OffsetCommit", {**of_member, "Topics": [{"Name": "c", "Partitions": commit}]}, range(2, 10), note)
        asked = {"GroupId": "consumers", "MemberId": member or None, "MemberEpoch": epoch, "Topics": [{"Name": "c", "PartitionIndexes": [0, 1]}]}
        pair.ask("OffsetFetch", {"Groups": [asked]}, [8, 9], note)

    # What other requests make of such a group.
    pair.ask("DescribeGroups", {"Groups": ["consumers"]})
    for filters in ({}, {"TypesFilter": ["consumer"]}, {"TypesFilter": ["classic"]}, {"StatesFilter": ["assigning", "reconciling", "stable"]}):
        pair.ask("ListGroups", filters, [5], str(filters))
    pair.ask("DeleteGroups", {"GroupsNames": ["consumers"]})
    pair.ask("OffsetDelete", {"GroupId": "consumers", "Topics": [{"Name": "c", "Partitions": [{"PartitionIndex": 0}]}]})
    pair.ask("LeaveGroup", {"GroupId": "consumers", "Members": [{"MemberId": "x"}]}, [5])
    pair.ask("Heartbeat", {"GroupId": "consumers", "MemberId": "a", "GenerationId": 3})

    # Static members.
    static = {**first, "GroupId": "static", "InstanceId": "i"}
    pair.ask("ConsumerGroupHeartbeat", {**static, "MemberId": "s1"}, [1], "s1 joins")
    pair.ask("ConsumerGroupHeartbeat", {**static, "MemberId": "s2"}, [1], "s2 joins too early")
    of = {"GroupId": "static", "InstanceId": "i"}
    beat("another's instance id", [1], MemberId="s2", MemberEpoch=2, **of)
    beat("an instance id of nobody", [1], MemberId="s2", MemberEpoch=2, GroupId="static", InstanceId="j")
    beat("s2 leaves for s1", [1], MemberId="s2", MemberEpoch=-2, **of)
    beat("s1 leaves for a while", [1], MemberId="s1", MemberEpoch=-2, **of)
    describe("away", "static")
    pair.ask("ConsumerGroupHeartbeat", {**static, "MemberId": "s2"}, [1], "s2 takes its place")
    describe("back", "static")
    beat("s2 goes on", [1], MemberId="s2", MemberEpoch=2, **of)
    beat("s1 is nobody any more", [1], MemberId="s1", MemberEpoch=2, **of)
    beat("s2 leaves for good", [1], MemberId="s2", MemberEpoch=-1, **of)
    describe("left", "static")
    pair.ask("DeleteGroups", {"GroupsNames": ["static"]}, [2])

    # Leaving.
    for member in ("a", "b"):
        beat(f"{member} leaves", [1], MemberId=member, MemberEpoch=-1)
    describe("empty")
    pair.ask("OffsetFetch", {"Groups": [{"GroupId": "consumers", "Topics": None}]}, [9])
    pair.ask("DeleteGroups", {"GroupsNames": ["consumers"]}, [2])
    describe("deleted")

    # A cluster without the feature.
    pair.ask("UpdateFeatures", {"FeatureUpdates": [{"Feature": "group.version", "MaxVersionLevel": 0, "UpgradeType": 2}]}, [2])
    pair.ask("ConsumerGroupHeartbeat", first, note="without group.version")
    describe("without group.version")


def _no_consumer_groups(pair):
    pair.ask("ConsumerGroupHeartbeat", {"GroupId": "g", "MemberId": "a", "MemberEpoch": 0, "RebalanceTimeoutMs": 1, "SubscribedTopicNames": ["t"],
                                        "TopicPartitions": []})
    pair.ask("ConsumerGroupDescribe", {"GroupIds": ["g", ""], "IncludeAuthorizedOperations": True})
