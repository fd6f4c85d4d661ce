//! The machine of one partition of `__consumer_offsets`: the groups that belong there, and their offsets.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ottla_base::ErrorCode;

use crate::classic::turn::{GroupTimers, TimerKey, Turn};
use crate::classic::{ClassicGroup, State};
use crate::command::{
    Command, Heartbeat, JoinGroup, Joined, LeaveGroup, LeftMember, Reply, SyncGroup, Synced,
};
use crate::config::GroupConfig;
use crate::consumer::{ConsumerGroups, TIMER_RETRY_MS};
use crate::foreign::ForeignGroups;
use crate::machine::{Machine, Now, Outcome, Then, Token};
use crate::offsets::OffsetStore;
use crate::records::{self, Encoded, GroupKey, GroupMetadataValue, Record, RecordError};

pub use crate::classic::replace::Replacement;
pub use crate::classic::sync::Assignment;
pub use crate::consumer::step::Written;

/// A deadline that has passed, whatever the time is.
const NOW_MS: i64 = 0;

/// What goes on when a record of a classic group has been written, or could not be.
#[derive(Debug)]
pub enum Resume {
    /// The first record of a group; a join made it.
    Created(Arc<str>),
    Assigned(Arc<str>, Assignment),
    Replaced(Arc<str>, Replacement),
    /// A consumer group's next step.
    Consumer(Arc<str>, Box<Written>),
}

#[derive(Debug)]
pub struct GroupShard {
    pub(crate) config: Arc<GroupConfig>,
    pub(crate) groups: HashMap<Arc<str>, ClassicGroup>,
    pub(crate) offsets: OffsetStore,
    pub(crate) foreign: ForeignGroups,
    pub(crate) consumer: ConsumerGroups,
    /// What waited for something that has happened, and is to be handled now.
    pub(crate) ready: VecDeque<(Command, Token)>,
    timers: GroupTimers,
}

impl GroupShard {
    pub fn new(config: Arc<GroupConfig>) -> Self {
        Self {
            config,
            groups: HashMap::new(),
            offsets: OffsetStore::default(),
            foreign: ForeignGroups::default(),
            consumer: ConsumerGroups::default(),
            ready: VecDeque::new(),
            timers: GroupTimers::new(),
        }
    }

    /// Whether there is a group that offsets can belong to.
    pub(crate) fn has_group(&self, id: &str) -> bool {
        self.groups.contains_key(id) || self.consumer.contains(id)
    }

    /// Does one step with a group, and returns what it leads to.
    pub(crate) fn with_group(
        &mut self,
        id: &str,
        now: Now,
        step: impl FnOnce(&mut Turn<'_>),
    ) -> Option<Outcome<Self>> {
        let group = self.groups.get_mut(id)?;
        let mut turn = Turn {
            group,
            timers: &mut self.timers,
            config: &self.config,
            now,
            out: Outcome::default(),
        };
        step(&mut turn);
        Some(turn.out)
    }

    fn join(&mut self, mut request: JoinGroup, token: Token, now: Now) -> Outcome<Self> {
        let fail = |id: &str, error| Outcome::reply(token, Reply::Joined(Joined::error(id, error)));
        let timeouts = self.config.min_session_timeout_ms..=self.config.max_session_timeout_ms;
        if !timeouts.contains(&request.session_timeout_ms) {
            return fail(&request.member_id, ErrorCode::InvalidSessionTimeout);
        }
        if self.foreign.contains(&request.group_id) {
            return fail("", ErrorCode::InconsistentGroupProtocol);
        }
        let mut seen = std::collections::HashSet::new();
        request
            .protocols
            .retain(|protocol| seen.insert(protocol.name.clone()));
        if self.consumer.contains(&request.group_id) {
            return self.join_consumer_group(request, token, now);
        }
        let is_new_group = !self.groups.contains_key(request.group_id.as_str());
        if is_new_group && !request.member_id.is_empty() {
            return fail(&request.member_id, ErrorCode::UnknownMemberId);
        }
        let id: Arc<str> = request.group_id.as_str().into();
        if is_new_group {
            self.groups
                .insert(id.clone(), ClassicGroup::new(id.clone(), now.wall_ms));
        }
        let step = |turn: &mut Turn<'_>| {
            turn.join(request, token);
            if is_new_group && turn.out.records.is_empty() {
                let record = turn.group.creation_record();
                turn.resume_with(record, Resume::Created(turn.group.id.clone()));
            }
        };
        self.with_group(&id, now, step).unwrap_or_default()
    }

    fn sync(&mut self, request: SyncGroup, token: Token, now: Now) -> Outcome<Self> {
        if self.consumer.contains(&request.group_id) {
            return self.sync_consumer_group(request, token, now);
        }
        let id = request.group_id.clone();
        let outcome = self.with_group(&id, now, |turn| turn.sync(request, token));
        outcome.unwrap_or_else(|| {
            Outcome::reply(token, Reply::Synced(Synced::error(ErrorCode::UnknownMemberId)))
        })
    }

