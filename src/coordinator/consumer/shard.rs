//! The consumer groups of a partition of `__consumer_offsets`, as part of its machine.
//!
//! A step of a group is decided by its committed state, so a group takes one step at a time: what comes while its records are
//! on their way waits here for them. Other groups do not wait. If the records cannot be written, nothing has happened.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ottla_base::ErrorCode;

use super::assignment;
use super::assignor::Assignor;
use super::group::ConsumerGroup;
use super::heartbeat::{Beat, Turn};
use super::leave;
use super::member::{Member, MemberState};
use super::regex::ResolvedRegex;
use super::topics::Topics;
use crate::classic::State;
use crate::command::{ConsumerHeartbeat, ConsumerHeartbeatAnswer, DescribedConsumerGroup, Reply};
use crate::config::ConsumerGroupConfig;
use crate::machine::{Now, Outcome, Then, Token};
use crate::records::{GroupKey, Record};
use crate::shard::{GroupShard, Resume};
use crate::timers::Timers;

/// How long a timer waits for records of its group that are on their way.
const TIMER_RETRY_MS: i64 = 100;

/// The version of the topics before anybody has named any.
const NO_TOPICS_VERSION: i64 = 0;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum TimerKey {
    /// Of a group and a member.
    Session(Arc<str>, Arc<str>),
    Rebalance(Arc<str>, Arc<str>),
}

/// A rebalance timer is for the epoch that the member was in when it was told to give up partitions.
type TimerAction = Option<i32>;

#[derive(Debug, Default)]
pub(crate) struct ConsumerGroups {
    pub groups: HashMap<Arc<str>, ConsumerGroup>,
    pub topics: Arc<Topics>,
    /// Settings of single groups.
    overrides: HashMap<String, Arc<ConsumerGroupConfig>>,
    timers: Timers<TimerKey, TimerAction>,
    /// Groups whose records are on their way, and what waits for each.
    writing: HashMap<Arc<str>, VecDeque<(ConsumerHeartbeat, Token)>>,
}

impl ConsumerGroups {
    pub fn contains(&self, group: &str) -> bool {
        self.groups.contains_key(group)
    }

    /// Whether there is such a group, or may be one soon.
    pub fn takes(&self, group: &str) -> bool {
        self.contains(group) || self.writing.contains_key(group)
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

    pub fn tombstones(&self, group: &ConsumerGroup) -> Vec<Record> {
        leave::group_tombstones(group)
    }

    pub fn unloaded(&mut self) -> impl Iterator<Item = Token> + '_ {
        let waiting = self.writing.drain().flat_map(|(_, waiting)| waiting);
        waiting.map(|(_, token)| token)
    }

    fn schedule_session(&mut self, group: &Arc<str>, member: &Arc<str>, timeout_ms: i32, now: Now) {
        let key = TimerKey::Session(group.clone(), member.clone());
        let at_ms = now.uptime_ms + i64::from(timeout_ms);
        self.timers.schedule(key, at_ms, None);
    }

    /// A member that is to give up partitions has its rebalance timeout for that.
    fn schedule_rebalance(&mut self, group: &Arc<str>, member: &Member, now: Now) {
        let key = TimerKey::Rebalance(group.clone(), member.id.clone());
        if member.state == MemberState::UnrevokedPartitions {
            let at_ms = now.uptime_ms + i64::from(member.rebalance_timeout_ms);
            self.timers.schedule(key, at_ms, Some(member.epoch));
        } else {
            self.timers.cancel(&key);
        }
    }

    /// Whether the record was one of a consumer group.
    pub fn replay(&mut self, record: Record) -> Result<(), Box<Record>> {
        match record {
            Record::ConsumerGroupMetadata(key, Some(value)) => {
                let group = self.group_mut(&key.group);
                group.epoch = value.epoch;
                group.metadata_hash = value.metadata_hash;
            }
            Record::ConsumerGroupMetadata(key, None) => {
                self.groups.remove(key.group.as_str());
            }
            Record::ConsumerGroupPartitionMetadata(key, value) => {
                self.change(&key.group, value.is_some(), |group| {
                    group.has_partition_metadata = value.is_some();
                });
            }
            Record::ConsumerGroupMemberMetadata(key, Some(value)) => {
                let group = self.group_mut(&key.group);
                group.update(&key.member, |member| member.replay_metadata(value));
            }
            Record::ConsumerGroupMemberMetadata(key, None) => {
                self.change(&key.group, false, |group| group.remove(&key.member));
            }
            Record::ConsumerGroupTargetAssignmentMetadata(key, value) => {
                self.change(&key.group, value.is_some(), |group| {
                    let (epoch, at_ms) = value
                        .as_ref()
                        .map_or((-1, 0), |v| (v.assignment_epoch, v.assignment_timestamp));
                    group.assignment_epoch = epoch;
                    group.assigned_at_ms = at_ms;
                });
            }
            Record::ConsumerGroupTargetAssignmentMember(key, Some(value)) => {
                let target = assignment::from_record(value.topic_partitions);
                let group = self.group_mut(&key.group);
                group.targets.insert(key.member.as_str().into(), target);
            }
            Record::ConsumerGroupTargetAssignmentMember(key, None) => {
                self.change(&key.group, false, |group| {
                    group.targets.remove(key.member.as_str());
                });
            }
            Record::ConsumerGroupCurrentMemberAssignment(key, value) => {
                self.replay_current_assignment(&key.group, &key.member, value);
            }
            Record::ConsumerGroupRegularExpression(key, value) => {
                self.change(&key.group, value.is_some(), |group| {
                    let regex = key.regular_expression.clone();
                    match value.map(ResolvedRegex::from_record) {
                        Some(resolved) => group.regexes.insert(regex, resolved),
                        None => group.regexes.remove(&regex),
                    };
                });
            }
            other => return Err(Box::new(other)),
        }
        Ok(())
    }

