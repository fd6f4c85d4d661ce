"""The load of a large `__consumer_offsets`: one partition, filled once, the same files for both brokers.

The records are those of many groups that commit (benches/driver fill-offsets): one per partition and commit, a group's own record
now and then. Seconds are those from the start of the process to the first OffsetFetch that knows the offsets; CPU is what the
broker has used by then, less what the same start takes with nothing to load. `own_ms` is the load alone, by the broker's own log line.
"""

import re
import shutil

from side_by_side import BenchBroker, cpu, drive, in_turn

# One partition, so that there is one load; and nothing is compacted away before it is loaded.
SETTINGS = {"offsets.topic.num.partitions": 1, "log.cleaner.min.cleanable.ratio": 1}
OWN_WORDS = {
    "kafka": re.compile(r"Finished loading of metadata from __consumer_offsets-0 .*? in (\d+)ms"),
    "ottla": re.compile(r"coordinator loaded.*?__consumer_offsets-0.*?elapsed_ms=(\d+)"),
}


def run(figures, megabytes, rounds, run_dir, tools):
    filled = BenchBroker("kafka", run_dir / "load-filled", tools, SETTINGS)
    empty = BenchBroker("kafka", run_dir / "load-empty", tools, SETTINGS)
    for source in (filled, empty):
        source.start()
        try:
            # A few records make the topic, so that both starts have one to load.
            drive("fill-offsets", source, megabytes=megabytes if source is filled else 0)
        finally:
            source.stop()
    for number, kind in in_turn(rounds):
        idle = start(empty, kind, run_dir / f"load-empty-{kind}-{number}")[0]
        loaded, own_ms = start(filled, kind, run_dir / f"load-{kind}-{number}", is_filled=True)
        figures.add(f"load of {megabytes:,} MB of offsets, per GB", kind, cpu_us=max(cpu(loaded) - cpu(idle), 0.01) * 1e9 / megabytes,
                    seconds=loaded["seconds"], own_ms=own_ms, rss_mb=loaded["rss_mb"])


def start(source, kind, work_dir, **options):
    broker = source.copy(kind, work_dir)
    broker.write_properties()
    broker.launch()
    try:
        phase = drive("load", broker, since=broker.launched_s, **options)["load"]
        own = OWN_WORDS[kind].search(re.sub(r"\x1b\[[0-9;]*m", "", broker.log_text()))
        return phase, float(own.group(1)) if own else None
    finally:
        broker.stop()
        shutil.rmtree(work_dir)
