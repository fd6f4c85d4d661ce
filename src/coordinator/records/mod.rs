//! The records of `__consumer_offsets` and `__transaction_state`: every type that Apache Kafka 4.3.1 knows, in one table.
//!
//! A key is its type (`i16`) and non-flexible fields; a value is its version (`i16`) and fields; a tombstone has no value.
//! All types can be read, so that a tool can show them and a machine can skip what it does not run yet. What is written has
//! exactly the versions that Kafka 4.3.1 writes: a value version that it does not know would keep it from loading the
//! partition, an unknown key type would be skipped by it.

mod classic;
mod consumer;
mod share;
mod streams;
pub mod transaction;

use bytes::Bytes;
use ottla_base::schema::json::{self, Json};
use ottla_base::schema::{Reader, Schema, SchemaError, Writer};

pub use classic::{
    GroupKey, GroupMetadataValue, LegacyOffsetCommitValue, MemberMetadata, OffsetCommitKey, OffsetCommitValue,
};
pub use consumer::*;
pub use share::*;
pub use streams::*;

/// Why bytes are not a record of a coordinator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// From a newer release: Kafka passes over such records with a warning, and so does Ottla.
    #[error("unknown type {0} of record")]
    UnknownType(i16),
    /// From a newer release too, but this one must stop the load: what it says about a known thing would be lost.
    #[error(transparent)]
    Malformed(#[from] SchemaError),
    #[error("a record without a key")]
    NoKey,
    #[error("a transaction with the status {0}")]
    UnknownStatus(i8),
}

/// A key and a value as they stand in a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    pub key: Bytes,
    pub value: Option<Bytes>,
}

