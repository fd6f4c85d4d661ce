//! The consumer groups of a partition of `__consumer_offsets`, as part of its machine.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ottla_base::ErrorCode;

use super::assignor::Assignor;
use super::group::ConsumerGroup;
use super::heartbeat::Beat;
use super::leave;
use super::member::Member;
use super::migration;
use super::step::Step;
use super::timers::MemberTimers;
use super::topics::Topics;
use super::turn::Turn;
use crate::classic::State;
use crate::command::{Command, ConsumerHeartbeat, ConsumerHeartbeatAnswer, DescribedConsumerGroup, Reply};
use crate::config::ConsumerGroupConfig;
use crate::machine::{Now, Outcome, Token};
use crate::records::{GroupKey, Record};
use crate::shard::GroupShard;

/// The version of the topics before anybody has named any.
const NO_TOPICS_VERSION: i64 = 0;

#[derive(Debug, Default)]
pub(crate) struct ConsumerGroups {
    pub groups: HashMap<Arc<str>, ConsumerGroup>,
    pub topics: Arc<Topics>,
    /// Settings of single groups.
    overrides: HashMap<String, Arc<ConsumerGroupConfig>>,
    pub(super) timers: MemberTimers,
    /// Groups whose records are on their way, and what waits for each.
    pub(super) writing: HashMap<Arc<str>, VecDeque<(Command, Token)>>,
}

impl ConsumerGroups {
    pub fn contains(&self, group: &str) -> bool {
        self.groups.contains_key(group)
    }

    pub fn is_writing(&self, group: &str) -> bool {
        self.writing.contains_key(group)
    }

    pub fn has_no_topics(&self) -> bool {
        self.topics.version() == NO_TOPICS_VERSION
    }

    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.timers.next_deadline_ms()
    }

    /// Settings of one group, or none of its own.
    pub fn set_config(&mut self, group: String, config: Option<ConsumerGroupConfig>) {
        match config {
            Some(config) => self.overrides.insert(group, Arc::new(config)),
            None => self.overrides.remove(&group),
        };
    }

    pub fn describe(&self, ids: Vec<String>, default_assignor: Assignor) -> Vec<DescribedConsumerGroup> {
        let describe = |id: String| match self.groups.get(id.as_str()) {
            Some(group) => group.described(&self.topics, default_assignor),
            None => DescribedConsumerGroup::not_found(id),
        };
        ids.into_iter().map(describe).collect()
    }

    pub fn unloaded(&mut self) -> impl Iterator<Item = Token> + '_ {
        let waiting = self.writing.drain().flat_map(|(_, waiting)| waiting);
        waiting.map(|(_, token)| token)
    }
}

impl GroupShard {
    pub(crate) fn consumer_heartbeat(
        &mut self,
        request: ConsumerHeartbeat,
        token: Token,
        now: Now,
    ) -> Outcome<Self> {
        let id: Arc<str> = request.group_id.as_str().into();
        let step = match request.member_epoch < 0 {
            true => self.consumer_leave(&id, &request, now),
            false => self.consumer_beat(&id, &request, now),
        };
        let (step, answer) = step.unwrap_or_else(|error| {
            let answer = ConsumerHeartbeatAnswer::error(&request.member_id, error);
            (Step::default(), answer)
        });
        let reply = Some((token, Reply::ConsumerHeartbeat(answer)));
        self.take_step(id, Step { reply, ..step })
    }

    fn consumer_leave(
        &self,
        id: &Arc<str>,
        request: &ConsumerHeartbeat,
        now: Now,
    ) -> Result<(Step, ConsumerHeartbeatAnswer), ErrorCode> {
        let group = self.consumer.groups.get(id).ok_or(ErrorCode::GroupIdNotFound)?;
        let step = match leave::leaving(group, request)? {
            leave::Leaving::ForGood(member) => self.without(group, &[member], now),
            leave::Leaving::ForAWhile(member) => Step {
                records: vec![leave::away(member).current_assignment_record(id)],
                ..Step::default()
            },
        };
        Ok((step, leave::answer(request)))
    }

    /// The group goes on without these members: in another epoch, so that what they had goes to the others; as a classic
    /// group if only members of that protocol are left.
    pub(super) fn without(&self, group: &ConsumerGroup, leaving: &[&Member], now: Now) -> Step {
        let downgrade = self.config.consumer_migration.allows_downgrade()
            && migration::only_classic_without(group, leaving, self.config.max_size);
        if downgrade && let Some(step) = migration::downgrade(group, leaving, &self.consumer.topics, now) {
            return step;
        }
        Step {
            records: leave::remove(group, leaving, &self.consumer.topics),
            ..Step::default()
        }
    }

