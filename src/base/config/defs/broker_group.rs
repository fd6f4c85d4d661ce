//! Broker keys about groups of every kind, committed offsets and the share coordinator.
//!
//! Names, types, defaults and ranges are checked against Apache Kafka 4.3.1 by the test in [`super`].

use crate::config::def::config_defs;

config_defs! { GROUP_COORDINATORS:
    "group.consumer.assignment.interval.ms" Int = "1000", AtLeast(0), Medium ClusterWide Used,
        "Shortest pause between two assignments of a consumer group.";
    "group.consumer.assignors" List = "uniform,range", DistinctSome, Medium ReadOnly Used,
        "Server-side assignors for consumer groups; the first is the default.";
    "group.consumer.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium ReadOnly Used,
        "Heartbeat interval given to members of consumer groups.";
    "group.consumer.max.assignment.interval.ms" Int = "15000", AtLeast(0), Medium ReadOnly Used,
        "Largest value a group may set for `consumer.assignment.interval.ms`.";
    "group.consumer.max.heartbeat.interval.ms" Int = "15000", AtLeast(1), Medium ReadOnly Used,
        "Largest value a group may set for `consumer.heartbeat.interval.ms`.";
    "group.consumer.max.session.timeout.ms" Int = "60000", AtLeast(1), Medium ReadOnly Used,
        "Largest value a group may set for `consumer.session.timeout.ms`.";
    "group.consumer.max.size" Int = "2147483647", AtLeast(1), Medium ReadOnly Used,
        "Most members of a consumer group.";
    "group.consumer.migration.policy" String = "bidirectional",
        OneOfIgnoringCase(&["BIDIRECTIONAL", "DISABLED", "DOWNGRADE", "UPGRADE"]), Medium ReadOnly Used,
        "Whether groups may change between the classic and the consumer protocol while members are there.";
    "group.consumer.min.assignment.interval.ms" Int = "0", AtLeast(0), Medium ReadOnly Used,
        "Smallest value a group may set for `consumer.assignment.interval.ms`.";
    "group.consumer.min.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium ReadOnly Used,
        "Smallest value a group may set for `consumer.heartbeat.interval.ms`.";
    "group.consumer.min.session.timeout.ms" Int = "45000", AtLeast(1), Medium ReadOnly Used,
        "Smallest value a group may set for `consumer.session.timeout.ms`.";
    "group.consumer.regex.refresh.interval.ms" Int = "600000",
        AtLeast(10000), Medium ReadOnly Used internal,
        "How often the topics behind a subscribed regular expression are looked up again.";
    "group.consumer.session.timeout.ms" Int = "45000", AtLeast(1), Medium ReadOnly Used,
        "Silence after which a member of a consumer group is removed.";
    "group.coordinator.append.linger.ms" Int = "-1", AtLeast(-1), Medium ReadOnly Accepted,
        "How long the group coordinator gathers records before it writes them; -1 adapts to the load.";
    "group.coordinator.background.threads" Int = "2", AtLeast(1), High ReadOnly Accepted,
        "Threads for the coordinator's slow work, such as regular expressions.";
    "group.coordinator.cached.buffer.max.bytes" Int = "1048588",
        AtLeast(524_288), Medium ClusterWide Accepted,
        "Largest write buffer the coordinator keeps for reuse.";
    "group.coordinator.rebalance.protocols" List = "classic,consumer,streams",
        SomeOf(&["consumer", "classic", "share", "streams"]), Medium ReadOnly Used,
        "Group protocols that are switched on; deprecated in favour of feature versions.";
    "group.coordinator.threads" Int = "4", AtLeast(1), High ReadOnly Accepted,
        "Threads that run the group coordinator's partitions.";
    "group.initial.rebalance.delay.ms" Int = "3000", Any, Medium ReadOnly Used,
        "How long the first rebalance of an empty classic group waits for more members.";
    "group.max.session.timeout.ms" Int = "1800000", Any, Medium ReadOnly Used,
        "Longest session timeout a classic consumer may ask for.";
    "group.max.size" Int = "2147483647", AtLeast(1), Medium ReadOnly Used,
        "Most members of a classic group.";
    "group.min.session.timeout.ms" Int = "6000", Any, Medium ReadOnly Used,
        "Shortest session timeout a classic consumer may ask for.";
    "group.share.assignment.interval.ms" Int = "1000", AtLeast(0), Medium ClusterWide Accepted,
        "Shortest pause between two assignments of a share group.";
    "group.share.assignors" List = "simple", DistinctSome, Medium ReadOnly Accepted,
        "Server-side assignors for share groups.";
    "group.share.delivery.count.limit" Int = "5", Between(2, 10), Medium ReadOnly Accepted,
        "Times a record is delivered to a share group before it is given up.";
    "group.share.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium ReadOnly Accepted,
        "Heartbeat interval given to members of share groups.";
    "group.share.initialize.retry.interval.ms" Int = "30000", AtLeast(1), Low ReadOnly Accepted internal,
        "Pause before the state of a share partition is initialised again after a failure.";
    "group.share.max.assignment.interval.ms" Int = "15000", AtLeast(0), Medium ReadOnly Accepted,
        "Largest value a group may set for `share.assignment.interval.ms`.";
    "group.share.max.delivery.count.limit" Int = "10", Between(5, 25), Medium ReadOnly Accepted,
        "Largest value a group may set for `share.delivery.count.limit`.";
    "group.share.max.heartbeat.interval.ms" Int = "15000", AtLeast(1), Medium ReadOnly Accepted,
        "Largest value a group may set for `share.heartbeat.interval.ms`.";
    "group.share.max.partition.max.record.locks" Int = "4000", Between(2000, 10000), Medium ReadOnly Accepted,
        "Largest value a group may set for `share.partition.max.record.locks`.";
    "group.share.max.record.lock.duration.ms" Int = "60000",
        Between(30000, 3_600_000), Medium ReadOnly Accepted,
        "Largest value a group may set for `share.record.lock.duration.ms`.";
    "group.share.max.session.timeout.ms" Int = "60000", AtLeast(1), Medium ReadOnly Accepted,
        "Largest value a group may set for `share.session.timeout.ms`.";
    "group.share.max.share.sessions" Int = "2000", AtLeast(1), Medium ReadOnly Accepted,
        "Most share sessions kept at a time.";
    "group.share.max.size" Int = "200", Between(1, 1000), Medium ReadOnly Accepted,
        "Most members of a share group.";
    "group.share.min.assignment.interval.ms" Int = "0", AtLeast(0), Medium ReadOnly Accepted,
        "Smallest value a group may set for `share.assignment.interval.ms`.";
    "group.share.min.delivery.count.limit" Int = "2", Between(2, 5), Medium ReadOnly Accepted,
        "Smallest value a group may set for `share.delivery.count.limit`.";
    "group.share.min.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium ReadOnly Accepted,
        "Smallest value a group may set for `share.heartbeat.interval.ms`.";
    "group.share.min.partition.max.record.locks" Int = "100", Between(100, 2000), Medium ReadOnly Accepted,
        "Smallest value a group may set for `share.partition.max.record.locks`.";
    "group.share.min.record.lock.duration.ms" Int = "15000", Between(1000, 30000), Medium ReadOnly Accepted,
        "Smallest value a group may set for `share.record.lock.duration.ms`.";
    "group.share.min.session.timeout.ms" Int = "45000", AtLeast(1), Medium ReadOnly Accepted,
        "Smallest value a group may set for `share.session.timeout.ms`.";
    "group.share.partition.max.record.locks" Int = "2000", Between(100, 10000), Medium ReadOnly Accepted,
        "Most records of a share partition that may be out with consumers at a time.";
    "group.share.persister.class.name" String = "org.apache.kafka.server.share.persister.DefaultStatePersister",
        Any, Medium ReadOnly Accepted internal,
        "Java class that stores the state of share groups; Ottla always keeps it in \
         `__share_group_state`.";
    "group.share.record.lock.duration.ms" Int = "30000", Between(1000, 3_600_000), Medium ReadOnly Accepted,
        "How long a record stays with the consumer that fetched it before it is offered again.";
    "group.share.session.timeout.ms" Int = "45000", AtLeast(1), Medium ReadOnly Accepted,
        "Silence after which a member of a share group is removed.";
    "group.streams.assignment.interval.ms" Int = "1000", AtLeast(0), Medium ClusterWide Accepted,
        "Shortest pause between two assignments of a streams group.";
    "group.streams.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium ReadOnly Accepted,
        "Heartbeat interval given to members of streams groups.";
    "group.streams.initial.rebalance.delay.ms" Int = "3000", AtLeast(0), Medium ReadOnly Accepted,
        "How long the first assignment of an empty streams group waits for more members.";
    "group.streams.max.assignment.interval.ms" Int = "15000", AtLeast(0), Medium ReadOnly Accepted,
        "Largest value a group may set for `streams.assignment.interval.ms`.";
    "group.streams.max.heartbeat.interval.ms" Int = "15000", AtLeast(1), Medium ReadOnly Accepted,
        "Largest value a group may set for `streams.heartbeat.interval.ms`.";
    "group.streams.max.session.timeout.ms" Int = "60000", AtLeast(1), Medium ReadOnly Accepted,
        "Largest value a group may set for `streams.session.timeout.ms`.";
    "group.streams.max.size" Int = "2147483647", AtLeast(1), Medium ReadOnly Accepted,
        "Most members of a streams group.";
    "group.streams.max.standby.replicas" Int = "2", AtLeast(0), Medium ReadOnly Accepted,
        "Largest value a group may set for `streams.num.standby.replicas`.";
    "group.streams.min.assignment.interval.ms" Int = "0", AtLeast(0), Medium ReadOnly Accepted,
        "Smallest value a group may set for `streams.assignment.interval.ms`.";
    "group.streams.min.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium ReadOnly Accepted,
        "Smallest value a group may set for `streams.heartbeat.interval.ms`.";
    "group.streams.min.session.timeout.ms" Int = "45000", AtLeast(1), Medium ReadOnly Accepted,
        "Smallest value a group may set for `streams.session.timeout.ms`.";
    "group.streams.num.standby.replicas" Int = "0", AtLeast(0), Medium ReadOnly Accepted,
        "Standby copies of each stateful task.";
    "group.streams.session.timeout.ms" Int = "45000", AtLeast(1), Medium ReadOnly Accepted,
        "Silence after which a member of a streams group is removed.";
    "offset.metadata.max.bytes" Int = "4096", Any, High ReadOnly Used,
        "Longest metadata text a consumer may store with an offset.";
    "offsets.commit.timeout.ms" Int = "5000", AtLeast(1), High ReadOnly Used,
        "How long an offset commit waits for its replicas.";
    "offsets.load.buffer.size" Int = "5242880", AtLeast(1), High ReadOnly Used,
        "Buffer in bytes with which `__consumer_offsets` is read at load.";
    "offsets.retention.check.interval.ms" Long = "600000", AtLeast(1), High ReadOnly Used,
        "How often offsets are checked for expiry.";
    "offsets.retention.minutes" Int = "10080", AtLeast(1), High ReadOnly Used,
        "How long offsets are kept once their group is empty or no longer subscribed to the topic.";
    "offsets.topic.compression.codec" Int = "0", Any, High ReadOnly Used,
        "Codec number in which `__consumer_offsets` is written; 0 means none.";
    "offsets.topic.num.partitions" Int = "50", AtLeast(1), High ReadOnly Used,
        "Partitions of `__consumer_offsets`; must not be changed once it exists.";
    "offsets.topic.replication.factor" Short = "3", AtLeast(1), High ReadOnly Used,
        "Replication factor of `__consumer_offsets` when it is created.";
    "offsets.topic.segment.bytes" Int = "104857600", AtLeast(1), High ReadOnly Used,
        "Segment size of `__consumer_offsets`.";
    "share.coordinator.append.linger.ms" Int = "-1", AtLeast(-1), Medium ReadOnly Accepted,
        "How long the share coordinator gathers records before it writes them; -1 adapts to the load.";
    "share.coordinator.cached.buffer.max.bytes" Int = "1048588",
        AtLeast(524_288), Medium ClusterWide Accepted,
        "Largest write buffer the share coordinator keeps for reuse.";
    "share.coordinator.cold.partition.snapshot.interval.ms" Int = "300000",
        AtLeast(1), Low ReadOnly Accepted internal,
        "Age at which the state of a quiet share partition is written again as a snapshot.";
    "share.coordinator.load.buffer.size" Int = "5242880", AtLeast(1), High ReadOnly Accepted,
        "Buffer in bytes with which `__share_group_state` is read at load.";
    "share.coordinator.snapshot.update.records.per.snapshot" Int = "500",
        Between(0, 500), Medium ReadOnly Accepted,
        "Updates of a share partition's state written between two snapshots of it.";
    "share.coordinator.state.topic.compression.codec" Int = "0", Any, High ReadOnly Accepted,
        "Codec number in which `__share_group_state` is written; 0 means none.";
    "share.coordinator.state.topic.min.isr" Short = "2", AtLeast(1), High ReadOnly Accepted,
        "`min.insync.replicas` of `__share_group_state`.";
    "share.coordinator.state.topic.num.partitions" Int = "50", AtLeast(1), High ReadOnly Accepted,
        "Partitions of `__share_group_state`; must not be changed once it exists.";
    "share.coordinator.state.topic.prune.interval.ms" Int = "300000",
        AtLeast(1), Low ReadOnly Accepted internal,
        "How often records that are no longer needed are deleted from `__share_group_state`.";
    "share.coordinator.state.topic.replication.factor" Short = "3", AtLeast(1), High ReadOnly Accepted,
        "Replication factor of `__share_group_state` when it is created.";
    "share.coordinator.state.topic.segment.bytes" Int = "104857600", AtLeast(1), High ReadOnly Accepted,
        "Segment size of `__share_group_state`.";
    "share.coordinator.threads" Int = "1", AtLeast(1), Medium ReadOnly Accepted,
        "Threads that run the share coordinator's partitions.";
    "share.coordinator.write.timeout.ms" Int = "5000", AtLeast(1), High ReadOnly Accepted,
        "How long a write of share state waits for its replicas.";
    "share.fetch.purgatory.purge.interval.requests" Int = "1000", Any, Medium ReadOnly Accepted,
        "How many finished share fetches Kafka keeps before it purges them; Ottla has no purgatory.";
}
