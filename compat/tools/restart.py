"""What outlives the process: a clean stop, kill -9, several log dirs; and what the janitor does to the files while it runs."""

import json
import re
import time

from harness import check, eventually, expect, expect_eq, expect_in, expect_match, table

FAST_JANITOR = {"log.retention.check.interval.ms": 500, "log.initial.task.delay.ms": 500, "log.segment.delete.delay.ms": 1000}


class State:
    """Something of everything, and the check that it is still there."""

    def __init__(self, ctx, broker):
        self.ctx, self.broker = ctx, broker
        self.topic = ctx.topic("kept", partitions=3, broker=broker, retention_ms=12345678)
        self.log = ctx.topic("log", broker=broker)
        self.group = ctx.unique("group")
        self.sent = []
        self.send(20)
        expect_eq(ctx.consume(self.log, 5, "--group", self.group, broker=broker), self.sent[:5], "first five")
        self.read = 5
        for entity, name, config in (("brokers", "1", "log.cleaner.threads=2"), ("groups", self.group, "consumer.session.timeout.ms=50000"),
                                     ("client-metrics", "sub", "interval.ms=5000")):
            ctx.tool("kafka-configs", "--alter", "--entity-type", entity, "--entity-name", name, "--add-config", config, broker=broker)
        self.before = self.describe()

    def send(self, count):
        lines = [f"record {len(self.sent) + n}" for n in range(count)]
        self.ctx.produce(self.log, lines, broker=self.broker)
        self.sent += lines

    def describe(self):
        tool, broker = self.ctx.tool, self.broker
        shown = [tool("kafka-topics", "--describe", "--topic", name, broker=broker).out for name in (self.topic, self.log)]
        for entity in ("topics", "brokers", "client-metrics"):
            shown.append(tool("kafka-configs", "--describe", "--entity-type", entity, broker=broker).out)
        shown.append(tool("kafka-configs", "--describe", "--entity-type", "groups", "--entity-name", self.group, broker=broker).out)
        shown.append(tool("kafka-cluster", "cluster-id", broker=broker).out)
        return "\n".join(shown).splitlines()

    def still_there(self):
        expect_eq(self.describe(), self.before, "topics, ids, configs and cluster id")
        expect_eq(self.ctx.consume(self.log, len(self.sent), broker=self.broker), self.sent, "records")
        result = self.ctx.tool("kafka-consumer-groups", "--describe", "--group", self.group, broker=self.broker)
        expect_eq(table(result.out, "GROUP")[0]["CURRENT-OFFSET"], str(self.read), "committed offset", result)
        expect_eq(self.ctx.consume(self.log, 3, "--group", self.group, broker=self.broker), self.sent[self.read:self.read + 3], "the group goes on")
        self.read += 3
        self.send(4)
        expect_eq(self.ctx.tool("kafka-get-offsets", "--topic", self.log, broker=self.broker).lines, [f"{self.log}:0:{len(self.sent)}"], "end offset")


@check("restart: everything survives clean stops", own_broker=True)
def clean_stop(ctx):
    broker = ctx.new_broker()
    state = State(ctx, broker)
    for _ in range(2):
        expect_eq(broker.stop(), 143 if ctx.peer else 0, "exit code after SIGTERM")
        broker.start()
        state.still_there()
    # Each leadership has its epoch, higher than the last; the file knows the newest when its records are flushed.
    broker.stop()
    epochs = (broker.partition_dir(state.log) / "leader-epoch-checkpoint").read_text().splitlines()[2:]
    numbers = [int(line.split()[0]) for line in epochs]
    expect(len(numbers) == 3 and numbers == sorted(set(numbers)), f"leader epochs grow with each start: {epochs}")


@check("restart: everything survives kill -9", own_broker=True)
def kill9(ctx):
    broker = ctx.new_broker()
    state = State(ctx, broker)
    for _ in range(2):
        broker.kill9()
        expect(not (broker.data_dir / ".kafka_cleanshutdown").exists(), "a killed broker leaves no clean-shutdown marker")
        broker.start()
        state.still_there()