    fn heartbeat(&mut self, request: &Heartbeat, token: Token, now: Now) -> Outcome<Self> {
        let mut result = Err(ErrorCode::UnknownMemberId);
        let outcome = if self.consumer.contains(&request.group_id) {
            result = self.heartbeat_consumer_group(request, now);
            None
        } else {
            self.with_group(&request.group_id, now, |turn| result = turn.heartbeat(request))
        };
        let mut outcome = outcome.unwrap_or_default();
        let error = result.err().unwrap_or(ErrorCode::None);
        outcome.replies.push((token, Reply::Heartbeat(error)));
        outcome
    }

    /// The answer says that the members are gone, so it waits until that is written down where it has to be.
    fn leave(&mut self, request: LeaveGroup, token: Token, now: Now) -> Outcome<Self> {
        let unknown = |member: &crate::command::LeavingMember| LeftMember {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            error: ErrorCode::UnknownMemberId,
        };
        if self.consumer.contains(&request.group_id) {
            return self.leave_consumer_group(request, token, now);
        }
        if !self.groups.contains_key(request.group_id.as_str()) {
            return Outcome::reply(token, Reply::Left(request.members.iter().map(unknown).collect()));
        }
        let step = |turn: &mut Turn<'_>| {
            let reply = Reply::Left(turn.leave(request.members));
            match turn.out.records.is_empty() {
                true => turn.reply(token, reply),
                false => turn.out.parked.push((token, reply)),
            }
        };
        self.with_group(&request.group_id, now, step).unwrap_or_default()
    }

    /// The first record of a group could not be written: nobody has heard of the group but those who wait to join it.
    fn uncreate(&mut self, id: &str, error: ErrorCode) -> Outcome<Self> {
        let mut outcome = Outcome::default();
        let Some(mut group) = self.groups.remove(id) else {
            return outcome;
        };
        let ids: Vec<Arc<str>> = group.members().map(|member| member.id.clone()).collect();
        for id in ids {
            if let Some(token) = group.take_awaiting_join(&id) {
                outcome
                    .replies
                    .push((token, Reply::Joined(Joined::error("", error))));
            }
        }
        outcome
    }

    /// The group is deleted, or another kind of group takes its place: it waits for nothing any more.
    pub(crate) fn forget_classic(&mut self, id: &str) {
        if let Some(group) = self.groups.remove(id) {
            for key in TimerKey::all_of(&group) {
                self.timers.cancel(&key);
            }
        }
    }

    pub(crate) fn replay_group(&mut self, key: GroupKey, value: Option<GroupMetadataValue>, now: Now) {
        let id: Arc<str> = key.group.into();
        match value {
            Some(value) => {
                self.groups
                    .insert(id.clone(), ClassicGroup::from_record(id, value, now.wall_ms));
            }
            None => self.forget_classic(&id),
        }
    }
}

impl Machine for GroupShard {
    type Command = Command;
    type Reply = Reply;
    type Record = Record;
    type Resume = Resume;

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Record, RecordError> {
        Record::decode(key, value)
    }

    fn encode(record: &Record) -> Result<Encoded, RecordError> {
        record.encode()
    }

    fn failure(error: ErrorCode) -> Reply {
        Reply::Failed(error)
    }

    fn is_exclusive(command: &Command) -> bool {
        match command {
            Command::DeleteGroups(_)
            | Command::DeleteOffsets(_)
            | Command::TopicsDeleted(_)
            | Command::ExpireOffsets => true,
            Command::FetchOffsets(fetch) => fetch.require_stable,
            _ => false,
        }
    }

    fn handle(&mut self, command: Command, token: Token, now: Now) -> Outcome<Self> {
        let Some((command, token)) = self.defer(command, token) else {
            return Outcome::default();
        };
        match command {
            Command::Join(request) => self.join(request, token, now),
            Command::Sync(request) => self.sync(request, token, now),
            Command::Leave(request) => self.leave(request, token, now),
            Command::Heartbeat(request) => self.heartbeat(&request, token, now),
            Command::Describe(ids) => Outcome::reply(token, Reply::Described(self.describe(ids))),
            Command::List(filter) => Outcome::reply(token, Reply::Listed(self.list(&filter))),
            Command::DeleteGroups(ids) => self.delete_groups(ids, token),
            Command::CommitOffsets(request) => self.commit_offsets(request, token, now),
            Command::FetchOffsets(request) => Outcome::reply(token, self.fetch_offsets(request)),
            Command::DeleteOffsets(request) => self.delete_offsets(request, token),
            Command::TopicsDeleted(topics) => self.delete_offsets_of_topics(&topics, token),
            Command::ExpireOffsets => self.expire_offsets(token, now),
            Command::ConsumerHeartbeat(request) => self.consumer_heartbeat(request, token, now),
            Command::DescribeConsumerGroups(ids) => {
                let described = self.consumer.describe(ids, self.config.consumer.default_assignor);
                Outcome::reply(token, Reply::DescribedConsumerGroups(described))
            }
            Command::SetTopics(topics) => {
                self.set_topics(topics, now);
                Outcome::reply(token, Reply::Done)
            }
            Command::SetConsumerConfig(config) => {
                Arc::make_mut(&mut self.config).consumer = config;
                Outcome::reply(token, Reply::Done)
            }
            Command::SetGroupConfig(group, config) => {
                self.consumer.set_config(group, config);
                Outcome::reply(token, Reply::Done)
            }
        }
    }