    fn consumer_beat(
        &mut self,
        id: &Arc<str>,
        request: &ConsumerHeartbeat,
        now: Now,
    ) -> Result<(Step, ConsumerHeartbeatAnswer), ErrorCode> {
        let config = self.consumer_config(id);
        let (new_group, records) = self.make_way(id, request.member_epoch == 0, &config)?;
        let is_upgrade = new_group.as_ref().is_some_and(|group| group.members().len() > 0);
        let group = match &new_group {
            Some(group) => group,
            None => self.consumer.groups.get(id).ok_or(ErrorCode::GroupIdNotFound)?,
        };
        let turn = Turn {
            group,
            topics: &self.consumer.topics,
            config: &config,
            now_ms: now.wall_ms,
            records,
        };
        let session_ms = config.session_timeout_ms;
        if let Some((member, answer)) = turn.quiet(request) {
            self.consumer.timers.session(id, &member.id, session_ms, now);
            return Ok((Step::default(), answer));
        }
        let Beat {
            records,
            answer,
            member,
            reconciled,
        } = turn.heartbeat(request)?;
        self.hash_checked(id, &records);
        self.consumer.timers.session(id, &member.id, session_ms, now);
        if reconciled {
            self.consumer.timers.revocation(id, &member, now);
        }
        let mut step = Step {
            records,
            ..Step::default()
        };
        if let Some(group) = new_group.filter(|_| is_upgrade) {
            step.dismissed = self.upgraded(&group, &member.id, now);
        }
        Ok((step, answer))
    }

    /// Without a new epoch the hash has been found to hold, or had been before.
    pub(super) fn hash_checked(&mut self, id: &str, records: &[Record]) {
        let checked_at = self.consumer.topics.version();
        let has_new_epoch = records
            .iter()
            .any(|record| matches!(record, Record::ConsumerGroupMetadata(..)));
        if let Some(group) = self.consumer.groups.get_mut(id).filter(|_| !has_new_epoch) {
            group.hash_checked_at = Some(checked_at);
        }
    }

    /// The group that a join makes if there is no consumer group yet, and the records that make it. A classic group is in its
    /// way: one without members is deleted, one with members is taken over.
    fn make_way(
        &self,
        id: &Arc<str>,
        may_create: bool,
        config: &ConsumerGroupConfig,
    ) -> Result<(Option<ConsumerGroup>, Vec<Record>), ErrorCode> {
        if self.consumer.contains(id) {
            return Ok((None, Vec::new()));
        }
        if !may_create || self.foreign.contains(id) {
            return Err(ErrorCode::GroupIdNotFound);
        }
        let Some(classic) = self.groups.get(id) else {
            return Ok((Some(ConsumerGroup::new(id.clone())), Vec::new()));
        };
        let key = GroupKey {
            group: id.to_string(),
        };
        let mut records = vec![Record::GroupMetadata(key, None)];
        if classic.is_in(State::Empty) {
            return Ok((Some(ConsumerGroup::new(id.clone())), records));
        }
        let policy = self.config.consumer_migration;
        let group = migration::upgrade(classic, policy, config.max_size, &self.consumer.topics)?;
        records.extend(group.creation_records());
        Ok((Some(group), records))
    }

    pub(super) fn consumer_config(&self, id: &str) -> Arc<ConsumerGroupConfig> {
        let own = self.consumer.overrides.get(id);
        own.unwrap_or(&self.config.consumer).clone()
    }

    /// A committed record of a group, of whatever kind.
    pub(super) fn replay_group_record(&mut self, record: Record, now: Now) {
        match record {
            Record::GroupMetadata(key, value) => self.replay_group(key, value, now),
            other => self.replay_foreign(other),
        }
    }

    /// A record of a group that is not classic. What only held offsets becomes such a group with its first record.
    pub(crate) fn replay_foreign(&mut self, record: Record) {
        let Err(other) = self.replay_consumer(record) else {
            return;
        };
        self.foreign.replay(&other);
    }

    fn replay_consumer(&mut self, record: Record) -> Result<(), Box<Record>> {
        // A group that nobody subscribes in has members before it has an epoch of its own.
        match &record {
            Record::ConsumerGroupMetadata(key, Some(_)) => self.forget_classic(&key.group),
            Record::ConsumerGroupMemberMetadata(key, Some(_)) => self.forget_classic(&key.group),
            _ => {}
        }
        self.consumer.replay(record)
    }

    /// Topics have changed. With the first ones, members can be served, and so their sessions begin.
    pub(crate) fn set_topics(&mut self, topics: Arc<Topics>, now: Now) {
        let is_first = self.consumer.has_no_topics();
        self.consumer.topics = topics;
        if is_first {
            self.load_consumer_groups(now);
        }
    }
}