@check("restart: kill -9 under load loses nothing that was acknowledged", own_broker=True)
def kill9_under_load(ctx):
    broker = ctx.new_broker()
    topic = ctx.topic("load", partitions=3, broker=broker, segment_bytes=1048576)
    producer = ctx.tool_start("kafka-verifiable-producer", "--topic", topic, "--throughput", 3000, "--acks", "-1", broker=broker)

    def acked():
        return re.findall(r'"name":"producer_send_success".*?"value":"(\d+)"', producer.out)
    eventually(lambda: len(acked()) > 2000, "2000 records are acknowledged", timeout_s=30)
    broker.kill9()
    broker.start()
    # The producer was never told; it goes on by itself.
    count = len(acked())
    eventually(lambda: len(acked()) > count + 1000, "the producer goes on after the restart", timeout_s=60)
    producer.stop()
    sent = acked()
    expect_eq(len(sent), len(set(sent)), "each value is acknowledged once")
    total = sum(int(line.rsplit(":", 1)[1]) for line in ctx.tool("kafka-get-offsets", "--topic", topic, broker=broker).lines)
    lines = ctx.consume(topic, total, broker=broker, timeout=60)
    missing = set(sent) - set(lines)
    expect(not missing, f"{len(missing)} of {len(sent)} acknowledged records are gone: {sorted(missing, key=int)[:10]}")
    # Java's producer is idempotent: its retries must not write twice.
    expect_eq(len(lines), len(set(lines)), "no record is there twice")


@check("restart: a torn tail is cut off at start, and the index rebuilt", own_broker=True)
def torn_tail(ctx):
    broker = ctx.new_broker()
    topic = ctx.topic("torn", broker=broker)
    ctx.produce(topic, [f"line {n} " + "x" * 200 for n in range(500)], "--batch-size", 2000, broker=broker)
    broker.kill9()
    folder = broker.partition_dir(topic)
    log = folder / f"{0:020}.log"
    with open(log, "ab") as tail:
        tail.write(b"\0" * 30 + b"garbage from a crash" * 20)
    (folder / f"{0:020}.index").write_bytes(b"")
    broker.start()
    lines = ctx.consume(topic, 500, broker=broker)
    expect_eq(lines[499], "line 499 " + "x" * 200, "the last whole record")
    ctx.produce(topic, ["after"], broker=broker)
    expect_eq(ctx.consume(topic, 501, broker=broker)[500], "after", "a record more")
    broker.stop()
    result = ctx.tool("kafka-dump-log", "--files", f"{log},{folder / f'{0:020}.index'}", "--index-sanity-check")
    expect_in(f"{0:020}.index passed sanity check.", result.out, result)
    result = ctx.tool("kafka-dump-log", "--deep-iteration", "--files", log)
    expect_eq(len(re.findall(r"^\| offset: ", result.out, re.M)), 501, "records on disk")
    expect(len(ctx.tool("kafka-dump-log", "--files", folder / f"{0:020}.index").lines) > 10, "the index has its entries again")


@check("restart: two brokers never share a log dir", own_broker=True)
def lock(ctx):
    broker = ctx.new_broker()
    other = ctx.new_broker(start=False)
    other.log_dirs = broker.log_dirs
    other.write_properties()
    other.launch()
    eventually(lambda: not other.running(), "the second broker gives up", timeout_s=30)
    expect(other.process.returncode != 0, "exit code of the second broker")
    expect_match(rf"(?i)lock.*{re.escape(str(broker.data_dir))}|{re.escape(str(broker.data_dir))}.*lock", other.log_text())
    expect(broker.running(), "the first broker goes on")


@check("restart: an invalid value stops the start and is named", own_broker=True)
def invalid_value(ctx):
    broker = ctx.new_broker({"num.partitions": "many"}, start=False)
    broker.write_properties()
    broker.launch()
    eventually(lambda: not broker.running(), "the broker gives up", timeout_s=30)
    expect(broker.process.returncode != 0, "the exit code")
    expect_match(r"many.*num\.partitions|num\.partitions.*many", broker.log_text())