impl Encoded {
    pub fn size_bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// One row per type: number, name, key, value, and the version in which a value is written.
macro_rules! record_types {
    ($($(#[$meta:meta])* $type:literal $name:ident: $key:ty => $value:ty, $version:expr;)*) => {
        /// A record of `__consumer_offsets`. Without a value it is a tombstone.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Record {
            $($(#[$meta])* $name($key, Option<$value>),)*
        }

        impl Record {
            /// The number that a key begins with.
            pub fn type_number(&self) -> i16 {
                match self { $(Self::$name(..) => $type,)* }
            }

            /// The type's name, as Kafka calls it.
            pub fn type_name(&self) -> &'static str {
                match self { $(Self::$name(..) => stringify!($name),)* }
            }

            pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, RecordError> {
                let mut key = Reader::new(key);
                match key.i16()? {
                    $($type => Ok(Self::$name(<$key>::decode(&mut key, KEY_VERSION)?, decode_value(value)?)),)*
                    unknown => Err(RecordError::UnknownType(unknown)),
                }
            }

            /// Key and value as JSON, the value as of the version that its bytes had: see [`value_version`].
            pub fn to_json(&self, value_version: i16) -> (String, Option<String>) {
                match self {
                    $(Self::$name(key, value) => (
                        key_to_json($type, key),
                        value.as_ref().map(|value| value_to_json(value, value_version)),
                    ),)*
                }
            }

            pub fn encode(&self) -> Result<Encoded, RecordError> {
                match self {
                    $(Self::$name(key, value) => {
                        let version: fn(&$value) -> i16 = $version;
                        encode($type, key, value.as_ref().map(|value| (value, version(value))))
                    })*
                }
            }
        }
    };
}

record_types! {
    /// Of releases before 0.9; read only.
    0 LegacyOffsetCommit: OffsetCommitKey => LegacyOffsetCommitValue, |_| 0;
    1 OffsetCommit: OffsetCommitKey => OffsetCommitValue, OffsetCommitValue::written_version;
    2 GroupMetadata: GroupKey => GroupMetadataValue, |_| 3;
    3 ConsumerGroupMetadata: GroupKey => ConsumerGroupMetadataValue, |_| 0;
    /// Of releases before 4.1; since then only deleted.
    4 ConsumerGroupPartitionMetadata: GroupKey => ConsumerGroupPartitionMetadataValue, |_| 0;
    5 ConsumerGroupMemberMetadata: MemberKey => ConsumerGroupMemberMetadataValue, |_| 0;
    6 ConsumerGroupTargetAssignmentMetadata: GroupKey => TargetAssignmentMetadataValue, |_| 0;
    7 ConsumerGroupTargetAssignmentMember: MemberKey => TargetAssignmentMemberValue, |_| 0;
    8 ConsumerGroupCurrentMemberAssignment: MemberKey => ConsumerGroupCurrentMemberAssignmentValue, |_| 0;
    10 ShareGroupMemberMetadata: MemberKey => ShareGroupMemberMetadataValue, |_| 0;
    11 ShareGroupMetadata: GroupKey => ShareGroupMetadataValue, |_| 0;
    12 ShareGroupTargetAssignmentMetadata: GroupKey => TargetAssignmentMetadataValue, |_| 0;
    13 ShareGroupTargetAssignmentMember: MemberKey => TargetAssignmentMemberValue, |_| 0;
    14 ShareGroupCurrentMemberAssignment: MemberKey => ShareGroupCurrentMemberAssignmentValue, |_| 0;
    15 ShareGroupStatePartitionMetadata: GroupKey => ShareGroupStatePartitionMetadataValue, |_| 0;
    16 ConsumerGroupRegularExpression: RegularExpressionKey => ConsumerGroupRegularExpressionValue, |_| 0;
    17 StreamsGroupMetadata: GroupKey => StreamsGroupMetadataValue, |_| 0;
    19 StreamsGroupMemberMetadata: MemberKey => StreamsGroupMemberMetadataValue, |_| 0;
    20 StreamsGroupTargetAssignmentMetadata: GroupKey => TargetAssignmentMetadataValue, |_| 0;
    21 StreamsGroupTargetAssignmentMember: MemberKey => StreamsGroupTargetAssignmentMemberValue, |_| 0;
    22 StreamsGroupCurrentMemberAssignment: MemberKey => StreamsGroupCurrentMemberAssignmentValue, |_| 0;
    23 StreamsGroupTopology: GroupKey => StreamsGroupTopologyValue, |_| 0;
}

/// Keys have one version and are never flexible.
const KEY_VERSION: i16 = 0;

/// The last of the types of classic groups and offsets.
const CLASSIC_KEY_TYPE_MAX: i16 = 2;

/// Whether a key is an offset's or a classic group's: types whose value is the whole truth about their key, whatever stood
/// there before.
pub fn is_offset_or_classic_group(key: &[u8]) -> bool {
    let key_type = key.first_chunk::<2>().map(|number| i16::from_be_bytes(*number));
    matches!(key_type, Some(OFFSET_COMMIT | GROUP_METADATA))
}

const OFFSET_COMMIT: i16 = 1;
const GROUP_METADATA: i16 = 2;

/// The version that a value begins with.
pub fn value_version(value: &[u8]) -> Result<i16, RecordError> {
    Ok(Reader::new(value).i16()?)
}

/// The shape in which Kafka's tools print a key. The types since KIP-848 call group and member by other names, which is
/// all that sets their keys apart; within a string a quote is escaped, so that only names are replaced here.
fn key_to_json<K: Json>(key_type: i16, key: &K) -> String {
    let mut data = json::to_json(key, KEY_VERSION);
    if key_type > CLASSIC_KEY_TYPE_MAX {
        data = data
            .replace("\"group\":", "\"groupId\":")
            .replace("\"member\":", "\"memberId\":");
    }
    format!("{{\"type\":\"{key_type}\",\"data\":{data}}}")
}

fn value_to_json<V: Json>(value: &V, version: i16) -> String {
    let data = json::to_json(value, version);
    format!("{{\"version\":\"{version}\",\"data\":{data}}}")
}

fn decode_value<V: Schema>(value: Option<&[u8]>) -> Result<Option<V>, RecordError> {
    let Some(value) = value else { return Ok(None) };
    let mut reader = Reader::new(value);
    let version = reader.i16()?;
    Ok(Some(V::decode(&mut reader, version)?))
}

fn encode<K: Schema, V: Schema>(
    key_type: i16,
    key: &K,
    value: Option<(&V, i16)>,
) -> Result<Encoded, RecordError> {
    let mut key_bytes = Writer::new();
    key_bytes.i16(key_type);
    key.encode(&mut key_bytes, KEY_VERSION)?;
    let value = match value {
        None => None,
        Some((value, version)) => {
            let mut bytes = Writer::new();
            bytes.i16(version);
            value.encode(&mut bytes, version)?;
            Some(bytes.into_bytes())
        }
    };
    Ok(Encoded {
        key: key_bytes.into_bytes(),
        value,
    })
}

#[cfg(test)]
mod tests;
