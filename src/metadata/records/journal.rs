//! Records that say something about the log itself: its heartbeat, and the transactions that make several batches one change.

use ottla_base::record_schema;

record_schema! {
    /// Written when nothing else is, so that every node can see that it keeps up.
    pub struct NoOpRecord: versions 0..=0, flexible 0.. {}

    /// What migrations from ZooKeeper left in old logs; it has no meaning any more.
    pub struct ZkMigrationStateRecord: versions 0..=0, flexible 0.. {
        zk_migration_state: i8;
    }

    /// What follows is applied at the matching end and not before.
    pub struct BeginTransactionRecord: versions 0..=0, flexible 0.. {
        name: Option<String>, tag 0;
    }

    pub struct EndTransactionRecord: versions 0..=0, flexible 0.. {}

    /// What followed the begin never happened.
    pub struct AbortTransactionRecord: versions 0..=0, flexible 0.. {
        reason: Option<String>, tag 0;
    }
}
