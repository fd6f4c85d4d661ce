//! Committed offsets, and those of transactions that are still open.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ottla_base::Uuid;
use ottla_base::planted::{self, Bug};

use crate::records::{OffsetCommitKey, OffsetCommitValue, Record};

/// The offset of one partition, as last committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    /// Where in `__consumer_offsets` it stands: decides between a transaction's commit and one outside of it.
    pub record_offset: i64,
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: String,
    pub commit_timestamp_ms: i64,
    /// -1: the group's retention holds.
    pub expire_timestamp_ms: i64,
    pub topic_id: Uuid,
}

impl Committed {
    pub fn from_record(record_offset: i64, value: OffsetCommitValue) -> Self {
        Self {
            record_offset,
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: value.metadata,
            commit_timestamp_ms: value.commit_timestamp,
            expire_timestamp_ms: value.expire_timestamp,
            topic_id: value.topic_id,
        }
    }
}

pub(crate) type Partitions = BTreeMap<i32, Committed>;
pub(crate) type Topics = BTreeMap<String, Partitions>;

#[derive(Debug, Default)]
pub(crate) struct OffsetStore {
    by_group: HashMap<String, Topics>,
    /// Offsets that become the group's when the producer's transaction commits.
    pending: HashMap<i64, HashMap<String, Topics>>,
    /// Which producers have a pending offset of a partition: topics and partitions of a group.
    open: HashMap<String, BTreeMap<(String, i32), BTreeSet<i64>>>,
}

impl OffsetStore {
    pub fn of_group(&self, group: &str) -> Option<&Topics> {
        self.by_group.get(group)
    }

    pub fn get(&self, group: &str, topic: &str, partition: i32) -> Option<&Committed> {
        self.by_group.get(group)?.get(topic)?.get(&partition)
    }

    /// Whether a transaction that is still open may change the partition's offset.
    pub fn is_unstable(&self, group: &str, topic: &str, partition: i32) -> bool {
        let open = self.open.get(group);
        open.is_some_and(|partitions| partitions.contains_key(&(topic.to_owned(), partition)))
    }

    pub fn has_open_transactions(&self, group: &str) -> bool {
        self.open.contains_key(group)
    }

    pub fn commit(&mut self, key: OffsetCommitKey, committed: Committed) {
        put(&mut self.by_group, key.group, key.topic, key.partition, committed);
    }

    pub fn commit_in_transaction(&mut self, producer_id: i64, key: OffsetCommitKey, committed: Committed) {
        let partitions = self.open.entry(key.group.clone()).or_default();
        partitions
            .entry((key.topic.clone(), key.partition))
            .or_default()
            .insert(producer_id);
        let pending = self.pending.entry(producer_id).or_default();
        put(pending, key.group, key.topic, key.partition, committed);
    }

    /// A tombstone: committed and pending offsets of the partition are gone.
    pub fn remove(&mut self, key: &OffsetCommitKey) {
        take(&mut self.by_group, &key.group, &key.topic, key.partition);
        for producer_id in self.close(&key.group, &key.topic, key.partition, None) {
            if let Some(pending) = self.pending.get_mut(&producer_id) {
                take(pending, &key.group, &key.topic, key.partition);
            }
        }
    }

    /// The producer's pending offsets become the groups' if it committed, unless there are newer ones by now.
    pub fn end_transaction(&mut self, producer_id: i64, committed: bool) {
        let committed = committed && !planted::strikes(Bug::OffsetsDropped);
        for (group, topics) in self.pending.remove(&producer_id).unwrap_or_default() {
            for (topic, partitions) in topics {
                for (partition, offset) in partitions {
                    self.close(&group, &topic, partition, Some(producer_id));
                    let current = self
                        .get(&group, &topic, partition)
                        .map(|current| current.record_offset);
                    if committed && current.is_none_or(|current| current < offset.record_offset) {
                        put(
                            &mut self.by_group,
                            group.clone(),
                            topic.clone(),
                            partition,
                            offset,
                        );
                    }
                }
            }
        }
    }

    /// The records that delete all that a group has.
    pub fn tombstones(&self, group: &str) -> Vec<Record> {
        let committed = self.by_group.get(group).into_iter().flatten();
        let committed = committed.flat_map(|(topic, partitions)| {
            partitions
                .keys()
                .map(move |partition| (topic.as_str(), *partition))
        });
        let open = self.open.get(group).into_iter().flatten();
        let open = open.map(|((topic, partition), _)| (topic.as_str(), *partition));
        let all: BTreeSet<(&str, i32)> = committed.chain(open).collect();
        all.into_iter()
            .map(|(topic, partition)| tombstone(group, topic, partition))
            .collect()
    }

    /// The records that delete the offsets of a topic. An offset without a topic's id goes by its name.
    pub fn tombstones_of_topic(&self, topic_id: Uuid, name: &str) -> Vec<Record> {
        let stores = std::iter::once(&self.by_group).chain(self.pending.values());
        let mut keys = BTreeSet::new();
        for (group, topics) in stores.flatten() {
            for (partition, committed) in topics.get(name).into_iter().flatten() {
                if committed.topic_id.is_nil() || committed.topic_id == topic_id {
                    keys.insert((group.as_str(), *partition));
                }
            }
        }
        keys.into_iter()
            .map(|(group, partition)| tombstone(group, name, partition))
            .collect()
    }

    /// Forgets that the producer, or that anybody, has a pending offset here. Returns who had.
    fn close(&mut self, group: &str, topic: &str, partition: i32, producer_id: Option<i64>) -> BTreeSet<i64> {
        let Some(partitions) = self.open.get_mut(group) else {
            return BTreeSet::new();
        };
        let key = (topic.to_owned(), partition);
        let Some(producers) = partitions.get_mut(&key) else {
            return BTreeSet::new();
        };
        let closed = match producer_id {
            Some(producer_id) => producers.take(&producer_id).into_iter().collect(),
            None => std::mem::take(producers),
        };
        if producers.is_empty() {
            partitions.remove(&key);
        }
        if partitions.is_empty() {
            self.open.remove(group);
        }
        closed
    }
}

pub(crate) fn tombstone(group: &str, topic: &str, partition: i32) -> Record {
    let key = OffsetCommitKey {
        group: group.to_owned(),
        topic: topic.to_owned(),
        partition,
    };
    Record::OffsetCommit(key, None)
}

fn put(
    groups: &mut HashMap<String, Topics>,
    group: String,
    topic: String,
    partition: i32,
    committed: Committed,
) {
    groups
        .entry(group)
        .or_default()
        .entry(topic)
        .or_default()
        .insert(partition, committed);
}

/// Removes an offset, and what is empty without it.
fn take(groups: &mut HashMap<String, Topics>, group: &str, topic: &str, partition: i32) {
    let Some(topics) = groups.get_mut(group) else {
        return;
    };
    if let Some(partitions) = topics.get_mut(topic) {
        partitions.remove(&partition);
        if partitions.is_empty() {
            topics.remove(topic);
        }
    }
    if topics.is_empty() {
        groups.remove(group);
    }
}
