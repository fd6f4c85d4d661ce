//! A checked reader over untrusted bytes: every read either fits or is an error, and nothing is ever indexed.

#![deny(clippy::indexing_slicing)]

use super::BatchError;

/// Longest zigzag varint of an `i32`, and of an `i64`: a longer one is refused, as Kafka refuses it.
const VARINT_BYTES_MAX: u32 = 5;
const VARLONG_BYTES_MAX: u32 = 10;

/// The bytes that are still to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], BatchError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(BatchError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], BatchError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(BatchError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub fn i8(&mut self) -> Result<i8, BatchError> {
        self.array().map(i8::from_be_bytes)
    }

    pub fn i16(&mut self) -> Result<i16, BatchError> {
        self.array().map(i16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Result<i32, BatchError> {
        self.array().map(i32::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, BatchError> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, BatchError> {
        self.array().map(i64::from_be_bytes)
    }

    /// A zigzag varint of at most five bytes.
    #[inline]
    pub fn varint(&mut self) -> Result<i32, BatchError> {
        let raw = self.base128(VARINT_BYTES_MAX)?;
        let raw = raw as u32;
        Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    /// A zigzag varint of at most ten bytes.
    #[inline]
    pub fn varlong(&mut self) -> Result<i64, BatchError> {
        let raw = self.base128(VARLONG_BYTES_MAX)?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// An unsigned varint, as flexible messages count and measure with.
    pub fn uvarint(&mut self) -> Result<usize, BatchError> {
        self.base128(VARINT_BYTES_MAX).map(|raw| raw as u32 as usize)
    }

    /// Bits beyond the integer's width are dropped, as the JVM's shift drops them; only the length is limited.
    #[inline]
    fn base128(&mut self, bytes_max: u32) -> Result<u64, BatchError> {
        // Most lengths and deltas are one byte.
        if let Some((byte, rest)) = self.rest.split_first()
            && byte & 0x80 == 0
        {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        self.long_base128(bytes_max)
    }

    fn long_base128(&mut self, bytes_max: u32) -> Result<u64, BatchError> {
        let mut value = 0u64;
        for i in 0..bytes_max {
            let (byte, rest) = self.rest.split_first().ok_or(BatchError::Truncated)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(BatchError::OverlongVarint)
    }

    /// A varint length and that many bytes. Writers say null by −1; Kafka reads every negative length so.
    #[inline]
    pub fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, BatchError> {
        match usize::try_from(self.varint()?) {
            Ok(len) => self.take(len).map(Some),
            Err(_) => Ok(None),
        }
    }
}

/// Appends a zigzag varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, value: i32) {
    put_base128(out, u64::from(((value << 1) ^ (value >> 31)) as u32));
}

/// Appends a zigzag varlong.
pub(crate) fn put_varlong(out: &mut Vec<u8>, value: i64) {
    put_base128(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends an unsigned varint.
pub(crate) fn put_base128(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn varints_go_both_ways(small: i32, large: i64) {
            let mut out = Vec::new();
            put_varint(&mut out, small);
            put_varlong(&mut out, large);
            let mut cursor = Cursor::new(&out);
            prop_assert_eq!(cursor.varint(), Ok(small));
            prop_assert_eq!(cursor.varlong(), Ok(large));
            prop_assert!(cursor.is_empty());
        }
    }

    #[test]
    fn a_varint_of_six_bytes_is_refused() {
        let six = [0x80, 0x80, 0x80, 0x80, 0x80, 0x00];
        assert_eq!(Cursor::new(&six).varint(), Err(BatchError::OverlongVarint));
        assert_eq!(Cursor::new(&six).varlong(), Ok(0));
    }
}