    /// The tombstone of a member that is not there does not make one.
    fn replay_current_assignment(
        &mut self,
        group: &str,
        member: &str,
        value: Option<crate::records::ConsumerGroupCurrentMemberAssignmentValue>,
    ) {
        let is_tombstone = value.is_none();
        self.change(group, !is_tombstone, |group| {
            if !is_tombstone || group.member(member).is_some() {
                group.update(member, |member| member.replay_current_assignment(value));
            }
        });
    }

    fn change(&mut self, group: &str, may_create: bool, change: impl FnOnce(&mut ConsumerGroup)) {
        if may_create {
            change(self.group_mut(group));
        } else if let Some(group) = self.groups.get_mut(group) {
            change(group);
        }
    }

    fn group_mut(&mut self, id: &str) -> &mut ConsumerGroup {
        let id: Arc<str> = id.into();
        self.groups
            .entry(id.clone())
            .or_insert_with(|| ConsumerGroup::new(id))
    }
}

impl GroupShard {
    pub(crate) fn consumer_heartbeat(
        &mut self,
        request: ConsumerHeartbeat,
        token: Token,
        now: Now,
    ) -> Outcome<Self> {
        if let Some(waiting) = self.consumer.writing.get_mut(request.group_id.as_str()) {
            waiting.push_back((request, token));
            return Outcome::default();
        }
        let id: Arc<str> = request.group_id.as_str().into();
        let (member_id, is_leave) = (request.member_id.clone(), request.member_epoch < 0);
        let step = match is_leave {
            true => self.consumer_leave(&id, &request),
            false => self.consumer_beat(&id, &request, now),
        };
        let (records, answer) =
            step.unwrap_or_else(|error| (Vec::new(), ConsumerHeartbeatAnswer::error(&member_id, error)));
        let reply = Reply::ConsumerHeartbeat(answer);
        if records.is_empty() {
            return Outcome::reply(token, reply);
        }
        self.write_consumer_group(id, records, Some((token, reply)))
    }

    fn consumer_leave(
        &self,
        id: &Arc<str>,
        request: &ConsumerHeartbeat,
    ) -> Result<(Vec<Record>, ConsumerHeartbeatAnswer), ErrorCode> {
        let group = self.consumer.groups.get(id).ok_or(ErrorCode::GroupIdNotFound)?;
        let records = leave::leave(group, request, &self.consumer.topics)?;
        Ok((records, leave::answer(request)))
    }

    fn consumer_beat(
        &mut self,
        id: &Arc<str>,
        request: &ConsumerHeartbeat,
        now: Now,
    ) -> Result<(Vec<Record>, ConsumerHeartbeatAnswer), ErrorCode> {
        let mut before = self.make_way(id, request)?;
        let config = self.consumer_config(id);
        let new_group;
        let group = match self.consumer.groups.get(id) {
            Some(group) => group,
            None => {
                new_group = ConsumerGroup::new(id.clone());
                &new_group
            }
        };
        let turn = Turn {
            group,
            topics: &self.consumer.topics,
            config: &config,
            now_ms: now.wall_ms,
            records: Vec::new(),
        };
        let Beat {
            records,
            answer,
            member,
            reconciled,
        } = turn.heartbeat(request)?;
        let checked_at = self.consumer.topics.version();
        // Without a new epoch the hash has been found to hold, or had been before.
        let has_new_epoch = records
            .iter()
            .any(|record| matches!(record, Record::ConsumerGroupMetadata(..)));
        if let Some(group) = self.consumer.groups.get_mut(id).filter(|_| !has_new_epoch) {
            group.hash_checked_at = Some(checked_at);
        }
        self.consumer
            .schedule_session(id, &member.id, config.session_timeout_ms, now);
        if reconciled {
            self.consumer.schedule_rebalance(id, &member, now);
        }
        before.extend(records);
        Ok((before, answer))
    }

    /// A group of another kind is in the way, unless it is a classic one without members: what deletes that comes first.
    fn make_way(&self, id: &str, request: &ConsumerHeartbeat) -> Result<Vec<Record>, ErrorCode> {
        let is_missing = request.member_epoch != 0 && !self.consumer.contains(id);
        if is_missing || self.foreign.contains(id) {
            return Err(ErrorCode::GroupIdNotFound);
        }
        match self.groups.get(id) {
            None => Ok(Vec::new()),
            Some(group) if !group.is_in(State::Empty) => Err(ErrorCode::GroupIdNotFound),
            Some(group) if group.protocol_type.is_none() => Ok(Vec::new()),
            Some(_) => {
                let group = id.to_owned();
                Ok(vec![Record::GroupMetadata(GroupKey { group }, None)])
            }
        }
    }