    fn replaces_earlier(key: &[u8], _value: &[u8]) -> bool {
        records::is_offset_or_classic_group(key)
    }

    fn next_deadline_ms(&self) -> Option<i64> {
        if !self.ready.is_empty() {
            return Some(NOW_MS);
        }
        let classic = self.timers.next_deadline_ms();
        classic.into_iter().chain(self.consumer.next_deadline_ms()).min()
    }

    fn expire(&mut self, now: Now) -> Option<Outcome<Self>> {
        if let Some((command, token)) = self.ready.pop_front() {
            return Some(self.handle(command, token, now));
        }
        let Some((key, action)) = self.timers.pop_due(now.uptime_ms) else {
            return self.expire_consumer(now);
        };
        let id = key.group().clone();
        if self.consumer.is_writing(&id) {
            self.timers.schedule(key, now.uptime_ms + TIMER_RETRY_MS, action);
            return Some(Outcome::default());
        }
        Some(
            self.with_group(&id, now, |turn| turn.on_timer(key, action))
                .unwrap_or_default(),
        )
    }

    fn replay(&mut self, offset: i64, producer_id: i64, record: Record, now: Now) {
        match record {
            Record::OffsetCommit(key, value) => self.replay_offset(offset, producer_id, key, value, now),
            Record::LegacyOffsetCommit(key, value) => {
                self.replay_offset(offset, producer_id, key, value.map(Into::into), now);
            }
            Record::GroupMetadata(key, value) => self.replay_group(key, value, now),
            other => self.replay_foreign(other),
        }
    }

    fn end_transaction(&mut self, producer_id: i64, committed: bool) {
        self.offsets.end_transaction(producer_id, committed);
    }

    fn resume(&mut self, resume: Resume, appended: Result<(), ErrorCode>, now: Now) -> Outcome<Self> {
        let outcome = match resume {
            Resume::Consumer(id, written) => Some(self.consumer_written(&id, *written, appended, now)),
            Resume::Created(id) => appended.err().map(|error| self.uncreate(&id, error)),
            Resume::Assigned(id, assignment) => {
                self.with_group(&id, now, |turn| turn.assigned(assignment, appended))
            }
            Resume::Replaced(id, replacement) => {
                self.with_group(&id, now, |turn| turn.replaced(replacement, appended))
            }
        };
        outcome.unwrap_or_default()
    }

    /// Members get as long as if they had just been heard of: what they sent while nobody listened does not count.
    fn loaded(&mut self, now: Now) -> Outcome<Self> {
        let ids: Vec<Arc<str>> = self.groups.keys().cloned().collect();
        let max_size = self.config.max_size;
        self.load_consumer_groups(now);
        let mut all = Outcome {
            splittable: true,
            ..Outcome::default()
        };
        for id in ids {
            let outcome = self.with_group(&id, now, |turn| {
                let members: Vec<Arc<str>> = turn.group.members().map(|member| member.id.clone()).collect();
                members.iter().for_each(|member| turn.reset_session(member));
                if std::mem::take(&mut turn.group.is_unassigned) {
                    turn.prepare_rebalance("the group has just become a classic one");
                } else if members.len() > max_size && turn.group.is_in(State::Stable) {
                    turn.prepare_rebalance("the group is larger than it may be");
                }
            });
            let outcome = outcome.unwrap_or_default();
            all.records.extend(outcome.records);
            all.replies.extend(outcome.replies);
        }
        all.then = Then::Nothing;
        all
    }

    fn unloaded(&mut self) -> Vec<(Token, Reply)> {
        let mut waiting: Vec<Token> = self.consumer.unloaded().collect();
        waiting.extend(self.ready.drain(..).map(|(_, token)| token));
        for group in self.groups.values_mut() {
            let ids: Vec<Arc<str>> = group.members().map(|member| member.id.clone()).collect();
            let joins = ids.iter().filter_map(|id| group.take_awaiting_join(id));
            waiting.extend(joins);
            waiting.extend(
                group
                    .members_mut()
                    .filter_map(|member| member.awaiting_sync.take()),
            );
        }
        waiting
            .into_iter()
            .map(|token| (token, Reply::Failed(ErrorCode::NotCoordinator)))
            .collect()
    }
}
