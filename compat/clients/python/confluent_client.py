"""confluent-kafka (librdkafka from Python) on the scenario of scenario.py."""

import sys

from confluent_kafka import Consumer, ConsumerGroupState, Producer, TopicPartition, OFFSET_END
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec

from scenario import Record, Stored, WAIT_S, run


class Confluent:
    def __init__(self, bootstrap):
        self.conf = {"bootstrap.servers": bootstrap}
        self.admin = AdminClient(self.conf)

    def create_topic(self, topic, partitions, config):
        self.admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result(WAIT_S)

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])[topic].result(WAIT_S)

    def partition_count(self, topic):
        found = self.admin.list_topics(timeout=WAIT_S).topics.get(topic)
        return len(found.partitions) if found else 0

    def topic_config(self, topic, key):
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        return self.admin.describe_configs([resource])[resource].result(WAIT_S)[key].value

    def produce(self, topic, records, codec):
        producer = Producer(self.conf | {"acks": "all", "enable.idempotence": True, "compression.type": codec, "linger.ms": 50})
        reports, errors = [], []

        def on_delivery(error, message):
            if error:
                errors.append(str(error))
            else:
                reports.append((message.partition(), message.offset()))

        for r in records:
            producer.produce(
                topic, r.value, r.key, partition=r.partition, timestamp=r.timestamp_ms, headers=r.headers, on_delivery=on_delivery)
        left = producer.flush(WAIT_S)
        if left or errors:
            raise AssertionError(f"{left} records not delivered; errors {errors[:3]}")
        return sorted(reports)

    def read(self, topic, partition, count):
        consumer = Consumer(self.conf | {"group.id": "unused", "enable.auto.commit": False, "enable.partition.eof": True, "fetch.wait.max.ms": 50})
        consumer.assign([TopicPartition(topic, partition, 0)])
        got = []
        while True:
            message = consumer.poll(WAIT_S)
            if message is None or message.error():
                break  # the end of the partition, or silence: the comparison tells
            record = Record(message.partition(), message.key(), message.value(), message.headers(), message.timestamp()[1])
            got.append(Stored(message.offset(), record))
        consumer.close()
        return got

    def member(self, topic, group):
        return Member(self.conf, topic, group)

    def list_groups(self):
        result = self.admin.list_consumer_groups(request_timeout=WAIT_S).result()
        if result.errors:
            raise AssertionError(result.errors)
        return {g.group_id for g in result.valid}

    def describe_group(self, group):
        found = self.admin.describe_consumer_groups([group], request_timeout=WAIT_S)[group].result()
        if found.state == ConsumerGroupState.STABLE and any(not m.assignment.topic_partitions for m in found.members):
            raise AssertionError("a member of the stable group is described without partitions")
        return found.state.name, len(found.members)

    def offset_at(self, topic, partition, time_ms):
        consumer = Consumer(self.conf | {"group.id": "unused"})
        (found,) = consumer.offsets_for_times([TopicPartition(topic, partition, time_ms)], WAIT_S)
        consumer.close()
        if found.error:
            raise AssertionError(found.error)
        return None if found.offset == OFFSET_END else found.offset

    def bounds(self, topic, partition):
        at = TopicPartition(topic, partition)
        ends = [
            self.admin.list_offsets({at: spec}, request_timeout=WAIT_S)[at].result().offset
            for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
        ]
        return tuple(ends)


class Member:
    def __init__(self, conf, topic, group):
        self.consumer = Consumer(conf | {
            "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False,
            "session.timeout.ms": 10_000, "heartbeat.interval.ms": 300,
        })
        self.consumer.subscribe([topic])

    def poll(self, count):
        got = self.consumer.consume(count, 0.2)
        for message in got:
            if message.error():
                raise AssertionError(message.error())
        return [message.value() for message in got]

    def assignment(self):
        return {p.partition for p in self.consumer.assignment()}

    def commit(self):
        for p in self.consumer.commit(asynchronous=False):
            if p.error:
                raise AssertionError(p.error)

    def close(self):
        self.consumer.close()


if __name__ == "__main__":
    run(Confluent, sys.argv)
