//! The 61 bytes that open every record batch of magic 2, and what they say.
//!
//! ```text
//!  0 i64 baseOffset        8 i32 length (total - 12)   12 i32 partitionLeaderEpoch   16 i8 magic = 2
//! 17 u32 crc32c over the bytes from 21 to the end      21 i16 attributes             23 i32 lastOffsetDelta
//! 27 i64 baseTimestamp    35 i64 maxTimestamp          43 i64 producerId             51 i16 producerEpoch
//! 53 i32 baseSequence     57 i32 recordCount           61 records
//! ```
//! The base offset, the length and the leader epoch stand outside the checksum, so that a leader can place a client's
//! batch in its log without touching the rest.

#![deny(clippy::indexing_slicing)]

use super::cursor::Cursor;

/// Size of the header of a batch of magic 2.
pub const HEADER_BYTES: usize = 61;
/// Bytes of a batch (of any magic) that its length field does not count: the offset and the length itself.
pub const LENGTH_PREFIX_BYTES: usize = 12;
/// Where the checksum's range begins: the attributes and all that follows.
pub const CRC_FROM: usize = 21;
/// The magic byte, at the same place in all three formats.
pub const MAGIC_AT: usize = 16;

/// A batch without a producer id, epoch or sequence says so by these.
pub const NO_PRODUCER_ID: i64 = -1;
pub const NO_PRODUCER_EPOCH: i16 = -1;
pub const NO_SEQUENCE: i32 = -1;
pub const NO_LEADER_EPOCH: i32 = -1;
pub const NO_TIMESTAMP: i64 = -1;

const CODEC_MASK: i16 = 0x07;
const TIMESTAMP_TYPE: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const DELETE_HORIZON: i16 = 0x40;

/// Why bytes are not a batch, or not one that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("the bytes end before the batch does")]
    Truncated,
    #[error("a batch's length field says {0}, which is too small for its header")]
    BadLength(i32),
    #[error("magic {0} is not one that is supported here")]
    UnsupportedMagic(i8),
    #[error("the checksum does not match the bytes")]
    BadCrc,
    #[error("unknown compression codec {0}")]
    UnknownCodec(i16),
    #[error("a variable-length integer is longer than its type allows")]
    OverlongVarint,
    #[error("a length is negative")]
    NegativeLength,
    #[error("a record's body does not have the size it announces")]
    RecordSize,
    #[error("a record header has no key")]
    NullHeaderKey,
    #[error("a count is negative or larger than what follows")]
    BadCount,
    #[error("bytes are left over after the last record")]
    TrailingBytes,
    #[error("the records do not decompress: {0}")]
    Decompress(String),
    #[error("the records decompress to more than {0} bytes")]
    DecompressedTooLarge(usize),
    #[error("a control record is malformed: {0}")]
    ControlRecord(&'static str),
}

/// How the records of a batch are compressed: the low three bits of the attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    pub fn from_attributes(attributes: i16) -> Result<Self, BatchError> {
        match attributes & CODEC_MASK {
            0 => Ok(Self::None),
            1 => Ok(Self::Gzip),
            2 => Ok(Self::Snappy),
            3 => Ok(Self::Lz4),
            4 => Ok(Self::Zstd),
            other => Err(BatchError::UnknownCodec(other)),
        }
    }

    pub const fn bits(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The name that `compression.type` uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// Whose clock a batch's timestamps come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimestampType {
    #[default]
    CreateTime,
    LogAppendTime,
}

