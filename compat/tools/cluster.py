"""What the cluster says of itself: kafka-broker-api-versions, -cluster, -features, -metadata-quorum, -leader-election, -reassign-partitions."""

import json
import re

from harness import check, data_file, expect, expect_eq, expect_golden, expect_in, expect_match, expect_not_in, table

UUID = r"[A-Za-z0-9_-]{22}"


@check("broker-api-versions: every key and range is Apache Kafka's")
def api_versions(ctx):
    result = ctx.tool("kafka-broker-api-versions")
    expect_match(rf"^{ctx.broker.bootstrap} \(id: 1 rack: null isFenced: false\) -> \($", result.out, result)
    seen = dict(re.findall(r"^\t(\w+\(\d+\)): ([^,\n]*)", result.out, re.M))
    expected_path = data_file("api-versions.txt", __file__)
    if ctx.suite.record:
        expect_golden(ctx, expected_path, [f"{key}: {versions}" for key, versions in seen.items()])
        return
    expected = dict(line.split(": ", 1) for line in expected_path.read_text().splitlines())
    expect_eq(set(seen), set(expected), "the keys", result)
    # Keys of a later milestone are not advertised yet. The list only shrinks: what is advertised must leave it.
    later = {line for line in data_file("api-versions-later.txt", __file__).read_text().splitlines() if line and not line.startswith("#")}
    wrong = [f"{key}: {versions}; Apache Kafka: {expected[key]}" for key, versions in seen.items()
             if versions != expected[key] and not (versions == "UNSUPPORTED" and key in later)]
    expect(not wrong, "ranges that differ:\n" + "\n".join(wrong))
    if not ctx.peer:
        done = [key for key in later if seen[key] != "UNSUPPORTED"]
        expect(not done, f"advertised now, so to be taken out of api-versions-later.txt: {done}")


@check("cluster: id and endpoints")
def cluster(ctx):
    result = ctx.tool("kafka-cluster", "cluster-id")
    cluster_id = expect_match(rf"^Cluster ID: ({UUID})$", result.out, result).group(1)
    meta = (ctx.broker.data_dir / "meta.properties").read_text()
    expect_in(f"cluster.id={cluster_id}\n", meta)
    rows = table(ctx.tool("kafka-cluster", "list-endpoints").out, "ID")
    host, port = ctx.broker.bootstrap.split(":")
    endpoint = {"ID": "1", "HOST": host, "PORT": port, "RACK": "null", "STATE": "unfenced", "ENDPOINT_TYPE": "broker"}
    expect_eq(rows, [endpoint], "endpoints")
    rows = table(ctx.tool("kafka-cluster", "list-endpoints", "--include-fenced-brokers").out, "ID")
    expect_eq(rows, [endpoint], "endpoints with fenced brokers")


@check("cluster: the controller's endpoint answers the tools too")
def controller_endpoint(ctx):
    controller = ("--bootstrap-controller", ctx.broker.controller)
    rows = table(ctx.tool("kafka-cluster", "list-endpoints", *controller).out, "ID")
    host, port = ctx.broker.controller.split(":")
    expect_eq(rows, [{"ID": "1", "HOST": host, "PORT": port, "RACK": "null", "ENDPOINT_TYPE": "controller"}], "endpoints")
    result = ctx.tool("kafka-metadata-quorum", *controller, "describe", "--status")
    expect_match(r"^LeaderId: +1$", result.out, result)
    result = ctx.tool("kafka-features", *controller, "describe")
    expect_match(r"^Feature: metadata.version\s.*FinalizedVersionLevel: 4.3-IV0\s", result.out, result)


@check("features: describe")
def features(ctx):
    result = ctx.tool("kafka-features", "describe")
    rows = [re.sub(r"\s+", " ", re.sub(r"Epoch: \d+", "Epoch: N", line)).strip() for line in result.lines]
    expected = [("eligible.leader.replicas.version", 0, 1, 1), ("group.version", 0, 1, 1), ("kraft.version", 0, 1, 1),
                ("metadata.version", "3.3-IV3", "4.3-IV0", "4.3-IV0"), ("share.version", 0, 1, 1), ("streams.version", 0, 1, 1),
                ("transaction.version", 0, 2, 2)]
    expect_eq(rows, [f"Feature: {name} SupportedMinVersion: {low} SupportedMaxVersion: {high} FinalizedVersionLevel: {now} Epoch: N"
                     for name, low, high, now in expected], "features", result)
    epochs = {int(epoch) for epoch in re.findall(r"Epoch: (\d+)", result.out)}
    expect(len(epochs) == 1 and min(epochs) > 0, f"one epoch, the offset of the metadata log: {epochs}", result)


@check("features: upgrade to what is there, and refusals")
def change_features(ctx):
    result = ctx.tool("kafka-features", "upgrade", "--feature", "group.version=1")
    expect_in("group.version was upgraded to 1.", result.out, result)
    result = ctx.tool("kafka-features", "downgrade", "--feature", "no.such=1", rc=1)
    expect_in("Could not downgrade no.such to 1.", result.out, result)
    expect_in("Invalid update version 1 for feature no.such. Local controller 1 does not support this feature.", result.out, result)
    result = ctx.tool("kafka-features", "upgrade", "--feature", "group.version=9", rc=1)
    expect_in("Could not upgrade group.version to 9.", result.out, result)
    result = ctx.tool("kafka-features", "upgrade", "--metadata", "4.3-IV0", "--dry-run", rc=None)
    expect_in("metadata.version can be upgraded to 30.", result.out, result)


