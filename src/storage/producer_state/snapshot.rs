//! `.snapshot`: the producers of a partition at one offset, which is the file's name.
//!
//! ```text
//! i16 version 1 | u32 crc32c of all behind it | i32 count
//! then per producer:
//!   i64 producer id | i16 epoch | i32 last sequence | i64 last offset | i32 offset delta | i64 timestamp
//!   | i32 coordinator epoch (-1) | i64 first offset of the open transaction (-1)
//! ```
//! Only the last of a producer's remembered batches is kept; a last offset of −1 stands for none.

#![deny(clippy::indexing_slicing)]

use super::entry::{BatchMark, ProducerEntry};

const VERSION: i16 = 1;
/// Where the bytes that the checksum covers begin: behind the version and the checksum.
const CRC_FROM: usize = 6;
const ENTRY_BYTES: usize = 46;
const NONE: i64 = -1;

/// Why a file is not a snapshot. It is then deleted and an older one is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    #[error("the producer snapshot has version {0}")]
    UnknownVersion(i16),
    #[error("the producer snapshot's checksum does not match")]
    BadCrc,
    #[error("the producer snapshot's size does not match its count")]
    BadSize,
}

pub(super) fn encode(entries: &[&ProducerEntry]) -> Vec<u8> {
    let count = i32::try_from(entries.len()).unwrap_or(i32::MAX);
    let mut body = Vec::with_capacity(4 + entries.len() * ENTRY_BYTES);
    body.extend(count.to_be_bytes());
    for entry in entries {
        let last = entry.last_batch().copied().unwrap_or(BatchMark {
            last_sequence: -1,
            last_offset: NONE,
            offset_delta: 0,
            timestamp_ms: NONE,
        });
        body.extend(entry.producer_id.to_be_bytes());
        body.extend(entry.epoch.to_be_bytes());
        body.extend(last.last_sequence.to_be_bytes());
        body.extend(last.last_offset.to_be_bytes());
        body.extend(last.offset_delta.to_be_bytes());
        body.extend(entry.last_timestamp_ms.to_be_bytes());
        body.extend(entry.coordinator_epoch.to_be_bytes());
        body.extend(entry.txn_first_offset.unwrap_or(NONE).to_be_bytes());
    }
    let mut out = Vec::with_capacity(CRC_FROM + body.len());
    out.extend(VERSION.to_be_bytes());
    out.extend(crc32c::crc32c(&body).to_be_bytes());
    out.extend(body);
    out
}

/// The producers in a snapshot's bytes.
pub fn decode(bytes: &[u8]) -> Result<Vec<ProducerEntry>, SnapshotError> {
    let mut fields = Fields(bytes);
    let version = i16::from_be_bytes(fields.take()?);
    if version != VERSION {
        return Err(SnapshotError::UnknownVersion(version));
    }
    let crc = u32::from_be_bytes(fields.take()?);
    if crc32c::crc32c(fields.0) != crc {
        return Err(SnapshotError::BadCrc);
    }
    let count = i32::from_be_bytes(fields.take()?);
    let fits =
        usize::try_from(count).is_ok_and(|count| Some(fields.0.len()) == count.checked_mul(ENTRY_BYTES));
    if !fits {
        return Err(SnapshotError::BadSize);
    }
    (0..count).map(|_| entry(&mut fields)).collect()
}

fn entry(fields: &mut Fields<'_>) -> Result<ProducerEntry, SnapshotError> {
    let mut entry = ProducerEntry::new(i64::from_be_bytes(fields.take()?));
    entry.epoch = i16::from_be_bytes(fields.take()?);
    let last_sequence = i32::from_be_bytes(fields.take()?);
    let last_offset = i64::from_be_bytes(fields.take()?);
    let offset_delta = i32::from_be_bytes(fields.take()?);
    entry.last_timestamp_ms = i64::from_be_bytes(fields.take()?);
    entry.coordinator_epoch = i32::from_be_bytes(fields.take()?);
    let txn_first_offset = i64::from_be_bytes(fields.take()?);
    entry.txn_first_offset = (txn_first_offset >= 0).then_some(txn_first_offset);
    if last_offset >= 0 {
        entry.push(BatchMark {
            last_sequence,
            last_offset,
            offset_delta,
            timestamp_ms: entry.last_timestamp_ms,
        });
    }
    Ok(entry)
}

/// The bytes that are still to be read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(SnapshotError::BadSize)?;
        self.0 = rest;
        Ok(*field)
    }
}
