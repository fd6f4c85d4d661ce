//! Record batches: the unit that clients send, the log stores and fetches return, in Kafka's format (magic 2).
//!
//! Reading order: [`header`] (the 61 bytes before the records), [`record`], [`records`] (all of a batch, decompressed),
//! [`views`] (the same, looked at and not kept),
//! [`builder`], [`control`] (transaction markers and the metadata log's own records), [`compression`], [`validate`]
//! (what a leader checks before it appends), [`legacy`] (magic 0 and 1, read only).

pub mod builder;
pub mod compression;
pub mod control;
mod cursor;
pub mod header;
pub mod legacy;
pub mod record;
pub mod records;
mod scan;
pub mod validate;
pub mod views;

pub use builder::{BatchBuilder, BatchOptions, rewrite};
pub use compression::{Compression, CompressionType};
pub use header::{BatchError, BatchHeader, Codec, HEADER_BYTES, TimestampType, crc_is_valid};
pub use legacy::LegacyHeader;
pub use record::{Record, RecordHeader};
pub use records::{Records, records, records_shared};
pub use validate::{RecordError, ValidBatch, ValidationError, ValidationRules, validate};
pub use views::{RecordView, visit_records};

/// What stands at one place of a log: a batch, or a message of the older formats. A walk over a log needs no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyBatch {
    Current(BatchHeader),
    Legacy(LegacyHeader),
}

impl AnyBatch {
    /// Reads the header at the start of `bytes`; 61 bytes are always enough, and the last message of an old log may be
    /// shorter. The checksum is not looked at: see [`AnyBatch::crc_is_valid`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        match bytes.get(header::MAGIC_AT) {
            Some(0 | 1) => LegacyHeader::parse(bytes).map(Self::Legacy),
            _ => BatchHeader::parse(bytes).map(Self::Current),
        }
    }

    pub fn crc_is_valid(&self, batch: &[u8]) -> bool {
        match self {
            Self::Current(_) => crc_is_valid(batch),
            Self::Legacy(_) => legacy::crc_is_valid(batch),
        }
    }

    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Current(header) => header.size_bytes(),
            Self::Legacy(header) => header.size_bytes(),
        }
    }

    pub fn last_offset(&self) -> i64 {
        match self {
            Self::Current(header) => header.last_offset(),
            Self::Legacy(header) => header.offset,
        }
    }

    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    pub fn max_timestamp(&self) -> i64 {
        match self {
            Self::Current(header) => header.max_timestamp,
            Self::Legacy(header) => header.timestamp,
        }
    }

    /// −1 for the older formats, which have none.
    pub fn leader_epoch(&self) -> i32 {
        match self {
            Self::Current(header) => header.leader_epoch,
            Self::Legacy(_) => header::NO_LEADER_EPOCH,
        }
    }
}

#[cfg(test)]
mod tests;
