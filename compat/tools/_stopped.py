"""A broker that wrote all kinds of things and was stopped: what files.py and storage.py look at."""

import json
import re

RECORDS = 12000
SEGMENT_BYTES = 1048576


class Stopped:
    """A broker that wrote all kinds of things and was stopped cleanly."""

    def __init__(self, ctx):
        broker = ctx.new_broker({
            "metadata.log.max.record.bytes.between.snapshots": 1500,
            "log.index.interval.bytes": 4096,
        })
        self.broker = broker
        self.segmented = ctx.topic("segmented", broker=broker, segment_bytes=SEGMENT_BYTES, retention_ms=-1)
        ctx.tool("kafka-producer-perf-test", "--topic", self.segmented, "--num-records", RECORDS, "--record-size", 300, "--throughput", -1, broker=broker)
        self.mixed = ctx.topic("mixed", broker=broker)
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            ctx.produce(self.mixed, [f"h:{codec}\tk{n}\t{codec} {n}" for n in range(50)], "--compression-codec", codec,
                        "--reader-property", "parse.key=true", "--reader-property", "parse.headers=true", broker=broker)
        self.group = ctx.unique("group")
        ctx.consume(self.mixed, 100, "--group", self.group, broker=broker)
        self.empty = ctx.topic("empty", partitions=2, broker=broker, cleanup_policy="compact")
        self.deleted_head = ctx.topic("head", broker=broker)
        ctx.produce(self.deleted_head, [str(n) for n in range(10)], broker=broker)
        plan = ctx.work_dir / "delete.json"
        plan.write_text(json.dumps({"partitions": [{"topic": self.deleted_head, "partition": 0, "offset": 6}], "version": 1}))
        ctx.tool("kafka-delete-records", "--offset-json-file", plan, broker=broker)
        describe = ctx.tool("kafka-topics", "--describe", broker=broker).out
        self.topic_ids = dict(re.findall(r"^Topic: (\S+)\tTopicId: (\S+)\t", describe, re.M))
        self.group_partition = next(p for p in range(4) if self.holds_group(ctx, p))
        self.stop_code = broker.stop()
        self.metadata = broker.data_dir / "__cluster_metadata-0"

    def holds_group(self, ctx, partition):
        log = self.broker.partition_dir("__consumer_offsets", partition) / f"{0:020}.log"
        return self.group.encode() in log.read_bytes()

    def partition(self, topic, partition=0):
        return self.broker.partition_dir(topic, partition)

    def logs(self, topic):
        return sorted(self.partition(topic).glob("*.log"))


def stopped(ctx):
    return ctx.fixture("stopped broker", Stopped)
