//! How keys and values are printed: as text or numbers, or as the records of an internal topic, in JSON.

use bytes::Bytes;
use ottla_coordinator::records::transaction::TransactionRecord;
use ottla_coordinator::records::{self as group_records, RecordError};
use ottla_storage::batch::Record;

use super::{Dump, DumpLog, consumer_protocol};

/// How one half of a record is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoder {
    Text,
    Integer,
    Long,
    /// The bytes, in hexadecimal.
    Bytes,
}

/// The decoders for keys and values.
pub(super) fn chosen(options: &DumpLog) -> (Decoder, Decoder) {
    let decoder = |class: &Option<Option<String>>| match class {
        Some(Some(class)) => by_class(class),
        _ => Decoder::Text,
    };
    (
        decoder(&options.key_decoder_class),
        decoder(&options.value_decoder_class),
    )
}

/// Kafka's tool takes the name of a Java class; here the four that come with it are known.
fn by_class(class: &str) -> Decoder {
    match class.rsplit('.').next().unwrap_or("") {
        "IntegerDecoder" => Decoder::Integer,
        "LongDecoder" => Decoder::Long,
        "DefaultDecoder" => Decoder::Bytes,
        _ => Decoder::Text,
    }
}

impl Decoder {
    fn print(self, bytes: &[u8]) -> String {
        let number = match self {
            Self::Integer => bytes.try_into().map(|b| i64::from(i32::from_be_bytes(b))),
            Self::Long => bytes.try_into().map(i64::from_be_bytes),
            Self::Text | Self::Bytes => return self.print_bytes(bytes),
        };
        number.map_or_else(|_| self.print_bytes(bytes), |number| number.to_string())
    }

    fn print_bytes(self, bytes: &[u8]) -> String {
        match self {
            Self::Text => String::from_utf8_lossy(bytes).into_owned(),
            _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

impl Dump<'_> {
    /// Key and value as they are printed; `None` leaves one out.
    pub(super) fn contents(&self, record: &Record) -> (Option<String>, Option<String>) {
        let options = self.options;
        if options.offsets_decoder {
            return coordinator_record(record, |key, value| {
                let version = value.map_or(Ok(0), group_records::value_version)?;
                let record = group_records::Record::decode(key, value)?;
                let (key, value) = record.to_json(version);
                match record {
                    group_records::Record::GroupMetadata(_, Some(group)) => {
                        Ok((key, value.map(|json| consumer_protocol::explain(&group, json))))
                    }
                    _ => Ok((key, value)),
                }
            });
        }
        if options.transaction_log_decoder {
            return coordinator_record(record, |key, value| {
                let version = value.map_or(Ok(0), group_records::value_version)?;
                Ok(TransactionRecord::decode(key, value)?.to_json(version))
            });
        }
        if options.cluster_metadata_decoder {
            return (None, Some(metadata_record(record)));
        }
        let print = |decoder: Decoder, bytes: &Option<Bytes>| bytes.as_deref().map(|b| decoder.print(b));
        (print(self.keys, &record.key), print(self.values, &record.value))
    }
}

/// A record of a coordinator's topic. One that cannot be read is named where its key would stand, and passed over.
fn coordinator_record(
    record: &Record,
    decode: impl FnOnce(&[u8], Option<&[u8]>) -> Result<(String, Option<String>), RecordError>,
) -> (Option<String>, Option<String>) {
    let offset = record.offset;
    let decoded = match record.key.as_deref() {
        None => Err(RecordError::NoKey),
        Some(key) => decode(key, record.value.as_deref()),
    };
    match decoded {
        Ok((key, value)) => (Some(key), Some(value.unwrap_or_else(|| "<DELETE>".to_owned()))),
        Err(RecordError::UnknownType(kind)) => (
            Some(format!(
                "Unknown record type {kind} at offset {offset}, skipping."
            )),
            None,
        ),
        Err(error) => (Some(format!("Error at offset {offset}, skipping. {error}")), None),
    }
}

fn metadata_record(record: &Record) -> String {
    let value = record.value.as_deref().unwrap_or_default();
    ottla_metadata::records::Record::value_to_json(value)
        .unwrap_or_else(|error| format!("Error at {}, skipping. {error}", record.offset))
}

/// Text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
