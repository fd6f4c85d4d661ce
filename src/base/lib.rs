//! The ground floor: words that every room uses, and nothing that has a thread, a socket or a clock of its own.
//!
//! Reading order: [`ids`] (how things are named), [`error`] (Kafka's error codes), [`clock`] (time as a parameter),
//! [`file_slice`] (bytes that stay in a file until `sendfile`), [`limits`],
//! [`planted`] (nothing, except in a build that is there to be found out).

pub mod clock;
pub mod config;
pub mod error;
pub mod file_slice;
pub mod ids;
pub mod limits;
pub mod planted;
pub mod schema;
pub mod topic_name;

pub use clock::{Clock, ManualClock, SystemClock};
pub use error::ErrorCode;
pub use file_slice::FileSlice;
pub use ids::{TopicIdPartition, TopicPartition, Uuid};
