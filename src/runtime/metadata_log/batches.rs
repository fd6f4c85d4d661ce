//! The batches of the metadata log: records of the cluster, and control records by which the log speaks of itself.
//!
//! A data batch is an ordinary uncompressed batch whose records have no key and one timestamp (Kafka refuses a timestamp
//! delta); the value is the framed record. The same batches make up the log's segments and its snapshots.

use bytes::Bytes;
use ottla_metadata::{MetadataVersion, Record, RecordError};
use ottla_storage::batch::control::ControlRecord;
use ottla_storage::batch::{BatchBuilder, BatchError, BatchHeader, BatchOptions, records};
use thiserror::Error;

/// Largest batch that Kafka's raft layer accepts.
pub const BATCH_BYTES_MAX: usize = 8 << 20;

/// Why bytes are no batch of the metadata log.
#[derive(Debug, Error)]
pub enum MetadataBatchError {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error("the checksum of the batch at offset {0} does not match")]
    Checksum(i64),
    #[error("offset {offset}: {source}")]
    Record { offset: i64, source: RecordError },
    #[error("offset {0}: a record without a value")]
    NoValue(i64),
}

/// What one offset of the metadata log holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    Record(Record),
    Control(ControlRecord),
}

/// The first batch in `bytes` with its entries, and how many bytes it takes; `None` when `bytes` is empty.
pub fn decode_first(bytes: &[u8]) -> Result<Option<(BatchHeader, Vec<Entry>)>, MetadataBatchError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let header = BatchHeader::parse(bytes)?;
    let batch = bytes.get(..header.size_bytes()).ok_or(BatchError::Truncated)?;
    if !ottla_storage::batch::crc_is_valid(batch) {
        return Err(MetadataBatchError::Checksum(header.base_offset));
    }
    let entries = records(batch, BATCH_BYTES_MAX)?.map(|record| {
        let record = record?;
        let value = record
            .value
            .as_deref()
            .ok_or(MetadataBatchError::NoValue(record.offset))?;
        if header.is_control() {
            let key = record.key.as_deref().unwrap_or_default();
            return Ok(Entry::Control(ControlRecord::parse(key, value)?));
        }
        let decoded = Record::decode(value);
        decoded
            .map(Entry::Record)
            .map_err(|source| MetadataBatchError::Record {
                offset: record.offset,
                source,
            })
    });
    let entries: Result<Vec<Entry>, MetadataBatchError> = entries.collect();
    Ok(Some((header, entries?)))
}

/// One batch with all of `records`: it is applied whole or not at all.
pub fn data_batch(
    records: &[Record],
    version: MetadataVersion,
    options: BatchOptions,
    now_ms: i64,
) -> Result<Bytes, RecordError> {
    let mut builder = BatchBuilder::new(options);
    for record in records {
        builder.append(now_ms, None, Some(&record.encode(version)?), &[]);
    }
    Ok(builder.build())
}
