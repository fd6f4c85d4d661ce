//! Produce, fetch and what else concerns the records of a partition. One file per API.

pub mod alter_replica_log_dirs;
pub mod delete_records;
pub mod describe_log_dirs;
pub mod describe_producers;
pub mod fetch;
mod fetch_read;
mod fetch_response;
mod fetch_session;
mod fetch_session_cache;
pub mod list_offsets;
mod locate;
pub mod offset_for_leader_epoch;
pub mod produce;
mod produce_answer;

pub use fetch::FetchState;
