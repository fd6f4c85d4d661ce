"""Produce and fetch, each as much as goes or at a rate: rows.py says what is sent, benches/driver sends it.

The floor is a server without a protocol (benches/driver/src/floor.rs): it receives, checksums and writes to a file, or sends from one
by `sendfile`; under compressed batches it is their decoder alone. CPU is that of the serving process (for the floor: of its serving
threads). Memory that the machine has not touched before costs several times more than memory in use, so before each run a file as large
as the run is written and dropped.

Batches are made beforehand and sent again and again, a consumer reads and drops. So one client can keep a broker busy on two cores, but
throughput still says as much about the client as about the broker. Latencies of works with a rate are those from the moment when a
request was due, whether or not it could be sent by then, until a consumer beside the producer has its records.
"""

from side_by_side import drive

KINDS = SMOKE_KINDS = ("floor", "ottla", "kafka")
READ_TOPIC = "read"
RECORD_BYTES = 1024


def measure(bench, kind):
    rows = [row for row in bench.wanted("hot") if row.work]
    if kind == "floor":
        for row in rows:
            floor = row.work.floor
            place = {} if floor == "floor-decode" else {"dir": bench.part_dir}
            add(bench, row, kind, drive(floor, **place, **options_of(row.work, bench.sizes))[floor])
        return
    with bench.broker(kind) as broker:
        broker.start()
        warm_up(broker, bench.sizes.megabytes * 1_000_000)
        for row in rows:
            run(bench, row, kind, broker)
        bench.add("hot", "rss-after", kind, rss_mb=broker.rss_mb())


def run(bench, row, kind, broker):
    options, command = options_of(row.work, bench.sizes), row.work.command
    if command == "produce":
        touch_memory(bench.part_dir, options["bytes"])
    topic = READ_TOPIC if command == "consume" else row.key
    add(bench, row, kind, drive(command, broker, topic=topic, **options)[command])


def options_of(work, sizes):
    if work.records_per_s:
        return {"bytes": int(work.records_per_s * sizes.seconds * RECORD_BYTES), "rate": work.records_per_s, **work.options}
    return {"bytes": max(int(sizes.megabytes * 1e6 * work.share), 1_000_000), **work.options}


def warm_up(broker, size_bytes):
    """What a JVM compiles first is no broker's daily work. Leaves the topic that is read."""
    touch_memory(broker.work_dir, size_bytes)
    drive("produce", broker, topic=READ_TOPIC, bytes=size_bytes)
    drive("produce-small", broker, topic="warm", requests=size_bytes // 10_000)
    drive("consume", broker, topic=READ_TOPIC, bytes=size_bytes)


def touch_memory(directory, size_bytes):
    chunk, path = b"." * (1 << 20), directory / "touched"
    with path.open("wb") as file:
        for _ in range(size_bytes // len(chunk) + 1):
            file.write(chunk)
    path.unlink()


def add(bench, row, kind, phase):
    operations, size_bytes = phase["operations"], phase["bytes"]
    user, system = phase["cpu_user_s"], phase["cpu_system_s"]
    records, gigabytes = operations * row.work.options.get("batch_records", 1), size_bytes / 1e9
    bench.add("hot", row.key, kind, cpu=(user + system) / gigabytes, user=user / gigabytes, system=system / gigabytes,
              cpu_us_per_record=(user + system) * 1e6 / records, us_per_request=(user + system) * 1e6 / operations,
              requests_per_s=operations / phase["seconds"], mb_per_s=size_bytes / 1e6 / phase["seconds"],
              p50_ms=phase["p50_ms"], p99_ms=phase["p99_ms"], p99_9_ms=phase["p99_9_ms"], rss_mb=phase.get("rss_mb"))
