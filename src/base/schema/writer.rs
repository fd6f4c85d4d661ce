//! The writing half: appends to a growing buffer, and refuses what its length field cannot say.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Layout, SchemaError};
use crate::Uuid;

/// A buffer that a message is written into.
#[derive(Debug, Default)]
pub struct Writer {
    out: BytesMut,
}

impl Writer {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn into_bytes(self) -> Bytes {
        self.out.freeze()
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.out
    }

    pub fn len(&self) -> usize {
        self.out.len()
    }

    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    pub fn put(&mut self, bytes: &[u8]) {
        self.out.put_slice(bytes);
    }

    pub fn i8(&mut self, value: i8) {
        self.out.put_i8(value);
    }

    pub fn i16(&mut self, value: i16) {
        self.out.put_i16(value);
    }

    pub fn i32(&mut self, value: i32) {
        self.out.put_i32(value);
    }

    pub fn i64(&mut self, value: i64) {
        self.out.put_i64(value);
    }

    pub fn uuid(&mut self, value: Uuid) {
        self.put(value.as_bytes());
    }

    pub fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.put_u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.out.put_u8(value as u8);
    }

    /// The counterpart of [`super::Reader::length`].
    pub fn length(&mut self, len: Option<usize>, layout: Layout, wide: bool) -> Result<(), SchemaError> {
        let too_long = || SchemaError::TooLong(len.unwrap_or(0));
        if layout.is_flexible() {
            let value = len.map_or(Some(0), |len| len.checked_add(1));
            let value = value.and_then(|v| u32::try_from(v).ok()).ok_or_else(too_long)?;
            self.uvarint(value);
        } else if wide {
            self.i32(len.map_or(Ok(-1), i32::try_from).map_err(|_| too_long())?);
        } else {
            self.i16(len.map_or(Ok(-1), i16::try_from).map_err(|_| too_long())?);
        }
        Ok(())
    }

    pub fn nullable_string(&mut self, text: Option<&str>, layout: Layout) -> Result<(), SchemaError> {
        // Kafka's strings are at most 32767 bytes in both encodings.
        if let Some(text) = text
            && text.len() > i16::MAX as usize
        {
            return Err(SchemaError::TooLong(text.len()));
        }
        self.length(text.map(str::len), layout, false)?;
        self.put(text.unwrap_or("").as_bytes());
        Ok(())
    }

    pub fn nullable_bytes(&mut self, bytes: Option<&[u8]>, layout: Layout) -> Result<(), SchemaError> {
        self.length(bytes.map(<[u8]>::len), layout, true)?;
        self.put(bytes.unwrap_or(&[]));
        Ok(())
    }

    /// The counterpart of [`super::Reader::struct_is_present`].
    pub fn struct_presence(&mut self, present: bool, layout: Layout) {
        match (layout.is_tagged(), present) {
            (true, present) => self.uvarint(u32::from(present)),
            (false, true) => self.i8(1),
            (false, false) => self.i8(-1),
        }
    }
}
