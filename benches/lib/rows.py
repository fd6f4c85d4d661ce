"""What is measured and what Ottla must reach: every row of the table, as data. The modules that measure are named by `part`."""

import math
from dataclasses import dataclass, field

DRIVER = "benches/driver"
PERF_TOOLS = "Apache Kafka's own perf tools"
PAGE_CACHE = "acks=1, page cache"
# How many times what its target allows a smoke accepts of a figure: of one that holds on a busy machine, which must not be better with
# Apache Kafka either; of a time; of one that a short run on a busy machine says nothing about.
STEADY, TIMED, NOISY = 4, 10, math.inf


@dataclass(frozen=True)
class Target:
    """Ottla's figure is at most `bound`, or at most `bound` times that of `of`; or at least."""

    bound: float
    of: str = ""
    at_least: bool = False

    def miss(self, ottla, others):
        """How many times too much (or too little) Ottla's figure is; up to 1 the target is met. None: not all was measured."""
        base = others.get(self.of) if self.of else 1
        if ottla is None or not base:
            return None
        share = ottla / (self.bound * base)
        return (1 / share if share else float("inf")) if self.at_least else share

    def words(self, unit):
        sign = "≥" if self.at_least else "≤"
        if self.of == "kafka":
            return f"{sign} {f'{self.bound:g} x' if self.bound >= 1 else f'1/{1 / self.bound:g} of'} Kafka's"
        return f"{sign} {self.bound:g} {f'x {self.of}' if self.of else unit}"


@dataclass(frozen=True)
class Figure:
    """One line of the table: one thing that is told of a row."""

    key: str  # as whoever measures calls it
    unit: str
    target: Target = None
    name: str = ""  # where a row has several
    smoke: float = TIMED
    more_is_better: bool = False


@dataclass(frozen=True)
class Work:
    """What benches/driver is asked to do."""

    command: str
    share: float = 1  # of the bytes of a run
    records_per_s: int = 0  # at this rate, for some seconds, instead of a number of bytes
    floor: str = ""  # the command that does the same without a broker
    options: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    part: str
    key: str  # within the part
    name: str
    figures: tuple
    floor: str = ""  # what stands in its column
    guarantees: str = PAGE_CACHE
    clients: str = DRIVER
    also: tuple = ()  # figures that are told at the end of the line
    in_smoke: bool = True
    work: Work = None


def at_most(bound, of=""):
    return Target(bound, of)


def rows(sizes):
    """In the order of the table."""
    return [*produce_rows(), *codec_rows(), *consume_rows(), *latency_rows(), *durable_rows(), *start_rows(sizes), *partition_rows(sizes),
            *log_rows(sizes), *second_opinions()]


CPU, USER, US_PER_RECORD, US_PER_REQUEST = "CPU-s/GB", "user CPU-s/GB", "µs of CPU per record", "µs of CPU per request"
RECV_WRITE = "recv, crc32c, pwritev"
THROUGHPUT = ("user", "system", "us_per_request", "mb_per_s")


def produced(batch_records, share=1, codec="none", **options):
    if codec != "none":
        return Work("produce", share, floor="floor-decode", options={"batch_records": batch_records, "codec": codec, **options})
    return Work("produce", share, floor="floor-produce", options={"batch_records": batch_records, **options})


def produce_rows():
    cpu, user = Figure("cpu", CPU, at_most(1.3, "floor"), smoke=STEADY), Figure("user", USER, at_most(0.15), name="user")
    return [
        Row("hot", "produce-large", "produce 1 KiB, requests of 1 MB", (cpu, user), RECV_WRITE, also=THROUGHPUT, work=produced(1000)),
        Row("hot", "produce-medium", "produce 1 KiB, requests of 16 KiB", (cpu, user), RECV_WRITE, also=THROUGHPUT, work=produced(16, in_flight=20)),
        Row("hot", "produce-100", "produce 100 B, requests of 16 KB", (Figure("cpu_us_per_record", US_PER_RECORD, at_most(1 / 4, "kafka"), smoke=STEADY),),
            RECV_WRITE, also=THROUGHPUT, work=produced(160, 0.5, record_bytes=100, in_flight=20)),
        Row("hot", "produce-small", "requests of one record of 100 B, 100 in flight", (Figure("us_per_request", US_PER_REQUEST, at_most(7), smoke=STEADY),),
            RECV_WRITE, also=("user", "system", "requests_per_s"), work=produced(1, 0.05, record_bytes=100, in_flight=100)),
    ]


def codec_rows():
    figures = (Figure("cpu", CPU, at_most(1 / 2, "kafka"), smoke=STEADY),)
    return [Row("hot", f"produce-{codec}", f"produce 1 KiB, {codec}, requests of 100 KB before it", figures, "decoder alone",
                also=THROUGHPUT, in_smoke=codec == "lz4", work=produced(100, 0.3, codec))
            for codec in ("lz4", "zstd", "gzip", "snappy")]


