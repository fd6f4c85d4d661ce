//! The records of the metadata log: all types of Apache Kafka 4.3, and the frame around each.
//!
//! A record's value is `uvarint frame version (1), uvarint type, uvarint record version, body`; its key is null. Bytes that
//! are left over, another frame version and unknown types are refused, as Kafka refuses them: a node that skipped a record
//! would serve another cluster than the one that was written.

pub mod brokers;
pub mod journal;
pub mod security;
pub mod settings;
pub mod topics;

use bytes::Bytes;
use ottla_base::schema::{Reader, Schema, SchemaError, Writer};

pub use brokers::*;
pub use journal::*;
pub use security::*;
pub use settings::*;
pub use topics::*;

use crate::features::MetadataVersion;

const FRAME_VERSION: u32 = 1;

/// Why bytes are not a metadata record, or a record cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("frame version {0} is not known")]
    UnknownFrame(u32),
    #[error("metadata record type {0} is not known")]
    UnknownType(u32),
    #[error("metadata record of type {kind}: {source}")]
    Body { kind: &'static str, source: SchemaError },
    #[error("metadata record frame: {0}")]
    Frame(#[from] SchemaError),
}

macro_rules! records {
    ($($code:literal $variant:ident($body:ident),)*) => {
        /// A record of the metadata log.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Record { $($variant($body),)* }

        impl Record {
            /// Kafka's number of the type.
            pub fn type_code(&self) -> u32 {
                match self { $(Self::$variant(_) => $code,)* }
            }

            /// Kafka's name of the type.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => <$body as Schema>::NAME,)* }
            }

            fn decode_body(code: u32, version: i16, reader: &mut Reader<'_>) -> Result<Self, RecordError> {
                match code {
                    $($code => {
                        let body = <$body as Schema>::decode(reader, version);
                        let body = body.and_then(|body| reader.expect_end().map(|()| body));
                        body.map(Self::$variant).map_err(|source| RecordError::Body { kind: <$body as Schema>::NAME, source })
                    })*
                    _ => Err(RecordError::UnknownType(code)),
                }
            }

            fn body_to_json(&self, version: i16) -> String {
                match self {
                    $(Self::$variant(body) => ottla_base::schema::json::to_json(body, version),)*
                }
            }

            fn encode_body(&self, writer: &mut Writer, version: i16) -> Result<(), RecordError> {
                match self {
                    $(Self::$variant(body) => body.encode(writer, version)
                        .map_err(|source| RecordError::Body { kind: <$body as Schema>::NAME, source }),)*
                }
            }
        }

        $(impl From<$body> for Record {
            fn from(body: $body) -> Self {
                Self::$variant(body)
            }
        })*
    };
}

records! {
    0 RegisterBroker(RegisterBrokerRecord),
    1 UnregisterBroker(UnregisterBrokerRecord),
    2 Topic(TopicRecord),
    3 Partition(PartitionRecord),
    4 Config(ConfigRecord),
    5 PartitionChange(PartitionChangeRecord),
    7 FenceBroker(FenceBrokerRecord),
    8 UnfenceBroker(UnfenceBrokerRecord),
    9 RemoveTopic(RemoveTopicRecord),
    10 DelegationToken(DelegationTokenRecord),
    11 UserScramCredential(UserScramCredentialRecord),
    12 FeatureLevel(FeatureLevelRecord),
    14 ClientQuota(ClientQuotaRecord),
    15 ProducerIds(ProducerIdsRecord),
    17 BrokerRegistrationChange(BrokerRegistrationChangeRecord),
    18 AccessControlEntry(AccessControlEntryRecord),
    19 RemoveAccessControlEntry(RemoveAccessControlEntryRecord),
    20 NoOp(NoOpRecord),
    21 ZkMigrationState(ZkMigrationStateRecord),
    22 RemoveUserScramCredential(RemoveUserScramCredentialRecord),
    23 BeginTransaction(BeginTransactionRecord),
    24 EndTransaction(EndTransactionRecord),
    25 AbortTransaction(AbortTransactionRecord),
    26 RemoveDelegationToken(RemoveDelegationTokenRecord),
    27 RegisterController(RegisterControllerRecord),
    28 ClearElr(ClearElrRecord),
}

impl Record {
    /// The record in a record's value.
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        Self::decode_versioned(value).map(|(record, _)| record)
    }

    /// The record in a record's value as JSON: for people, and for tools that read what Kafka's tools print.
    pub fn value_to_json(value: &[u8]) -> Result<String, RecordError> {
        let (record, version) = Self::decode_versioned(value)?;
        let kind = upper_snake_case(record.name());
        let data = record.body_to_json(version);
        Ok(format!(
            "{{\"type\":\"{kind}\",\"version\":{version},\"data\":{data}}}"
        ))
    }

    fn decode_versioned(value: &[u8]) -> Result<(Self, i16), RecordError> {
        let mut reader = Reader::new(value);
        let frame = reader.uvarint()?;
        if frame != FRAME_VERSION {
            return Err(RecordError::UnknownFrame(frame));
        }
        let code = reader.uvarint()?;
        let version = i16::try_from(reader.uvarint()?).unwrap_or(i16::MAX);
        Self::decode_body(code, version, &mut reader).map(|record| (record, version))
    }

    /// The value for the log, in the version that every node of this metadata version can read.
    pub fn encode(&self, metadata_version: MetadataVersion) -> Result<Bytes, RecordError> {
        let version = self.version_for(metadata_version);
        let mut writer = Writer::new();
        writer.uvarint(FRAME_VERSION);
        writer.uvarint(self.type_code());
        writer.uvarint(version.unsigned_abs().into());
        self.encode_body(&mut writer, version)?;
        Ok(writer.into_bytes())
    }

    fn version_for(&self, metadata_version: MetadataVersion) -> i16 {
        match self {
            Self::RegisterBroker(_) => metadata_version.register_broker_version(),
            Self::BrokerRegistrationChange(change) => change.lowest_version(),
            Self::Partition(_) | Self::PartitionChange(_) => metadata_version.partition_version(),
            _ => 0,
        }
    }
}

/// `TopicRecord` as Kafka's metadata JSON has it: `TOPIC_RECORD`.
fn upper_snake_case(name: &str) -> String {
    let mut out = String::new();
    for (n, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && n > 0 {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

#[cfg(test)]
mod tests;
