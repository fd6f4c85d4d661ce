//! Partitions of this node: leaders, followers, high watermarks, and who waits for them.
//!
//! Reading order: [`manager`] (which partitions there are, as the metadata says), [`partition`] (one of them), [`isr`] (how
//! far the high watermark may go), [`lanes`] (the way to a disk that may hang), [`group_commit`] (durable appends), [`waiters`],
//! [`verification`] (what the partitions ask of transactions), [`moves`] (between
//! log directories), [`log_config`], [`error`].
//!
//! The room reads the metadata image and never changes it: what it has to say to the controller goes out through the
//! caller.

pub mod error;
mod group_commit;
pub mod isr;
mod lanes;
pub mod log_config;
pub mod manager;
pub mod moves;
mod parallel;
pub mod partition;
pub mod verification;
pub mod waiters;

pub use error::ReplicaError;
pub use lanes::{Queued, Turn};
pub use manager::ReplicaManager;
pub use partition::{Acks, NO_EPOCH, Partition, PartitionRead, ReadRequest};
pub use verification::{TransactionVerifier, VerifyTransaction};

#[cfg(test)]
mod group_commit_tests;
#[cfg(test)]
pub(crate) mod test_node;
#[cfg(test)]
mod tests;
