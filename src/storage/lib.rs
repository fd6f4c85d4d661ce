//! Kafka's log on disk: record batches, segments and their indexes, producer state, checkpoints, log directories.
//!
//! Pure in the sense of the house: no runtime, no clock (the time is a parameter), no protocol types. Everything that
//! is read from disk or was sent by a client is input: it is checked, and a bad byte is an error, never a panic.
//!
//! ```text
//! dirs            log dirs: locks, identity, checkpoints, loading in parallel, creating and deleting logs
//!  └ log          one partition: append, read, roll, flush, retention, truncation, recovery
//!     ├ segment   one `.log` file and its indexes
//!     │  ├ offset_index, time_index   sparse, mapped (entries.rs)
//!     │  └ txn_index                  aborted transactions
//!     ├ producer_state                sequences, epochs, open transactions, `.snapshot`
//!     └ epoch_cache                   `leader-epoch-checkpoint`
//! cleaner         compaction            offset_map      the last offset of every key
//! batch           what the files hold           walk      from batch to batch through a file
//! vfs             the door to the disk          chores    what is left for later
//! ```

pub mod batch;
pub mod checkpoints;
pub mod chores;
pub mod cleaner;
pub mod config;
pub mod dirs;
mod entries;
pub mod epoch_cache;
pub mod error;
mod home;
pub mod log;
pub mod names;
pub mod offset_index;
pub mod offset_map;
pub mod partition_metadata;
pub mod producer_state;
pub mod segment;
pub mod time_index;
pub mod txn_index;
pub mod vfs;
pub mod walk;

pub use config::LogConfig;
pub use dirs::LogDirs;
pub use error::StorageError;
pub use log::{
    AppendError, AppendInfo, FoundTimestamp, Log, ProducerSummary, ReadBound, ReadError, ReadResult,
};
pub use producer_state::{AppendOrigin, TransactionStart, VerificationGuard};
