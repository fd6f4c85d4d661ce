//! Broker keys about replication, and Kafka's purgatories.
//!
//! Names, types, defaults and ranges are checked against Apache Kafka 4.3.1 by the test in [`super`].

use crate::config::def::config_defs;

config_defs! { REPLICATION:
    "auto.leader.rebalance.enable" Boolean = "true", Any, High ReadOnly Used,
        "Give leadership back to preferred replicas from time to time.";
    "controller.socket.timeout.ms" Int = "30000", Any, Medium ReadOnly Accepted,
        "Socket timeout of the channel to the controller.";
    "default.replication.factor" Int = "1", Any, Medium ReadOnly Used,
        "Replication factor of a topic that is created without one.";
    "delete.records.purgatory.purge.interval.requests" Int = "1", Any, Medium ReadOnly Accepted,
        "How many finished DeleteRecords requests Kafka keeps before it purges them; Ottla has no \
         purgatory.";
    "fetch.purgatory.purge.interval.requests" Int = "1000", Any, Medium ReadOnly Accepted,
        "How many finished fetches Kafka keeps before it purges them; Ottla has no purgatory.";
    "follower.fetch.last.tiered.offset.enable" Boolean = "false", Any, Medium ClusterWide Accepted,
        "With tiered storage, let a new follower begin at the last tiered offset.";
    "leader.imbalance.check.interval.seconds" Long = "300", AtLeast(1), High ReadOnly Used,
        "How often leaders are checked against the preferred replicas.";
    "num.replica.alter.log.dirs.threads" Int = null, Any, High ReadOnly Accepted,
        "Threads that move replicas between log dirs; one per log dir when not given.";
    "num.replica.fetchers" Int = "1", AtLeast(1), High ClusterWide Accepted,
        "Fetcher threads per source broker.";
    "producer.purgatory.purge.interval.requests" Int = "1000", Any, Medium ReadOnly Accepted,
        "How many finished produce requests Kafka keeps before it purges them; Ottla has no purgatory.";
    "replica.fetch.backoff.ms" Int = "1000", AtLeast(0), Medium ReadOnly Accepted,
        "Pause of a fetcher after an error.";
    "replica.fetch.max.bytes" Int = "1048576", AtLeast(0), Medium ReadOnly Accepted,
        "Bytes a follower asks for per partition.";
    "replica.fetch.min.bytes" Int = "1", Any, High ReadOnly Accepted,
        "Fewest bytes a follower waits for.";
    "replica.fetch.response.max.bytes" Int = "10485760", AtLeast(0), Medium ReadOnly Accepted,
        "Bytes a follower asks for in one fetch.";
    "replica.fetch.wait.max.ms" Int = "500", Any, High ReadOnly Accepted,
        "Longest wait of a follower's fetch; at most `replica.lag.time.max.ms`.";
    "replica.high.watermark.checkpoint.interval.ms" Long = "5000", Any, High ReadOnly Used,
        "How often high watermarks are written down.";
    "replica.lag.time.max.ms" Long = "30000", Any, High ReadOnly Accepted,
        "A follower that has not caught up for this long leaves the in-sync replicas.";
    "replica.selector.class" String = null, Any, Medium ReadOnly Accepted,
        "Java class that picks the replica a consumer reads from; Ottla runs no Java plugins.";
    "replica.socket.receive.buffer.bytes" Int = "65536", Any, High ReadOnly Accepted,
        "Receive buffer of a follower's socket.";
    "replica.socket.timeout.ms" Int = "30000", Any, High ReadOnly Accepted,
        "Socket timeout of a follower's fetch; at least `replica.fetch.wait.max.ms`.";
    "unclean.leader.election.interval.ms" Long = "300000", AtLeast(1), Medium ReadOnly Used internal,
        "How often the controller looks for partitions that an unclean election could bring back.";
}
