"""The broker's own files after a clean stop, read with kafka-dump-log, kafka-metadata-shell and kafka-storage, and by Apache Kafka itself."""

import json
import re

from _stopped import RECORDS, SEGMENT_BYTES, stopped
from harness import check, eventually, expect, expect_eq, expect_in, expect_match

UUID = r"[A-Za-z0-9_-]{22}"


def dump(ctx, files, *options):
    files = files if isinstance(files, list) else [files]
    result = ctx.tool("kafka-dump-log", "--files", ",".join(map(str, files)), *options)
    # "-1 is followed by N" is what it says of the first batch of every segment but the first one.
    for complaint in (r"Found timestamp mismatch", r"^  \d+ is followed by", r"Indexed offset", r"isvalid: false", r"Missing offset", r"trailing"):
        expect(re.search(complaint, result.all, re.MULTILINE) is None, f"kafka-dump-log complains: {complaint}", result)
    return result


def checkpoint(path):
    """A checkpoint file's entries: {"topic partition": offset}."""
    version, count, *lines = path.read_text().splitlines()
    expect_eq((version, int(count)), ("0", len(lines)), f"version and count of {path}")
    return {line.rsplit(" ", 1)[0]: int(line.rsplit(" ", 1)[1]) for line in lines}


@check("files: the log dir after a clean stop", own_broker=True)
def log_dir(ctx):
    seen = stopped(ctx)
    root = seen.broker.data_dir
    expect_eq(seen.stop_code, 143 if ctx.peer else 0, "exit code after SIGTERM")
    marker = json.loads((root / ".kafka_cleanshutdown").read_text())
    expect(marker["version"] == 0 and marker["brokerEpoch"] > 0, f"the clean-shutdown marker: {marker}")
    expect(not (root / ".lock").exists(), ".lock is still there")
    meta = (root / "meta.properties").read_text()
    for pattern in (r"^version=1$", rf"^cluster.id={UUID}$", r"^node.id=1$", rf"^directory.id={UUID}$"):
        expect_match(pattern, meta)
    ends = {f"{seen.segmented} 0": RECORDS, f"{seen.mixed} 0": 250, f"{seen.deleted_head} 0": 10, f"{seen.empty} 0": 0, f"{seen.empty} 1": 0}
    for name in ("recovery-point-offset-checkpoint", "replication-offset-checkpoint"):
        entries = checkpoint(root / name)
        expect_eq({key: entries.get(key) for key in ends}, ends, name)
    expect_eq(checkpoint(root / "log-start-offset-checkpoint"), {f"{seen.deleted_head} 0": 6}, "log-start-offset-checkpoint")
    # Nothing but what Kafka accepts in a log dir: a foreign directory would stop its start.
    for path in root.iterdir():
        if path.is_dir():
            expect_match(r"^.+-\d+(\.[0-9a-f]{32}-(delete|future|stray))?$", path.name)


@check("files: what lies in a partition's directory", own_broker=True)
def partition_dir(ctx):
    seen = stopped(ctx)
    for topic in (seen.segmented, seen.mixed, seen.empty):
        text = (seen.partition(topic) / "partition.metadata").read_text()
        expect_eq(text, f"version: 0\ntopic_id: {seen.topic_ids[topic]}", f"partition.metadata of {topic}")
    names = {path.name for path in seen.partition(seen.mixed).iterdir()}
    base = f"{0:020}"
    expect_eq(names, {f"{base}.log", f"{base}.index", f"{base}.timeindex", f"{250:020}.snapshot", "leader-epoch-checkpoint", "partition.metadata"}, "files")
    epochs = (seen.partition(seen.mixed) / "leader-epoch-checkpoint").read_text()
    expect_eq(epochs, "0\n1\n0 0\n", "leader-epoch-checkpoint")
    logs = seen.logs(seen.segmented)
    expect(len(logs) >= 4, f"3.6 MB in segments of 1 MiB: {[log.name for log in logs]}")
    for log in logs:
        expect(log.stat().st_size <= SEGMENT_BYTES, f"{log.name} has {log.stat().st_size} bytes")
        for suffix, entry_bytes in ((".index", 8), (".timeindex", 12)):
            size = log.with_suffix(suffix).stat().st_size
            expect(size > 0 and size % entry_bytes == 0 and size < SEGMENT_BYTES, f"{log.with_suffix(suffix).name}: {size} bytes")
    # A producer snapshot at each roll and at the end.
    bases = [int(log.stem) for log in logs]
    snapshots = {int(path.stem) for path in seen.partition(seen.segmented).glob("*.snapshot")}
    expect_eq(snapshots, {*bases[1:], RECORDS}, "producer snapshots")


