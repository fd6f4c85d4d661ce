"""Traffic at 1,000 records a second, end to end, first alone and then beside a consumer that reads another topic from the disk as fast
as it can: the page cache is asked to forget that topic's files each time the consumer begins with it (benches/driver/src/catch_up.rs)."""

from side_by_side import drive

KINDS = ("kafka", "ottla")
SMOKE_KINDS = ("ottla",)
TRAFFIC = {"rate": 1000, "record_bytes": 1024, "batch_records": 1, "in_flight": 1000, "end_to_end": True}
WARM_UP_SECONDS = 2


def measure(bench, kind):
    source = bench.prepared("old", lambda: old_log(bench))
    with bench.broker(kind, source=source) as broker:
        broker.start()
        traffic(broker, f"warm-{kind}", WARM_UP_SECONDS)
        quiet = traffic(broker, f"quiet-{kind}", bench.sizes.seconds)["produce"]
        phase = traffic(broker, f"beside-{kind}", bench.sizes.seconds, "catch-up", cold_topic="old", cold_dir=broker.partition_dir("old"))["catch-up"]
        bench.add("cold", "cold", kind, p99_ms=phase["p99_ms"], quiet_ms=quiet["p99_ms"], times_quiet=phase["p99_ms"] / quiet["p99_ms"],
                  cold_mb_per_s=phase["bytes"] / 1e6 / phase["seconds"])


def traffic(broker, topic, seconds, command="produce", **options):
    size_bytes = int(TRAFFIC["rate"] * seconds * TRAFFIC["record_bytes"])
    return drive(command, broker, topic=topic, bytes=size_bytes, **TRAFFIC, **options)


def old_log(bench):
    """Written once; the brokers take the directory over from each other."""
    broker = bench.new_broker("ottla")
    broker.start()
    try:
        drive("produce", broker, topic="old", bytes=bench.sizes.cold_megabytes * 1_000_000)
    finally:
        broker.stop()
    return broker
