"""Acknowledgements that the disk has given: each of many producers waits until its record is synced (benches/driver/src/durable.rs).

The floor is a loop that writes a record and waits for the disk: whoever syncs for several producers at once does better."""

from side_by_side import cpu, drive

KINDS = ("floor", "kafka", "ottla")
SMOKE_KINDS = ("floor", "ottla")
WARM_UP = 0.5


def measure(bench, kind):
    options = {"record_bytes": 1024, "seconds": bench.sizes.seconds}
    if kind == "floor":
        add(bench, kind, drive("floor-durable", dir=bench.part_dir, **options)["floor-durable"])
        return
    with bench.broker(kind) as broker:
        broker.start()
        drive("durable", broker, topic="warm", **{**options, "seconds": options["seconds"] * WARM_UP})
        add(bench, kind, drive("durable", broker, topic="durable", **options)["durable"])


def add(bench, kind, phase):
    bench.add("durable", "durable", kind, requests_per_s=phase["operations"] / phase["seconds"], p50_ms=phase["p50_ms"], p99_ms=phase["p99_ms"],
              us_per_request=cpu(phase) * 1e6 / phase["operations"])