@check("dump-log: every record of every codec, --deep-iteration and --print-data-log", own_broker=True)
def deep_iteration(ctx):
    seen = stopped(ctx)
    result = dump(ctx, seen.logs(seen.mixed), "--deep-iteration", "--print-data-log")
    batches = re.findall(r"^baseOffset: (\d+) lastOffset: (\d+) count: (\d+) .*partitionLeaderEpoch: (\d+) .*magic: (\d) compresscodec: (\w+) crc: \d+ isvalid: (\w+)$", result.out, re.M)
    expect_eq([int(b[0]) for b in batches][1:], [int(b[1]) + 1 for b in batches][:-1], "each batch starts where the last one ended", result)
    expect_eq({b[3:5] + b[6:] for b in batches}, {("0", "2", "true")}, "epoch, magic and validity", result)
    expect_eq({b[5] for b in batches}, {"none", "gzip", "snappy", "lz4", "zstd"}, "codecs", result)
    records = re.findall(r"^\| offset: (\d+) CreateTime: \d+ keySize: \d+ valueSize: \d+ sequence: \d+ headerKeys: \[h\] key: (\S+) payload: (.*)$", result.out, re.M)
    expected = [(str(i * 50 + n), f"k{n}", f"{codec} {n}") for i, codec in enumerate(("none", "gzip", "snappy", "lz4", "zstd")) for n in range(50)]
    expect_eq(records, expected, "records", result)

    result = dump(ctx, seen.logs(seen.segmented), "--deep-iteration")
    offsets = [int(offset) for offset in re.findall(r"^\| offset: (\d+) ", result.out, re.M)]
    expect_eq(offsets, list(range(RECORDS)), "offsets over all segments")
    starts = [int(offset) for offset in re.findall(r"^Log starting offset: (\d+)$", result.out, re.M)]
    expect_eq(starts, [int(log.stem) for log in seen.logs(seen.segmented)], "starting offsets")


@check("dump-log: indexes, --index-sanity-check and --verify-index-only", own_broker=True)
def indexes(ctx):
    seen = stopped(ctx)
    folder = seen.partition(seen.segmented)
    offset_indexes, time_indexes = sorted(folder.glob("*.index")), sorted(folder.glob("*.timeindex"))
    result = dump(ctx, offset_indexes + time_indexes, "--index-sanity-check")
    for path in offset_indexes + time_indexes:
        expect_in(f"{path} passed sanity check.", result.out, result)
    # Compares each entry with the log; says nothing when all is well.
    result = dump(ctx, offset_indexes + time_indexes, "--verify-index-only")
    expect_eq(result.lines, [f"Dumping {path}" for path in offset_indexes + time_indexes], "lines", result)

    for path in offset_indexes:
        entries = [tuple(map(int, entry)) for entry in re.findall(r"^offset: (\d+) position: (\d+)$", dump(ctx, path).out, re.M)]
        # The perf tool's batches are of 16 kB, and there is an entry for every 4 kB at most: one for each batch but the first.
        batches = re.findall(r"^baseOffset: \d+ lastOffset: (\d+) .* position: (\d+) ", dump(ctx, path.with_suffix(".log")).out, re.M)
        expect_eq(entries, [(int(last), int(position)) for last, position in batches[1:]], f"entries of {path.name}")
    for path in time_indexes:
        entries = [tuple(map(int, entry)) for entry in re.findall(r"^timestamp: (\d+) offset: (\d+)$", dump(ctx, path).out, re.M)]
        batches = re.findall(r"^baseOffset: \d+ lastOffset: (\d+) .* CreateTime: (\d+) ", dump(ctx, path.with_suffix(".log")).out, re.M)
        stamps = [int(stamp) for _, stamp in batches]
        expect(entries and all(a < b for a, b in zip(entries, entries[1:])), f"{path.name} must grow: {entries}")
        expect_eq(entries[-1][0], max(stamps), f"the last entry of {path.name} is the largest timestamp")


