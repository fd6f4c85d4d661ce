//! Names of things: topics, partitions, and the 128-bit ids that Kafka prints as 22 characters.
//!
//! The constants are the reserved directory ids of KIP-858 and the fixed id of the metadata topic (KIP-595).

use std::fmt;
use std::sync::Arc;

/// A 128-bit id. Kafka prints it in URL-safe base64 without padding: see [`uuid_to_string`].
pub type Uuid = uuid::Uuid;

/// Name of the topic that holds cluster metadata. It has one partition and is not an ordinary topic.
pub const METADATA_TOPIC: &str = "__cluster_metadata";
/// Id of [`METADATA_TOPIC`]; as a directory id the same number means "unassigned".
pub const METADATA_TOPIC_ID: Uuid = Uuid::from_u128(1);
/// Directory of a replica that is not known yet: a cluster that is being migrated (KIP-858).
pub const DIRECTORY_MIGRATING: Uuid = Uuid::from_u128(0);
/// Directory of a replica that its broker has still to choose (KIP-858).
pub const DIRECTORY_UNASSIGNED: Uuid = Uuid::from_u128(1);
/// Directory of a replica whose log dir is offline (KIP-858).
pub const DIRECTORY_LOST: Uuid = Uuid::from_u128(2);

pub const CONSUMER_OFFSETS_TOPIC: &str = "__consumer_offsets";
pub const TRANSACTION_STATE_TOPIC: &str = "__transaction_state";
pub const SHARE_GROUP_STATE_TOPIC: &str = "__share_group_state";

/// Topics that belong to a coordinator: clients may read them, only coordinators write them.
pub fn is_internal_topic(name: &str) -> bool {
    matches!(
        name,
        CONSUMER_OFFSETS_TOPIC | TRANSACTION_STATE_TOPIC | SHARE_GROUP_STATE_TOPIC
    )
}

/// A partition by topic name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl TopicPartition {
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A partition by topic id: names can be used again after a deletion, ids never are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicIdPartition {
    pub topic_id: Uuid,
    pub partition: i32,
}

/// Kafka's text form of an id: 22 characters of URL-safe base64.
pub fn uuid_to_string(id: Uuid) -> String {
    let mut out = String::with_capacity(22);
    for chunk in id.as_bytes().chunks(3) {
        let mut block = [0u8; 3];
        for (to, from) in block.iter_mut().zip(chunk) {
            *to = *from;
        }
        let bits = u32::from_be_bytes([0, block[0], block[1], block[2]]);
        for i in 0..=chunk.len() {
            let index = (bits >> (18 - 6 * i)) & 0x3f;
            out.push(char::from(BASE64[index as usize]));
        }
    }
    out
}

/// The id behind Kafka's text form; `None` when the text is not 22 characters of URL-safe base64.
pub fn uuid_from_string(text: &str) -> Option<Uuid> {
    if text.len() != 22 {
        return None;
    }
    let mut value: u128 = 0;
    let (head, last) = text.as_bytes().split_at(21);
    for byte in head {
        value = (value << 6) | sextet(*byte)?;
    }
    // 22 * 6 = 132 bits: the last character carries two bits of the id and four bits of nothing.
    value = (value << 2) | (sextet(*last.first()?)? >> 4);
    Some(Uuid::from_u128(value))
}

fn sextet(byte: u8) -> Option<u128> {
    BASE64.iter().position(|c| *c == byte).map(|i| i as u128)
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_metadata_topic_prints_as_kafka_prints_it() {
        assert_eq!(uuid_to_string(METADATA_TOPIC_ID), "AAAAAAAAAAAAAAAAAAAAAQ");
    }

    proptest! {
        #[test]
        fn text_form_goes_both_ways(value: u128) {
            let id = Uuid::from_u128(value);
            prop_assert_eq!(uuid_from_string(&uuid_to_string(id)), Some(id));
        }

        #[test]
        fn any_text_is_an_id_or_refused(text in ".{0,30}") {
            let _ = uuid_from_string(&text);
        }
    }
}
