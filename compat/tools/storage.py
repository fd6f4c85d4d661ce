"""`ottla format`, `info`, `random-uuid` and `dump-log`: the counterparts of kafka-storage.sh and kafka-dump-log.sh, interchangeable with them."""

import json
import re

from _stopped import stopped
from harness import check, expect, expect_eq, expect_in, expect_match

CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"
FEATURES = {"metadata.version": 30, "eligible.leader.replicas.version": 1, "group.version": 1, "share.version": 1, "streams.version": 1, "transaction.version": 2}


def unformatted(ctx, kind=None, log_dirs=1):
    broker = ctx.new_broker(start=False, kind=kind, log_dirs=log_dirs)
    broker.write_properties()
    return broker


def properties(path):
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)


@check("format: the files are those of kafka-storage format", own_broker=True)
def format_files(ctx):
    broker = unformatted(ctx, log_dirs=2)
    result = ctx.product("format", "-t", CLUSTER_ID, "--standalone", "-c", broker.properties_path)
    expect_in(f"Formatting data directory {broker.log_dirs[1]} with metadata.version 4.3-IV0.", result.out, result)
    expect_in(f"Formatting dynamic metadata voter directory {broker.log_dirs[0]} with metadata.version 4.3-IV0.", result.out, result)
    metas = [properties(folder / "meta.properties") for folder in broker.log_dirs]
    for meta in metas:
        expect_eq({key: meta[key] for key in ("version", "cluster.id", "node.id")}, {"version": "1", "cluster.id": CLUSTER_ID, "node.id": "1"}, "meta.properties")
    expect(metas[0]["directory.id"] != metas[1]["directory.id"], "each directory has an id of its own")

    checkpoint = broker.data_dir / "__cluster_metadata-0" / f"{0:020}-{0:010}.checkpoint"
    result = ctx.tool("kafka-dump-log", "--cluster-metadata-decoder", "--files", checkpoint)
    voters = json.loads(expect_match(r" KRaftVoters (\{.*\})$", result.out, result).group(1))
    expect_eq(voters["voters"], [{"voterId": 1, "voterDirectoryId": metas[0]["directory.id"],
                                  "endpoints": [{"name": "CONTROLLER", "host": "127.0.0.1", "port": broker.controller_port}],
                                  "kRaftVersionFeature": {"minSupportedVersion": 0, "maxSupportedVersion": 1}}], "voters", result)
    expect_in('KRaftVersion {"version":0,"kRaftVersion":1}', result.out, result)
    for folder in broker.log_dirs:
        result = ctx.tool("kafka-dump-log", "--cluster-metadata-decoder", "--files", folder / "bootstrap.checkpoint")
        levels = re.findall(r'"FEATURE_LEVEL_RECORD","version":0,"data":\{"name":"([^"]+)","featureLevel":(\d+)\}', result.out)
        expect_eq({name: int(level) for name, level in levels}, FEATURES, f"bootstrap.checkpoint of {folder.name}", result)


