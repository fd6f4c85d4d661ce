"""confluent-kafka (librdkafka) with transactions. Arguments: BOOTSTRAP PREFIX, or BOOTSTRAP open TOPIC ID: a transaction is begun and left."""

import os
import sys
import time

import steps
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

WAIT_S = 90


def producer(bootstrap, transactional_id, **more):
    made = Producer({"bootstrap.servers": bootstrap, "transactional.id": transactional_id, "linger.ms": 0, **more})
    made.init_transactions(WAIT_S)
    return made


class Steps:
    def __init__(self, bootstrap, prefix):
        self.bootstrap, self.prefix = bootstrap, prefix
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def topic(self, suffix, partitions=1):
        name = f"{self.prefix}-{suffix}"
        self.admin.create_topics([NewTopic(name, partitions, 1)])[name].result(WAIT_S)
        return name

    def producer(self, suffix):
        return producer(self.bootstrap, f"{self.prefix}-{suffix}")

    def consumer(self, group, **more):
        return Consumer({"bootstrap.servers": self.bootstrap, "group.id": f"{self.prefix}-{group}", "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, "isolation.level": "read_committed", "enable.partition.eof": True, **more})

    def committed(self, topic, partitions=1):
        """All values that a reader of committed data sees, in the order of each partition."""
        consumer, values, at_end = self.consumer("reader"), [[] for _ in range(partitions)], set()
        consumer.assign([TopicPartition(topic, index, 0) for index in range(partitions)])
        deadline = time.monotonic() + WAIT_S
        while len(at_end) < partitions:
            assert time.monotonic() < deadline, f"no end of {topic}, read {values}"
            message = consumer.poll(0.2)
            if message is None:
                continue
            if message.error() and message.error().code() == KafkaError._PARTITION_EOF:
                at_end.add(message.partition())
            else:
                assert not message.error(), message.error()
                values[message.partition()].append(message.value().decode())
        consumer.close()
        return values

    def commit(self):
        topic, sender = self.topic("commit", 3), self.producer("commit")
        for n in range(20):
            sender.begin_transaction()
            for index in range(3):
                sender.produce(topic, f"{n}", partition=index)
            (sender.commit_transaction if n % 2 == 0 else sender.abort_transaction)(WAIT_S)
        want = [str(n) for n in range(0, 20, 2)]
        eventually(lambda: self.committed(topic, 3) == [want] * 3, "what is committed is read, and nothing else")

    def fenced(self):
        topic, first = self.topic("fenced"), self.producer("fenced")
        first.begin_transaction()
        first.produce(topic, "lost")
        first.flush(WAIT_S)
        second = self.producer("fenced")
        try:
            first.commit_transaction(WAIT_S)
        except KafkaException as refused:
            assert refused.args[0].code() == KafkaError._FENCED, refused
        else:
            raise AssertionError("the producer that was taken over commits")
        second.begin_transaction()
        second.produce(topic, "kept")
        second.commit_transaction(WAIT_S)
        eventually(lambda: self.committed(topic) == [["kept"]], "only the second is read")

    def offsets(self):
        """From one topic into another, with the offsets in the same transactions: some are aborted and done again."""
        source, sink, group = self.topic("source"), self.topic("sink"), "mover"
        sender = Producer({"bootstrap.servers": self.bootstrap})
        for n in range(50):
            sender.produce(source, str(n))
        sender.flush(WAIT_S)
        mover, reader = self.producer("mover"), self.consumer(group)
        reader.subscribe([source])
        moved, tries, deadline = 0, 0, time.monotonic() + WAIT_S
        while moved < 50:
            assert time.monotonic() < deadline, f"{moved} of 50 moved"
            messages = [message for message in reader.consume(10, 0.5) if not message.error()]
            if not messages:
                continue
            mover.begin_transaction()
            for message in messages:
                mover.produce(sink, message.value())
            position = reader.position(reader.assignment())
            mover.send_offsets_to_transaction(position, reader.consumer_group_metadata(), WAIT_S)
            tries += 1
            if tries % 2 == 1:
                mover.abort_transaction(WAIT_S)
                reader.seek(TopicPartition(source, 0, messages[0].offset()))
            else:
                mover.commit_transaction(WAIT_S)
                moved += len(messages)
        reader.close()
        eventually(lambda: self.committed(sink) == [[str(n) for n in range(50)]], "every value is moved once")
        stands = self.consumer(group).committed([TopicPartition(source, 0)], WAIT_S)[0].offset
        assert stands == 50, f"the group stands at {stands}"


def eventually(condition, what):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {WAIT_S} s: {what}"


def leave_open(bootstrap, topic, transactional_id):
    sender = producer(bootstrap, transactional_id)
    sender.begin_transaction()
    sender.produce(topic, "open")
    assert sender.flush(WAIT_S) == 0
    sys.stdout.flush()
    os._exit(0)


def main():
    if sys.argv[2] == "open":
        leave_open(sys.argv[1], *sys.argv[3:5])
    client = Steps(*sys.argv[1:3])
    sys.exit(steps.run([("commit", client.commit), ("fenced", client.fenced), ("offsets", client.offsets)]))


if __name__ == "__main__":
    main()
