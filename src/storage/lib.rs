//! Kafka's log on disk: record batches, segments and their indexes, producer state, checkpoints, log directories.
//!
//! Pure in the sense of the house: no runtime, no clock (the time is a parameter), no protocol types. Everything that
//! is read from disk or was sent by a client is input: it is checked, and a bad byte is an error, never a panic.

pub mod batch;
