"""A second opinion: the same brokers driven by Apache Kafka's own performance tools, which are clients as applications have them.

The tools need more CPU than either broker, so throughput says most about them; the broker's CPU is its own."""

import time

from side_by_side import create_topic

KINDS = SMOKE_KINDS = ("kafka", "ottla")
WARM_UP_BYTES = 40_000_000
TIMEOUT_S = 900
LINGERING = {"acks": 1, "enable.idempotence": "false", "linger.ms": 5, "batch.size": 262144}


def producer(record_bytes, **settings):
    def run(broker, topic, size_bytes):
        properties = {"bootstrap.servers": broker.bootstrap, **LINGERING, **settings}
        create_topic(broker, topic, 1)
        records = size_bytes // record_bytes
        call(broker, "kafka-producer-perf-test", "--topic", topic, "--num-records", records, "--record-size", record_bytes, "--throughput", -1,
             "--producer-props", *(f"{key}={value}" for key, value in properties.items()))
        return records * record_bytes
    return run


def consumer(record_bytes, read):
    def run(broker, _topic, size_bytes):
        records = size_bytes // record_bytes
        call(broker, "kafka-consumer-perf-test", "--bootstrap-server", broker.bootstrap, "--topic", read, "--messages", records, "--timeout", 60000)
        return records * record_bytes
    return run


# By the keys of their rows: of a run's bytes the share, and what is done.
WORKS = {
    "produce-1024": (1, producer(1024)),
    "produce-acks-all": (1, producer(1024, acks="all", **{"enable.idempotence": "true"})),
    "produce-lz4": (0.5, producer(1024, **{"compression.type": "lz4"})),
    "produce-100": (0.25, producer(100)),
    "consume-1024": (1, consumer(1024, "read")),
}


def measure(bench, kind):
    size_bytes = bench.sizes.megabytes * 1_000_000
    with bench.broker(kind) as broker:
        broker.start()
        producer(1024, **{"compression.type": "snappy"})(broker, "warm", WARM_UP_BYTES)
        producer(1024)(broker, "read", size_bytes if bench.wants("perf_tools", "consume-1024") else WARM_UP_BYTES)
        for row in bench.wanted("perf_tools"):
            share, run = WORKS[row.key]
            add(bench, row, kind, broker, run, int(size_bytes * share))


def add(bench, row, kind, broker, run, size_bytes):
    user_before, system_before = broker.cpu()
    begun = time.monotonic()
    done_bytes = run(broker, row.key, size_bytes)
    elapsed_s = time.monotonic() - begun
    user, system = (after - before for after, before in zip(broker.cpu(), (user_before, system_before)))
    gigabytes = done_bytes / 1e9
    bench.add("perf_tools", row.key, kind, cpu=(user + system) / gigabytes, user=user / gigabytes, system=system / gigabytes,
              mb_per_s=done_bytes / 1e6 / elapsed_s, rss_mb=broker.rss_mb())


def call(broker, tool, *arguments):
    result = broker.tools.call(tool, arguments, b"", TIMEOUT_S)
    if result.rc != 0:
        raise SystemExit(f"{tool} failed\n{result}")
