//! What consumers of classic groups tell each other through the broker: subscriptions and assignments.
//!
//! The coordinator of a classic group never looks at most of it. It has to where members of both protocols share a group, and
//! tools show it.

use std::collections::BTreeSet;

use bytes::Bytes;
use ottla_base::record_schema;
use ottla_base::schema::{Reader, Schema, SchemaError, Writer};

use crate::consumer::assignment::Partitions;
use crate::consumer::topics::Topics;

/// The type of group whose members use this protocol.
pub const PROTOCOL_TYPE: &str = "consumer";

record_schema! {
    pub struct Subscription: versions 0..=3 {
        topics: Vec<String>;
        user_data: Option<Bytes>;
        owned_partitions: Vec<TopicPartitions>, versions 1..;
        generation_id: i32 = -1, versions 2..;
        rack_id: Option<String>, versions 3..;
    }

    pub struct Assignment: versions 0..=3 {
        assigned_partitions: Vec<TopicPartitions>;
        user_data: Option<Bytes>;
    }

    pub struct TopicPartitions {
        topic: String;
        partitions: Vec<i32>;
    }
}

/// The version that a message begins with.
pub fn version(bytes: &[u8]) -> Result<i16, SchemaError> {
    Reader::new(bytes).i16()
}

/// A version, and a message of it. A newer version is read as the newest that is known, since fields are only added.
pub fn decode<T: Schema>(bytes: &[u8]) -> Result<(i16, T), SchemaError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?.min(T::VERSION_MAX);
    Ok((version, T::decode(&mut reader, version)?))
}

impl Subscription {
    /// Topics that are not there cannot be owned.
    pub fn owned(&self, topics: &Topics) -> Partitions {
        by_id(&self.owned_partitions, topics)
    }

    /// Clients that have none may send an empty one.
    pub fn rack_id(&self) -> Option<String> {
        self.rack_id.clone().filter(|rack| !rack.is_empty())
    }
}

impl Assignment {
    /// Of topics that are gone nothing can be assigned.
    pub fn of(partitions: &Partitions, topics: &Topics) -> Self {
        let named = |(id, partitions): (&ottla_base::Uuid, &BTreeSet<i32>)| {
            Some(TopicPartitions {
                topic: topics.by_id(*id)?.name.to_string(),
                partitions: partitions.iter().copied().collect(),
            })
        };
        Self {
            assigned_partitions: partitions.iter().filter_map(named).collect(),
            user_data: None,
        }
    }

    pub fn partitions(&self, topics: &Topics) -> Partitions {
        by_id(&self.assigned_partitions, topics)
    }

    pub fn to_bytes(&self, version: i16) -> Result<Bytes, SchemaError> {
        let version = version.min(Self::VERSION_MAX);
        let mut writer = Writer::new();
        writer.i16(version);
        self.encode(&mut writer, version)?;
        Ok(writer.into_bytes())
    }
}

fn by_id(named: &[TopicPartitions], topics: &Topics) -> Partitions {
    let mut partitions = Partitions::new();
    for topic in named.iter().filter(|topic| !topic.partitions.is_empty()) {
        if let Some(known) = topics.by_name(&topic.topic) {
            partitions
                .entry(known.id)
                .or_default()
                .extend(topic.partitions.iter().copied());
        }
    }
    partitions
}
