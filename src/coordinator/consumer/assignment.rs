//! Sets of partitions: with the epoch each was assigned in, as members own them, and without, as they are to own them.

use std::collections::{BTreeMap, BTreeSet};

use ottla_base::Uuid;

use crate::records::{AssignedPartitions, TopicIdPartitions};

/// Partitions by topic; no topic is there without partitions.
pub type Partitions = BTreeMap<Uuid, BTreeSet<i32>>;

/// Partitions by topic, each with the member epoch in which it was assigned.
pub type Owned = BTreeMap<Uuid, BTreeMap<i32, i32>>;

pub fn contains(owned: &Owned, topic: Uuid, partition: i32) -> bool {
    epoch_of(owned, topic, partition).is_some()
}

pub fn epoch_of(owned: &Owned, topic: Uuid, partition: i32) -> Option<i32> {
    owned.get(&topic)?.get(&partition).copied()
}

pub fn insert(owned: &mut Owned, topic: Uuid, partition: i32, epoch: i32) {
    owned.entry(topic).or_default().insert(partition, epoch);
}

pub fn merge(owned: &mut Owned, other: &Owned) {
    for (topic, partition, epoch) in iter(other) {
        insert(owned, topic, partition, epoch);
    }
}

pub fn iter(owned: &Owned) -> impl Iterator<Item = (Uuid, i32, i32)> + '_ {
    owned.iter().flat_map(|(topic, partitions)| {
        partitions
            .iter()
            .map(move |(partition, epoch)| (*topic, *partition, *epoch))
    })
}

/// The partitions of both, as a member still has what it has been told to give up.
pub fn partitions(all: &[&Owned]) -> Partitions {
    let mut out = Partitions::new();
    for (topic, partition, _) in all.iter().flat_map(|owned| iter(owned)) {
        out.entry(topic).or_default().insert(partition);
    }
    out
}

/// All in the same epoch.
pub fn with_epoch(owned: &Owned, epoch: i32) -> Owned {
    let mut out = Owned::new();
    iter(owned).for_each(|(topic, partition, _)| insert(&mut out, topic, partition, epoch));
    out
}

pub fn in_epoch(partitions: &Partitions, epoch: i32) -> Owned {
    let with_epoch = |partitions: &BTreeSet<i32>| partitions.iter().map(|number| (*number, epoch)).collect();
    partitions
        .iter()
        .map(|(topic, partitions)| (*topic, with_epoch(partitions)))
        .collect()
}

pub fn owned_to_record(owned: &Owned) -> Vec<AssignedPartitions> {
    let topic = |(topic_id, partitions): (&Uuid, &BTreeMap<i32, i32>)| AssignedPartitions {
        topic_id: *topic_id,
        partitions: partitions.keys().copied().collect(),
        assignment_epochs: Some(partitions.values().copied().collect()),
    };
    owned.iter().map(topic).collect()
}

/// Records of older releases have no epochs of their own: the member's counts, or 0 for one that is away.
pub fn owned_from_record(topics: Vec<AssignedPartitions>, member_epoch: i32) -> Owned {
    let mut owned = Owned::new();
    for topic in topics {
        let epochs = topic
            .assignment_epochs
            .filter(|epochs| epochs.len() == topic.partitions.len())
            .unwrap_or_else(|| vec![member_epoch.max(0); topic.partitions.len()]);
        for (partition, epoch) in topic.partitions.into_iter().zip(epochs) {
            insert(&mut owned, topic.topic_id, partition, epoch);
        }
    }
    owned
}

pub fn to_record(partitions: &Partitions) -> Vec<TopicIdPartitions> {
    let topic = |(topic_id, partitions): (&Uuid, &BTreeSet<i32>)| TopicIdPartitions {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
    };
    partitions.iter().map(topic).collect()
}

pub fn from_record(topics: Vec<TopicIdPartitions>) -> Partitions {
    let mut partitions = Partitions::new();
    for topic in topics {
        partitions
            .entry(topic.topic_id)
            .or_default()
            .extend(topic.partitions);
    }
    partitions.retain(|_, partitions| !partitions.is_empty());
    partitions
}
