"""The transaction coordinator, answer by answer: who may begin, add partitions, commit and abort, in every version of the requests and
in both protocols (KIP-890), what the answers are to those who may not, and what is written into __transaction_state.

The same requests go to Apache Kafka and to the broker under test. Then each of the two carries on what the other has begun.
"""

import json
import re
import struct
import time

from harness import KAFKA_HOME, check, eventually, expect, expect_eq
from kafka_codec import Connection, Schemas

OPTIONS = {"transaction.state.log.num.partitions": 1, "offsets.topic.num.partitions": 1, "broker.session.timeout.ms": 2000,
           "transaction.abort.timed.out.transaction.cleanup.interval.ms": 200}
TOPIC, GROUP = "t", "g"
CONCURRENT_TRANSACTIONS = 51
OLD, NEW = 4, 5  # EndTxn of a client before KIP-890, and since
COMMIT, ABORT = True, False


class Coordinator:
    """One broker's coordinator, in the words of producers. Producer ids are numbered in the order in which they are seen."""

    def __init__(self, schemas, broker):
        self.schemas, self.broker, self.seen = schemas, broker, {}
        self.producers = {}
        self.connect()
        topic = {"Name": TOPIC, "NumPartitions": 3, "ReplicationFactor": 1}
        expect_eq(self.call("CreateTopics", 7, {"Topics": [topic], "timeoutMs": 10_000})["Topics"][0]["ErrorCode"], 0, "create")
        self.first_commits = self.commit_offsets_early()
        self.ready()

    def connect(self):
        self.connection = Connection(self.schemas, self.broker.bootstrap)

    def ready(self):
        for key_type in (0, 1):
            request = {"KeyType": key_type, "CoordinatorKeys": [GROUP]}
            eventually(lambda: self.call("FindCoordinator", 4, request)["Coordinators"][0]["ErrorCode"] == 0, "no coordinator")
        eventually(lambda: self.call("ListTransactions", 0, {})["ErrorCode"] == 0, "the coordinator does not load")
        # The first one of a broker waits for a block of ids.
        eventually(lambda: self.call("InitProducerId", 5, {"TransactionalId": None, "TransactionTimeoutMs": 1})["ErrorCode"] == 0, "no producer ids")
        eventually(lambda: self.describe("nobody")[0] == 105, "the coordinator does not load")

    def commit_offsets_early(self):
        """As long as there is no __transaction_state."""
        find, fetch = {"KeyType": 0, "CoordinatorKeys": [GROUP]}, {"Groups": [{"GroupId": GROUP, "Topics": None}]}
        eventually(lambda: self.call("FindCoordinator", 4, find)["Coordinators"][0]["ErrorCode"] == 0, "no coordinator of groups")
        eventually(lambda: self.call("OffsetFetch", 8, fetch)["Groups"][0]["ErrorCode"] == 0, "the coordinator of groups does not load")
        topic = {"Name": TOPIC, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 5}]}
        request = {"TransactionalId": "early", "GroupId": GROUP, "ProducerId": 4_000_000, "ProducerEpoch": 0, "Topics": [topic]}
        answers = [self.call("TxnOffsetCommit", version, request) for version in range(6)]
        return [answer["Topics"][0]["Partitions"][0]["ErrorCode"] for answer in answers]

    def call(self, api, version, message):
        return self.connection.call(api, version, message)

    def named(self, producer_id):
        return producer_id if producer_id < 0 else self.seen.setdefault(producer_id, f"p{len(self.seen)}")

    def init(self, name, version=5, timeout=60_000, again=False, patient=True, pid=None, epoch=None):
        """Begins as `name`, or goes on with what it has; the answer. Patiently: once the transaction before has ended."""
        known = self.producers.get(name, (-1, -1))
        expected = {"ProducerId": known[0] if pid is None else pid, "ProducerEpoch": known[1] if epoch is None else epoch} if again else {}
        request = {"TransactionalId": name.split("'")[0], "TransactionTimeoutMs": timeout, **expected}
        answer = self.call("InitProducerId", version, request)
        while patient and answer["ErrorCode"] == CONCURRENT_TRANSACTIONS:
            time.sleep(0.05)
            answer = self.call("InitProducerId", version, request)
        if answer["ErrorCode"] == 0:
            self.producers[name] = answer["ProducerId"], answer["ProducerEpoch"]
        return answer["ErrorCode"], self.named(answer["ProducerId"]), answer["ProducerEpoch"]

    def who(self, name, pid=None, epoch=None):
        known = self.producers.get(name, (4_000_000, 0))
        return {"ProducerId": known[0] if pid is None else pid, "ProducerEpoch": known[1] if epoch is None else epoch}

    def add(self, name, *partitions, version=3, topic=TOPIC, verify=False, **more):
        who, topics = self.who(name, **more), [{"Name": topic, "Partitions": list(partitions)}]
        transactional_id = name.split("'")[0]
        if version < 4:
            request = {"V3AndBelow" + key: value for key, value in {"TransactionalId": transactional_id, "Topics": topics, **who}.items()}
            results = self.call("AddPartitionsToTxn", version, request)["ResultsByTopicV3AndBelow"]
        else:
            transaction = {"TransactionalId": transactional_id, "VerifyOnly": verify, "Topics": topics, **who}
            answer = self.call("AddPartitionsToTxn", version, {"Transactions": [transaction]})
            results = answer["ResultsByTransaction"][0]["TopicResults"]
        return sorted((result["PartitionIndex"], result["PartitionErrorCode"]) for result in results[0]["ResultsByPartition"])

    def add_offsets(self, name, version=4, **more):
        request = {"TransactionalId": name.split("'")[0], "GroupId": GROUP, **self.who(name, **more)}
        return self.call("AddOffsetsToTxn", version, request)["ErrorCode"]

    def end(self, name, commit, version=NEW, **more):
        """Ends, and waits until the partitions know."""
        transactional_id = name.split("'")[0]
        request = {"TransactionalId": transactional_id, "Committed": commit, **self.who(name, **more)}
        answer = self.call("EndTxn", version, request)
        if answer["ErrorCode"] == 0:
            eventually(lambda: not self.describe(transactional_id)[1].startswith("Prepare"), "the transaction is not completed")
            if version >= NEW:
                self.producers[name] = answer["ProducerId"], answer["ProducerEpoch"]
        return answer["ErrorCode"], *((self.named(answer["ProducerId"]), answer["ProducerEpoch"]) if version >= NEW else ())

    def describe(self, transactional_id):
        state = self.call("DescribeTransactions", 0, {"TransactionalIds": [transactional_id]})["TransactionStates"][0]
        topics = sorted((topic["Topic"], sorted(topic["Partitions"])) for topic in state["Topics"])
        has_begun = state["TransactionStartTimeMs"] > 0 or state["TransactionStartTimeMs"]
        producer = self.named(state["ProducerId"]) if state["ErrorCode"] == 0 else state["ProducerId"]
        return state["ErrorCode"], state["TransactionState"], state["TransactionTimeoutMs"], has_begun, producer, state["ProducerEpoch"], topics

    def list(self, version=2, **filters):
        answer = self.call("ListTransactions", version, filters)
        listed = sorted((state["TransactionalId"], self.named(state["ProducerId"]), state["TransactionState"]) for state in answer["TransactionStates"])
        return answer["ErrorCode"], sorted(answer["UnknownStateFilters"]), listed

    def facts(self):
        listed = self.list()
        return [listed] + [self.describe(transactional_id) for transactional_id, _, _ in listed[2]]