@check("janitor: segments roll by size, and retention by size takes the oldest", own_broker=True)
def roll_and_retain(ctx):
    broker = ctx.new_broker({**FAST_JANITOR, "log.flush.start.offset.checkpoint.interval.ms": 1000})
    topic = ctx.topic("roll", broker=broker, segment_bytes=1048576, retention_bytes=-1)
    ctx.tool("kafka-producer-perf-test", "--topic", topic, "--num-records", 20000, "--record-size", 300, "--throughput", -1, broker=broker)
    folder = broker.partition_dir(topic)

    def bases():
        return sorted(int(log.stem) for log in folder.glob("*.log"))
    before = bases()
    expect(len(before) >= 6 and before[0] == 0, f"6 MB in segments of 1 MiB: {before}")
    ctx.tool("kafka-configs", "--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", "retention.bytes=2500000,file.delete.delay.ms=6000", broker=broker)

    def size():
        return sum(log.stat().st_size for log in folder.glob("*.log"))
    # Whole segments go, one after the other, as long as what stays is not below the limit.
    eventually(lambda: size() < 2500000 + 1048576, "old segments go", timeout_s=20, interval_s=0.05)
    expect(size() >= 2500000, f"{size()} bytes are left")
    after = bases()
    expect_eq(after, before[-len(after):], "the newest segments stay")
    set_aside = {path.name for path in folder.glob("*.deleted")}
    expect(f"{0:020}.log.deleted" in set_aside and f"{0:020}.index.deleted" in set_aside, f"set aside before they are unlinked: {sorted(set_aside)}")
    expect_eq(ctx.tool("kafka-get-offsets", "--topic", topic, "--time", "-2", broker=broker).lines, [f"{topic}:0:{after[0]}"], "log start")
    line = ctx.consume(topic, 1, "--formatter-property", "print.offset=true", broker=broker)[0]
    expect_in(f"Offset:{after[0]}\t", line)
    eventually(lambda: not list(folder.glob("*.deleted")), "the files set aside are unlinked", timeout_s=20)


@check("janitor: segments roll by time, and retention by time empties the log", own_broker=True)
def roll_by_time(ctx):
    broker = ctx.new_broker(FAST_JANITOR)
    topic = ctx.topic("aged", broker=broker, segment_ms=1500, retention_ms=-1)
    folder = broker.partition_dir(topic)
    ctx.produce(topic, ["a", "b"], broker=broker)
    time.sleep(1.8)
    ctx.produce(topic, ["c"], broker=broker)
    expect_eq(sorted(log.name for log in folder.glob("*.log")), [f"{0:020}.log", f"{2:020}.log"], "segments after segment.ms")
    ctx.tool("kafka-configs", "--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", "retention.ms=2000", broker=broker)
    # In the end even the active segment goes: it is rolled first, so that an empty one takes its place.
    eventually(lambda: ctx.tool("kafka-get-offsets", "--topic", topic, "--time", "-2", broker=broker).lines == [f"{topic}:0:3"], "the log is empty", timeout_s=20)
    expect_eq(sorted(log.name for log in folder.glob("*.log")), [f"{3:020}.log"], "segments at the end")
    # What comes next is not to be too old before it is read.
    ctx.tool("kafka-configs", "--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", "retention.ms=-1", broker=broker)
    ctx.produce(topic, ["d"], broker=broker)
    expect_eq(ctx.consume(topic, 1, broker=broker), ["d"], "what comes next")


@check("janitor: a deleted topic's directory goes after the delay", own_broker=True)
def deleted_directory(ctx):
    broker = ctx.new_broker(FAST_JANITOR)
    topic = ctx.topic("gone", partitions=3, broker=broker)
    ctx.produce(topic, ["x"] * 10, broker=broker)
    ctx.tool("kafka-topics", "--delete", "--topic", topic, broker=broker)
    # Far below the minute that the broker waits by default.
    eventually(lambda: not list(broker.data_dir.glob(f"{topic}-*")), f"nothing of {topic} is left", timeout_s=40, patience=1)