@check("dump-log: producer snapshots", own_broker=True)
def snapshots(ctx):
    seen = stopped(ctx)
    result = dump(ctx, seen.partition(seen.mixed) / f"{250:020}.snapshot")
    rows = re.findall(r"^producerId: (\d+) producerEpoch: (\d+) coordinatorEpoch: (-?\d+) currentTxnFirstOffset: (\S+) lastTimestamp: \d+ "
                      r"firstSequence: (\d+) lastSequence: (\d+) lastOffset: (\d+) offsetDelta: (\d+) timestamp: \d+$", result.out, re.M)
    expect_eq(len({row[0] for row in rows}), 5, "producers", result)
    expect_eq({row[1:4] for row in rows}, {("0", "-1", "OptionalLong.empty")}, "epochs and transactions", result)
    expect_eq(sorted((int(row[5]), int(row[6])) for row in rows), [(49, 49 + 50 * i) for i in range(5)], "last sequence and offset", result)
    last = sorted(seen.partition(seen.segmented).glob("*.snapshot"))[-1]
    expect_match(rf" lastSequence: {RECORDS - 1} lastOffset: {RECORDS - 1} ", dump(ctx, last).out)


@check("dump-log: --offsets-decoder on the group's records", own_broker=True)
def offsets_decoder(ctx):
    seen = stopped(ctx)
    log = seen.partition("__consumer_offsets", seen.group_partition) / f"{0:020}.log"
    result = dump(ctx, log, "--offsets-decoder")
    expect_match(rf'key: \{{"type":"1","data":\{{"group":"{seen.group}","topic":"{seen.mixed}","partition":0\}}\}} payload: '
                 rf'\{{"version":"4","data":\{{"offset":100,"leaderEpoch":(-1|0),"metadata":"","commitTimestamp":\d+,"topicId":"{seen.topic_ids[seen.mixed]}"\}}\}}',
                 result.out, result)
    states = re.findall(rf'key: \{{"type":"2","data":\{{"group":"{seen.group}"\}}\}} payload: (.*)$', result.out, re.M)
    values = [json.loads(state) for state in states]
    expect_eq({value["version"] for value in values}, {"3"}, "record version", result)
    expect_eq([(v["data"]["generation"], v["data"]["protocol"], len(v["data"]["members"])) for v in values], [(0, None, 0), (1, "range", 1), (2, None, 0)],
              "generation, protocol and members of the group's records", result)


def metadata_records(text):
    return [json.loads(line.split("payload: ", 1)[1]) for line in text.splitlines() if line.startswith("| ") and "payload: " in line]


