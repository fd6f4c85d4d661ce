//! When a committed offset has been kept for long enough, and when a group with it.

use super::splittable;
use super::store::{Committed, tombstone};
use crate::classic::{ClassicGroup, State};
use crate::consumer::group_tombstones;
use crate::machine::{Now, Outcome, Token};
use crate::records::{GroupKey, Record};
use crate::shard::GroupShard;

impl GroupShard {
    pub(crate) fn expire_offsets(&self, token: Token, now: Now) -> Outcome<Self> {
        let mut records = Vec::new();
        for group in self
            .groups
            .values()
            .filter(|group| !self.foreign.contains(&group.id))
        {
            let is_read = |topic: &str| group.is_subscribed_to(topic);
            let unused_since_ms = |committed: &Committed| unused_since_ms(group, committed);
            let nothing_left = self.expire_group(&group.id, is_read, unused_since_ms, now, &mut records);
            if nothing_left && group.is_in(State::Empty) {
                records.push(Record::GroupMetadata(
                    GroupKey {
                        group: group.id.to_string(),
                    },
                    None,
                ));
            }
        }
        for group in self.consumer.groups.values() {
            let is_read = |topic: &str| group.is_subscribed_to(topic);
            let unused_since_ms = |committed: &Committed| Some(committed.commit_timestamp_ms);
            let nothing_left = self.expire_group(&group.id, is_read, unused_since_ms, now, &mut records);
            if nothing_left && group.members().len() == 0 {
                records.extend(group_tombstones(group, None));
            }
        }
        splittable(records, token)
    }

    /// Whether nothing is left of the group's offsets after it.
    fn expire_group(
        &self,
        group: &str,
        is_read: impl Fn(&str) -> bool,
        unused_since_ms: impl Fn(&Committed) -> Option<i64>,
        now: Now,
        records: &mut Vec<Record>,
    ) -> bool {
        let has_open_transactions = self.offsets.has_open_transactions(group);
        let Some(topics) = self.offsets.of_group(group) else {
            return !has_open_transactions;
        };
        let mut all_expired = true;
        for (topic, partitions) in topics {
            for (partition, committed) in partitions {
                let is_kept = is_read(topic)
                    || !self.is_expired(unused_since_ms(committed), committed, now)
                    || self.offsets.is_unstable(group, topic, *partition);
                if is_kept {
                    all_expired = false;
                } else {
                    records.push(tombstone(group, topic, *partition));
                }
            }
        }
        all_expired && !has_open_transactions
    }

    fn is_expired(&self, unused_since_ms: Option<i64>, committed: &Committed, now: Now) -> bool {
        let Some(unused_since_ms) = unused_since_ms else {
            return false;
        };
        match committed.expire_timestamp_ms {
            -1 => now.wall_ms.saturating_sub(unused_since_ms) >= self.config.offsets_retention_ms,
            expire_timestamp_ms => now.wall_ms >= expire_timestamp_ms,
        }
    }
}

/// From when on an offset counts as unused; nothing while its group may come back to it at any time.
fn unused_since_ms(group: &ClassicGroup, committed: &Committed) -> Option<i64> {
    let is_managed = group.protocol_type.is_some();
    if !is_managed {
        return Some(committed.commit_timestamp_ms);
    }
    match group.state() {
        State::Empty => Some(group.state_since_ms().unwrap_or(committed.commit_timestamp_ms)),
        // Members read, and it is known that they do not read this topic.
        State::Stable if group.uses_consumer_protocol() && group.subscribed_topics.is_some() => {
            Some(committed.commit_timestamp_ms)
        }
        _ => None,
    }
}