@check("format: refusals, info and random-uuid", own_broker=True)
def format_refusals(ctx):
    broker = unformatted(ctx)
    config = ("-c", broker.properties_path)
    result = ctx.product("info", *config, rc=1)
    expect_in(f"{broker.data_dir} does not exist", result.all, result)
    result = ctx.product("format", "--standalone", *config, rc=None)
    expect(result.rc != 0, "the cluster id is required", result)
    expect_in("--cluster-id", result.err, result)
    result = ctx.product("format", "-t", CLUSTER_ID, *config, rc=1)
    expect_in("--standalone", result.err, result)
    result = ctx.product("format", "-t", CLUSTER_ID, "--standalone", *config, "--release-version", "9.9", rc=1)
    expect_in("9.9", result.err, result)
    result = ctx.product("format", "-t", CLUSTER_ID, "--standalone", *config, "--feature", "group.version=7", rc=1)
    expect_in("group.version", result.err, result)
    expect(not (broker.data_dir / "meta.properties").exists(), "a refused format leaves nothing behind")

    ctx.product("format", "-t", CLUSTER_ID, "--standalone", *config)
    result = ctx.product("format", "-t", CLUSTER_ID, "--standalone", *config, rc=1)
    expect_in("already formatted", result.err, result)
    ctx.product("format", "-t", CLUSTER_ID, "--standalone", *config, "--ignore-formatted")
    result = ctx.product("format", "-t", "AAAAEVBNTcwNTJENDM2Qg", "--standalone", *config, "--ignore-formatted", rc=1)
    expect_in(CLUSTER_ID, result.err, result)
    result = ctx.product("info", *config)
    directory_id = properties(broker.data_dir / "meta.properties")["directory.id"]
    expect_in(f"Found log directory:\n  {broker.data_dir}\n", result.out, result)
    expect_in(f"Found metadata: {{cluster.id={CLUSTER_ID}, directory.id={directory_id}, node.id=1, version=1}}", result.out, result)
    ids = {ctx.product("random-uuid").out.strip() for _ in range(2)}
    expect(len(ids) == 2 and all(re.fullmatch(r"[A-Za-z0-9_-]{22}", text) for text in ids), f"two ids: {ids}")


@check("format: the broker starts on what either format wrote, and so does Apache Kafka", own_broker=True)
def format_interchange(ctx):
    def runs(broker):
        broker.start()
        result = ctx.tool("kafka-cluster", "cluster-id", broker=broker)
        expect_in(f"Cluster ID: {CLUSTER_ID}\n", result.out, result)
        topic = ctx.topic(broker=broker)
        ctx.produce(topic, ["x"], broker=broker)
        expect_eq(ctx.consume(topic, 1, broker=broker), ["x"], "lines read")
        broker.stop()
    ours = unformatted(ctx)
    ctx.product("format", "-t", CLUSTER_ID, "--standalone", "-c", ours.properties_path)
    copy = ctx.twin(ours, kind="kafka")
    runs(ours)
    runs(copy)
    theirs = unformatted(ctx)
    ctx.tool("kafka-storage", "format", "-t", CLUSTER_ID, "--standalone", "-c", theirs.properties_path)
    runs(theirs)


def compare(ctx, *args):
    ours = ctx.product("dump-log", *args)
    theirs = ctx.tool("kafka-dump-log", *args)
    expect(len(theirs.lines) > 1, "kafka-dump-log printed nothing", theirs)
    expect_eq(ours.out.splitlines(), theirs.out.splitlines(), f"lines of dump-log {' '.join(map(str, args[2:]))}")


@check("dump-log: Ottla's own prints what kafka-dump-log prints", own_broker=True)
def dump_log(ctx):
    seen = stopped(ctx)
    mixed = seen.partition(seen.mixed)
    log = mixed / f"{0:020}.log"
    compare(ctx, "--files", log)
    compare(ctx, "--files", log, "--deep-iteration", "--print-data-log")
    compare(ctx, "--files", ",".join(str(path) for path in seen.logs(seen.segmented)), "--deep-iteration")
    compare(ctx, "--files", seen.partition(seen.segmented) / f"{0:020}.index")
    compare(ctx, "--files", seen.partition(seen.segmented) / f"{0:020}.timeindex")
    compare(ctx, "--files", mixed / f"{250:020}.snapshot")
    compare(ctx, "--files", f"{mixed / f'{0:020}.index'},{mixed / f'{0:020}.timeindex'}", "--index-sanity-check")


@check("dump-log: Ottla's own decodes offsets and metadata as kafka-dump-log does", own_broker=True)
def dump_log_decoders(ctx):
    seen = stopped(ctx)
    compare(ctx, "--files", seen.partition("__consumer_offsets", seen.group_partition) / f"{0:020}.log", "--offsets-decoder")
    compare(ctx, "--files", sorted(seen.metadata.glob("*.log"))[0], "--cluster-metadata-decoder")
