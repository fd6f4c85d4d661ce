//! The answer to Fetch, written by hand: the records in it stay in their files until `sendfile`, which no message type of
//! kafka-protocol can express.
//!
//! Versions 4 to 18. Tagged fields (version 12 on) stand only where they say something.

use bytes::{BufMut, BytesMut};
use ottla_base::{ErrorCode, FileSlice, Uuid};

use super::fetch_session::TopicKey;
use crate::api::endpoints::Endpoint;
use crate::wire::Body;

/// From these versions on: compact lengths and tagged fields, topics by id, endpoints of leaders.
const FLEXIBLE_FROM: i16 = 12;
const TOPIC_IDS_FROM: i16 = 13;
const NODE_ENDPOINTS_FROM: i16 = 16;

/// Everything that an answer says.
pub struct FetchAnswer {
    pub throttle_time_ms: i32,
    pub error: ErrorCode,
    pub session_id: i32,
    /// Partitions in the order of the answer; neighbours of one topic share a heading.
    pub partitions: Vec<(TopicKey, FetchedPartition)>,
    pub node_endpoints: Vec<Endpoint>,
}

/// What is said of one partition.
#[derive(Clone, Debug)]
pub struct FetchedPartition {
    pub index: i32,
    pub error: ErrorCode,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
    /// Epoch and end offset from which the reader's log differs from this one.
    pub diverging_epoch: Option<(i32, i64)>,
    /// Leader and leader epoch, for a reader that has asked the wrong broker.
    pub current_leader: Option<(i32, i32)>,
    /// Producer id and first offset; `None` when uncommitted records are read too.
    pub aborted_transactions: Option<Vec<(i64, i64)>>,
    pub records: Option<FileSlice>,
}

impl FetchedPartition {
    /// A partition of which nothing is known but an error.
    pub fn failed(index: i32, error: ErrorCode) -> Self {
        Self {
            index,
            error,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging_epoch: None,
            current_leader: None,
            // As in Kafka, where what is not even looked up has an empty list.
            aborted_transactions: matches!(
                error,
                ErrorCode::UnknownTopicOrPartition
                    | ErrorCode::UnknownTopicId
                    | ErrorCode::TopicAuthorizationFailed
            )
            .then(Vec::new),
            records: None,
        }
    }

    pub fn records_bytes(&self) -> usize {
        self.records.as_ref().map_or(0, |slice| slice.len)
    }
}

/// The body of the answer in the version of the request.
pub fn encode(answer: FetchAnswer, version: i16) -> Body {
    let mut out = Writer::new(version);
    out.head.put_i32(answer.throttle_time_ms);
    if version >= 7 {
        out.head.put_i16(answer.error.code());
        out.head.put_i32(answer.session_id);
    }
    let topics = grouped(answer.partitions);
    out.length(topics.len());
    for (topic, partitions) in topics {
        match topic {
            TopicKey::Name(name) if version < TOPIC_IDS_FROM => out.text(Some(&name)),
            TopicKey::Name(_) => out.head.put_slice(Uuid::nil().as_bytes()),
            TopicKey::Id(id) => out.head.put_slice(id.as_bytes()),
        }
        out.length(partitions.len());
        for partition in partitions {
            out.partition(partition);
        }
        out.no_tags();
    }
    out.node_endpoints(&answer.node_endpoints);
    out.finish()
}

fn grouped(partitions: Vec<(TopicKey, FetchedPartition)>) -> Vec<(TopicKey, Vec<FetchedPartition>)> {
    let mut topics: Vec<(TopicKey, Vec<FetchedPartition>)> = Vec::new();
    for (topic, partition) in partitions {
        match topics.last_mut() {
            Some((last, list)) if *last == topic => list.push(partition),
            _ => topics.push((topic, vec![partition])),
        }
    }
    topics
}

/// The answer as far as it is written: finished chunks, and the bytes since the last file range.
struct Writer {
    version: i16,
    body: Body,
    head: BytesMut,
}

