//! The coordinators as pure machines: what a group is, what its members may do, and the records that say so.
//!
//! Nothing here appends, waits, knows a socket or asks for the time. A machine is given commands, the time, and what became
//! of its records; `runtime` runs one machine per partition of `__consumer_offsets`. Reading order:
//!
//! - [`records`]: what lies in the log, type by type, version by version.
//! - [`machine`]: the shape of every machine, and how a step of it becomes records and answers.
//! - [`command`]: what the group machine is asked and what it answers.
//! - [`shard`]: the group machine itself; `classic` and [`consumer`] hold the groups of the two protocols, `offsets` what they commit.
//! - [`transaction`]: the machine of transactions.
//! - [`consumer_protocol`]: what the members of classic groups of consumers say in their metadata.
//! - [`timers`]: deadlines as data.
//!
//! Invariant: what is in memory beyond the records (who waits, whose session ends when) is lost with the process and can be:
//! a group with members is loaded as stable, and its members have a full session to show up.

mod admin;
mod classic;
pub mod command;
pub mod config;
pub mod consumer;
pub mod consumer_protocol;
mod foreign;
pub mod machine;
mod offsets;
pub mod records;
pub mod shard;
pub mod timers;
pub mod transaction;

pub use command::{Command, Reply};
pub use config::GroupConfig;
pub use machine::{Machine, Now, Outcome, Then, Token};
pub use shard::GroupShard;
pub use transaction::{TransactionConfig, TransactionShard};

#[cfg(test)]
mod script_tests;
#[cfg(test)]
mod sim_tests;
