//! How keys and values are printed: as text or numbers, or as the records of an internal topic, in JSON.

use bytes::Bytes;
use ottla_storage::batch::Record;

use super::{Dump, DumpLog};

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
        let print = |decoder: Decoder, bytes: &Option<Bytes>| bytes.as_deref().map(|b| decoder.print(b));
        (print(self.keys, &record.key), print(self.values, &record.value))
    }
}

/// Text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
