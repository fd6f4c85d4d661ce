//! A pass over the records of a batch that keeps nothing of them: what validation needs to know, and no memory per
//! record. It reads from a stream, so that a compressed batch is never held in memory decompressed. A record that lies whole
//! in the stream's buffer, as nearly all do, is read from there in one go; one that is cut by the buffer's end, byte by byte.

#![deny(clippy::indexing_slicing)]

use std::io::BufRead;

use super::BatchError;
use super::compression::stream_error;
use super::cursor::Cursor;

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
        let available = self.stream.fill_buf().map_err(|error| stream_error(&error))?;
        if let Some((record, size)) = whole_record(available)? {
            self.stream.consume(size);
            return Ok(record);
        }
        self.cut_record()
    }

    fn cut_record(&mut self) -> Result<ScannedRecord, BatchError> {
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

/// The record at the start of `bytes` and its size; `None` if the bytes end before it does.
fn whole_record(bytes: &[u8]) -> Result<Option<(ScannedRecord, usize)>, BatchError> {
    let mut outer = Cursor::new(bytes);
    // A length that does not end here, or never does, is for the slow way to tell.
    let Ok(body_bytes) = outer.varint() else {
        return Ok(None);
    };
    let body_bytes = usize::try_from(body_bytes).map_err(|_| BatchError::NegativeLength)?;
    let Ok(body) = outer.take(body_bytes) else {
        return Ok(None);
    };
    let record = record_body(Cursor::new(body)).map_err(|error| match error {
        BatchError::Truncated => BatchError::RecordSize,
        other => other,
    })?;
    Ok(Some((record, bytes.len() - outer.rest().len())))
}

fn record_body(mut body: Cursor<'_>) -> Result<ScannedRecord, BatchError> {
    let _attributes = body.i8()?;
    let timestamp_delta = body.varlong()?;
    let offset_delta = body.varint()?;
    let has_key = body.nullable_bytes()?.is_some();
    body.nullable_bytes()?;
    let header_count = usize::try_from(body.varint()?).map_err(|_| BatchError::BadCount)?;
    if header_count > body.rest().len() {
        return Err(BatchError::BadCount);
    }
    for _ in 0..header_count {
        body.nullable_bytes()?.ok_or(BatchError::NullHeaderKey)?;
        body.nullable_bytes()?;
    }
    if !body.is_empty() {
        return Err(BatchError::RecordSize);
    }
    Ok(ScannedRecord {
        timestamp_delta,
        offset_delta,
        has_key,
    })
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn scan(stream: impl BufRead) -> Vec<Result<ScannedRecord, BatchError>> {
        let mut scanner = Scanner::new(stream);
        let mut found = Vec::new();
        while found.last().is_none_or(Result::is_ok) && found.len() < 100 {
            found.push(scanner.next_record());
        }
        found
    }

    proptest! {
        /// However small the buffer, records and errors are the same.
        #[test]
        fn where_the_buffer_cuts_does_not_matter(
            bytes in proptest::collection::vec(prop_oneof![0u8..12, any::<u8>()], 0..200),
            capacity in 1usize..40,
        ) {
            prop_assert_eq!(scan(BufReader::with_capacity(capacity, bytes.as_slice())), scan(bytes.as_slice()));
        }
    }
}
