//! The messages and versions of Kafka 4.3 that kafka-protocol 0.18 lacks.
//!
//! | API | version | type to use |
//! |---|---|---|
//! | OffsetCommit | 10 | [`OffsetCommitRequest`], which derefs to kafka-protocol's |
//! | OffsetFetch | 10 | [`OffsetFetchRequest`], the same |
//! | ListOffsets | 11 | kafka-protocol's: 11 looks like 10 on the wire |
//! | DescribeLogDirs | 5 | request: kafka-protocol's, 5 looks like 4; answer: [`describe_log_dirs::DescribeLogDirsResponse`] |
//! | WriteTxnMarkers | 2 | request: [`WriteTxnMarkersRequest`]; answer: kafka-protocol's, 2 looks like 1 |
//!
//! Answers of OffsetCommit and OffsetFetch are kafka-protocol's in all versions.

pub mod describe_log_dirs;
pub mod offset_commit;
pub mod offset_fetch;
pub mod write_txn_markers;

use bytes::{Buf, Bytes};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;
use ottla_base::schema::{Reader, Schema, SchemaError, Writer};

use super::{Body, WireError};

pub use describe_log_dirs::DescribeLogDirsResponse;
pub use offset_commit::OffsetCommitRequest;
pub use offset_fetch::OffsetFetchRequest;
pub use write_txn_markers::WriteTxnMarkersRequest;

/// The newest version known to kafka-protocol that has the same bytes.
pub(super) fn encoded_as(key: i16, version: i16) -> i16 {
    const LIST_OFFSETS: i16 = ApiKey::ListOffsets as i16;
    const DESCRIBE_LOG_DIRS: i16 = ApiKey::DescribeLogDirs as i16;
    match (key, version) {
        (LIST_OFFSETS, 11) => 10,
        (DESCRIBE_LOG_DIRS, 5) => 4,
        _ => version,
    }
}

/// The same for an answer, which may look like an older one where its request does not.
pub(super) fn answered_as(key: i16, version: i16) -> i16 {
    const WRITE_TXN_MARKERS: i16 = ApiKey::WriteTxnMarkers as i16;
    match (key, version) {
        (WRITE_TXN_MARKERS, 2) => 1,
        _ => encoded_as(key, version),
    }
}

/// Makes messages declared with `record_schema!` answers.
macro_rules! schema_responses {
    ($($response:ty),*) => {
        $(impl $crate::wire::ResponseBody for $response {
            fn encode_body(self, _key: i16, version: i16) -> Result<$crate::wire::Body, $crate::wire::WireError> {
                $crate::wire::messages::encode_schema(&self, version)
            }
        })*
    };
}
use schema_responses;

fn decode_schema<S: Schema>(version: i16, body: &mut Bytes) -> Result<S, WireError> {
    let mut reader = Reader::new(body);
    let message = S::decode(&mut reader, version)
        .map_err(|error: SchemaError| WireError::Malformed(error.to_string()))?;
    let used = body.len() - reader.rest().len();
    body.advance(used);
    Ok(message)
}

fn encode_schema<S: Schema>(message: &S, version: i16) -> Result<Body, WireError> {
    let mut writer = Writer::new();
    message
        .encode(&mut writer, version)
        .map_err(|error| WireError::Unencodable(error.to_string()))?;
    Ok(Body::from(writer.into_bytes()))
}

fn text(text: String) -> StrBytes {
    StrBytes::from_string(text)
}

#[cfg(test)]
mod tests;