@check("dump-log: --cluster-metadata-decoder on the metadata log", own_broker=True)
def metadata_log(ctx):
    seen = stopped(ctx)
    result = dump(ctx, sorted(seen.metadata.glob("*.log")), "--cluster-metadata-decoder")
    records = metadata_records(result.out)
    by_type = {}
    for record in records:
        by_type.setdefault(record["type"], []).append(record["data"])
    features = {data["name"]: data["featureLevel"] for data in by_type["FEATURE_LEVEL_RECORD"]}
    expect_eq(features, {"metadata.version": 30, "eligible.leader.replicas.version": 1, "group.version": 1, "share.version": 1, "streams.version": 1,
                         "transaction.version": 2}, "features")
    expect_in("REGISTER_CONTROLLER_RECORD", by_type)
    (broker,) = by_type["REGISTER_BROKER_RECORD"]
    expect_eq((broker["brokerId"], broker["fenced"], [(e["name"], e["host"], e["port"]) for e in broker["endPoints"]]),
              (1, True, [("PLAINTEXT", "127.0.0.1", seen.broker.port)]), "the broker's registration")
    topics = {data["name"]: data["topicId"] for data in by_type["TOPIC_RECORD"]}
    expect_eq({name: topics.get(name) for name in seen.topic_ids}, seen.topic_ids, "topics")
    partitions = [(data["partitionId"], data["replicas"], data["isr"], data["leader"], data["leaderEpoch"], data["partitionEpoch"])
                  for data in by_type["PARTITION_RECORD"] if data["topicId"] == topics[seen.empty]]
    expect_eq(partitions, [(p, [1], [1], 1, 0, 0) for p in (0, 1)], "partitions of the empty topic")
    directory = re.search(r"^directory.id=(.*)$", (seen.broker.data_dir / "meta.properties").read_text(), re.M).group(1)
    expect_eq({tuple(data["directories"]) for data in by_type["PARTITION_RECORD"]}, {(directory,)}, "directories of the partitions")
    configs = {(data["resourceType"], data["resourceName"], data["name"]): data["value"] for data in by_type["CONFIG_RECORD"]}
    expect_eq(configs.get((2, seen.segmented, "segment.bytes")), str(SEGMENT_BYTES), "segment.bytes")
    expect_eq(configs.get((4, "", "min.insync.replicas")), "1", "min.insync.replicas of the cluster")
    expect(by_type.get("PRODUCER_IDS_RECORD"), "no producer ids were taken from the metadata log")
    # The clean stop: the partitions lose their leader, the broker is fenced.
    last = {}
    for data in by_type["PARTITION_CHANGE_RECORD"]:
        if data["topicId"] == topics[seen.mixed]:
            last = data
    expect_eq((last.get("leader"), last.get("isr")), (-1, []), "leader and ISR at the end")
    changes = by_type["BROKER_REGISTRATION_CHANGE_RECORD"]
    expect_eq([c["inControlledShutdown"] for c in changes if c.get("inControlledShutdown")], [1], "controlled shutdown")
    expect_eq([c["fenced"] for c in changes if c.get("fenced")], [-1, 1], "unfenced, then fenced")
    quorum = json.loads((seen.metadata / "quorum-state").read_text())
    expect_eq((quorum["leaderId"], quorum["data_version"]), (1, 1), "quorum-state")


def last_snapshot(seen):
    paths = sorted(path for path in seen.metadata.glob("*.checkpoint") if not path.name.startswith("0" * 20))
    expect(paths, "no metadata snapshot was written, though there were enough bytes")
    return paths[-1]


@check("dump-log: a metadata snapshot", own_broker=True)
def metadata_snapshot(ctx):
    seen = stopped(ctx)
    path = last_snapshot(seen)
    result = dump(ctx, path, "--cluster-metadata-decoder")
    expect_in("SnapshotHeader", result.out, result)
    expect_in("SnapshotFooter", result.out, result)
    expect_in("KRaftVoters", result.out, result)
    records = metadata_records(result.out)
    kinds = {record["type"] for record in records}
    expect({"FEATURE_LEVEL_RECORD", "REGISTER_BROKER_RECORD", "REGISTER_CONTROLLER_RECORD", "TOPIC_RECORD", "PARTITION_RECORD", "CONFIG_RECORD"} <= kinds, f"{sorted(kinds)}", result)
    topics = {record["data"]["name"] for record in records if record["type"] == "TOPIC_RECORD"}
    expect_in(seen.segmented, topics)


