//! Record batches: the unit that clients send, the log stores and fetches return, in Kafka's format (magic 2).
//!
//! Reading order: [`header`] (the 61 bytes before the records).

mod cursor;
pub mod header;

pub use header::{BatchError, BatchHeader, Codec, HEADER_BYTES, TimestampType, crc_is_valid};