impl Writer {
    fn new(version: i16) -> Self {
        Self {
            version,
            body: Body::new(),
            head: BytesMut::with_capacity(256),
        }
    }

    fn is_flexible(&self) -> bool {
        self.version >= FLEXIBLE_FROM
    }

    fn partition(&mut self, partition: FetchedPartition) {
        self.head.put_i32(partition.index);
        self.head.put_i16(partition.error.code());
        self.head.put_i64(partition.high_watermark);
        self.head.put_i64(partition.last_stable_offset);
        if self.version >= 5 {
            self.head.put_i64(partition.log_start_offset);
        }
        self.aborted_transactions(partition.aborted_transactions.as_deref());
        if self.version >= 11 {
            // No preferred read replica: readers stay with the leader.
            self.head.put_i32(-1);
        }
        self.records(partition.records);
        self.partition_tags(partition.diverging_epoch, partition.current_leader);
    }

    fn aborted_transactions(&mut self, aborted: Option<&[(i64, i64)]>) {
        let Some(aborted) = aborted else {
            return self.null();
        };
        self.length(aborted.len());
        for (producer_id, first_offset) in aborted {
            self.head.put_i64(*producer_id);
            self.head.put_i64(*first_offset);
            self.no_tags();
        }
    }

    fn records(&mut self, records: Option<FileSlice>) {
        self.length(records.as_ref().map_or(0, |slice| slice.len));
        if let Some(slice) = records {
            self.body.push_bytes(self.head.split().freeze());
            self.body.push_file(slice);
        }
    }

    fn partition_tags(&mut self, diverging_epoch: Option<(i32, i64)>, current_leader: Option<(i32, i32)>) {
        if !self.is_flexible() {
            return;
        }
        let count = u32::from(diverging_epoch.is_some()) + u32::from(current_leader.is_some());
        self.uvarint(count);
        if let Some((epoch, end_offset)) = diverging_epoch {
            self.tag(0, 4 + 8 + 1);
            self.head.put_i32(epoch);
            self.head.put_i64(end_offset);
            self.no_tags();
        }
        if let Some((leader_id, leader_epoch)) = current_leader {
            self.tag(1, 4 + 4 + 1);
            self.head.put_i32(leader_id);
            self.head.put_i32(leader_epoch);
            self.no_tags();
        }
    }

    fn node_endpoints(&mut self, endpoints: &[Endpoint]) {
        if self.version < NODE_ENDPOINTS_FROM || endpoints.is_empty() {
            return self.no_tags();
        }
        let mut inner = Self::new(self.version);
        inner.length(endpoints.len());
        for endpoint in endpoints {
            inner.head.put_i32(endpoint.id);
            inner.text(Some(&endpoint.host));
            inner.head.put_i32(endpoint.port);
            inner.text(endpoint.rack.as_deref());
            inner.no_tags();
        }
        self.uvarint(1);
        self.tag(0, inner.head.len());
        self.head.put_slice(&inner.head);
    }

    fn tag(&mut self, tag: u32, size: usize) {
        self.uvarint(tag);
        self.uvarint(size as u32);
    }

    fn no_tags(&mut self) {
        if self.is_flexible() {
            self.head.put_u8(0);
        }
    }

    /// A length of an array or of records.
    fn length(&mut self, len: usize) {
        if self.is_flexible() {
            self.uvarint(len as u32 + 1);
        } else {
            self.head.put_i32(len as i32);
        }
    }

    fn null(&mut self) {
        if self.is_flexible() {
            self.uvarint(0);
        } else {
            self.head.put_i32(-1);
        }
    }

    fn text(&mut self, text: Option<&str>) {
        match text {
            None if self.is_flexible() => self.uvarint(0),
            None => self.head.put_i16(-1),
            Some(text) => {
                if self.is_flexible() {
                    self.uvarint(text.len() as u32 + 1);
                } else {
                    self.head.put_i16(text.len() as i16);
                }
                self.head.put_slice(text.as_bytes());
            }
        }
    }

    fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.head.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.head.put_u8(value as u8);
    }

    fn finish(mut self) -> Body {
        self.body.push_bytes(self.head.freeze());
        self.body
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::FileExt;
    use std::sync::Arc;

    use bytes::Bytes;
    use kafka_protocol::messages::FetchResponse;
    use kafka_protocol::protocol::{Decodable, StrBytes};

    use super::*;
    use crate::wire::Chunk;

    fn flat(body: Body) -> Bytes {
        let mut out = Vec::new();
        for chunk in body.into_chunks() {
            match chunk {
                Chunk::Bytes(bytes) => out.extend_from_slice(&bytes),
                Chunk::File(slice) => {
                    let mut records = vec![0; slice.len];
                    slice.file.read_exact_at(&mut records, slice.position).unwrap();
                    out.extend_from_slice(&records);
                }
            }
        }
        out.into()
    }

    fn slice_of(text: &str) -> FileSlice {
        let mut file = tempfile::tempfile().unwrap();
        write!(file, "before{text}after").unwrap();
        FileSlice {
            file: Arc::new(file),
            position: 6,
            len: text.len(),
        }
    }

    fn sample(version: i16) -> FetchAnswer {
        let topic = |n: u128| {
            if version >= TOPIC_IDS_FROM {
                TopicKey::Id(Uuid::from_u128(n))
            } else {
                TopicKey::Name(StrBytes::from_string(format!("t{n}")))
            }
        };
        let full = FetchedPartition {
            index: 4,
            error: ErrorCode::None,
            high_watermark: 9,
            last_stable_offset: 8,
            log_start_offset: 2,
            diverging_epoch: (version >= 12).then_some((3, 7)),
            current_leader: (version >= 12).then_some((1, 5)),
            aborted_transactions: Some(vec![(11, 12)]),
            records: Some(slice_of("the records")),
        };
        let empty = FetchedPartition::failed(5, ErrorCode::NotLeaderOrFollower);
        let endpoint = Endpoint {
            id: 1,
            host: StrBytes::from_static_str("here"),
            port: 9092,
            rack: None,
            fenced: false,
        };
        FetchAnswer {
            throttle_time_ms: 0,
            error: ErrorCode::None,
            session_id: 77,
            partitions: vec![(topic(1), full), (topic(1), empty.clone()), (topic(2), empty)],
            node_endpoints: vec![endpoint],
        }
    }

    #[test]
    fn every_version_is_read_back_by_the_library() {
        for version in 4..=18 {
            let mut bytes = flat(encode(sample(version), version));
            let read = FetchResponse::decode(&mut bytes, version).unwrap();
            assert!(bytes.is_empty(), "version {version}");
            assert_eq!(read.session_id, if version >= 7 { 77 } else { 0 });
            assert_eq!(read.responses.len(), 2);
            let [full, empty] = read.responses[0].partitions.as_slice() else {
                panic!()
            };
            assert_eq!(
                (full.partition_index, full.high_watermark, full.last_stable_offset),
                (4, 9, 8)
            );
            assert_eq!(full.log_start_offset, if version >= 5 { 2 } else { -1 });
            assert_eq!(full.records.as_deref(), Some(b"the records".as_slice()));
            let aborted = full.aborted_transactions.as_ref().unwrap();
            assert_eq!((aborted[0].producer_id.0, aborted[0].first_offset), (11, 12));
            assert_eq!(full.preferred_read_replica.0, -1);
            if version >= 12 {
                assert_eq!(
                    (full.diverging_epoch.epoch, full.diverging_epoch.end_offset),
                    (3, 7)
                );
                assert_eq!(
                    (full.current_leader.leader_id.0, full.current_leader.leader_epoch),
                    (1, 5)
                );
            }
            assert_eq!(empty.error_code, ErrorCode::NotLeaderOrFollower.code());
            assert!(empty.aborted_transactions.is_none());
            assert_eq!(empty.records.as_deref(), Some(b"".as_slice()));
            assert_eq!(read.node_endpoints.len(), usize::from(version >= 16));
        }
    }
}