@check("metadata-shell: the image from the log and from a snapshot", own_broker=True)
def metadata_shell(ctx):
    seen = stopped(ctx)
    log = sorted(seen.metadata.glob("*.log"))[-1]

    def shell(path, *command):
        return ctx.tool("kafka-metadata-shell", "--snapshot", path, *command)

    def finds_everything(path):
        result = shell(path, "find", "/image")
        for node in ("acls", "clientQuotas", "cluster", "configs", "delegationToken", "features", "producerIds", "provenance", "scram", "topics"):
            expect_in(f"/image/{node}", result.lines, result)
        for node in ("cluster/brokers/1", f"topics/byName/{seen.segmented}/0", f"topics/byId/{seen.topic_ids[seen.segmented]}"):
            expect_in(f"/image/{node}", result.lines, result)
        return True

    def lists_topics():
        result = shell(log, "ls", "/image/topics/byName")
        expect_eq(set(result.lines), set(seen.topic_ids), "topics", result)
        result = shell(log, "cat", f"/image/topics/byName/{seen.empty}/1")
        expect_match(r"replicas.*1", result.out, result)
        return True
    # The shell runs the command while it still reads, so it may answer from the beginning of the log.
    for path in (log, last_snapshot(seen)):
        eventually(lambda: finds_everything(path), f"what is in {path.name}", timeout_s=60)
    eventually(lists_topics, "the topics", timeout_s=60)


@check("storage: info on the data directory", own_broker=True)
def storage_info(ctx):
    seen = stopped(ctx)
    result = ctx.tool("kafka-storage", "info", "-c", seen.broker.properties_path)
    expect_in(f"Found log directory:\n  {seen.broker.data_dir}\n", result.out, result)
    meta = dict(line.split("=", 1) for line in (seen.broker.data_dir / "meta.properties").read_text().splitlines() if "=" in line)
    expect_in(f"Found metadata: {{cluster.id={meta['cluster.id']}, directory.id={meta['directory.id']}, node.id=1, version=1}}", result.out, result)
    result = ctx.tool("kafka-storage", "format", "-t", meta["cluster.id"], "--standalone", "-c", seen.broker.properties_path, rc=1)
    expect_in("is already formatted", result.all, result)


@check("files: Apache Kafka starts on them and serves everything", own_broker=True)
def kafka_takes_over(ctx):
    seen = stopped(ctx)
    kafka = ctx.twin(seen.broker, kind="kafka")
    kafka.start()
    # Recovery is for unclean directories; only the metadata log is always read that way.
    bad = [line for line in kafka.log_text().splitlines() if "__cluster_metadata-0" not in line
           and re.search(r"Recovering unflushed segment|-stray|corrupt|unclean shutdown|ERROR.*(log|replica|storage)\.", line)]
    expect(not bad, f"Apache Kafka's log ({kafka.log_path}) complains:\n" + "\n".join(bad[:10]))
    describe = ctx.tool("kafka-topics", "--describe", broker=kafka)
    expect_eq(dict(re.findall(r"^Topic: (\S+)\tTopicId: (\S+)\t", describe.out, re.M)), seen.topic_ids, "topics", describe)
    expect_match(rf"^Topic: {seen.segmented}\t.*segment.bytes={SEGMENT_BYTES}", describe.out, describe)
    expect(all("Leader: 1\tReplicas: 1\tIsr: 1" in line for line in describe.lines if line.startswith("\t")), "every partition has its leader", describe)
    offsets = ctx.tool("kafka-get-offsets", "--time", "-2", broker=kafka).lines
    expect_in(f"{seen.deleted_head}:0:6", offsets)
    expect_eq(ctx.consume(seen.deleted_head, 4, broker=kafka), ["6", "7", "8", "9"], "the topic whose head was deleted")
    lines = ctx.consume(seen.mixed, 250, "--formatter-property", "print.headers=true", broker=kafka)
    expect_eq(lines, [f"h:{codec}\t{codec} {n}" for codec in ("none", "gzip", "snappy", "lz4", "zstd") for n in range(50)], "the mixed topic")
    result = ctx.tool("kafka-consumer-perf-test", "--topic", seen.segmented, "--num-records", RECORDS, "--timeout", 20000, broker=kafka)
    expect_eq(result.lines[1].split(", ")[4], str(RECORDS), "records of the segmented topic", result)
    expect_eq(ctx.consume(seen.mixed, 1, "--group", seen.group, broker=kafka), ["snappy 0"], "the group goes on")
    ctx.produce(seen.mixed, ["from Kafka"], broker=kafka)
    expect_eq(ctx.consume(seen.mixed, 251, broker=kafka)[250], "from Kafka", "a record more")
    ctx.topic("new", partitions=2, broker=kafka)