/// The header, field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: i64,
    pub length: i32,
    pub leader_epoch: i32,
    pub magic: i8,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`, which need not hold the records too. Only magic 2 is a batch here;
    /// [`super::legacy`] reads the older message sets. The checksum is not looked at: see [`crc_is_valid`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        if let Some(magic) = bytes.get(MAGIC_AT).map(|b| *b as i8)
            && magic != 2
        {
            return Err(BatchError::UnsupportedMagic(magic));
        }
        let mut cursor = Cursor::new(bytes);
        let header = Self {
            base_offset: cursor.i64()?,
            length: cursor.i32()?,
            leader_epoch: cursor.i32()?,
            magic: cursor.i8()?,
            crc: cursor.u32()?,
            attributes: cursor.i16()?,
            last_offset_delta: cursor.i32()?,
            base_timestamp: cursor.i64()?,
            max_timestamp: cursor.i64()?,
            producer_id: cursor.i64()?,
            producer_epoch: cursor.i16()?,
            base_sequence: cursor.i32()?,
            record_count: cursor.i32()?,
        };
        // A length that counts less than the header would send a walk over a log backwards or into the batch itself.
        if usize::try_from(header.length).map_or(true, |len| len + LENGTH_PREFIX_BYTES < HEADER_BYTES) {
            return Err(BatchError::BadLength(header.length));
        }
        Ok(header)
    }

    /// The whole batch in bytes, header included.
    pub fn size_bytes(&self) -> usize {
        usize::try_from(self.length).unwrap_or(0) + LENGTH_PREFIX_BYTES
    }

    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// The sequence number of the last record; sequences wrap from 2^31 − 1 to 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        let last = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        (last & i64::from(i32::MAX)) as i32
    }

    pub fn codec(&self) -> Result<Codec, BatchError> {
        Codec::from_attributes(self.attributes)
    }

    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & TIMESTAMP_TYPE == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    pub fn set_timestamp_type(&mut self, to: TimestampType) {
        match to {
            TimestampType::CreateTime => self.attributes &= !TIMESTAMP_TYPE,
            TimestampType::LogAppendTime => self.attributes |= TIMESTAMP_TYPE,
        }
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// When the cleaner may drop the batch's tombstones or its transaction marker. The horizon then stands in the base
    /// timestamp, and the records' deltas are relative to it.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp)
    }

    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let mut at = out.as_mut_slice();
        let mut put = |bytes: &[u8]| {
            // The fields below add up to HEADER_BYTES, which the round-trip test holds them to.
            if let Some((to, rest)) = std::mem::take(&mut at).split_at_mut_checked(bytes.len()) {
                to.copy_from_slice(bytes);
                at = rest;
            }
        };
        put(&self.base_offset.to_be_bytes());
        put(&self.length.to_be_bytes());
        put(&self.leader_epoch.to_be_bytes());
        put(&self.magic.to_be_bytes());
        put(&self.crc.to_be_bytes());
        put(&self.attributes.to_be_bytes());
        put(&self.last_offset_delta.to_be_bytes());
        put(&self.base_timestamp.to_be_bytes());
        put(&self.max_timestamp.to_be_bytes());
        put(&self.producer_id.to_be_bytes());
        put(&self.producer_epoch.to_be_bytes());
        put(&self.base_sequence.to_be_bytes());
        put(&self.record_count.to_be_bytes());
        out
    }

    /// Sets the length field for a body of so many bytes. A body beyond 2 GiB cannot be stored; its length saturates,
    /// and the size limits of the log refuse it.
    pub(crate) fn set_body_bytes(&mut self, body_bytes: usize) {
        let length = (HEADER_BYTES - LENGTH_PREFIX_BYTES).saturating_add(body_bytes);
        self.length = i32::try_from(length).unwrap_or(i32::MAX);
    }

    pub(crate) fn set_codec(&mut self, codec: Codec) {
        self.attributes = self.attributes & !CODEC_MASK | codec.bits();
    }

    /// The checksum that this header and `body` (the bytes after it) must carry.
    pub fn compute_crc(&self, body: &[u8]) -> u32 {
        let head = self.encode();
        let covered = head.get(CRC_FROM..).unwrap_or_default();
        crc32c::crc32c_append(crc32c::crc32c(covered), body)
    }
}

/// Attribute bits for a batch that is being built.
pub(crate) fn attributes(codec: Codec, timestamps: TimestampType, transactional: bool, control: bool) -> i16 {
    let mut bits = codec.bits();
    if timestamps == TimestampType::LogAppendTime {
        bits |= TIMESTAMP_TYPE;
    }
    if transactional {
        bits |= TRANSACTIONAL;
    }
    if control {
        bits |= CONTROL;
    }
    bits
}

/// `attributes`, saying that the base timestamp is a delete horizon.
pub(crate) fn with_delete_horizon(attributes: i16) -> i16 {
    attributes | DELETE_HORIZON
}

/// Whether `batch`, one whole batch of magic 2 and nothing behind it, has the checksum it claims.
pub fn crc_is_valid(batch: &[u8]) -> bool {
    match (BatchHeader::parse(batch), batch.get(CRC_FROM..)) {
        (Ok(header), Some(covered)) => {
            batch.len() == header.size_bytes() && crc32c::crc32c(covered) == header.crc
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn encode_and_parse_are_inverse(mut bytes in proptest::array::uniform32(any::<u8>()), tail in proptest::array::uniform29(any::<u8>())) {
            bytes[8..12].copy_from_slice(&1000i32.to_be_bytes());
            bytes[MAGIC_AT] = 2;
            let all = [bytes.as_slice(), tail.as_slice()].concat();
            let header = BatchHeader::parse(&all).unwrap();
            prop_assert_eq!(header.encode().to_vec(), all);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = BatchHeader::parse(&bytes);
            prop_assert!(!crc_is_valid(&bytes) || bytes.len() >= HEADER_BYTES);
        }
    }

    #[test]
    fn a_length_below_the_header_is_refused() {
        for length in [i32::MIN, -1, 0, 48] {
            let mut bytes = [0u8; HEADER_BYTES];
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            bytes[MAGIC_AT] = 2;
            assert_eq!(BatchHeader::parse(&bytes), Err(BatchError::BadLength(length)));
        }
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let mut bytes = [0u8; HEADER_BYTES];
        bytes[8..12].copy_from_slice(&49i32.to_be_bytes());
        bytes[MAGIC_AT] = 2;
        let mut header = BatchHeader::parse(&bytes).unwrap();
        header.base_sequence = i32::MAX - 1;
        header.last_offset_delta = 2;
        assert_eq!(header.last_sequence(), 0);
        header.last_offset_delta = 1;
        assert_eq!(header.last_sequence(), i32::MAX);
    }
}