def beginnings(c):
    yield c.first_commits
    yield [c.init("v", version) for version in range(6)]
    yield [c.init("bad", version, timeout=timeout) for version in (0, 5) for timeout in (0, -1, 900_001)], c.init("", 2)
    yield [c.init("v", version, again=True) for version in (3, 4, 5)]
    yield [c.init("v", version, again=True, epoch=epoch) for version in (3, 4, 5) for epoch in (0, 99)]
    yield [c.init("v", version, again=True, pid=pid) for version in (3, 4) for pid in (4_000_000, -1)]
    yield c.init("forgotten", again=True, pid=77, epoch=5), c.init("forgotten", again=True)
    c.producers["v'zombie"] = c.producers["v"]
    yield c.init("v"), c.init("v'zombie", 3, again=True), c.init("v'zombie", 4, again=True)
    yield [c.add("v'zombie", 0, version=version) for version in range(4)]
    yield [c.add_offsets("v'zombie", version) for version in range(5)]
    yield [c.end("v'zombie", commit, version) for version in range(6) for commit in (COMMIT, ABORT)]
    yield c.facts()


def partitions(c):
    yield c.init("a")
    yield [c.add("a", index, version=index) for index in range(3)], c.add("a", 0, 2), c.describe("a")
    yield [c.add("a", 0, 7, version=version) for version in range(6)], [c.add("a", 0, version=version, topic="nosuch") for version in (3, 4)]
    yield [c.add("a", 0, version=version, pid=5) for version in range(6)], [c.add("a", 0, version=version, epoch=3) for version in range(6)]
    yield [c.add("nobody", 0, version=version) for version in range(6)], [c.add("", 0, version=version) for version in range(6)]
    yield [c.add("a", 0, 1, version=version, verify=True) for version in (4, 5)], c.add("a", 7, version=4, verify=True)
    yield [c.add("nobody", 0, version=4, verify=True), c.add("", 0, version=4, verify=True)]
    yield [c.add("a", 0, version=4, verify=True, pid=5), c.add("a", 0, version=4, verify=True, epoch=3)]
    yield [c.add_offsets("a", version) for version in range(5)], [c.add_offsets("nobody", version) for version in (1, 4)], c.add_offsets("")
    yield c.describe("a"), c.end("a", COMMIT, OLD), c.describe("a"), c.add("a", 0, version=4, verify=True)
    yield c.add("a", 1, version=5), c.describe("a"), c.end("a", ABORT, OLD), c.describe("a")


