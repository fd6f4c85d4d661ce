//! Offsets: commit, fetch, delete, expire. A group that only commits needs no members ("simple" groups).

mod expiry;
mod store;

use ottla_base::planted::{self, Bug};
use ottla_base::{ErrorCode, Uuid};

use crate::classic::{ClassicGroup, State};
use crate::command::{
    CommitOffsets, CommitPartition, CommitTopic, DeleteOffsets, FetchOffsets, FetchTopic, FetchedOffset,
    FetchedTopic, Reply, TopicErrors,
};
use crate::consumer::ConsumerGroup;
use crate::machine::{Now, Outcome, Then, Token};
use crate::records::{OffsetCommitKey, OffsetCommitValue, Record};
use crate::shard::GroupShard;
use store::{Committed, tombstone};

pub(crate) use store::OffsetStore;

impl GroupShard {
    pub(crate) fn commit_offsets(&mut self, request: CommitOffsets, token: Token, now: Now) -> Outcome<Self> {
        if let Err(error) = self.accept_commit(&request, now) {
            let error = match error {
                // Producers know no member epochs.
                ErrorCode::StaleMemberEpoch if request.is_transactional => ErrorCode::IllegalGeneration,
                other => other,
            };
            return Outcome::reply(token, Reply::Failed(error));
        }
        let mut records = Vec::new();
        let mut results = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let commit = |partition: &CommitPartition| {
                let error = self
                    .commit_record(&request, topic, partition, now)
                    .map(|record| records.push(record));
                (partition.partition, error.err().unwrap_or(ErrorCode::None))
            };
            let partitions = topic.partitions.iter().map(commit).collect();
            results.push(TopicErrors {
                topic_id: topic.topic_id,
                name: topic.name.clone(),
                partitions,
            });
        }
        if planted::strikes(Bug::OffsetsNotWritten) {
            return Outcome::reply(token, Reply::Offsets(results));
        }
        Outcome::write(records, token, Reply::Offsets(results))
    }

    /// Whether the group takes commits of whoever this is.
    fn accept_commit(&mut self, request: &CommitOffsets, now: Now) -> Result<(), ErrorCode> {
        if let Some(group) = self.consumer.groups.get(request.group_id.as_str()) {
            return self.accept_commit_of_consumer(group, request);
        }
        let mut accepted = Ok(());
        let group = self.with_group(&request.group_id, now, |turn| {
            accepted = turn.accept_commit(request)
        });
        match group {
            None if request.generation_id >= 0 && request.knows_group_id_not_found => {
                Err(ErrorCode::GroupIdNotFound)
            }
            None if request.generation_id >= 0 => Err(ErrorCode::IllegalGeneration),
            _ => accepted,
        }
    }

    /// One partition that the member may not commit any more fails the whole request.
    fn accept_commit_of_consumer(
        &self,
        group: &ConsumerGroup,
        request: &CommitOffsets,
    ) -> Result<(), ErrorCode> {
        let check = group.check_commit(request)?;
        for topic in &request.topics {
            let by_name = || self.consumer.topics.by_name(&topic.name).map(|topic| topic.id);
            let topic_id = Some(topic.topic_id).filter(|id| !id.is_nil()).or_else(by_name);
            for partition in &topic.partitions {
                check.check(topic_id.unwrap_or_default(), partition.partition)?;
            }
        }
        Ok(())
    }

    fn commit_record(
        &self,
        request: &CommitOffsets,
        topic: &CommitTopic,
        partition: &CommitPartition,
        now: Now,
    ) -> Result<Record, ErrorCode> {
        let metadata = partition.metadata.clone().unwrap_or_default();
        if metadata.encode_utf16().count() > self.config.offset_metadata_max_chars {
            return Err(ErrorCode::OffsetMetadataTooLarge);
        }
        let key = OffsetCommitKey {
            group: request.group_id.clone(),
            topic: topic.name.clone(),
            partition: partition.partition,
        };
        let value = OffsetCommitValue {
            offset: partition.offset,
            leader_epoch: partition.leader_epoch,
            metadata,
            commit_timestamp: now.wall_ms,
            expire_timestamp: match request.retention_ms {
                -1 => -1,
                retention_ms => now.wall_ms.saturating_add(retention_ms),
            },
            topic_id: topic.topic_id,
        };
        Ok(Record::OffsetCommit(key, Some(value)))
    }

    /// An unknown group has committed nothing, which is no error.
    pub(crate) fn fetch_offsets(&self, request: FetchOffsets) -> Reply {
        if let Some(group) = self.consumer.groups.get(request.group_id.as_str())
            && let Err(error) = group.check_fetch(request.member_id.as_deref(), request.member_epoch)
        {
            return Reply::Failed(error);
        }
        Reply::FetchedOffsets(self.fetched_offsets(request))
    }

    fn fetched_offsets(&self, request: FetchOffsets) -> Vec<FetchedTopic> {
        let group = request.group_id.as_str();
        let is_unstable = |topic: &str, partition: i32| {
            request.require_stable && self.offsets.is_unstable(group, topic, partition)
        };
        let fetch = |topic: &str, topic_id: Uuid, partition: i32| {
            let committed = self
                .offsets
                .get(group, topic, partition)
                .filter(|_| self.has_group(group));
            match committed {
                _ if is_unstable(topic, partition) => no_offset(partition, ErrorCode::UnstableOffsetCommit),
                Some(committed) if is_of_topic(committed, topic_id) => fetched(partition, committed),
                _ => no_offset(partition, ErrorCode::None),
            }
        };
        let Some(topics) = request.topics else {
            return self.fetch_all_offsets(group, fetch);
        };
        let fetch_topic = |topic: FetchTopic| FetchedTopic {
            topic_id: topic.topic_id,
            partitions: topic
                .partitions
                .iter()
                .map(|p| fetch(&topic.name, topic.topic_id, *p))
                .collect(),
            name: topic.name,
        };
        topics.into_iter().map(fetch_topic).collect()
    }

    fn fetch_all_offsets(
        &self,
        group: &str,
        fetch: impl Fn(&str, Uuid, i32) -> FetchedOffset,
    ) -> Vec<FetchedTopic> {
        if !self.has_group(group) {
            return Vec::new();
        }
        let topics = self.offsets.of_group(group).into_iter().flatten();
        let fetch_topic = |(name, partitions): (&String, &store::Partitions)| FetchedTopic {
            topic_id: Uuid::nil(),
            name: name.clone(),
            partitions: partitions
                .keys()
                .map(|partition| fetch(name, Uuid::nil(), *partition))
                .collect(),
        };
        topics.map(fetch_topic).collect()
    }

    /// Offsets of a topic that a member reads cannot be deleted; those of another kind of group only when it has no members.
    pub(crate) fn delete_offsets(&self, request: DeleteOffsets, token: Token) -> Outcome<Self> {
        let fail = |error| Outcome::reply(token, Reply::Failed(error));
        if !self.has_group(&request.group_id) {
            return fail(ErrorCode::GroupIdNotFound);
        }
        let classic = self.groups.get(request.group_id.as_str());
        if classic.is_some_and(|group| !group.is_in(State::Empty) && !group.uses_consumer_protocol()) {
            return fail(ErrorCode::NonEmptyGroup);
        }
        let is_subscribed = |topic: &str| {
            let consumer = self.consumer.groups.get(request.group_id.as_str());
            classic.is_some_and(|group| group.is_subscribed_to(topic))
                || consumer.is_some_and(|group| group.is_subscribed_to(topic))
        };
        let id = request.group_id.as_str();
        let mut records = Vec::new();
        let mut results = Vec::with_capacity(request.topics.len());
        for (topic, partitions) in request.topics {
            let error = match is_subscribed(&topic) {
                true => ErrorCode::GroupSubscribedToTopic,
                false => ErrorCode::None,
            };
            for partition in partitions.iter().filter(|_| error == ErrorCode::None) {
                let is_there = self.offsets.get(id, &topic, *partition).is_some();
                if is_there || self.offsets.is_unstable(id, &topic, *partition) {
                    records.push(tombstone(id, &topic, *partition));
                }
            }
            let partitions = partitions
                .into_iter()
                .map(|partition| (partition, error))
                .collect();
            results.push(TopicErrors {
                topic_id: Uuid::nil(),
                name: topic,
                partitions,
            });
        }
        Outcome::write(records, token, Reply::Offsets(results))
    }

    pub(crate) fn delete_offsets_of_topics(&self, topics: &[(Uuid, String)], token: Token) -> Outcome<Self> {
        let tombstones = |(id, name): &(Uuid, String)| self.offsets.tombstones_of_topic(*id, name);
        splittable(topics.iter().flat_map(tombstones).collect(), token)
    }

    pub(crate) fn replay_offset(
        &mut self,
        offset: i64,
        producer_id: i64,
        key: OffsetCommitKey,
        value: Option<OffsetCommitValue>,
        now: Now,
    ) {
        let Some(value) = value else {
            return self.offsets.remove(&key);
        };
        if !self.has_group(&key.group) {
            let id: std::sync::Arc<str> = key.group.as_str().into();
            self.groups.insert(id.clone(), ClassicGroup::new(id, now.wall_ms));
        }
        let committed = Committed::from_record(offset, value);
        match producer_id {
            -1 => self.offsets.commit(key, committed),
            _ if planted::strikes(Bug::OffsetsBeforeCommit) => self.offsets.commit(key, committed),
            _ => self.offsets.commit_in_transaction(producer_id, key, committed),
        }
    }
}

/// Tombstones that nobody waits for, and that need not all be in one batch.
fn splittable(records: Vec<Record>, token: Token) -> Outcome<GroupShard> {
    Outcome {
        splittable: true,
        then: Then::Replay,
        ..Outcome::write(records, token, Reply::Done)
    }
}

/// An offset of a topic that was deleted, and whose name has been used again, is not an offset of the new one.
fn is_of_topic(committed: &Committed, topic_id: Uuid) -> bool {
    committed.topic_id.is_nil() || topic_id.is_nil() || committed.topic_id == topic_id
}

fn fetched(partition: i32, committed: &Committed) -> FetchedOffset {
    FetchedOffset {
        partition,
        offset: committed.offset,
        leader_epoch: committed.leader_epoch,
        metadata: committed.metadata.clone(),
        error: ErrorCode::None,
    }
}

fn no_offset(partition: i32, error: ErrorCode) -> FetchedOffset {
    FetchedOffset {
        partition,
        offset: -1,
        leader_epoch: -1,
        metadata: String::new(),
        error,
    }
}
