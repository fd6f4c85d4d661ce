//! What a leader checks before it appends a batch, and what it changes: timestamps, compression, inner offsets.
//!
//! No offset is needed for that, so all of it runs outside the log's lock. A batch that is good as it is stays where it
//! is: its header is copied, its records are neither copied nor allocated for, and its checksum is kept. The base offset
//! and the leader epoch, which are put in under the lock, stand outside the checksum.

#![deny(clippy::indexing_slicing)]

use std::io::BufRead;

use bytes::Bytes;
use ottla_base::limits::DECOMPRESSED_BATCH_BYTES_MAX;

use super::compression::{self, Compression, CompressionType};
use super::cursor::{Cursor, put_varint, put_varlong};
use super::header::{CRC_FROM, NO_TIMESTAMP};
use super::scan::Scanner;
use super::{BatchError, BatchHeader, Codec, HEADER_BYTES, TimestampType};

/// Most errors of single records that an answer lists. The batch is refused by the first one; the list is a help, and
/// must not grow with what a batch decompresses to.
const RECORD_ERRORS_MAX: usize = 10_000;

/// What the topic asks of its batches, and who sends this one.
#[derive(Clone, Copy, Debug)]
pub struct ValidationRules {
    pub max_message_bytes: usize,
    /// Whether records need a key, since the topic is compacted.
    pub compact: bool,
    pub compression: CompressionType,
    pub timestamp_type: TimestampType,
    pub before_max_ms: i64,
    pub after_max_ms: i64,
    /// Whether control batches may be written: never for clients.
    pub allow_control: bool,
    /// Whether a client sent the batch: then its offsets, counts and sequences are checked too.
    pub client: bool,
}

/// Why a batch is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidationError {
    #[error("the checksum of the batch does not match its bytes")]
    Corrupt,
    #[error("the batch has {size_bytes} bytes, more than the {max_bytes} that the topic takes")]
    TooLarge { size_bytes: usize, max_bytes: usize },
    #[error("{message}")]
    InvalidRecord {
        errors: Vec<RecordError>,
        message: String,
    },
    #[error("{message}")]
    InvalidTimestamp {
        errors: Vec<RecordError>,
        message: String,
    },
    #[error("the batch is compressed with a codec that is not known")]
    UnsupportedCompression,
}

/// What is wrong with one record of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    pub index: i32,
    pub message: String,
}

/// A checked batch: `header` is the patched copy, `body` the untouched (or rebuilt) bytes after it. They are written by
/// two iovecs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidBatch {
    pub header: BatchHeader,
    pub body: Bytes,
    /// Offset of the first record with the largest timestamp, relative to the base offset.
    pub offset_of_max_timestamp_delta: i32,
}

impl ValidBatch {
    /// Takes a batch that this process has built as it stands, without a look at its records.
    pub fn trusted(batch: &Bytes) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(batch)?;
        if batch.len() != header.size_bytes() {
            return Err(BatchError::Truncated);
        }
        Ok(Self {
            header,
            body: batch.slice(HEADER_BYTES..),
            offset_of_max_timestamp_delta: header.last_offset_delta,
        })
    }

    /// Gives the batch its place in the log. The checksum covers neither field.
    pub fn place(&mut self, base_offset: i64, leader_epoch: i32) {
        self.header.base_offset = base_offset;
        self.header.leader_epoch = leader_epoch;
    }

    pub fn header_bytes(&self) -> [u8; HEADER_BYTES] {
        self.header.encode()
    }

    pub fn size_bytes(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }
}

/// Checks the batch that a request has for one partition, and makes it what the log stores.
pub fn validate(batch: Bytes, rules: &ValidationRules, now_ms: i64) -> Result<ValidBatch, ValidationError> {
    let original = only_batch(&batch)?;
    check_frame(&batch, &original, rules)?;
    let source = original
        .codec()
        .map_err(|_| ValidationError::UnsupportedCompression)?;
    let target = if original.is_control() {
        // Control records are compressed only if they came so.
        Compression::of(source)
    } else {
        rules.compression.target(source)
    };
    let body = batch.slice(HEADER_BYTES..);
    let found = check_records(&original, source, &body, rules, now_ms)?;
    let mut valid = ValidBatch {
        header: original,
        body,
        offset_of_max_timestamp_delta: found.offset_of_max_timestamp_delta,
    };
    let is_rebuilt = source != target.codec || !found.is_sequential;
    if is_rebuilt {
        rebuild(&mut valid, source, target, &found).map_err(|error| malformed(&error))?;
        check_size(valid.size_bytes(), rules)?;
    }
    valid.header.set_timestamp_type(rules.timestamp_type);
    valid.header.max_timestamp = match rules.timestamp_type {
        TimestampType::CreateTime => found.max_timestamp,
        TimestampType::LogAppendTime => now_ms,
    };
    if is_rebuilt || valid.header != original {
        valid.header.crc = valid.header.compute_crc(&valid.body);
    }
    Ok(valid)
}

