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
OPTIONS = {"group.initial.rebalance.delay.ms": 0, "offsets.topic.num.partitions": 3}


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


def _compare(ctx, ask_all):
    brokers = [ctx.new_broker(OPTIONS, kind="kafka", name="kafka"), ctx.new_broker(OPTIONS, name="tested")]
    pair = Pair(Schemas(KAFKA_HOME / "libs"), [broker.bootstrap for broker in brokers])
    ask_all(pair)
    expect(not pair.differences, f"{len(pair.differences)} differences in {pair.compared} answers:\n" + "\n".join(pair.differences[:40]))


@check("protocol: topics and configurations are answered as by Apache Kafka, in every version", tags=("slow",), own_broker=True)
def topics(ctx):
    _compare(ctx, _topics)


@check("protocol: groups and offsets are answered as by Apache Kafka, in every version", tags=("slow",), own_broker=True)
def groups(ctx):
    _compare(ctx, _groups)


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
