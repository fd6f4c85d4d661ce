"""Transactions as a partition sees them, answer by answer: what is refused, where readers of committed data stop, which aborted
transactions they are told of, which offsets of groups are pending.

In most of it no coordinator takes part: the requests of producers and of a coordinator are sent as they are, to Apache Kafka and to the
broker under test. Then each of the two serves what the other has written. The last check is of what a partition asks its coordinator.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

from batches import batch, whole_batches
from harness import KAFKA_HOME, check, eventually, expect_eq
from kafka_codec import Connection, Schemas

# Without it a partition asks the coordinator, which knows nothing of these transactions. Releases before 12 leave that to the setting.
OPTIONS = {"transaction.partition.verification.enable": "false", "offsets.topic.num.partitions": 1, "broker.session.timeout.ms": 2000}
PRODUCE, WRITE_MARKERS = 11, 2
TOPIC, OFFSETS, GROUP = "t", "__consumer_offsets", "g"
COMMIT, ABORT = True, False
READ_UNCOMMITTED, READ_COMMITTED = 0, 1
LARGE = 400_000
# A coordinator that is looked for, loads, or still writes the markers of the transaction before.
NOT_YET = (14, 15, 16, 51)
UNSTABLE_OFFSET_COMMIT = 88
PATIENCE_MS = 20_000
VERIFIED = {"transaction.state.log.num.partitions": 1, "offsets.topic.num.partitions": 1}


class Partition:
    """Partition 0 of one topic on one broker, in the words of producers, coordinators and consumers."""

    def __init__(self, schemas, broker):
        self.schemas, self.broker = schemas, broker
        self.connect()

    def connect(self):
        self.connection = Connection(self.schemas, self.broker.bootstrap)

    def call(self, api, version, message):
        return self.connection.call(api, version, message)

    def create(self):
        # The batches have timestamps of 1970: nothing may be deleted for that, however long the check takes.
        configs = [{"Name": "segment.bytes", "Value": str(1 << 20)}, {"Name": "retention.ms", "Value": "-1"}]
        topic = {"Name": TOPIC, "NumPartitions": 1, "ReplicationFactor": 1, "Configs": configs}
        answer = self.call("CreateTopics", 7, {"Topics": [topic], "timeoutMs": 10_000})
        expect_eq(answer["Topics"][0]["ErrorCode"], 0, "create")
        self.ready()

    def ready(self):
        """Leaders and coordinators are found."""
        request = {"KeyType": 0, "CoordinatorKeys": [GROUP]}
        eventually(lambda: self.call("FindCoordinator", 4, request)["Coordinators"][0]["ErrorCode"] == 0, "no coordinator")
        eventually(lambda: self.list_offset(READ_UNCOMMITTED)[0] == 0, "no leader")
        eventually(lambda: self.fetch_offset()[0] not in (14, 15, 16), "the coordinator does not load")

    def send(self, producer_id, epoch, sequence, count=1, transactional=True, size=3, transactional_id="x", version=PRODUCE):
        """(error, offset) of one batch."""
        records = batch([b"v" * size] * count, producer_id, epoch, sequence, transactional)
        data = {"Name": TOPIC, "PartitionData": [{"Index": 0, "Records": records}]}
        answer = self.call("Produce", version, {"TransactionalId": transactional_id, "Acks": -1, "TimeoutMs": 10_000, "TopicData": [data]})
        part = answer["Responses"][0]["PartitionResponses"][0]
        return part["ErrorCode"], part["BaseOffset"]

    def end(self, producer_id, epoch, commit, coordinator_epoch=0, rules=2, version=WRITE_MARKERS, topic=TOPIC, index=0):
        """The error of one marker. `rules` is the transaction.version by which the transaction was run."""
        marker = {"ProducerId": producer_id, "ProducerEpoch": epoch, "TransactionResult": commit, "CoordinatorEpoch": coordinator_epoch,
                  "Topics": [{"Name": topic, "PartitionIndexes": [index]}], **({"TransactionVersion": rules} if version >= 2 else {})}
        result = self.call("WriteTxnMarkers", version, {"Markers": [marker]})["Markers"][0]
        return result["ProducerId"], result["Topics"][0]["Partitions"][0]["ErrorCode"]

    def commit_offset(self, producer_id, epoch, offset, version=3, transactional_id="x", **more):
        partition = {"PartitionIndex": 0, "CommittedOffset": offset, "CommittedMetadata": ""}
        answer = self.call("TxnOffsetCommit", version, {"TransactionalId": transactional_id, "GroupId": GROUP, "ProducerId": producer_id, "ProducerEpoch": epoch,
                                                        "Topics": [{"Name": TOPIC, "Partitions": [partition]}], **more})
        return answer["Topics"][0]["Partitions"][0]["ErrorCode"]

    def begin(self, transactional_id):
        """(error, producer id, epoch), as a producer starts."""
        self.call("FindCoordinator", 4, {"KeyType": 1, "CoordinatorKeys": [transactional_id]})
        answer = self.call("InitProducerId", 4, {"TransactionalId": transactional_id, "TransactionTimeoutMs": 60_000})
        return answer["ErrorCode"], answer["ProducerId"], answer["ProducerEpoch"]

    def add(self, transactional_id, producer_id, epoch):
        topics = [{"Name": TOPIC, "Partitions": [0]}]
        answer = self.call("AddPartitionsToTxn", 3, {"V3AndBelowTransactionalId": transactional_id, "V3AndBelowProducerId": producer_id,
                                                     "V3AndBelowProducerEpoch": epoch, "V3AndBelowTopics": topics})
        part = answer["ResultsByTopicV3AndBelow"][0]["ResultsByPartition"][0]
        return (part["PartitionErrorCode"],)

    def finish(self, transactional_id, producer_id, epoch, commit, version):
        """(error, epoch), as a producer ends its transaction."""
        answer = self.call("EndTxn", version, {"TransactionalId": transactional_id, "ProducerId": producer_id, "ProducerEpoch": epoch, "Committed": commit})
        return answer["ErrorCode"], answer.get("ProducerEpoch")

    def fetch_offset(self, stable=True):
        topics = [{"Name": TOPIC, "PartitionIndexes": [0]}]
        answer = self.call("OffsetFetch", 8, {"Groups": [{"GroupId": GROUP, "Topics": topics}], "RequireStable": stable})
        group = answer["Groups"][0]
        part = group["Topics"][0]["Partitions"][0] if group["Topics"] else {"ErrorCode": group["ErrorCode"], "CommittedOffset": -1}
        return part["ErrorCode"] or group["ErrorCode"], part["CommittedOffset"]

    def list_offset(self, isolation):
        partition = {"PartitionIndex": 0, "Timestamp": -1}
        answer = self.call("ListOffsets", 7, {"ReplicaId": -1, "IsolationLevel": isolation, "Topics": [{"Name": TOPIC, "Partitions": [partition]}]})
        part = answer["Topics"][0]["Partitions"][0]
        return part["ErrorCode"], part["Offset"]

    def woken_by(self, act):
        """What a reader at the stable offset waits for, and gets, while `act` happens."""
        waiting = Partition(self.schemas, self.broker)
        with ThreadPoolExecutor(1) as pool:
            begun, stable = time.monotonic(), self.list_offset(READ_COMMITTED)[1]
            reader = pool.submit(waiting.fetch, stable, 1 << 20, READ_COMMITTED, PATIENCE_MS)
            time.sleep(0.3)
            done, got = act(), reader.result()
        waiting.connection.close()
        return done, got, "in time" if time.monotonic() - begun < PATIENCE_MS / 2000 else "late"

    def fetch(self, offset, max_bytes, isolation, max_wait_ms=0):
        partition = {"Partition": 0, "FetchOffset": offset, "PartitionMaxBytes": max_bytes}
        answer = self.call("Fetch", 12, {"MaxWaitMs": max_wait_ms, "MinBytes": min(max_wait_ms, 1), "MaxBytes": 1 << 26, "IsolationLevel": isolation, "SessionEpoch": -1,
                                         "Topics": [{"Topic": TOPIC, "Partitions": [partition]}]})
        part = answer["Responses"][0]["Partitions"][0]
        batches = whole_batches(part["Records"] or b"")
        aborted = part["AbortedTransactions"]
        # Apache Kafka's list may go on a little behind the last batch: its search in the index passes over an entry that it hits exactly.
        if aborted and batches:
            aborted = [txn for txn in aborted if txn["FirstOffset"] <= batches[-1][1]]
        return {"error": part["ErrorCode"], "high watermark": part["HighWatermark"], "last stable": part["LastStableOffset"],
                "aborted": aborted and [(txn["ProducerId"], txn["FirstOffset"]) for txn in aborted],
                "bytes": len(part["Records"] or b""), "batches": batches}

    def wait_stable(self):
        """The markers are written after the answer to EndTxn."""
        eventually(lambda: self.list_offset(READ_COMMITTED) == self.list_offset(READ_UNCOMMITTED), "the marker does not come")

    def producers(self):
        answer = self.call("DescribeProducers", 0, {"Topics": [{"Name": TOPIC, "PartitionIndexes": [0]}]})
        part = answer["Topics"][0]["Partitions"][0]
        fields = ("ProducerId", "ProducerEpoch", "LastSequence", "CoordinatorEpoch", "CurrentTxnStartOffset")
        return part["ErrorCode"], sorted(tuple(producer[field] for field in fields) for producer in part["ActiveProducers"])

    def facts(self):
        """All that a client can see, a line each."""
        end = self.list_offset(READ_UNCOMMITTED)[1]
        lines = [f"latest {isolation}: {self.list_offset(isolation)}" for isolation in (READ_UNCOMMITTED, READ_COMMITTED)]
        lines += [f"producer {producer}" for producer in self.producers()[1]]
        lines += [f"offset of the group, stable {stable}: {self.fetch_offset(stable)}" for stable in (False, True)]
        for isolation in (READ_UNCOMMITTED, READ_COMMITTED):
            for max_bytes in (1, 200, LARGE, 1 << 25):
                lines += [f"fetch {offset} {max_bytes} {isolation}: {self.fetch(offset, max_bytes, isolation)}" for offset in range(end + 2)]
        return lines


def script(partition):
    """What producers and a coordinator do, and what they are told; every line of it is the same on every broker."""
    def told(what):
        return what if isinstance(what, list) else [str(what)]

    yield told(partition.send(101, 0, 0, count=2))
    yield told(partition.send(102, 0, 0))
    yield told(partition.send(-1, -1, -1, count=3, transactional=False))
    yield told(partition.facts())
    yield told(("abort", partition.end(101, 1, ABORT)))
    yield told(partition.facts())
    yield told(("of before the marker", partition.send(101, 0, 2), partition.send(101, 1, 5)))
    yield told(("the next one", partition.send(101, 1, 0), partition.send(101, 1, 0), partition.send(101, 1, 1)))
    yield told(("not in it", partition.send(101, 1, 2, transactional=False), partition.send(101, 1, 7), partition.send(101, 0, 0)))
    yield told(("a reader that waits", partition.send(160, 0, 0), partition.woken_by(lambda: partition.end(102, 0, COMMIT, 0, 0)), partition.end(160, 0, ABORT, 0, 0)))
    yield told(("delayed marker", partition.end(101, 1, ABORT), partition.end(101, 0, ABORT)))
    yield told(("without an id", partition.send(101, 1, 2, transactional_id=None)))
    yield told(("old rules", partition.end(102, 0, COMMIT, 3, 0), partition.end(102, 0, COMMIT, 3, 1, version=1), partition.end(102, 0, COMMIT, 2, 1)))
    yield told(("again", partition.end(101, 2, COMMIT), partition.end(101, 2, COMMIT), partition.end(101, 2, COMMIT, 5), partition.end(101, 2, COMMIT, 4)))
    yield told(("nobody's", partition.end(999, 0, ABORT), partition.end(1, 0, ABORT, topic="nosuch"), partition.end(1, 0, ABORT, index=7)))
    yield told(("in versions", [partition.send(110 + version, 0, 0, version=version) for version in range(3, 12)]))
    yield told(("in versions", [partition.end(110 + version, 1, version % 2 == 0) for version in range(3, 12)]))
    yield told(partition.facts())
    # More than one segment: transactions that end in a later one than they began in, some inside others.
    for sequence in range(6):
        yield told(partition.send(103, 0, sequence, size=LARGE))
        yield told((partition.send(130 + sequence, 0, 0), partition.send(140 + sequence, 0, 0), partition.end(130 + sequence, 1, ABORT)))
    yield told(partition.end(103, 1, ABORT))
    yield told(("out of order", [partition.end(140 + sequence, 1, sequence % 2 == 0) for sequence in (1, 0, 3, 2)]))
    yield told(partition.facts())
    yield told(("offset", partition.commit_offset(201, 0, 5), partition.commit_offset(202, 0, 6), partition.commit_offset(201, 0, 7, GenerationId=3)))
    yield told(partition.fetch_offset())
    yield told(("ends", partition.end(201, 1, COMMIT, topic=OFFSETS), partition.fetch_offset(), partition.end(202, 1, ABORT, topic=OFFSETS), partition.fetch_offset()))
    yield told(("again", partition.end(202, 1, ABORT, topic=OFFSETS), partition.commit_offset(202, 0, 8), partition.end(202, 1, COMMIT, topic=OFFSETS, index=5)))
    yield told(("open", partition.commit_offset(203, 0, 9), partition.send(104, 0, 0), partition.send(-1, -1, -1, transactional=False), partition.send(105, 0, 0)))


def sent_again(partition):
    """Of an open transaction and of none: the last five batches are known, older ones are out of order. Apart from the script, since a
    producer without a transaction and with records of 1970 has expired when the next broker reads the files."""
    for producer_id, transactional in ((170, True), (171, False)):
        yield [partition.send(producer_id, 0, sequence, transactional=transactional) for sequence in range(7)]
        yield [partition.send(producer_id, 0, sequence, transactional=transactional) for sequence in range(7)]
    yield partition.end(170, 1, COMMIT), [partition.send(170, 0, sequence) for sequence in (0, 6)]


def finish(partition):
    """The transactions that the script leaves open end; one more begins."""
    yield partition.send(104, 0, 1), partition.send(104, 0, 0)
    yield partition.end(104, 1, ABORT), partition.end(203, 1, COMMIT, topic=OFFSETS), partition.fetch_offset()
    yield [partition.end(140 + sequence, 1, ABORT) for sequence in (4, 5)]
    yield partition.send(106, 0, 0)


def started(ctx, kind=None, options=OPTIONS):
    partition = Partition(Schemas(KAFKA_HOME / "libs"), ctx.new_broker(options, kind=kind, name=kind or "tested"))
    partition.create()
    return partition


def settled(act, not_yet=NOT_YET):
    """(error, ...) once the coordinator has loaded, and is done with the transaction before."""
    for _ in range(150):
        answer = act()
        if answer[0] not in not_yet:
            break
        time.sleep(0.1)
    return answer


@check("protocol: what a partition does with transactions is what Apache Kafka does, answer by answer", tags=("slow",), own_broker=True, timeout_s=300)
def answers(ctx):
    kafka, tested = started(ctx, "kafka"), started(ctx)
    for step, (theirs, ours) in enumerate(zip(script(kafka), script(tested))):
        expect_eq(ours, theirs, f"answers in step {step}")
    for theirs, ours in zip(chain(sent_again(kafka), finish(kafka)), chain(sent_again(tested), finish(tested))):
        expect_eq(ours, theirs, "answers at the end")
    expect_eq(tested.facts(), kafka.facts(), "what is there at the end")


def swapped(ctx, kinds, kill):
    """One broker after the other serves the same files: what was open stays open, what was aborted stays aborted."""
    partition = started(ctx, kinds[0])
    for _ in script(partition):
        pass
    facts = partition.facts()
    for turn, kind in enumerate(kinds[1:]):
        partition.connection.close()
        last = partition.broker.kind
        partition.broker.kill9() if kill else partition.broker.stop()
        partition.broker.hand_over(kind).start()
        partition.connect()
        partition.ready()
        expect_eq(partition.facts(), facts, f"what {kind} serves of what {last} left")
        if turn == 0:
            for _ in finish(partition):
                pass
            facts = partition.facts()


@check("takeover: open and aborted transactions of Apache Kafka's files, and back, after clean stops", tags=("slow",), own_broker=True, timeout_s=300)
def there_and_back(ctx):
    swapped(ctx, ["kafka", ctx.suite.kind, "kafka"], kill=False)


@check("takeover: open and aborted transactions of Apache Kafka's files, and back, after kill -9", tags=("slow",), own_broker=True, timeout_s=300)
def there_and_back_after_kills(ctx):
    swapped(ctx, ["kafka", ctx.suite.kind, "kafka"], kill=True)


@check("takeover: Apache Kafka serves the transactions that Ottla's files hold, and back", tags=("slow",), own_broker=True, timeout_s=300)
def back_and_there(ctx):
    swapped(ctx, [ctx.suite.kind, "kafka", ctx.suite.kind], kill=True)


def old_producer(partition):
    """Of before `transaction.version` 2: it adds its partitions itself, and keeps its epoch."""
    error, producer, epoch = settled(lambda: partition.begin("old"))
    send = {version: lambda sequence, version=version, **more: partition.send(producer, epoch, sequence, version=version, transactional_id="old", **more)
            for version in (7, 10, 11)}
    yield "begin", error, epoch
    yield "not in the transaction", [send[version](0)[0] for version in send]
    yield "nobody's", [partition.send(producer, epoch, 0, version=version, transactional_id="nosuch")[0] for version in send]
    yield "another's", [partition.send(producer + 1000, 0, 0, version=version, transactional_id="old")[0] for version in send]
    yield "added", settled(lambda: partition.add("old", producer, epoch)), send[10](0), send[11](1), send[7](2)
    yield "a zombie", partition.send(producer, epoch - 1, 0, transactional_id="old")
    yield "offsets", [partition.commit_offset(producer, epoch, 5, version, "old") for version in (0, 3, 4)]
    yield "ends", partition.finish("old", producer, epoch, COMMIT, 4)
    partition.wait_stable()
    yield "late", [settled(lambda version=version: send[version](3))[0] for version in send]
    error, again, next_epoch = settled(lambda: partition.begin("old"))
    yield "again", error, again == producer, next_epoch > epoch, [send[version](3)[0] for version in send]


def new_producer(partition):
    """Its requests add the partitions, and each transaction has an epoch of its own."""
    error, producer, epoch = settled(lambda: partition.begin("new"))
    yield "begin", error, epoch
    yield "nobody's", partition.send(producer, epoch, 0, version=12, transactional_id="nosuch")[0], partition.send(producer + 1000, 0, 0, version=12, transactional_id="new")[0]
    yield "a gap", settled(lambda: partition.send(producer, epoch, 3, version=12, transactional_id="new"))
    yield "sent", partition.send(producer, epoch, 0, version=12, transactional_id="new")[0], partition.send(producer, epoch, 1, version=12, transactional_id="new")[0]
    yield "offsets", settled(lambda: (partition.commit_offset(producer, epoch, 5, 5, "new"),)), partition.fetch_offset()
    yield "ends", partition.finish("new", producer, epoch, COMMIT, 5)
    partition.wait_stable()
    yield "late", settled(lambda: partition.send(producer, epoch, 2, version=12, transactional_id="new"))
    yield "next", settled(lambda: partition.send(producer, epoch + 1, 0, version=12, transactional_id="new"))[0]
    yield "offsets", settled(lambda: (partition.commit_offset(producer, epoch + 1, 9, 5, "new"),)), partition.fetch_offset(), partition.fetch_offset(stable=False)
    yield "aborts", partition.finish("new", producer, epoch + 1, ABORT, 5)
    yield "offsets", settled(partition.fetch_offset, not_yet=(UNSTABLE_OFFSET_COMMIT,))
    yield "late", settled(lambda: (partition.commit_offset(producer, epoch + 1, 9, 5, "new"),))
    partition.wait_stable()
    yield "all is stable", [producer[1:] for producer in partition.producers()[1]]


@check("protocol: what a partition asks its transaction's coordinator, and what it tells producers of each version", tags=("slow",), own_broker=True)
def verified(ctx):
    kafka, tested = started(ctx, "kafka", VERIFIED), started(ctx, None, VERIFIED)
    for script in (old_producer, new_producer):
        for theirs, ours in zip(script(kafka), script(tested)):
            expect_eq(ours, theirs, f"answers to {script.__name__}")
