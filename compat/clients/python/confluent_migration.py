"""confluent-kafka (librdkafka): members of the classic and of the consumer protocol in one group, one coming as the other goes.

Arguments: BOOTSTRAP PREFIX."""

import sys
import time
from functools import partial

import steps
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, NewTopic

WAIT_S = 90
PARTITIONS = 4
CLASSIC = {"group.protocol": "classic", "session.timeout.ms": 10000, "heartbeat.interval.ms": 1000}
CONSUMER = {"group.protocol": "consumer"}


class Group:
    def __init__(self, bootstrap, topic, group, strategy):
        self.bootstrap, self.topic, self.group, self.strategy = bootstrap, topic, group, strategy
        self.members = []

    def join(self, protocol):
        strategy = {"partition.assignment.strategy": self.strategy} if protocol is CLASSIC else {}
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.group, "auto.offset.reset": "earliest", "enable.auto.commit": False,
                             **protocol, **strategy})
        consumer.subscribe([self.topic])
        self.members.append(consumer)
        return consumer

    def leave(self, consumer):
        self.members.remove(consumer)
        consumer.close()

    def share(self, what):
        """Polls until everybody has the same number of partitions and every partition has one owner; nobody may ever share one."""
        deadline = time.monotonic() + WAIT_S
        while True:
            for consumer in self.members:
                message = consumer.poll(0.1)
                if message is not None and message.error():
                    raise AssertionError(f"{what}: {message.error()}")
            owned = [{p.partition for p in consumer.assignment()} for consumer in self.members]
            together = sum(map(len, owned))
            if len(set().union(*owned)) == together == PARTITIONS and len({len(one) for one in owned}) == 1:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: {owned}")


def there_and_back(bootstrap, prefix, strategy):
    topic = f"{prefix}-{strategy}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(WAIT_S)
    group = Group(bootstrap, topic, f"{topic}-group", strategy)
    old = group.join(CLASSIC)
    group.share("a classic group")
    new = group.join(CONSUMER)
    group.share("a consumer joined it")
    group.leave(new)
    group.share("the consumer left")
    new = group.join(CONSUMER)
    group.share("a consumer joined again")
    group.leave(old)
    group.share("the classic member left")
    old = group.join(CLASSIC)
    group.share("a classic member joined a consumer group")
    group.leave(old)
    group.leave(new)
    old = group.join(CLASSIC)
    group.share("a classic member joined the empty group")
    group.leave(old)


def main():
    bootstrap, prefix, *strategies = sys.argv[1:]
    sys.exit(steps.run((strategy, partial(there_and_back, bootstrap, prefix, strategy)) for strategy in strategies))


if __name__ == "__main__":
    main()
