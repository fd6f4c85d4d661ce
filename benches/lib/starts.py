"""A broker with nothing in it: how soon it acknowledges a record, what it needs at rest and for connections that do nothing, how soon
it ends. Its directory is formatted beforehand."""

import time

from side_by_side import cpu, drive

KINDS = ("kafka", "ottla")
SMOKE_KINDS = ("ottla",)


def measure(bench, kind):
    with bench.broker(kind) as broker:
        phase = broker.first_ack("first", create=True)
        bench.add("starts", "start", kind, ms=phase["seconds"] * 1e3, cpu_s=cpu(phase))
        time.sleep(bench.sizes.rest_seconds)
        idle = broker.rss_mb()
        bench.add("starts", "rss-idle", kind, rss_mb=idle)
        if bench.wants("starts", "connections"):
            count = bench.sizes.connections
            phase = drive("connections", broker, count=count, rest_seconds=bench.sizes.rest_seconds)["connections"]
            bench.add("starts", "connections", kind, kib=(phase["rss_mb"] - idle) * 1024 / count)
        bench.add("starts", "stop", kind, ms=broker.timed_stop() * 1e3)
