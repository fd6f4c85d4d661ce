//! Transactions: what a transactional id is doing, and the records in `__transaction_state` that say so.
//!
//! - [`state`]: the states, and what leads from one to the next.
//! - [`command`]: what the machine is asked and what it answers.
//! - [`shard`]: the machine of one partition of `__transaction_state`; `init`, `partitions`, `end` and `markers` hold its
//!   steps in the order of a transaction's life, `admin` what is only looked at.
//!
//! ```text
//!  InitProducerId ─► Empty ─ partitions ─► Ongoing ─ EndTxn ─► Prepare* ─ markers ─► Complete* ─ partitions ─► Ongoing ...
//! ```
//!
//! Each arrow is a record, and nothing else is remembered: who loads the partition goes on where the records end. A
//! transaction is decided by its Prepare record; from there on it can only be completed, however often that has to be tried.
//!
//! With `transaction.version` 2 (KIP-890) the end of each transaction raises the producer's epoch, so that whatever was late
//! by one transaction is fenced: EndTxn is answered with the epoch to go on with.

mod admin;
pub mod command;
mod end;
mod init;
mod markers;
mod partitions;
pub mod shard;
pub mod state;

#[cfg(test)]
mod script_tests;

pub use command::{Command, Reply};
pub use shard::{TransactionConfig, TransactionShard};