def ends(c):
    yield c.init("e"), [c.end("e", commit, version) for version in range(5) for commit in (COMMIT, ABORT)], c.end("e", COMMIT)
    yield c.end("e", ABORT), c.describe("e")
    for commit in (COMMIT, ABORT):
        yield c.add("e", 0), c.end("e", commit, OLD), c.end("e", commit, OLD), c.end("e", not commit, OLD), c.end("e", not commit, 1)
        before = c.producers["e"]
        yield c.add("e", 0), c.end("e", commit), c.describe("e")
        yield c.end("e", commit, epoch=before[1]), c.end("e", not commit, epoch=before[1]), c.end("e", COMMIT), c.describe("e")
        yield c.end("e", ABORT), c.end("e", COMMIT, epoch=0), c.end("e", ABORT, epoch=0), c.end("e", ABORT, epoch=99)
        yield c.add("e", 0, epoch=before[1]), c.add("e", 0), c.end("e", commit, epoch=before[1]), c.end("e", not commit, epoch=before[1])
        yield c.end("e", commit, OLD, epoch=before[1]), c.end("e", commit, pid=9), c.end("e", commit, OLD, pid=9)
        yield c.end("e", commit), c.describe("e")
    yield [c.end(name, COMMIT, version) for name in ("nobody", "") for version in range(6)]
    yield c.add("e", 0, 1), c.add_offsets("e"), c.end("e", COMMIT), c.facts()


def fencing(c):
    yield c.init("f", timeout=30_000), c.add("f", 0), c.init("f'next", patient=False), c.init("f'next"), c.describe("f")
    yield c.add("f", 0), c.end("f", COMMIT), c.end("f", ABORT), c.init("f", again=True), c.add("f'next", 0), c.end("f'next", COMMIT), c.describe("f")
    yield c.init("slow", timeout=300), c.add("slow", 0)
    eventually(lambda: c.describe("slow")[1] == "CompleteAbort", "never out of time")
    yield c.describe("slow"), c.add("slow", 0), c.end("slow", COMMIT), c.end("slow", COMMIT, OLD), c.end("slow", ABORT), c.init("slow", again=True)


def listings(c):
    yield c.init("open"), c.add("open", 0), c.init("empty")
    yield [c.list(version) for version in range(3)], c.list(0, StateFilters=["Ongoing"]), c.list(1, StateFilters=["Ongoing", "Fled", "Dead"])
    yield c.list(0, StateFilters=["Fled"]), c.list(2, ProducerIdFilters=[c.producers["open"][0], 4_000_000]), c.list(2, ProducerIdFilters=[4_000_000])
    yield [c.list(2, DurationFilter=duration) for duration in (-1, 3_600_000)], [c.list(2, TransactionalIdPattern=p) for p in ("o.*", "op", "", "(", "e|open")]
    yield c.describe("nobody"), c.describe(""), c.facts()


def script(c):
    for part in (beginnings, partitions, ends, fencing, listings):
        for number, told in enumerate(part(c)):
            yield f"{part.__name__}, step {number}", told


def carry_on(c):
    """Whoever was in the middle of something ends it."""
    yield c.end("open", COMMIT), c.describe("open"), c.add("empty", 0), c.end("empty", ABORT)
    yield c.init("f'next", again=True), c.add("f'next", 1), c.end("f'next", COMMIT), c.end("a", COMMIT, OLD)
    yield c.init("open"), c.add("open", 0, 2), c.init("empty")


