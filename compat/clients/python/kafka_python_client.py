"""kafka-python (the pure-Python client) on the scenario of scenario.py."""

import sys

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from scenario import Record, Stored, WAIT_S, run


class KafkaPython:
    def __init__(self, bootstrap):
        self.conf = {"bootstrap_servers": bootstrap}
        self.admin = KafkaAdminClient(**self.conf)

    def create_topic(self, topic, partitions, config):
        self.admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1, "configs": config}})

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])

    def partition_count(self, topic):
        if topic not in self.admin.list_topics():
            return 0
        (found,) = self.admin.describe_topics([topic])
        return len(found["partitions"])

    def topic_config(self, topic, key):
        found = self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
        return found["topic"][topic][key]["value"]

    def produce(self, topic, records, codec):
        producer = KafkaProducer(
            **self.conf, acks="all", enable_idempotence=True, linger_ms=50, compression_type=None if codec == "none" else codec)
        sent = [producer.send(topic, r.value, r.key, r.headers, r.partition, r.timestamp_ms) for r in records]
        producer.flush(WAIT_S)
        reports = [f.get(WAIT_S) for f in sent]
        producer.close(WAIT_S)
        return [(r.partition, r.offset) for r in reports]

    def read(self, topic, partition, count):
        consumer = KafkaConsumer(**self.conf, enable_auto_commit=False)
        at = TopicPartition(topic, partition)
        consumer.assign([at])
        consumer.seek(at, 0)
        end, got = consumer.end_offsets([at])[at], []
        while consumer.position(at) < end:
            for message in consumer.poll(WAIT_S * 1000).get(at) or []:
                record = Record(message.partition, message.key, message.value, list(message.headers), message.timestamp)
                got.append(Stored(message.offset, record))
        consumer.close()
        return got

    def member(self, topic, group):
        return Member(self.conf, topic, group)

    def list_groups(self):
        return {g["group_id"] for g in self.admin.list_groups()}

    def describe_group(self, group):
        found = self.admin.describe_groups([group])[group]
        if found["error"]:
            raise AssertionError(found["error"])
        return found["group_state"], len(found["members"])

    def offset_at(self, topic, partition, time_ms):
        consumer = KafkaConsumer(**self.conf)
        at = TopicPartition(topic, partition)
        found = consumer.offsets_for_times({at: time_ms})[at]
        consumer.close()
        return found.offset if found else None

    def bounds(self, topic, partition):
        consumer = KafkaConsumer(**self.conf)
        at = TopicPartition(topic, partition)
        bounds = consumer.beginning_offsets([at])[at], consumer.end_offsets([at])[at]
        consumer.close()
        return bounds


class Member:
    def __init__(self, conf, topic, group):
        self.consumer = KafkaConsumer(
            topic, **conf, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False,
            session_timeout_ms=10_000, heartbeat_interval_ms=300)

    def poll(self, count):
        polled = self.consumer.poll(200, max_records=count)
        return [message.value for messages in polled.values() for message in messages]

    def assignment(self):
        return {p.partition for p in self.consumer.assignment()}

    def commit(self):
        self.consumer.commit()

    def close(self):
        self.consumer.close(autocommit=False)


if __name__ == "__main__":
    run(KafkaPython, sys.argv)