@check("log-dirs: partitions spread over several, move between them, and survive", own_broker=True)
def several_dirs(ctx):
    broker = ctx.new_broker(log_dirs=3)
    topic = ctx.topic("spread", partitions=6, broker=broker)
    for partition in range(6):
        broker.partition_dir(topic, partition)
    counts = [len(list(folder.glob(f"{topic}-*"))) for folder in broker.log_dirs]
    expect_eq(counts, [2, 2, 2], "partitions by directory")
    log = ctx.topic("moving", broker=broker)
    sent = [f"m{n}" for n in range(300)]
    ctx.produce(log, sent, "--compression-codec", "lz4", broker=broker)

    source = broker.partition_dir(log).parent
    target = next(folder for folder in broker.log_dirs if folder != source)
    plan = ctx.work_dir / "plan.json"
    plan.write_text(json.dumps({"version": 1, "partitions": [{"topic": log, "partition": 0, "replicas": [1], "log_dirs": [str(target)]}]}))
    result = ctx.tool("kafka-reassign-partitions", "--execute", "--reassignment-json-file", plan, broker=broker)
    expect_in(f"Successfully started moving log directory to {target} for replica {log}-0 with broker 1", result.out, result)

    def moved():
        result = ctx.tool("kafka-reassign-partitions", "--verify", "--preserve-throttles", "--reassignment-json-file", plan, broker=broker)
        expect_in(f"Reassignment of replica {log}-0-1 completed successfully.", result.out, result)
        return True
    eventually(moved, "the move is complete", timeout_s=30, interval_s=0.5)
    eventually(lambda: (target / f"{log}-0").is_dir() and not (source / f"{log}-0").exists(), f"{log}-0 lies in {target.name}")
    expect_eq(ctx.consume(log, 300, broker=broker), sent, "records after the move")

    result = ctx.tool("kafka-log-dirs", "--describe", "--topic-list", f"{topic},{log}", broker=broker)
    shown = {folder["logDir"]: {p["partition"] for p in folder["partitions"]} for folder in json.loads(result.lines[2])["brokers"][0]["logDirs"]}
    on_disk = {str(folder): {path.name for path in folder.iterdir() if path.name.startswith((f"{topic}-", f"{log}-")) and "." not in path.name} for folder in broker.log_dirs}
    expect_eq(shown, on_disk, "log-dirs and the disk", result)

    ids = {re.search(r"^directory.id=(.*)$", (folder / "meta.properties").read_text(), re.M).group(1) for folder in broker.log_dirs}
    expect_eq(len(ids), 3, "directory ids")
    broker.stop()
    for folder in broker.log_dirs:
        expect((folder / ".kafka_cleanshutdown").exists(), f"no clean-shutdown marker in {folder}")
    broker.start()
    expect_eq(broker.partition_dir(log).parent, target, "the directory after a restart")
    expect_eq(ctx.consume(log, 300, broker=broker), sent, "records after a restart")


@check("stop: a broker with waiting consumers stops in time", own_broker=True)
def stop_with_clients(ctx):
    broker = ctx.new_broker()
    topic = ctx.topic("wait", broker=broker)
    consumer = ctx.tool_start("kafka-console-consumer", "--topic", topic, "--from-beginning", "--group", ctx.unique("g"), broker=broker)
    ctx.produce(topic, ["x"], broker=broker)
    eventually(lambda: len(ctx.tool("kafka-consumer-groups", "--list", "--state", "Stable", broker=broker).lines) > 1, "the consumer is in its group", timeout_s=30)
    started = time.monotonic()
    broker.stop()
    seconds = time.monotonic() - started
    expect(seconds < 20, f"the stop took {seconds:.1f} s")
    broker.start()
    # The consumer finds the way back by itself.
    ctx.produce(topic, ["after the restart"], broker=broker)
    eventually(lambda: "after the restart" in consumer.out, "the consumer goes on", timeout_s=60)