    fn consumer_config(&self, id: &str) -> Arc<ConsumerGroupConfig> {
        let own = self.consumer.overrides.get(id);
        own.unwrap_or(&self.config.consumer).clone()
    }

    fn write_consumer_group(
        &mut self,
        id: Arc<str>,
        records: Vec<Record>,
        parked: Option<(Token, Reply)>,
    ) -> Outcome<Self> {
        self.consumer.writing.insert(id.clone(), VecDeque::new());
        Outcome {
            then: Then::Resume(Resume::Consumer(id, records.clone())),
            records,
            parked: parked.into_iter().collect(),
            ..Outcome::default()
        }
    }

    /// The records of a group are written, or could not be: those who waited for that are next.
    pub(crate) fn consumer_written(
        &mut self,
        id: &Arc<str>,
        records: Vec<Record>,
        appended: Result<(), ErrorCode>,
        now: Now,
    ) -> Outcome<Self> {
        if appended.is_ok() {
            for record in records {
                self.replay_foreign(record);
            }
        }
        let mut all = Outcome::default();
        let mut waiting = self.consumer.writing.remove(id).unwrap_or_default();
        while let Some((request, token)) = waiting.pop_front() {
            let outcome = self.consumer_heartbeat(request, token, now);
            all.replies.extend(outcome.replies);
            if !outcome.records.is_empty() {
                all.records = outcome.records;
                all.parked = outcome.parked;
                all.then = outcome.then;
                break;
            }
        }
        if let Some(writing) = self.consumer.writing.get_mut(id) {
            writing.append(&mut waiting);
        }
        all
    }

    /// A record of a group that is not classic. What only held offsets becomes such a group with its first record.
    pub(crate) fn replay_foreign(&mut self, record: Record) {
        let Err(other) = self.replay_consumer(record) else {
            return;
        };
        self.foreign.replay(&other);
    }

    fn replay_consumer(&mut self, record: Record) -> Result<(), Box<Record>> {
        if let Record::ConsumerGroupMetadata(key, Some(_)) = &record {
            self.groups.remove(key.group.as_str());
        }
        self.consumer.replay(record)
    }

    /// Handles one timer of a consumer group that is due.
    pub(crate) fn expire_consumer(&mut self, now: Now) -> Option<Outcome<Self>> {
        let (key, epoch) = self.consumer.timers.pop_due(now.uptime_ms)?;
        let (TimerKey::Session(id, member_id) | TimerKey::Rebalance(id, member_id)) = &key;
        if self.consumer.writing.contains_key(id) {
            let at_ms = now.uptime_ms + TIMER_RETRY_MS;
            self.consumer.timers.schedule(key, at_ms, epoch);
            return Some(Outcome::default());
        }
        let (id, member_id) = (id.clone(), member_id.clone());
        let Some(group) = self.consumer.groups.get(&id) else {
            return Some(Outcome::default());
        };
        let late = group
            .member(&member_id)
            .filter(|member| epoch.is_none_or(|epoch| member.epoch == epoch));
        let Some(member) = late else {
            return Some(Outcome::default());
        };
        tracing::info!(group = %id, member = %member_id, is_session = epoch.is_none(), "a member is late and is removed");
        let records = leave::remove(group, member, &self.consumer.topics);
        // If the records cannot be written, the member is as late as before.
        let at_ms = now.uptime_ms + TIMER_RETRY_MS;
        self.consumer.timers.schedule(key, at_ms, epoch);
        Some(self.write_consumer_group(id, records, None))
    }

    /// Topics have changed. With the first ones, members can be served, and so their sessions begin.
    pub(crate) fn set_topics(&mut self, topics: Arc<Topics>, now: Now) {
        let is_first = self.consumer.topics.version() == NO_TOPICS_VERSION;
        self.consumer.topics = topics;
        if is_first {
            self.load_consumer_groups(now);
        }
    }

    /// Sessions begin anew, and so does the time that members have to give up partitions. As long as nobody has said what
    /// topics there are, members cannot be heard here, and nobody is removed for being silent.
    pub(crate) fn load_consumer_groups(&mut self, now: Now) {
        if self.consumer.topics.version() == NO_TOPICS_VERSION {
            return;
        }
        let mut timers = Vec::new();
        for (id, group) in &self.consumer.groups {
            let timeout_ms = self.consumer_config(id).session_timeout_ms;
            let members = group.members().cloned();
            timers.extend(members.map(|member| (id.clone(), member, timeout_ms)));
        }
        for (id, member, timeout_ms) in timers {
            self.consumer.schedule_session(&id, &member.id, timeout_ms, now);
            self.consumer.schedule_rebalance(&id, &member, now);
        }
    }
}