@check("metadata-quorum: describe --status and --replication")
def quorum(ctx):
    result = ctx.tool("kafka-metadata-quorum", "describe", "--status")
    status = {key: value.strip() for key, value in (line.split(":", 1) for line in result.lines)}
    meta = dict(line.split("=", 1) for line in (ctx.broker.data_dir / "meta.properties").read_text().splitlines() if "=" in line)
    expect_eq((status["ClusterId"], status["LeaderId"], status["MaxFollowerLag"], status["MaxFollowerLagTimeMs"], status["CurrentObservers"]),
              (meta["cluster.id"], "1", "0", "0", "[]"), "status", result)
    expect(int(status["LeaderEpoch"]) >= 1 and int(status["HighWatermark"]) > 0, "epoch and high watermark", result)
    expect_eq(json.loads(status["CurrentVoters"]),
              [{"id": 1, "directoryId": meta["directory.id"], "endpoints": [f"CONTROLLER://{ctx.broker.controller}"]}], "voters", result)

    result = ctx.tool("kafka-metadata-quorum", "describe", "--replication")
    (row,) = table(result.out, "NodeId")
    expect_eq((row["NodeId"], row["DirectoryId"], row["Lag"], row["Status"]), ("1", meta["directory.id"], "0", "Leader"), "replica", result)
    expect(int(row["LogEndOffset"]) >= int(status["HighWatermark"]), "the log end is not before the earlier high watermark", result)
    result = ctx.tool("kafka-metadata-quorum", "describe", "--replication", "--human-readable")
    expect_match(r"\d+ ms ago", result.out, result)


@check("metadata-quorum: creating a topic moves the metadata log")
def quorum_moves(ctx):
    def high_watermark():
        return int(expect_match(r"^HighWatermark: +(\d+)$", ctx.tool("kafka-metadata-quorum", "describe", "--status").out).group(1))
    before = high_watermark()
    ctx.topic(partitions=5)
    after = high_watermark()
    # A TopicRecord and five PartitionRecords.
    expect(after >= before + 6, f"from {before} to {after}")


@check("leader-election: nothing to elect on one node")
def leader_election(ctx):
    topic = ctx.topic(partitions=2)
    for kind in ("preferred", "unclean"):
        result = ctx.tool("kafka-leader-election", "--election-type", kind, "--topic", topic, "--partition", 0)
        expect_in(f"Valid replica already elected for partitions {topic}-0", result.out, result)
    ctx.tool("kafka-leader-election", "--election-type", "preferred", "--all-topic-partitions")
    absent = ctx.unique("absent")
    result = ctx.tool("kafka-leader-election", "--election-type", "preferred", "--topic", absent, "--partition", 0, rc=1)
    expect_in(f"Error completing leader election (PREFERRED) for partition: {absent}-0: "
              "org.apache.kafka.common.errors.UnknownTopicOrPartitionException", result.all, result)


@check("reassign-partitions: list, generate, execute, verify and cancel on one node")
def reassign(ctx):
    topic = ctx.topic()
    result = ctx.tool("kafka-reassign-partitions", "--list")
    expect_in("No partition reassignments found.", result.out, result)

    move = ctx.work_dir / "move.json"
    move.write_text(json.dumps({"topics": [{"topic": topic}], "version": 1}))
    result = ctx.tool("kafka-reassign-partitions", "--generate", "--topics-to-move-json-file", move, "--broker-list", "1")
    current, proposed = (json.loads(line) for line in result.lines if line.startswith("{"))
    expect_eq(current["partitions"], [{"topic": topic, "partition": 0, "replicas": [1], "log_dirs": [str(ctx.broker.data_dir)]}], "current", result)
    expect_eq(proposed["partitions"], [{"topic": topic, "partition": 0, "replicas": [1], "log_dirs": ["any"]}], "proposed", result)

    def plan(replicas):
        path = ctx.work_dir / f"plan-{replicas[0]}.json"
        path.write_text(json.dumps({"version": 1, "partitions": [{"topic": topic, "partition": 0, "replicas": replicas}]}))
        return ("--reassignment-json-file", path)
    result = ctx.tool("kafka-reassign-partitions", "--execute", *plan([1]))
    expect_in(f"Successfully started partition reassignment for {topic}-0", result.out, result)
    result = ctx.tool("kafka-reassign-partitions", "--verify", *plan([1]))
    expect_in(f"Reassignment of partition {topic}-0 is completed.", result.out, result)
    result = ctx.tool("kafka-reassign-partitions", "--cancel", *plan([1]))
    expect_in("None of the specified partition reassignments are active.", result.out, result)
    result = ctx.tool("kafka-reassign-partitions", "--execute", *plan([7]), rc=1)
    expect_in("Unknown broker id 7", result.all, result)
    expect_not_in("7", ctx.tool("kafka-topics", "--describe", "--topic", topic).lines[1].split("Leader")[1])


@check("transactions: the producers of a partition")
def producers(ctx):
    topic = ctx.topic()
    ctx.produce(topic, ["a", "b", "c"])
    ctx.produce(topic, ["d"])
    result = ctx.tool("kafka-transactions", "describe-producers", "--topic", topic, "--partition", 0)
    rows = sorted(table(result.out, "ProducerId"), key=lambda row: row["LastSequence"])
    expect_eq([row["LastSequence"] for row in rows], ["0", "2"], "last sequences", result)
    expect(len({row["ProducerId"] for row in rows}) == 2, "two producers", result)
    for row in rows:
        expect_eq((row["ProducerEpoch"], row["LatestCoordinatorEpoch"], row["CurrentTransactionStartOffset"]), ("0", "-1", "None"), "producer", result)
