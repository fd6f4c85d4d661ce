//! The records of `__transaction_state`: one type, one key per transactional id.

use ottla_base::record_schema;
use ottla_base::schema::{Reader, Schema};

use super::{Encoded, KEY_VERSION, RecordError, decode_value, encode, key_to_json, value_to_json};

const TRANSACTION: i16 = 0;

record_schema! {
    pub struct TransactionKey: versions 0..=0 {
        transactional_id: String;
    }

    pub struct TransactionValue: versions 0..=1, flexible 1.. {
        producer_id: i64;
        previous_producer_id: i64 = -1, versions 1.., tag 0;
        next_producer_id: i64 = -1, versions 1.., tag 1;
        producer_epoch: i16;
        next_producer_epoch: i16 = -1, versions 1.., tag 3;
        transaction_timeout_ms: i32;
        /// See [`status_name`].
        transaction_status: i8;
        /// Null while no transaction has been started.
        transaction_partitions: Option<Vec<TransactionPartitions>>;
        transaction_last_update_timestamp_ms: i64;
        transaction_start_timestamp_ms: i64;
        client_transaction_version: i16, versions 1.., tag 2;
    }

    pub struct TransactionPartitions {
        topic: String;
        partition_ids: Vec<i32>;
    }
}

/// A record of `__transaction_state`. Without a value it is a tombstone.
#[derive(Clone, Debug, PartialEq)]
pub struct TransactionRecord {
    pub key: TransactionKey,
    pub value: Option<TransactionValue>,
}

impl TransactionRecord {
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, RecordError> {
        let mut key = Reader::new(key);
        match key.i16()? {
            TRANSACTION => Ok(Self {
                key: TransactionKey::decode(&mut key, KEY_VERSION)?,
                value: decode_value(value)?,
            }),
            unknown => Err(RecordError::UnknownType(unknown)),
        }
    }

    /// Key and value as JSON, the value as of the version that its bytes had.
    pub fn to_json(&self, value_version: i16) -> (String, Option<String>) {
        let value = self.value.as_ref();
        (
            key_to_json(TRANSACTION, &self.key),
            value.map(|value| value_to_json(value, value_version)),
        )
    }

    /// `version` is 0 or 1: what the feature `transaction.version` says.
    pub fn encode(&self, version: i16) -> Result<Encoded, RecordError> {
        encode(
            TRANSACTION,
            &self.key,
            self.value.as_ref().map(|value| (value, version)),
        )
    }
}

/// Kafka's name of a `transaction_status`.
pub fn status_name(status: i8) -> &'static str {
    match status {
        0 => "Empty",
        1 => "Ongoing",
        2 => "PrepareCommit",
        3 => "PrepareAbort",
        4 => "CompleteCommit",
        5 => "CompleteAbort",
        6 => "Dead",
        7 => "PrepareEpochFence",
        _ => "Unknown",
    }
}
