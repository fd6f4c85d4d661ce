"""Transactions, with the clients and the tools that know them."""

import re
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import toolchains
from _steps import report
from batches import batch
from beside import Beside
from harness import KAFKA_HOME, check, eventually, expect, expect_eq, expect_in, table
from jvm import java_command
from kafka_codec import Connection, Schemas

PROGRAM = "confluent_transactions.py"
JAVA = ("mixed", "move", "fenced", "stable", "late", "epochs")
# What is out of time is ended at once.
SHORT = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": 200}
COPIER = "org.apache.kafka.tools.TransactionalMessageCopier"
# Lines, and how many of them go into a transaction.
FEW, MANY = (3000, 75), (100_000, 750)
# The broker, or the copier, is killed when so much of the source has been copied, however fast it is.
BROKER_KILLED_AT, COPIER_KILLED_AT = (0.1, 0.35, 0.6, 0.85), (0.2, 0.6)


@check("clients: confluent-kafka commits, aborts, is fenced, and moves offsets with its records")
def confluent(ctx):
    result = ctx.sh(*toolchains.python(PROGRAM), ctx.broker.bootstrap, ctx.unique("confluent-txn"), timeout=150, rc=None)
    report(result, ("commit", "fenced", "offsets"))


def java(ctx, broker, programs):
    """Runs the Java program by each of these clients at the same time; `programs` says which epochs they are to have."""
    prefix = ctx.unique("java-txn")
    commands = [(*toolchains.java_transactions(version), broker.bootstrap, prefix, name, ",".join(name for name, _, _ in programs), str(raises).lower())
                for name, version, raises in programs]
    with ThreadPoolExecutor(len(commands)) as pool:
        for result in pool.map(lambda command: ctx.sh(*command, timeout=180, rc=None), commands):
            report(result, JAVA)


@check("clients: java with transactions, of 4.3 and of 3.5 side by side: moved, fenced, out of time, read", own_broker=True, timeout_s=400)
def java_side_by_side(ctx):
    java(ctx, ctx.new_broker(SHORT), [("new", None, True), ("old", "3.5", False)])


@check("clients: java with transactions where the protocol of KIP-890 is not spoken", own_broker=True, timeout_s=400)
def java_before_890(ctx):
    broker = ctx.new_broker(SHORT)
    ctx.tool("kafka-features", "downgrade", "--feature", "transaction.version=1", broker=broker)
    java(ctx, broker, [("new", None, False)])


def copying(broker, source, sink, per_transaction, *more):
    """Java's consumer and transactional producer: what is read from one topic is written to the other, with its offsets."""
    return ["--broker-list", broker.bootstrap, "--transactional-id", f"{sink}-copier", "--consumer-group", f"{sink}-group", "--input-topic", source,
            "--input-partition", "0", "--output-topic", sink, "--max-messages", "-1", "--transaction-size", str(per_transaction),
            "--use-group-metadata", *more]


def copier(ctx, *options):
    ctx.tools.classes["transactional-copier"] = COPIER
    return ctx.tools.call("transactional-copier", copying(*options), b"", 240)


class Copier(Beside):
    """One that can be killed."""

    def __init__(self, ctx, *options):
        self.log = ctx.work_dir / f"copier-{len(ctx.processes)}.log"
        with open(self.log, "wb") as log:
            command = java_command("-Xmx256m", "-cp", f"{KAFKA_HOME}/libs/*", COPIER, *copying(*options))
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        ctx.processes.append(self)

    def is_running(self):
        return self.process.poll() is None


class Copy:
    """So many lines in one topic, and the topic that they are copied to."""

    def __init__(self, ctx, broker, count, per_transaction):
        self.ctx, self.broker, self.per_transaction = ctx, broker, per_transaction
        self.source, self.sink = ctx.topic("source", broker=broker), ctx.topic("sink", broker=broker)
        self.lines = [str(n) for n in range(count)]
        ctx.produce(self.source, self.lines, broker=broker)

    @property
    def options(self):
        return self.broker, self.source, self.sink, self.per_transaction

    def wait_for(self, part, is_running):
        """Until so much is copied; false if the copier has ended before."""
        def size(topic):
            return sum(file.stat().st_size for file in self.broker.partition_dir(topic, 0).glob("*.log"))
        while is_running() and size(self.sink) < part * size(self.source):
            time.sleep(0.005)
        return is_running()

    def is_exact(self):
        def copied():
            return self.ctx.consume(self.sink, len(self.lines), "--isolation-level", "read_committed", broker=self.broker, timeout=60)
        eventually(lambda: copied() == self.lines, "not every line once and in order", timeout_s=90)


@check("clients: Kafka's TransactionalMessageCopier copies every line once and in order, however often it aborts", timeout_s=300)
def copies(ctx):
    copy = Copy(ctx, ctx.broker, *FEW)
    result = copier(ctx, *copy.options, "--enable-random-aborts")
    expect_eq(result.rc, 0, "exit code", result)
    copy.is_exact()


@check("clients: Kafka's TransactionalMessageCopier copies every line once and in order while its broker is killed", tags=("slow",), own_broker=True, timeout_s=400)
def copies_through_kills_of_the_broker(ctx):
    broker = ctx.new_broker({"broker.session.timeout.ms": 2000})
    copy = Copy(ctx, broker, *MANY)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(copier(ctx, *copy.options)))
    thread.start()
    kills = 0
    for part in BROKER_KILLED_AT:
        if copy.wait_for(part, thread.is_alive):
            broker.kill9()
            broker.start()
            kills += 1
    thread.join()
    expect(kills >= 2, f"the copier was done after {kills} kills")
    expect(ended and ended[0].rc == 0, "the copier has failed", ended[0] if ended else None)
    copy.is_exact()


