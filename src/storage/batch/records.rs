//! The records of a batch, one after the other, whatever its codec and whatever its magic.

#![deny(clippy::indexing_slicing)]

use bytes::{Buf, Bytes};

use super::compression;
use super::legacy;
use super::record::RawRecord;
use super::{AnyBatch, BatchError, BatchHeader, Codec, HEADER_BYTES, Record, TimestampType};

/// Iterates over the records of `batch`: one whole batch of any magic, checksum not looked at. `bytes_max` limits what
/// a compressed batch may decompress to.
pub fn records(batch: &[u8], bytes_max: usize) -> Result<Records, BatchError> {
    match AnyBatch::parse(batch)? {
        AnyBatch::Current(header) => {
            let blob = batch
                .get(HEADER_BYTES..header.size_bytes())
                .ok_or(BatchError::Truncated)?;
            let blob = match header.codec()? {
                Codec::None => Bytes::copy_from_slice(blob),
                codec => compression::decompress(codec, blob, bytes_max)?.into(),
            };
            Records::of(&header, blob)
        }
        AnyBatch::Legacy(header) => Ok(Records(Inner::Legacy(
            legacy::records(&header, batch, bytes_max)?.into_iter(),
        ))),
    }
}

/// As [`records`], for a batch that is held in `Bytes`: uncompressed records share its memory.
pub fn records_shared(batch: &Bytes, bytes_max: usize) -> Result<Records, BatchError> {
    match AnyBatch::parse(batch)? {
        AnyBatch::Current(header) if header.codec()? == Codec::None => {
            if batch.len() < header.size_bytes() {
                return Err(BatchError::Truncated);
            }
            Records::of(&header, batch.slice(HEADER_BYTES..header.size_bytes()))
        }
        _ => records(batch, bytes_max),
    }
}

/// See [`records`]. The first error is the last item.
pub struct Records(Inner);

enum Inner {
    Current {
        header: BatchHeader,
        blob: Bytes,
        left: usize,
    },
    Legacy(std::vec::IntoIter<Record>),
}

impl Records {
    fn of(header: &BatchHeader, blob: Bytes) -> Result<Self, BatchError> {
        Ok(Self(Inner::Current {
            header: *header,
            blob,
            left: usize::try_from(header.record_count).map_err(|_| BatchError::BadCount)?,
        }))
    }
}

impl Iterator for Records {
    type Item = Result<Record, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (header, blob, left) = match &mut self.0 {
            Inner::Legacy(records) => return records.next().map(Ok),
            Inner::Current { header, blob, left } => (header, blob, left),
        };
        if *left == 0 {
            let is_done = std::mem::take(blob).is_empty();
            return (!is_done).then_some(Err(BatchError::TrailingBytes));
        }
        *left -= 1;
        Some(match RawRecord::parse(blob) {
            Ok((raw, size)) => {
                blob.advance(size);
                Ok(absolute(header, raw))
            }
            Err(error) => {
                *left = 0;
                blob.clear();
                Err(error)
            }
        })
    }
}

fn absolute(header: &BatchHeader, raw: RawRecord) -> Record {
    Record {
        offset: header.base_offset.wrapping_add(i64::from(raw.offset_delta)),
        timestamp: match header.timestamp_type() {
            TimestampType::CreateTime => header.base_timestamp.wrapping_add(raw.timestamp_delta),
            TimestampType::LogAppendTime => header.max_timestamp,
        },
        key: raw.key,
        value: raw.value,
        headers: raw.headers,
    }
}
