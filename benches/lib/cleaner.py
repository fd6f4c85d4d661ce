"""Log compaction: the same closed segments, cleaned by each broker.

A compacted topic is filled once, while nothing may be cleaned (its `min.cleanable.dirty.ratio` is 1), with records of which half
repeat an earlier key. Each broker gets a copy of the directory, starts, and comes to rest. Then the ratio is lowered, which makes
the log due; seconds and CPU are those from that moment until `cleaner-offset-checkpoint` names the topic. Every setting of the
cleaner has its default, but for `log.cleaner.backoff.ms`, so that nobody waits 15 s for the cleaner to look.
"""

import shutil
import time

from side_by_side import BenchBroker, cpu, create_topic, drive, in_turn

SETTINGS = {"log.cleaner.backoff.ms": 100}
CODECS = ("none", "lz4")
TOPIC = "cleaned"
# Until a broker that has just started has nothing left to do.
REST_S = 3


def run(figures, megabytes, rounds, run_dir, tools, codecs=CODECS):
    for codec in codecs:
        source = BenchBroker("kafka", run_dir / f"cleaner-{codec}", tools, SETTINGS)
        source.start()
        try:
            segment_bytes = max(megabytes * 100_000, 1 << 20)
            create_topic(source, TOPIC, 1, cleanup_policy="compact", min_cleanable_dirty_ratio=1, segment_bytes=segment_bytes)
            drive("fill-keys", source, topic=TOPIC, megabytes=megabytes, codec=codec)
        finally:
            source.stop()
        closed_bytes = sum(sorted(f.stat().st_size for f in source.partition_dir(TOPIC).glob("*.log"))) - active_bytes(source)
        for number, kind in in_turn(rounds):
            clean(figures, source, kind, run_dir / f"cleaner-{codec}-{kind}-{number}", f"cleaning {megabytes:,} MB, {codec}, per GB", closed_bytes)


def active_bytes(broker):
    return max(broker.partition_dir(TOPIC).glob("*.log")).stat().st_size


def clean(figures, source, kind, work_dir, row, closed_bytes):
    broker = source.copy(kind, work_dir)
    broker.start()
    try:
        time.sleep(REST_S)
        phase = drive("clean", broker, topic=TOPIC, checkpoint=broker.data_dir / "cleaner-offset-checkpoint")["clean"]
        left = sum(f.stat().st_size for f in broker.partition_dir(TOPIC).glob("*.log")) - active_bytes(broker)
        figures.add(row, kind, cpu_us=cpu(phase) * 1e6 * 1e9 / closed_bytes, seconds=phase["seconds"], rss_mb=phase["rss_mb"],
                    mb_per_s=closed_bytes / 1e6 / phase["seconds"], left_percent=100 * left / closed_bytes)
    finally:
        broker.stop()
        shutil.rmtree(work_dir)
