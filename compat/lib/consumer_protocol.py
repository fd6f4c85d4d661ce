"""Broker settings for checks of groups of the consumer protocol (KIP-848)."""

# Heartbeats as short as Apache Kafka allows once its bounds are moved, so that a group follows within a second.
PROMPT = {"group.consumer.min.heartbeat.interval.ms": 100, "group.consumer.heartbeat.interval.ms": 200,
          "group.consumer.min.session.timeout.ms": 1000, "group.consumer.assignment.interval.ms": 100, "offsets.topic.num.partitions": 3}
