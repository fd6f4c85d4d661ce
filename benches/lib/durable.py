"""Acknowledgements that the disk has given: each of many producers waits until its record is synced (benches/driver/src/durable.rs).

The floor writes a record and waits for the disk, again and again: whoever syncs for several producers at once does better."""

from side_by_side import cpu, drive

KINDS = ("floor", "kafka", "ottla")
SMOKE_KINDS = ("floor", "ottla")
WARM_UP = 0.5


def measure(bench, kind):
    rows, seconds = bench.wanted("durable"), bench.sizes.seconds
    if kind == "floor":
        for row in rows:
            add(bench, row, kind, drive(row.work.floor, dir=bench.part_dir, seconds=seconds, **row.work.options)[row.work.floor])
        return
    with bench.broker(kind) as broker:
        broker.start()
        for row in rows:
            drive(row.work.command, broker, topic="warm", seconds=seconds * WARM_UP, **{**row.work.options, "partitions": 1})
            add(bench, row, kind, drive(row.work.command, broker, topic=row.key, seconds=seconds, **row.work.options)[row.work.command])


def add(bench, row, kind, phase):
    bench.add("durable", row.key, kind, requests_per_s=phase["operations"] / phase["seconds"], p50_ms=phase["p50_ms"], p99_ms=phase["p99_ms"],
              us_per_request=cpu(phase) * 1e6 / phase["operations"])
