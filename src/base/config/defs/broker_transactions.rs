//! Broker keys about transactions and idempotent producers.
//!
//! Names, types, defaults and ranges are checked against Apache Kafka 4.3.1 by the test in [`super`].

use crate::config::def::config_defs;

config_defs! { TRANSACTIONS:
    "add.partitions.to.txn.retry.backoff.max.ms" Int = "100", AtLeast(0), High ReadOnly Used,
        "Longest pause between the broker's own tries to add a partition to a transaction.";
    "add.partitions.to.txn.retry.backoff.ms" Int = "20", AtLeast(1), High ReadOnly Used,
        "First pause between the broker's own tries to add a partition to a transaction.";
    "producer.id.expiration.check.interval.ms" Int = "600000", AtLeast(1), Low ReadOnly Used internal,
        "How often producer states are checked for expiry.";
    "producer.id.expiration.ms" Int = "86400000", AtLeast(1), Low ClusterWide Used,
        "Silence after which a partition forgets a producer's sequence numbers.";
    "transaction.abort.timed.out.transaction.cleanup.interval.ms" Int = "10000",
        AtLeast(1), Low ReadOnly Used,
        "How often the coordinator looks for transactions that have run out of time.";
    "transaction.max.timeout.ms" Int = "900000", AtLeast(1), High ReadOnly Used,
        "Longest transaction timeout a producer may ask for.";
    "transaction.partition.verification.enable" Boolean = "true", Any, Low ClusterWide Used,
        "Check that a partition is part of a running transaction before transactional records are \
         appended.";
    "transaction.remove.expired.transaction.cleanup.interval.ms" Int = "3600000",
        AtLeast(1), Low ReadOnly Used,
        "How often the coordinator looks for transactional ids to forget.";
    "transaction.state.log.load.buffer.size" Int = "5242880", AtLeast(1), High ReadOnly Used,
        "Buffer in bytes with which the transaction log is read at load.";
    "transaction.state.log.min.isr" Int = "2", AtLeast(1), High ReadOnly Used,
        "`min.insync.replicas` of the transaction log.";
    "transaction.state.log.num.partitions" Int = "50", AtLeast(1), High ReadOnly Used,
        "Partitions of the transaction log; must not be changed once it exists.";
    "transaction.state.log.replication.factor" Short = "3", AtLeast(1), High ReadOnly Used,
        "Replication factor of the transaction log when it is created.";
    "transaction.state.log.segment.bytes" Int = "104857600", AtLeast(1), High ReadOnly Used,
        "Segment size of the transaction log.";
    "transaction.two.phase.commit.enable" Boolean = "false", Any, Low ReadOnly Used,
        "Let producers take part in two-phase commits, whose transactions never time out.";
    "transactional.id.expiration.ms" Int = "604800000", AtLeast(1), High ReadOnly Used,
        "Silence after which a transactional id is forgotten.";
}