def started(ctx, kind=None):
    return Coordinator(Schemas(KAFKA_HOME / "libs"), ctx.new_broker(OPTIONS, kind=kind, name=kind or "tested"))


def written(ctx, c):
    """The records of __transaction_state as kafka-dump-log prints them, without what is a broker's own."""
    files = sorted((c.broker.data_dir / "__transaction_state-0").glob("*.log"))
    result = ctx.tool("kafka-dump-log", "--transaction-log-decoder", "--files", ",".join(map(str, files)))
    records = [re.search(r"keySize: \d+ valueSize: -?\d+ .*?key: (.*) payload: (.*)", line) for line in result.lines if "payload: " in line]
    expect(records and all(records), "records are decoded", result)
    return [(json.loads(found[1]), plain(json.loads(found[2]), c)) for found in records]


def plain(value, c):
    data = value["data"]
    data["producerId"] = c.named(data["producerId"])
    for key in ("previousProducerId", "nextProducerId"):
        data[key] = c.named(data[key]) if key in data else None
    for key in ("transactionLastUpdateTimestampMs", "transactionStartTimestampMs"):
        data[key] = data[key] > 0
    for topic in data["transactionPartitions"] or []:
        topic["partitionIds"].sort()
    (data["transactionPartitions"] or []).sort(key=lambda topic: topic["topic"])
    return value


@check("protocol: the transaction coordinator answers and writes as Apache Kafka's, in every version", tags=("slow",), own_broker=True, timeout_s=300)
def answers(ctx):
    kafka, tested = started(ctx, "kafka"), started(ctx)
    for (step, theirs), (_, ours) in zip(script(kafka), script(tested)):
        expect_eq(ours, theirs, step)
    for c in (kafka, tested):
        c.broker.stop()
    expect_eq(written(ctx, tested), written(ctx, kafka), "records of __transaction_state")


def swapped(ctx, kinds, kill):
    c = started(ctx, kinds[0])
    for _ in script(c):
        pass
    for kind in kinds[1:]:
        facts, last = c.facts(), c.broker.kind
        c.connection.close()
        c.broker.kill9() if kill else c.broker.stop()
        c.broker.hand_over(kind).start()
        c.connect()
        c.ready()
        expect_eq(c.facts(), facts, f"what {kind} knows of what {last} left")
        for told in carry_on(c):
            codes = [code for code in re.findall(r"\((\d+),", str(told)) if int(code) > 50 or code == "47"]
            expect(not codes, f"{kind} does not carry on what {last} began: {told}")


@check("takeover: transactions begun with Apache Kafka are ended by Ottla, and back, after clean stops", tags=("slow",), own_broker=True, timeout_s=300)
def there_and_back(ctx):
    swapped(ctx, ["kafka", ctx.suite.kind, "kafka"], kill=False)


@check("takeover: transactions begun with Ottla are ended by Apache Kafka, and back, after kill -9", tags=("slow",), own_broker=True, timeout_s=300)
def back_and_there(ctx):
    swapped(ctx, [ctx.suite.kind, "kafka", ctx.suite.kind], kill=True)


def forget_last_batch(log):
    """As if the last write had never reached the disk."""
    data, position, last = log.read_bytes(), 0, 0
    while position + 12 <= len(data) and (length := struct.unpack_from(">i", data, position + 8)[0]):
        last, position = position, position + 12 + length
    log.write_bytes(data[:last])


@check("takeover: decided transactions are completed by whoever comes next", tags=("slow",), own_broker=True, timeout_s=300)
def decided(ctx):
    c = started(ctx, "kafka")
    for turn, kind in enumerate((ctx.suite.kind, "kafka", ctx.suite.kind)):
        name, last = f"decided-{turn}", c.broker.kind
        expect_eq((c.init(name)[0], c.add(name, 0, 1), c.add_offsets(name)), (0, [(0, 0), (1, 0)], 0), f"begun with {last}")
        expect_eq(c.end(name, turn % 2 == 0)[0], 0, f"ended with {last}")
        facts = c.facts()
        c.connection.close()
        c.broker.kill9()
        forget_last_batch(sorted((c.broker.data_dir / "__transaction_state-0").glob("*.log"))[-1])
        c.broker.hand_over(kind).start()
        c.connect()
        c.ready()
        eventually(lambda: c.facts() == facts, f"{kind} does not complete what {last} decided")
        expect_eq((c.add(name, 0), c.end(name, COMMIT)[0]), ([(0, 0)], 0), f"carried on with {kind}")
