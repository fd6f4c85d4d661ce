"""A large log: opened after a clean stop, and looked through by timestamps that are spread all over it.

It is written once, with the time of the append in each batch, and the brokers take the directory over from each other. So that each
opens what it has closed itself, it is started and stopped once before the start that counts."""

from side_by_side import cpu, drive

KINDS = ("kafka", "ottla")
SMOKE_KINDS = ("ottla",)
SETTINGS = {"log.message.timestamp.type": "LogAppendTime"}
# Enough of them in a segment for its indexes to matter.
BATCH_RECORDS = 100


def measure(bench, kind):
    source = bench.prepared("large", lambda: large_log(bench))
    with bench.broker(kind, source=source) as broker:
        broker.start()
        broker.stop()
        phase = broker.first_ack("large")
        bench.add("large", "open", kind, seconds=phase["seconds"], cpu_s=cpu(phase))
        drive("seek", broker, topic="large", count=bench.sizes.seeks)
        phase = drive("seek", broker, topic="large", count=bench.sizes.seeks)["seek"]
        bench.add("large", "seek", kind, p50_ms=phase["p50_ms"], p99_ms=phase["p99_ms"], us_per_request=cpu(phase) * 1e6 / phase["operations"])


def large_log(bench):
    broker = bench.new_broker("ottla", SETTINGS)
    broker.start()
    try:
        drive("produce", broker, topic="large", bytes=bench.sizes.log_megabytes * 1_000_000, batch_records=BATCH_RECORDS)
    finally:
        broker.stop()
    return broker
