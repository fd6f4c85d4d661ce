//! The messages and versions of Kafka 4.3 that kafka-protocol 0.18 lacks.
//!
//! | API | version | type to use |
//! |---|---|---|
//! | OffsetCommit | 10 | [`OffsetCommitRequest`], a wrapper that derefs to kafka-protocol's |
//! | OffsetFetch | 10 | [`OffsetFetchRequest`], the same |
//! | ListOffsets | 11 | kafka-protocol's: 11 looks like 10 on the wire |
//! | DescribeLogDirs | 5 | request: kafka-protocol's; answer: [`DescribeLogDirsResponse`] |

use std::ops::Deref;

use bytes::Bytes;
use kafka_protocol::messages as kafka;

use super::{RequestBody, WireError};

/// The newest version known to kafka-protocol that has the same bytes.
pub(super) fn encoded_as(key: i16, version: i16) -> i16 {
    const LIST_OFFSETS: i16 = 2;
    match (key, version) {
        (LIST_OFFSETS, 11) => 10,
        _ => version,
    }
}

/// OffsetCommit 2-10. From version 10 on a topic is named by its id, and its name is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetCommitRequest(pub kafka::OffsetCommitRequest);

impl Deref for OffsetCommitRequest {
    type Target = kafka::OffsetCommitRequest;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl RequestBody for OffsetCommitRequest {
    fn decode_body(key: i16, version: i16, body: &mut Bytes) -> Result<Self, WireError> {
        RequestBody::decode_body(key, version, body).map(Self)
    }
}

/// OffsetFetch 1-10. From version 10 on a topic is named by its id, and its name is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetFetchRequest(pub kafka::OffsetFetchRequest);

impl Deref for OffsetFetchRequest {
    type Target = kafka::OffsetFetchRequest;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl RequestBody for OffsetFetchRequest {
    fn decode_body(key: i16, version: i16, body: &mut Bytes) -> Result<Self, WireError> {
        RequestBody::decode_body(key, version, body).map(Self)
    }
}
