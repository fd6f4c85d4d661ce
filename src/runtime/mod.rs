//! Loops around the pure machines: the controller over the metadata log, the coordinators over theirs.
//!
//! Reading order: [`format`](mod@format) (what must lie on disk before a start), [`metadata_log`] (the files),
//! [`controller_loop`] (the one writer of cluster metadata), [`publish`] (how the rooms hear of it), [`lifecycle`] (this
//! broker's registration), [`coordinator_loop`] with [`group_coordinator`] and [`transaction_coordinator`], [`txn_markers`] (the
//! ends of transactions, into partitions), [`janitor`] (what logs need from time to time), [`log_cleaner`] (compaction).

pub mod assign_dirs;
pub mod controller_loop;
pub mod coordinator_loop;
pub mod format;
pub mod group_coordinator;
pub mod janitor;
pub mod lifecycle;
pub mod log_cleaner;
pub mod metadata_log;
pub mod producer_ids;
pub mod publish;
pub mod transaction_coordinator;
pub mod txn_markers;

pub use controller_loop::{ControllerHandle, ControllerLoop, QuorumStatus};
pub use coordinator_loop::InTransaction;
pub use group_coordinator::{GroupCoordinator, GroupOptions};
pub use transaction_coordinator::{TransactionCoordinator, TransactionOptions};
pub use txn_markers::{MarkerWriter, TxnMarker};

#[cfg(test)]
mod test_dirs;
