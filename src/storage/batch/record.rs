//! One record of a batch of magic 2: how it is read and how it is written.
//!
//! ```text
//! varint length | i8 attributes = 0 | varlong timestampDelta | varint offsetDelta | varint keyLength (-1 null) key
//!               | varint valueLength (-1 null) value | varint headerCount { varint keyLength key, varint valueLength value }
//! ```

#![deny(clippy::indexing_slicing)]

use bytes::Bytes;

use super::BatchError;
use super::cursor::{Cursor, put_varint, put_varlong};

/// A header of a record: its key and, unless it is null, its value.
pub type RecordHeader = (Bytes, Option<Bytes>);

/// A record as its consumer sees it. Key, value and headers share the memory of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<RecordHeader>,
}

/// A record's own fields, still relative to its batch.
pub(crate) struct RawRecord {
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<RecordHeader>,
}

impl RawRecord {
    /// Reads the record at the start of `blob`; returns it and its size.
    pub fn parse(blob: &Bytes) -> Result<(Self, usize), BatchError> {
        let mut outer = Cursor::new(blob);
        let body_bytes = usize::try_from(outer.varint()?).map_err(|_| BatchError::NegativeLength)?;
        let mut body = Cursor::new(outer.take(body_bytes)?);
        let _attributes = body.i8()?;
        let timestamp_delta = body.varlong()?;
        let offset_delta = body.varint()?;
        let key = body.nullable_bytes()?.map(|key| blob.slice_ref(key));
        let value = body.nullable_bytes()?.map(|value| blob.slice_ref(value));
        let headers = Self::parse_headers(blob, &mut body)?;
        if !body.is_empty() {
            return Err(BatchError::RecordSize);
        }
        Ok((
            Self {
                timestamp_delta,
                offset_delta,
                key,
                value,
                headers,
            },
            blob.len() - outer.rest().len(),
        ))
    }

    fn parse_headers(blob: &Bytes, body: &mut Cursor<'_>) -> Result<Vec<RecordHeader>, BatchError> {
        let count = usize::try_from(body.varint()?).map_err(|_| BatchError::BadCount)?;
        // Each header takes at least two bytes, but Kafka's own limit is this one.
        if count > body.rest().len() {
            return Err(BatchError::BadCount);
        }
        let mut headers = Vec::new();
        for _ in 0..count {
            let key = body.nullable_bytes()?.ok_or(BatchError::NullHeaderKey)?;
            let value = body.nullable_bytes()?.map(|value| blob.slice_ref(value));
            headers.push((blob.slice_ref(key), value));
        }
        Ok(headers)
    }
}

/// What a record is made of, borrowed from whoever has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordParts<'a> {
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a [u8], Option<&'a [u8]>)],
}

/// Appends a record to `out`. `scratch` holds the body while its length is not known yet.
pub(crate) fn put_record(
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    timestamp_delta: i64,
    offset_delta: i32,
    parts: RecordParts<'_>,
) {
    scratch.clear();
    scratch.push(0);
    put_varlong(scratch, timestamp_delta);
    put_varint(scratch, offset_delta);
    put_nullable_bytes(scratch, parts.key);
    put_nullable_bytes(scratch, parts.value);
    put_varint(scratch, parts.headers.len() as i32);
    for (key, value) in parts.headers {
        put_nullable_bytes(scratch, Some(key));
        put_nullable_bytes(scratch, *value);
    }
    put_varint(out, scratch.len() as i32);
    out.extend_from_slice(scratch);
}

fn put_nullable_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varint(out, bytes.len() as i32);
            out.extend_from_slice(bytes);
        }
    }
}
