//! Message sets of magic 0 and 1: what Kafka wrote before 0.11, and what a log that is old enough still holds.
//!
//! ```text
//!  0 i64 offset    8 i32 size (total - 12)   12 u32 crc32 over the bytes from 16   16 i8 magic   17 i8 attributes
//! 18 i64 timestamp (magic 1 only), then i32 keyLength (-1 null) key, i32 valueLength (-1 null) value
//! ```
//! A compressed set is one message whose value is the set, and whose offset is that of the last message inside. These
//! bytes are read, recovered and served as they are; nobody writes them any more, so there is no writer here.

#![deny(clippy::indexing_slicing)]

use bytes::Bytes;

use super::compression;
use super::cursor::Cursor;
use super::header::{LENGTH_PREFIX_BYTES, MAGIC_AT, NO_TIMESTAMP};
use super::{BatchError, Codec, Record, TimestampType};

/// Fewest bytes that the size field of a message counts, by magic.
const SIZE_MIN_V0: i32 = 14;
const SIZE_MIN_V1: i32 = 22;

/// What stands before a message's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegacyHeader {
    pub offset: i64,
    pub size: i32,
    pub crc: u32,
    pub magic: i8,
    pub attributes: i8,
    /// −1 for magic 0, which has none.
    pub timestamp: i64,
}

impl LegacyHeader {
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        Self::read(&mut Cursor::new(bytes))
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, BatchError> {
        let (offset, size, crc) = (cursor.i64()?, cursor.i32()?, cursor.u32()?);
        let (magic, attributes) = (cursor.i8()?, cursor.i8()?);
        let (timestamp, size_min) = match magic {
            0 => (NO_TIMESTAMP, SIZE_MIN_V0),
            1 => (cursor.i64()?, SIZE_MIN_V1),
            other => return Err(BatchError::UnsupportedMagic(other)),
        };
        if size < size_min {
            return Err(BatchError::BadLength(size));
        }
        Ok(Self {
            offset,
            size,
            crc,
            magic,
            attributes,
            timestamp,
        })
    }

    pub fn size_bytes(&self) -> usize {
        usize::try_from(self.size).unwrap_or(0) + LENGTH_PREFIX_BYTES
    }

    pub fn codec(&self) -> Result<Codec, BatchError> {
        match Codec::from_attributes(i16::from(self.attributes))? {
            Codec::Zstd => Err(BatchError::UnknownCodec(Codec::Zstd.bits())),
            codec => Ok(codec),
        }
    }

