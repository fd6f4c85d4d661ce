//! The hash of all that a group's assignment depends on in its topics: if it changes, so must the group's epoch.
//!
//! It is stored with the group and must be the one that Kafka computes: another one would make every group rebalance once
//! when the log changes hands.

use std::collections::BTreeSet;

use twox_hash::XxHash3_64;

use super::topics::{Topic, Topics};

/// What the layout that is hashed begins with.
const MAGIC: u8 = 0;

/// Of the topics that are there, in the order of their names; 0 if none is.
pub fn of_topics<'a>(names: impl IntoIterator<Item = &'a str>, topics: &Topics) -> i64 {
    let names: BTreeSet<&str> = names.into_iter().collect();
    let mut bytes = Vec::new();
    for topic in names.into_iter().filter_map(|name| topics.by_name(name)) {
        bytes.extend_from_slice(&of_topic(topic).to_le_bytes());
    }
    match bytes.is_empty() {
        true => 0,
        false => XxHash3_64::oneshot(&bytes).cast_signed(),
    }
}

fn of_topic(topic: &Topic) -> u64 {
    let mut bytes = vec![MAGIC];
    let (most, least) = topic.id.as_u64_pair();
    bytes.extend_from_slice(&most.to_le_bytes());
    bytes.extend_from_slice(&least.to_le_bytes());
    put_text(&mut bytes, &topic.name);
    put_count(&mut bytes, topic.partition_racks.len());
    for (partition, racks) in topic.partition_racks.iter().enumerate() {
        put_count(&mut bytes, partition);
        let mut racks: Vec<&String> = racks.iter().collect();
        racks.sort();
        for rack in racks {
            put_count(&mut bytes, rack.encode_utf16().count());
            put_text(&mut bytes, rack);
        }
    }
    XxHash3_64::oneshot(&bytes)
}

/// UTF-16, and its length behind it.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    text.encode_utf16()
        .for_each(|unit| bytes.extend_from_slice(&unit.to_le_bytes()));
    put_count(bytes, text.encode_utf16().count());
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    bytes.extend_from_slice(&count.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use ottla_base::Uuid;

    use super::*;

    /// As Kafka 4.3.1 wrote it for the group `consumer-live` of the golden log.
    #[test]
    fn the_hash_is_that_of_kafka() {
        let topic = Topic {
            id: Uuid::from_u128(0x318d_db44_c506_46ff_984c_47af_d77a_26a9),
            name: "numbers".into(),
            partition_racks: vec![Vec::new(); 2],
        };
        let hash = of_topics(["numbers", "gone"], &Topics::new(1, [topic]));
        assert_eq!(hash.cast_unsigned(), 0x9843_259a_ab20_b183);
    }

    #[test]
    fn topics_that_are_not_there_do_not_count() {
        assert_eq!(of_topics(["t"], &Topics::default()), 0);
    }
}
