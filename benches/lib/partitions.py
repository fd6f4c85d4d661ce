"""Many partitions in topics of a hundred: made by one request, at rest, and found again after a clean stop and after a kill.

They are created when every one of them answers, not when they are promised. Then each gets a record, so that a broker that was killed has
something to look through in each. The first acknowledgement is that of a partition of the last topic."""

import time

from side_by_side import cpu, drive

KINDS = ("kafka", "ottla")
SMOKE_KINDS = ("ottla",)
PER_TOPIC = 100


def measure(bench, kind):
    topics = bench.sizes.partitions // PER_TOPIC
    last = f"many-{topics - 1}"
    with bench.broker(kind) as broker:
        broker.start()
        phase = drive("create", broker, prefix="many", topics=topics, partitions=PER_TOPIC, fill=True)["create"]
        bench.add("partitions", "create", kind, seconds=phase["seconds"], cpu_s=cpu(phase))
        time.sleep(bench.sizes.rest_seconds)
        bench.add("partitions", "rss", kind, rss_mb=broker.rss_mb())
        if not bench.wants("partitions", "restart-clean", "restart-kill", "stop"):
            return
        bench.add("partitions", "stop", kind, seconds=broker.timed_stop())
        add_start(bench, kind, "restart-clean", broker.first_ack(last))
        if bench.wants("partitions", "restart-kill"):
            time.sleep(bench.sizes.rest_seconds)
            broker.kill9()
            add_start(bench, kind, "restart-kill", broker.first_ack(last))


def add_start(bench, kind, key, phase):
    bench.add("partitions", key, kind, seconds=phase["seconds"], cpu_s=cpu(phase))