def consume_rows():
    figures = (Figure("cpu", CPU, at_most(1.3, "floor"), smoke=STEADY),)
    work = Work("consume", 2, floor="floor-consume")
    many = Work("consume", 0.25, floor="floor-consume", options={"consumers": 20})
    return [
        Row("hot", "consume", "consume, hot", figures, "sendfile", also=THROUGHPUT, work=work),
        Row("hot", "consume-20", "20 consumers of one topic", figures, "sendfile", also=THROUGHPUT, in_smoke=False, work=many),
    ]


def latency_rows():
    figures = tuple(Figure(key, "ms", at_most(bound, "kafka"), name, NOISY)
                    for key, name, bound in (("p50_ms", "p50", 1 / 2), ("p99_ms", "p99", 1 / 5), ("p99_9_ms", "p99.9", 1 / 5)))
    return [Row("hot", f"latency-{rate}", f"{rate:,} records/s of 1 KiB, {rate // 1000 if rate > 1000 else 'one'} a request, end to end", figures,
                f"{RECV_WRITE}: until the answer, no consumer", also=("us_per_request",), in_smoke=rate == 1000,
                work=Work("produce", records_per_s=rate, floor="floor-produce",
                          options={"batch_records": rate // 1000, "in_flight": 1000, "end_to_end": True}))
            for rate in (1000, 20_000, 100_000)] + [Row("hot", "rss-after", "RSS after the produce runs", (Figure("rss_mb", "MB", at_most(64), smoke=STEADY),))]


def durable_rows():
    acks = Figure("requests_per_s", "acks/s", Target(5, "kafka", at_least=True), more_is_better=True)
    return [Row("durable", f"durable-{partitions}", f"durable acks, 64 producers with one request of 1 KiB in flight, {name}", (acks,), floor,
                "acks=all, flush.messages=1", also=("p50_ms", "p99_ms", "us_per_request"),
                work=Work("durable", floor="floor-durable", options={"record_bytes": 1024, "partitions": partitions}))
            for partitions, name, floor in ((1, "one partition", "write, fdatasync, one after the other"),
                                            (64, "64 partitions", "the same in 16 threads, to 64 files"))]


def start_rows(sizes):
    return [
        Row("starts", "start", "start, empty, to first ack", (Figure("ms", "ms", at_most(60)),), also=("cpu_s",)),
        Row("starts", "rss-idle", "RSS idle", (Figure("rss_mb", "MB", at_most(12), smoke=STEADY),)),
        Row("starts", "connections", f"{sizes.connections:,} idle connections", (Figure("kib", "KiB each", at_most(10), smoke=STEADY),)),
        Row("starts", "stop", "stop, clean", (Figure("ms", "ms"),)),
    ]


def partition_rows(sizes):
    many = f"{sizes.partitions:,} partitions"
    return [
        Row("partitions", "create", f"create {many}", (Figure("seconds", "s", at_most(0.6)),), also=("cpu_s",)),
        Row("partitions", "rss", f"RSS with {many}", (Figure("rss_mb", "MB", at_most(48), smoke=STEADY),)),
        Row("partitions", "restart-clean", f"restart with {many} to first ack, clean", (Figure("seconds", "s", at_most(0.5)),), also=("cpu_s",)),
        Row("partitions", "restart-kill", f"restart with {many} to first ack, after kill -9", (Figure("seconds", "s", at_most(1)),), also=("cpu_s",)),
        Row("partitions", "stop", f"stop with {many}, clean", (Figure("seconds", "s"),)),
    ]


def log_rows(sizes):
    cold, large = size(sizes.cold_megabytes), size(sizes.log_megabytes)
    return [
        Row("cold", "cold", f"1,000 records/s beside a cold catch-up read of {cold}", (Figure("times_quiet", "x its quiet p99", at_most(2), smoke=NOISY),
            Figure("p99_ms", "ms", name="p99 beside it"), Figure("quiet_ms", "ms", name="p99 when it is quiet")), also=("cold_mb_per_s",)),
        Row("large", "seek", f"seek by timestamp in a log of {large}", (Figure("p50_ms", "ms", at_most(1 / 5, "kafka")),), also=("us_per_request", "p99_ms")),
        Row("large", "open", f"open a log of {large} after a clean stop, to first ack", (Figure("seconds", "s", at_most(1 / 5, "kafka")),), also=("cpu_s",)),
    ]


def second_opinions():
    figures, also = (Figure("cpu", CPU, smoke=STEADY),), ("user", "system", "mb_per_s", "rss_mb")
    works = [("produce-1024", "produce 1 KiB, acks=1", PAGE_CACHE), ("produce-acks-all", "produce 1 KiB, acks=all, idempotent", "acks=all, page cache"),
             ("produce-lz4", "produce 1 KiB, lz4, acks=1", PAGE_CACHE), ("produce-100", "produce 100 B, acks=1", PAGE_CACHE),
             ("consume-1024", "consume 1 KiB, hot", PAGE_CACHE)]
    return [Row("perf_tools", key, f"perf tools: {name}", figures, guarantees=guarantees, clients=PERF_TOOLS, also=also, in_smoke=False)
            for key, name, guarantees in works]


def size(megabytes):
    return f"{megabytes / 1000:g} GB" if megabytes >= 1000 else f"{megabytes} MB"