@check("clients: Kafka's TransactionalMessageCopier copies every line once and in order while it is killed", tags=("slow",), own_broker=True, timeout_s=400)
def copies_through_kills_of_the_copier(ctx):
    copy = Copy(ctx, ctx.new_broker(SHORT), *MANY)
    # The next one first asks where the group is, and is told when the transaction of the one before has ended.
    short = "--transaction-timeout", "3000"
    for part in COPIER_KILLED_AT:
        running = Copier(ctx, *copy.options, *short)
        expect(copy.wait_for(part, running.is_running), f"the copier has ended\n{running.log.read_text()}")
        running.kill9()
    last = Copier(ctx, *copy.options, *short)
    expect_eq(last.process.wait(240), 0, f"exit code of the last copier\n{last.log.read_text()}")
    copy.is_exact()


@check("transactions: kafka-transactions lists, describes and aborts what a client has left open")
def tool(ctx):
    topic, transactional_id = ctx.topic("open"), ctx.unique("left-open")
    ctx.sh(*toolchains.python(PROGRAM), ctx.broker.bootstrap, "open", topic, transactional_id)
    rows = table(ctx.tool("kafka-transactions", "list").out, "TransactionalId")
    mine = [row for row in rows if row["TransactionalId"] == transactional_id]
    expect_eq([row["TransactionState"] for row in mine], ["Ongoing"], "listed")
    by_pattern = ctx.tool("kafka-transactions", "list", "--transactional-id-pattern", re.escape(transactional_id[:-1]) + ".")
    expect_eq([row["TransactionalId"] for row in table(by_pattern.out, "TransactionalId")], [transactional_id], "listed by pattern", by_pattern)
    by_duration = ctx.tool("kafka-transactions", "list", "--duration-filter", 3_600_000)
    expect(transactional_id not in by_duration.out, "it has not been open for an hour", by_duration)
    described = ctx.tool("kafka-transactions", "describe", "--transactional-id", transactional_id)
    row = table(described.out, "CoordinatorId")[0]
    expect_eq((row["TransactionalId"], row["ProducerId"], row["TransactionState"], row["TopicPartitions"]),
              (transactional_id, mine[0]["ProducerId"], "Ongoing", f"{topic}-0"), "described", described)
    producer = table(ctx.tool("kafka-transactions", "describe-producers", "--topic", topic, "--partition", 0).out, "ProducerId")[0]
    expect_eq((producer["ProducerId"], producer["CurrentTransactionStartOffset"]), (row["ProducerId"], "0"), "its producer")
    hanging = ctx.tool("kafka-transactions", "find-hanging", "--topic", topic)
    expect(topic not in hanging.out.replace("find-hanging", ""), "its coordinator knows it", hanging)
    ctx.tool("kafka-transactions", "abort", "--topic", topic, "--partition", 0, "--start-offset", 0)
    producer = table(ctx.tool("kafka-transactions", "describe-producers", "--topic", topic, "--partition", 0).out, "ProducerId")[0]
    expect_eq(producer["CurrentTransactionStartOffset"], "None", "nothing is open any more")
    ctx.produce(topic, ["behind it"])
    expect_eq(ctx.consume(topic, 1, "--isolation-level", "read_committed"), ["behind it"], "readers of committed data go on")


@check("transactions: kafka-transactions ends what has been open for too long", own_broker=True)
def terminated(ctx):
    broker = ctx.new_broker({"transaction.abort.timed.out.transaction.cleanup.interval.ms": 200})
    topic, transactional_id = ctx.topic("forced", broker=broker), ctx.unique("forced")
    ctx.sh(*toolchains.python(PROGRAM), broker.bootstrap, "open", topic, transactional_id)
    result = ctx.tool("kafka-transactions", "forceTerminateTransaction", "--transactionalId", transactional_id, broker=broker)
    described = ctx.tool("kafka-transactions", "describe", "--transactional-id", transactional_id, broker=broker)
    expect_in("Empty", described.out, result)


@check("transactions: kafka-transactions finds a hanging transaction and aborts it", own_broker=True)
def hanging(ctx):
    # Without verification a batch may begin a transaction that no coordinator knows.
    broker = ctx.new_broker({"transaction.partition.verification.enable": "false"})
    topic = ctx.topic("hanging", broker=broker)
    data = {"Name": topic, "PartitionData": [{"Index": 0, "Records": batch([b"lost"], 900, 0, 0, True)}]}
    request = {"TransactionalId": "x", "Acks": -1, "TimeoutMs": 10_000, "TopicData": [data]}
    answer = Connection(Schemas(KAFKA_HOME / "libs"), broker.bootstrap).call("Produce", 11, request)
    expect_eq(answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"], 0, "the batch is taken")
    find = ("kafka-transactions", "find-hanging", "--broker-id", 1, "--max-transaction-timeout", 0)

    def found():
        return [(row["Topic"], row["Partition"], row["ProducerId"], row["StartOffset"]) for row in table(ctx.tool(*find, broker=broker).out, "Topic")]

    eventually(lambda: found() == [(topic, "0", "900", "0")], "it is not found")
    ctx.tool("kafka-transactions", "abort", "--topic", topic, "--partition", 0, "--start-offset", 0, broker=broker)
    eventually(lambda: found() == [], "it is still found")
