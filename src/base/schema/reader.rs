//! A checked reader over untrusted bytes: each read fits into what is left or is an error; nothing is ever indexed.

#![deny(clippy::indexing_slicing)]

use bytes::Bytes;

use super::{Layout, SchemaError};
use crate::Uuid;

const VARINT_BYTES_MAX: u32 = 5;

/// The bytes that are still to be read.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Refuses bytes behind the message, as Kafka does.
    pub fn expect_end(&self) -> Result<(), SchemaError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(SchemaError::LeftOver(left)),
        }
    }

    pub fn take(&mut self, len: usize) -> Result<&'a [u8], SchemaError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(SchemaError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], SchemaError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(SchemaError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub fn i8(&mut self) -> Result<i8, SchemaError> {
        self.array().map(i8::from_be_bytes)
    }

    pub fn i16(&mut self) -> Result<i16, SchemaError> {
        self.array().map(i16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Result<i32, SchemaError> {
        self.array().map(i32::from_be_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, SchemaError> {
        self.array().map(i64::from_be_bytes)
    }

    pub fn uuid(&mut self) -> Result<Uuid, SchemaError> {
        self.array().map(Uuid::from_bytes)
    }

    /// An unsigned varint. Bits beyond the 32nd are dropped, as the JVM's shift drops them; only the length is limited.
    pub fn uvarint(&mut self) -> Result<u32, SchemaError> {
        let mut value = 0u32;
        for i in 0..VARINT_BYTES_MAX {
            let [byte] = self.array()?;
            value |= u32::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(SchemaError::OverlongVarint)
    }

    /// A string's or byte array's length in front of it; `None` is null. A string's is 16 bits wide where it is not compact.
    pub fn length(&mut self, layout: Layout, wide: bool) -> Result<Option<usize>, SchemaError> {
        let length = match (layout.is_flexible(), wide) {
            (true, _) => i64::from(self.uvarint()?) - 1,
            (false, true) => i64::from(self.i32()?),
            (false, false) => i64::from(self.i16()?),
        };
        match length {
            -1 => Ok(None),
            _ => usize::try_from(length)
                .map(Some)
                .map_err(|_| SchemaError::BadLength(length)),
        }
    }

    /// An array's count in front of it; `None` is null. A count that the remaining bytes cannot hold is refused at once.
    pub fn count(&mut self, layout: Layout) -> Result<Option<usize>, SchemaError> {
        let count = self.length(layout, true)?;
        match count {
            Some(count) if count > self.rest.len() => Err(SchemaError::Truncated),
            count => Ok(count),
        }
    }

    pub fn nullable_string(&mut self, layout: Layout) -> Result<Option<String>, SchemaError> {
        let Some(len) = self.length(layout, false)? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| SchemaError::NotUtf8)?;
        Ok(Some(text.to_owned()))
    }

    pub fn nullable_bytes(&mut self, layout: Layout) -> Result<Option<Bytes>, SchemaError> {
        match self.length(layout, true)? {
            Some(len) => self.take(len).map(|bytes| Some(Bytes::copy_from_slice(bytes))),
            None => Ok(None),
        }
    }

    /// What stands before a nullable struct.
    pub fn struct_is_present(&mut self, layout: Layout) -> Result<bool, SchemaError> {
        if layout.is_tagged() {
            Ok(self.uvarint()? != 0)
        } else {
            Ok(self.i8()? >= 0)
        }
    }

    /// Walks the tagged fields; each is given to `field` as a reader of its own bytes.
    pub fn tagged_fields(
        &mut self,
        mut field: impl FnMut(u32, &mut Reader<'a>) -> Result<(), SchemaError>,
    ) -> Result<(), SchemaError> {
        let count = self.uvarint()?;
        for _ in 0..count {
            let tag = self.uvarint()?;
            let len = usize::try_from(self.uvarint()?).map_err(|_| SchemaError::Truncated)?;
            let mut bytes = Reader::new(self.take(len)?);
            field(tag, &mut bytes)?;
        }
        Ok(())
    }
}