/// The header, when the bytes are exactly one batch of magic 2.
fn only_batch(batch: &Bytes) -> Result<BatchHeader, ValidationError> {
    let header = BatchHeader::parse(batch).map_err(|error| malformed(&error))?;
    match batch.len().cmp(&header.size_bytes()) {
        std::cmp::Ordering::Equal => Ok(header),
        std::cmp::Ordering::Less => Err(malformed(&BatchError::Truncated)),
        std::cmp::Ordering::Greater => Err(invalid("a partition takes exactly one batch per request".into())),
    }
}

/// Checks all that needs no look at the records, in Kafka's order: it decides which error a client sees.
fn check_frame(batch: &[u8], header: &BatchHeader, rules: &ValidationRules) -> Result<(), ValidationError> {
    if rules.client && header.base_offset != 0 {
        return Err(invalid(format!(
            "the base offset of a batch that is produced must be 0, not {}",
            header.base_offset
        )));
    }
    check_size(batch.len(), rules)?;
    if batch.get(CRC_FROM..).map(crc32c::crc32c) != Some(header.crc) {
        return Err(ValidationError::Corrupt);
    }
    if header.is_control() && !rules.allow_control {
        return Err(invalid("clients may not write control records".into()));
    }
    if !rules.client {
        return Ok(());
    }
    if header.record_count <= 0 {
        return Err(invalid(format!(
            "a batch cannot have {} records",
            header.record_count
        )));
    }
    if i64::from(header.last_offset_delta) + 1 != i64::from(header.record_count) {
        return Err(invalid(format!(
            "a last offset delta of {} does not go with {} records",
            header.last_offset_delta, header.record_count
        )));
    }
    if header.has_producer_id() && header.base_sequence < 0 {
        return Err(invalid(format!(
            "sequence number {} is not one, and producer id {} needs one",
            header.base_sequence, header.producer_id
        )));
    }
    Ok(())
}

fn check_size(size_bytes: usize, rules: &ValidationRules) -> Result<(), ValidationError> {
    if size_bytes > rules.max_message_bytes {
        return Err(ValidationError::TooLarge {
            size_bytes,
            max_bytes: rules.max_message_bytes,
        });
    }
    Ok(())
}

/// What a pass over the records found out.
struct Found {
    record_count: i32,
    max_timestamp: i64,
    offset_of_max_timestamp_delta: i32,
    /// Whether the offset deltas are 0..n-1. Some old clients get them wrong; Kafka puts them right for compressed
    /// batches, and here they are put right for all.
    is_sequential: bool,
}

fn check_records(
    header: &BatchHeader,
    source: Codec,
    body: &[u8],
    rules: &ValidationRules,
    now_ms: i64,
) -> Result<Found, ValidationError> {
    if source == Codec::None {
        return scan(header, body, rules, now_ms);
    }
    let stream = compression::decoder(source, body, DECOMPRESSED_BATCH_BYTES_MAX)
        .map_err(|error| malformed(&compression::stream_error(&error)))?;
    scan(header, stream, rules, now_ms)
}

fn scan(
    header: &BatchHeader,
    stream: impl BufRead,
    rules: &ValidationRules,
    now_ms: i64,
) -> Result<Found, ValidationError> {
    let mut scanner = Scanner::new(stream);
    let mut found = Found {
        record_count: header.record_count,
        max_timestamp: NO_TIMESTAMP,
        offset_of_max_timestamp_delta: 0,
        is_sequential: true,
    };
    let mut refused = Refused::default();
    for index in 0..header.record_count {
        let record = scanner.next_record().map_err(|error| malformed(&error))?;
        let timestamp = match header.timestamp_type() {
            TimestampType::CreateTime => header.base_timestamp.wrapping_add(record.timestamp_delta),
            TimestampType::LogAppendTime => header.max_timestamp,
        };
        if rules.compact && !record.has_key {
            refused.add(index, "a compacted topic takes no record without a key".into());
        } else if let Some(message) = timestamp_error(header, timestamp, rules, now_ms) {
            refused.has_bad_timestamp = true;
            refused.add(index, message);
        }
        found.is_sequential &= record.offset_delta == index;
        if timestamp > found.max_timestamp {
            found.max_timestamp = timestamp;
            found.offset_of_max_timestamp_delta = index;
        }
    }
    if !scanner.is_at_end().map_err(|error| malformed(&error))? {
        return Err(malformed(&BatchError::TrailingBytes));
    }
    refused.into_result().map(|()| found)
}

