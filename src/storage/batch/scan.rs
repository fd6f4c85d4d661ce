//! A pass over the records of a batch that keeps nothing of them: what validation needs to know, and no memory per
//! record. It reads from a stream, so that a compressed batch is never held in memory decompressed.

#![deny(clippy::indexing_slicing)]

use std::io::BufRead;

use super::BatchError;
use super::compression::stream_error;

/// What one record says about itself, still relative to its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScannedRecord {
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub has_key: bool,
}

/// Reads records off a stream; the records' own sizes are checked against what they hold.
pub(crate) struct Scanner<R> {
    stream: R,
    /// Bytes left of the record at hand: reading past them is an error of the record, not of the stream.
    left: usize,
}

impl<R: BufRead> Scanner<R> {
    pub fn new(stream: R) -> Self {
        Self { stream, left: 0 }
    }

    pub fn next_record(&mut self) -> Result<ScannedRecord, BatchError> {
        self.left = usize::MAX;
        let body_bytes = self.varint()?;
        self.left = usize::try_from(body_bytes).map_err(|_| BatchError::NegativeLength)?;
        let _attributes = self.byte()?;
        let timestamp_delta = self.varlong()?;
        let offset_delta = self.varint()?;
        let has_key = self.skip_nullable()?;
        self.skip_nullable()?;
        let header_count = usize::try_from(self.varint()?).map_err(|_| BatchError::BadCount)?;
        if header_count > self.left {
            return Err(BatchError::BadCount);
        }
        for _ in 0..header_count {
            if !self.skip_nullable()? {
                return Err(BatchError::NullHeaderKey);
            }
            self.skip_nullable()?;
        }
        if self.left != 0 {
            return Err(BatchError::RecordSize);
        }
        Ok(ScannedRecord {
            timestamp_delta,
            offset_delta,
            has_key,
        })
    }

    /// Whether the stream has ended where its last record did.
    pub fn is_at_end(&mut self) -> Result<bool, BatchError> {
        self.stream
            .fill_buf()
            .map(<[u8]>::is_empty)
            .map_err(|error| stream_error(&error))
    }

    /// Skips a length and that many bytes; false for null.
    fn skip_nullable(&mut self) -> Result<bool, BatchError> {
        match usize::try_from(self.varint()?) {
            Ok(len) => self.skip(len).map(|()| true),
            Err(_) => Ok(false),
        }
    }

    fn skip(&mut self, mut len: usize) -> Result<(), BatchError> {
        self.left = self.left.checked_sub(len).ok_or(BatchError::RecordSize)?;
        while len > 0 {
            let available = self
                .stream
                .fill_buf()
                .map_err(|error| stream_error(&error))?
                .len();
            if available == 0 {
                return Err(BatchError::Truncated);
            }
            let now = available.min(len);
            self.stream.consume(now);
            len -= now;
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, BatchError> {
        self.left = self.left.checked_sub(1).ok_or(BatchError::RecordSize)?;
        let available = self.stream.fill_buf().map_err(|error| stream_error(&error))?;
        let byte = *available.first().ok_or(BatchError::Truncated)?;
        self.stream.consume(1);
        Ok(byte)
    }

    fn varint(&mut self) -> Result<i32, BatchError> {
        let raw = self.base128(5)? as u32;
        Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    fn varlong(&mut self) -> Result<i64, BatchError> {
        let raw = self.base128(10)?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    fn base128(&mut self, bytes_max: u32) -> Result<u64, BatchError> {
        let mut value = 0u64;
        for i in 0..bytes_max {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(BatchError::OverlongVarint)
    }
}