    pub fn timestamp_type(&self) -> TimestampType {
        if self.magic == 1 && self.attributes & 0x08 != 0 {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }
}

/// Whether `message`, one whole message and nothing behind it, has the checksum it claims.
pub fn crc_is_valid(message: &[u8]) -> bool {
    match (LegacyHeader::parse(message), message.get(MAGIC_AT..)) {
        (Ok(header), Some(covered)) => {
            let mut crc = flate2::Crc::new();
            crc.update(covered);
            message.len() == header.size_bytes() && crc.sum() == header.crc
        }
        _ => false,
    }
}

/// The records of one message: itself, or those inside when it is compressed.
pub(super) fn records(
    header: &LegacyHeader,
    message: &[u8],
    bytes_max: usize,
) -> Result<Vec<Record>, BatchError> {
    let whole = message.get(..header.size_bytes()).ok_or(BatchError::Truncated)?;
    let (_, outer) = read_message(&Bytes::copy_from_slice(whole))?;
    let codec = header.codec()?;
    if codec == Codec::None {
        return Ok(vec![outer]);
    }
    let set = outer.value.ok_or(BatchError::BadLength(-1))?;
    let mut set = if codec == Codec::Lz4 && header.magic == 0 {
        let repaired = compression::repair_lz4_descriptor(&set);
        Bytes::from(compression::decompress(codec, &repaired, bytes_max)?)
    } else {
        Bytes::from(compression::decompress(codec, &set, bytes_max)?)
    };
    let mut inner = Vec::new();
    while !set.is_empty() {
        // A set may end in a partial message, which counts for nothing, as everywhere in this format.
        let Some(message) = split_message(&mut set)? else {
            break;
        };
        let (inner_header, record) = read_message(&message)?;
        if inner_header.codec()? != Codec::None || inner_header.magic != header.magic {
            return Err(BatchError::UnsupportedMagic(inner_header.magic));
        }
        inner.push(record);
    }
    place_inner(header, inner)
}

/// Offsets inside a set of magic 1 are relative, and the outer offset is the last one's.
fn place_inner(header: &LegacyHeader, mut inner: Vec<Record>) -> Result<Vec<Record>, BatchError> {
    let last = inner.last().ok_or(BatchError::BadCount)?.offset;
    if header.magic == 1 {
        // Some versions of librdkafka produced sets whose outer offset is 0.
        let base = if header.offset == 0 {
            0
        } else {
            header.offset.wrapping_sub(last)
        };
        if base < 0 {
            return Err(BatchError::BadCount);
        }
        for record in &mut inner {
            record.offset = record.offset.wrapping_add(base);
            if header.timestamp_type() == TimestampType::LogAppendTime {
                record.timestamp = header.timestamp;
            }
        }
    }
    Ok(inner)
}

fn split_message(set: &mut Bytes) -> Result<Option<Bytes>, BatchError> {
    let mut cursor = Cursor::new(set);
    let (Ok(_), Ok(size)) = (cursor.i64(), cursor.i32()) else {
        return Ok(None);
    };
    let size = usize::try_from(size).map_err(|_| BatchError::BadLength(size))?;
    let total = size + LENGTH_PREFIX_BYTES;
    Ok((total <= set.len()).then(|| set.split_to(total)))
}

fn read_message(message: &Bytes) -> Result<(LegacyHeader, Record), BatchError> {
    let mut cursor = Cursor::new(message);
    let header = LegacyHeader::read(&mut cursor)?;
    let key = nullable(message, &mut cursor)?;
    let value = nullable(message, &mut cursor)?;
    let record = Record {
        offset: header.offset,
        timestamp: header.timestamp,
        key,
        value,
        headers: Vec::new(),
    };
    Ok((header, record))
}

fn nullable(message: &Bytes, cursor: &mut Cursor<'_>) -> Result<Option<Bytes>, BatchError> {
    match usize::try_from(cursor.i32()?) {
        Ok(len) => Ok(Some(message.slice_ref(cursor.take(len)?))),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AnyBatch, records as all_records};
    use super::*;
    use proptest::prelude::*;

    fn message(magic: i8, attributes: i8, offset: i64, value: &[u8]) -> Vec<u8> {
        let mut covered = vec![magic as u8, attributes as u8];
        if magic == 1 {
            covered.extend_from_slice(&(1000 + offset).to_be_bytes());
        }
        covered.extend_from_slice(&(-1i32).to_be_bytes());
        covered.extend_from_slice(&(value.len() as i32).to_be_bytes());
        covered.extend_from_slice(value);
        let mut crc = flate2::Crc::new();
        crc.update(&covered);
        let mut out = offset.to_be_bytes().to_vec();
        out.extend_from_slice(&(covered.len() as i32 + 4).to_be_bytes());
        out.extend_from_slice(&crc.sum().to_be_bytes());
        out.extend_from_slice(&covered);
        out
    }

    fn offsets_and_times(bytes: &[u8]) -> Vec<(i64, i64)> {
        all_records(bytes, 1 << 20)
            .unwrap()
            .map(Result::unwrap)
            .map(|record| (record.offset, record.timestamp))
            .collect()
    }

    #[test]
    fn a_plain_message_is_its_own_record() {
        let bytes = message(0, 0, 7, b"v");
        assert!(crc_is_valid(&bytes));
        assert_eq!(AnyBatch::parse(&bytes).unwrap().next_offset(), 8);
        assert_eq!(offsets_and_times(&bytes), [(7, -1)]);
        assert_eq!(offsets_and_times(&message(1, 0, 7, b"v")), [(7, 1007)]);
    }

    #[test]
    fn a_compressed_set_of_magic_1_has_relative_offsets() {
        let set = [message(1, 0, 0, b"a"), message(1, 0, 1, b"b")].concat();
        for (codec, bits) in [(Codec::Gzip, 1), (Codec::Snappy, 2), (Codec::Lz4, 3)] {
            let packed =
                compression::compress(compression::Compression::of(codec), &mut set.as_slice()).unwrap();
            assert_eq!(
                offsets_and_times(&message(1, bits, 41, &packed)),
                [(40, 1000), (41, 1001)]
            );
            // LogAppendTime of the wrapper counts for all of them.
            assert_eq!(
                offsets_and_times(&message(1, bits | 8, 41, &packed)),
                [(40, 1041), (41, 1041)]
            );
        }
    }

    #[test]
    fn lz4_of_magic_0_may_have_its_wrong_checksum() {
        let set = message(0, 0, 5, b"a");
        let mut packed =
            compression::compress(compression::Compression::of(Codec::Lz4), &mut set.as_slice()).unwrap();
        packed[6] ^= 0x55;
        assert_eq!(offsets_and_times(&message(0, 3, 5, &packed)), [(5, -1)]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 26..200), magic in 0u8..2) {
            bytes[MAGIC_AT] = magic;
            if let Ok(records) = all_records(&bytes, 1 << 20) {
                records.for_each(drop);
            }
        }

        #[test]
        fn every_truncation_is_an_error(cut in 1usize..34, magic in 0i8..2) {
            let whole = message(magic, 0, 3, b"value");
            let cut = &whole[..whole.len() - cut.min(whole.len())];
            prop_assert!(all_records(cut, 1 << 20).is_err());
            prop_assert!(!crc_is_valid(cut));
        }
    }
}
