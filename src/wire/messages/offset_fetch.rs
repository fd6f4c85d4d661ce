//! OffsetFetch 10: topics by id. Kafka-protocol's types have the field, its decoder stops at version 9.

use std::ops::Deref;

use bytes::Bytes;
use kafka_protocol::messages as kafka;
use kafka_protocol::messages::offset_fetch_request as parts;
use ottla_base::{Uuid, record_schema};

use super::{decode_schema, text};
use crate::wire::{RequestBody, WireError};

/// OffsetFetch 1-10: kafka-protocol's request. From version 8 on `groups` is filled, before that `group_id` and `topics`. Up
/// to version 9 a topic has a name and the zero id; in version 10 it has an id and an empty name.
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
        if version < 10 {
            return RequestBody::decode_body(key, version, body).map(Self);
        }
        decode_schema::<ById>(version, body).map(Self::from)
    }
}

record_schema! {
    /// The request from version 10 on.
    pub struct ById: versions 10..=10, flexible 6.. {
        groups: Vec<Group>;
        require_stable: bool;
    }

    pub struct Group {
        group_id: String;
        member_id: Option<String>;
        member_epoch: i32 = -1;
        topics: Option<Vec<Topic>>;
    }

    pub struct Topic {
        topic_id: Uuid;
        partition_indexes: Vec<i32>;
    }
}

impl From<ById> for OffsetFetchRequest {
    fn from(request: ById) -> Self {
        Self(
            kafka::OffsetFetchRequest::default()
                .with_groups(request.groups.into_iter().map(group).collect())
                .with_require_stable(request.require_stable),
        )
    }
}

fn group(group: Group) -> parts::OffsetFetchRequestGroup {
    parts::OffsetFetchRequestGroup::default()
        .with_group_id(kafka::GroupId(text(group.group_id)))
        .with_member_id(group.member_id.map(text))
        .with_member_epoch(group.member_epoch)
        .with_topics(group.topics.map(|topics| topics.into_iter().map(topic).collect()))
}

fn topic(topic: Topic) -> parts::OffsetFetchRequestTopics {
    parts::OffsetFetchRequestTopics::default()
        .with_topic_id(topic.topic_id)
        .with_partition_indexes(topic.partition_indexes)
}
