//! Keys of a group. Most have a broker key that gives their default: see [`crate::config::synonyms`].
//!
//! Names, types, defaults and ranges are checked against Apache Kafka 4.3.1 by the test in [`super`].

use crate::config::def::config_defs;

config_defs! { GROUP:
    "consumer.assignment.interval.ms" Int = "1000", AtLeast(0), Medium ClusterWide Used,
        "Shortest pause between two assignments of this consumer group.";
    "consumer.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium ClusterWide Used,
        "Heartbeat interval given to members of this consumer group.";
    "consumer.session.timeout.ms" Int = "45000", AtLeast(1), Medium ClusterWide Used,
        "Silence after which a member of this consumer group is removed.";
    "share.assignment.interval.ms" Int = "1000", AtLeast(0), Medium ClusterWide Accepted,
        "Shortest pause between two assignments of this share group.";
    "share.auto.offset.reset" String = "latest", ShareOffsetReset, Medium ClusterWide Accepted,
        "Where this share group begins in a partition it has not read: `latest`, `earliest`, or \
         `by_duration:` and an ISO 8601 duration back from now.";
    "share.delivery.count.limit" Int = "5", AtLeast(2), Medium ClusterWide Accepted,
        "Times a record is delivered to this share group before it is given up.";
    "share.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium ClusterWide Accepted,
        "Heartbeat interval given to members of this share group.";
    "share.isolation.level" String = "read_uncommitted",
        OneOf(&["read_committed", "read_uncommitted"]), Medium ClusterWide Accepted,
        "Whether this share group reads only committed transactional records or all of them.";
    "share.partition.max.record.locks" Int = "2000", AtLeast(100), Medium ClusterWide Accepted,
        "Most records of a share partition that may be out with this group's consumers at a time.";
    "share.record.lock.duration.ms" Int = "30000", AtLeast(1000), Medium ClusterWide Accepted,
        "How long a record stays with the consumer that fetched it before it is offered again.";
    "share.renew.acknowledge.enable" Boolean = "true", Any, Medium ClusterWide Accepted,
        "Whether consumers of this share group may extend the time a record stays with them.";
    "share.session.timeout.ms" Int = "45000", AtLeast(1), Medium ClusterWide Accepted,
        "Silence after which a member of this share group is removed.";
    "streams.assignment.interval.ms" Int = "1000", AtLeast(0), Medium ClusterWide Accepted,
        "Shortest pause between two assignments of this streams group.";
    "streams.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium ClusterWide Accepted,
        "Heartbeat interval given to members of this streams group.";
    "streams.initial.rebalance.delay.ms" Int = "3000", AtLeast(0), Medium ClusterWide Accepted,
        "How long the first assignment of this streams group waits for more members.";
    "streams.num.standby.replicas" Int = "0", AtLeast(0), Medium ClusterWide Accepted,
        "Standby copies of each stateful task of this streams group.";
    "streams.session.timeout.ms" Int = "45000", AtLeast(1), Medium ClusterWide Accepted,
        "Silence after which a member of this streams group is removed.";
}
