"""confluent-kafka (librdkafka) in groups of the consumer protocol. Arguments: BOOTSTRAP PREFIX."""

import sys
import time
from collections import Counter

import steps
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

WAIT_S = 90


class Member:
    """A consumer and all that it ever read."""

    def __init__(self, bootstrap, group, topics, **more):
        self.read = []
        self.consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "group.protocol": "consumer", "auto.offset.reset": "earliest",
                                  "enable.auto.commit": False, "topic.metadata.refresh.interval.ms": 1000,
                                  **{key.replace("_", "."): value for key, value in more.items()}})
        self.consumer.subscribe(topics)

    def poll(self):
        for message in self.consumer.consume(100, 0.05):
            if message.error():
                raise AssertionError(message.error())
            self.read.append((message.topic(), message.partition(), message.offset()))
            self.commit(message)

    def commit(self, message):
        """The epoch may have moved on between the record and its commit: the next try has the new one."""
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                self.consumer.commit(message, asynchronous=False)
                return
            except KafkaException as refused:
                if refused.args[0].code() != KafkaError.STALE_MEMBER_EPOCH or time.monotonic() > deadline:
                    raise

    def owns(self):
        return {(p.topic, p.partition) for p in self.consumer.assignment()}

    def close(self):
        self.consumer.close()


class Steps:
    def __init__(self, bootstrap, prefix):
        self.bootstrap, self.prefix = bootstrap, prefix
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def topic(self, suffix, partitions):
        name = f"{self.prefix}-{suffix}"
        self.admin.create_topics([NewTopic(name, partitions, 1)])[name].result(WAIT_S)
        return name

    def member(self, group, *topics, **more):
        return Member(self.bootstrap, f"{self.prefix}-{group}", list(topics), **more)

    def send(self, topic, partitions, count):
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 5})
        for n in range(count):
            producer.produce(topic, f"value {n}", partition=n % partitions)
        assert producer.flush(WAIT_S) == 0, "not all records are sent"

    def share(self):
        topic = self.topic("share", 6)
        a = self.member("share-g", topic)
        until("the first member has everything", lambda: shared(6, a), a)
        self.send(topic, 6, 60)
        b = self.member("share-g", topic)
        until("half of it each", lambda: shared(6, a, b), a, b)
        self.send(topic, 6, 60)
        c = self.member("share-g", topic)
        until("a third of it each", lambda: shared(6, a, b, c), a, b, c)
        until("all is read", lambda: count(a, b, c) >= 120, a, b, c)
        b.close()
        until("the others take over", lambda: shared(6, a, c), a, c)
        self.send(topic, 6, 60)
        until("all is read", lambda: count(a, b, c) >= 180, a, c)
        only_once(180, a, b, c)
        a.close()
        c.close()

    def topics_change(self):
        there, later = self.topic("change-1", 2), f"{self.prefix}-change-2"
        a, b = (self.member("change-g", f"^{self.prefix}-change-.*") for _ in range(2))
        until("the topic that is there is shared", lambda: shared(2, a, b), a, b)
        self.topic("change-2", 2)
        self.admin.create_partitions([NewPartitions(there, 4)])[there].result(WAIT_S)
        until("what is new is shared", lambda: shared(6, a, b), a, b)
        self.send(later, 2, 40)
        until("all is read", lambda: count(a, b) >= 40, a, b)
        only_once(40, a, b)
        a.close()
        b.close()

    def static(self):
        topic = self.topic("static", 4)
        a, b = (self.member("static-g", topic, group_instance_id=name) for name in "ab")
        until("2 partitions each", lambda: shared(4, a, b), a, b)
        owned, others = b.owns(), a.owns()
        b.close()
        self.send(topic, 4, 40)
        again = self.member("static-g", topic, group_instance_id="b")
        until("the member is back with its partitions", lambda: again.owns() == owned and a.owns() == others, a, again)
        until("all is read", lambda: count(a, again) >= 40, a, again)
        only_once(40, a, again)
        a.close()
        again.close()

    def resume(self):
        topic = self.topic("resume", 2)
        self.send(topic, 2, 40)
        a = self.member("resume-g", topic)
        until("all is read", lambda: count(a) >= 40, a)
        a.close()
        self.send(topic, 2, 20)
        b = self.member("resume-g", topic)
        until("what is new is read", lambda: count(a, b) >= 60, b)
        only_once(60, a, b)
        b.close()


def shared(partitions, *members):
    """Every partition is somebody's, none is two members', and nobody has more than one more than another."""
    counts = [len(member.owns()) for member in members]
    return sum(counts) == len(set().union(*(member.owns() for member in members))) == partitions and max(counts) - min(counts) <= 1


def count(*members):
    return sum(len(member.read) for member in members)


def only_once(want, *members):
    times = Counter(record for member in members for record in member.read)
    twice = [record for record, n in times.items() if n > 1]
    assert not twice and len(times) == want, f"{len(times)} records instead of {want}, read more than once: {twice[:10]}"


def until(what, condition, *members):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {WAIT_S} s: {what}; they have {[sorted(m.owns()) for m in members]}"
        for member in members:
            member.poll()


def main():
    group = Steps(*sys.argv[1:3])
    sys.exit(steps.run([("share", group.share), ("topics-change", group.topics_change), ("static", group.static), ("resume", group.resume)]))


if __name__ == "__main__":
    main()