fn timestamp_error(
    header: &BatchHeader,
    timestamp: i64,
    rules: &ValidationRules,
    now_ms: i64,
) -> Option<String> {
    if rules.timestamp_type == TimestampType::CreateTime && timestamp != NO_TIMESTAMP {
        let age_ms = i128::from(now_ms) - i128::from(timestamp);
        let is_in_range =
            age_ms <= i128::from(rules.before_max_ms) && -age_ms <= i128::from(rules.after_max_ms);
        return (!is_in_range).then(|| {
            format!(
                "timestamp {timestamp} is not within [{}, {}]",
                now_ms.saturating_sub(rules.before_max_ms),
                now_ms.saturating_add(rules.after_max_ms)
            )
        });
    }
    // A batch that says its times are the broker's: only the broker may say so.
    (header.timestamp_type() == TimestampType::LogAppendTime)
        .then(|| "a producer may not set the timestamp type to LogAppendTime".into())
}

#[derive(Default)]
struct Refused {
    errors: Vec<RecordError>,
    count: usize,
    has_bad_timestamp: bool,
}

impl Refused {
    fn add(&mut self, index: i32, message: String) {
        self.count += 1;
        if self.errors.len() < RECORD_ERRORS_MAX {
            self.errors.push(RecordError { index, message });
        }
    }

    fn into_result(self) -> Result<(), ValidationError> {
        let errors = self.errors;
        match self.count {
            0 => Ok(()),
            _ if self.has_bad_timestamp => Err(ValidationError::InvalidTimestamp {
                errors,
                message: "one or more records have a timestamp that is not acceptable".into(),
            }),
            count => Err(ValidationError::InvalidRecord {
                errors,
                message: format!("{count} records of the batch are not acceptable"),
            }),
        }
    }
}

/// Puts the records into the target's compression, and their offset deltas right.
fn rebuild(
    valid: &mut ValidBatch,
    source: Codec,
    target: Compression,
    found: &Found,
) -> Result<(), BatchError> {
    let body = if found.is_sequential {
        let mut stream = compression::decoder(source, &valid.body, DECOMPRESSED_BATCH_BYTES_MAX)
            .map_err(|error| compression::stream_error(&error))?;
        compression::compress(target, &mut stream)?
    } else {
        let plain = compression::decompress(source, &valid.body, DECOMPRESSED_BATCH_BYTES_MAX)?;
        let renumbered = renumber(&plain, found.record_count)?;
        compression::compress(target, &mut renumbered.as_slice())?
    };
    valid.header.last_offset_delta = found.record_count - 1;
    valid.header.set_codec(target.codec);
    valid.header.set_body_bytes(body.len());
    valid.body = body.into();
    Ok(())
}

fn renumber(plain: &[u8], record_count: i32) -> Result<Vec<u8>, BatchError> {
    let mut out = Vec::with_capacity(plain.len());
    let (mut cursor, mut scratch) = (Cursor::new(plain), Vec::new());
    for index in 0..record_count {
        let body_bytes = usize::try_from(cursor.varint()?).map_err(|_| BatchError::NegativeLength)?;
        let mut body = Cursor::new(cursor.take(body_bytes)?);
        scratch.clear();
        scratch.extend_from_slice(&body.i8()?.to_be_bytes());
        put_varlong(&mut scratch, body.varlong()?);
        let _wrong = body.varint()?;
        put_varint(&mut scratch, index);
        scratch.extend_from_slice(body.rest());
        put_varint(&mut out, scratch.len() as i32);
        out.extend_from_slice(&scratch);
    }
    Ok(out)
}

fn malformed(error: &BatchError) -> ValidationError {
    match error {
        BatchError::BadCrc => ValidationError::Corrupt,
        BatchError::UnknownCodec(_) => ValidationError::UnsupportedCompression,
        other => invalid(other.to_string()),
    }
}

fn invalid(message: String) -> ValidationError {
    ValidationError::InvalidRecord {
        errors: Vec::new(),
        message,
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
