//! OffsetCommit 10: topics by id. Kafka-protocol's types have the field, its decoder stops at version 9.

use std::ops::Deref;

use bytes::Bytes;
use kafka_protocol::messages as kafka;
use kafka_protocol::messages::offset_commit_request as parts;
use ottla_base::{Uuid, record_schema};

use super::{decode_schema, text};
use crate::wire::{RequestBody, WireError};

/// OffsetCommit 2-10: kafka-protocol's request. Up to version 9 a topic has a name and the zero id; in version 10 it has an id
/// and an empty name.
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
        if version < 10 {
            return RequestBody::decode_body(key, version, body).map(Self);
        }
        decode_schema::<ById>(version, body).map(Self::from)
    }
}

record_schema! {
    /// The request from version 10 on.
    pub struct ById: versions 10..=10, flexible 8.. {
        group_id: String;
        generation_id_or_member_epoch: i32 = -1;
        member_id: String;
        group_instance_id: Option<String>;
        topics: Vec<Topic>;
    }

    pub struct Topic {
        topic_id: Uuid;
        partitions: Vec<Partition>;
    }

    pub struct Partition {
        partition_index: i32;
        committed_offset: i64;
        committed_leader_epoch: i32 = -1;
        committed_metadata: Option<String>;
    }
}

impl From<ById> for OffsetCommitRequest {
    fn from(request: ById) -> Self {
        Self(
            kafka::OffsetCommitRequest::default()
                .with_group_id(kafka::GroupId(text(request.group_id)))
                .with_generation_id_or_member_epoch(request.generation_id_or_member_epoch)
                .with_member_id(text(request.member_id))
                .with_group_instance_id(request.group_instance_id.map(text))
                .with_topics(request.topics.into_iter().map(topic).collect()),
        )
    }
}

fn topic(topic: Topic) -> parts::OffsetCommitRequestTopic {
    parts::OffsetCommitRequestTopic::default()
        .with_topic_id(topic.topic_id)
        .with_partitions(topic.partitions.into_iter().map(partition).collect())
}

fn partition(partition: Partition) -> parts::OffsetCommitRequestPartition {
    parts::OffsetCommitRequestPartition::default()
        .with_partition_index(partition.partition_index)
        .with_committed_offset(partition.committed_offset)
        .with_committed_leader_epoch(partition.committed_leader_epoch)
        .with_committed_metadata(partition.committed_metadata.map(text))
}
