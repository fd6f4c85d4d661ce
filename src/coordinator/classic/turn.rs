//! One step of one group: the group, and what acting on it may touch. Here are the transitions that several requests share:
//! beginning a rebalance, ending the join phase, failing a member.

use std::sync::Arc;

use bytes::Bytes;
use ottla_base::ErrorCode;
use tracing::info;

use super::group::{ClassicGroup, State};
use super::member::Member;
use crate::command::{Joined, JoinedMember, Reply, Synced};
use crate::config::GroupConfig;
use crate::machine::{Now, Outcome, Then, Token};
use crate::records::Record;
use crate::shard::{GroupShard, Resume};
use crate::timers::Timers;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TimerKey {
    /// Of a group and a member.
    Session(Arc<str>, Arc<str>),
    Join(Arc<str>),
    Sync(Arc<str>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TimerAction {
    EndSession,
    CompleteJoin,
    /// The first rebalance of a group waits for more members, but not for ever.
    CompleteInitialJoin {
        delay_ms: i32,
        remaining_ms: i32,
    },
    /// Of the generation that the timer was set for.
    ExpireSync {
        generation: i32,
    },
}

impl TimerKey {
    /// Of all that a group may wait for.
    pub fn all_of(group: &ClassicGroup) -> Vec<Self> {
        let id = &group.id;
        let sessions = group
            .members()
            .map(|member| Self::Session(id.clone(), member.id.clone()));
        sessions
            .chain([Self::Join(id.clone()), Self::Sync(id.clone())])
            .collect()
    }

    pub fn group(&self) -> &Arc<str> {
        match self {
            Self::Session(group, _) | Self::Join(group) | Self::Sync(group) => group,
        }
    }
}

pub(crate) type GroupTimers = Timers<TimerKey, TimerAction>;

pub(crate) struct Turn<'a> {
    pub group: &'a mut ClassicGroup,
    pub timers: &'a mut GroupTimers,
    pub config: &'a GroupConfig,
    pub now: Now,
    pub out: Outcome<GroupShard>,
}

impl Turn<'_> {
    pub fn reply(&mut self, token: Token, reply: Reply) {
        self.out.replies.push((token, reply));
    }

    pub fn reply_joined(&mut self, token: Token, joined: Joined) {
        self.reply(token, Reply::Joined(joined));
    }

    /// One step appends at most one record of a classic group.
    pub fn write(&mut self, record: Record, then: Then<GroupShard>) {
        debug_assert!(self.out.records.is_empty());
        self.out.records.push(record);
        self.out.then = then;
    }

    /// What a write leads to is decided when it has ended: the shard comes back with this.
    pub fn resume_with(&mut self, record: Record, resume: Resume) {
        self.write(record, Then::Resume(resume));
    }

    pub fn on_timer(&mut self, key: TimerKey, action: TimerAction) {
        match (key, action) {
            (TimerKey::Session(_, member_id), _) => self.end_session(&member_id),
            (
                _,
                TimerAction::CompleteInitialJoin {
                    delay_ms,
                    remaining_ms,
                },
            ) => {
                self.complete_initial_join(delay_ms, remaining_ms);
            }
            (_, TimerAction::ExpireSync { generation }) => self.expire_pending_sync(generation),
            (_, TimerAction::CompleteJoin | TimerAction::EndSession) => self.complete_join(),
        }
    }

    pub fn rebalance_or_complete_join(&mut self, reason: &str) {
        if self.group.can_rebalance() {
            self.prepare_rebalance(reason);
        } else {
            self.maybe_complete_join();
        }
    }

    /// Ends the join phase if everybody is there, except in the first rebalance of a group, which waits for more.
    pub fn maybe_complete_join(&mut self) {
        let preparing = self.group.is_in(State::PreparingRebalance);
        if preparing && !self.group.is_initial_rebalance() && self.group.all_members_joined() {
            self.complete_join();
        }
    }

    pub fn prepare_rebalance(&mut self, reason: &str) {
        let (generation, members) = (self.group.generation, self.group.members().len());
        info!(
            group = &*self.group.id,
            generation, members, reason, "rebalance begins"
        );
        if self.group.is_in(State::CompletingRebalance) {
            self.fail_assignment(ErrorCode::RebalanceInProgress);
        }
        self.group.pending_sync.clear();
        self.timers.cancel(&TimerKey::Sync(self.group.id.clone()));
        let is_initial = self.group.is_in(State::Empty);
        self.group
            .transition_to(State::PreparingRebalance, self.now.wall_ms);
        if is_initial {
            let delay_ms = self.config.initial_rebalance_delay_ms;
            let remaining_ms = (self.group.rebalance_timeout_ms() - delay_ms).max(0);
            self.schedule_join(
                delay_ms,
                TimerAction::CompleteInitialJoin {
                    delay_ms,
                    remaining_ms,
                },
            );
        } else if self.group.all_members_joined() {
            self.complete_join();
        } else {
            self.schedule_join(self.group.rebalance_timeout_ms(), TimerAction::CompleteJoin);
        }
    }

    /// A member is gone: the others share its work out anew. Its own open requests are answered.
    pub fn fail_member(&mut self, id: &str) {
        info!(
            group = &*self.group.id,
            member = id,
            "member failed: its session has ended"
        );
        self.remove_member(id);
        match self.group.state() {
            State::Stable | State::CompletingRebalance => self.rebalance_or_complete_join("a member failed"),
            State::PreparingRebalance if self.group.all_members_joined() => self.complete_join(),
            State::PreparingRebalance | State::Empty => {}
        }
    }

    /// Takes a member out of the group. A request of it that still waits is answered with UNKNOWN_MEMBER_ID, so that a
    /// client that is alive after all joins again.
    pub fn remove_member(&mut self, id: &str) {
        self.timers
            .cancel(&TimerKey::Session(self.group.id.clone(), id.into()));
        let Some(member) = self.group.remove(id) else {
            return;
        };
        self.dismiss(&member, "", ErrorCode::UnknownMemberId);
    }

    pub fn dismiss(&mut self, member: &Member, told_id: &str, error: ErrorCode) {
        if let Some(token) = member.awaiting_join {
            self.reply_joined(token, Joined::error(told_id, error));
        }
        if let Some(token) = member.awaiting_sync {
            self.reply(token, Reply::Synced(Synced::error(error)));
        }
    }

    /// Answers every request that waits, because what it waits for will not come.
    pub fn dismiss_all(&mut self, error: ErrorCode) {
        self.propagate_assignment(error);
        let ids: Vec<Arc<str>> = self.group.members().map(|member| member.id.clone()).collect();
        for id in ids {
            if let Some(token) = self.group.take_awaiting_join(&id) {
                self.reply_joined(token, Joined::error(&id, error));
            }
        }
    }

    pub fn reset_session(&mut self, member_id: &Arc<str>) {
        let Some(member) = self.group.member(member_id) else {
            return;
        };
        self.schedule_session(member_id, member.session_timeout_ms);
    }

    pub fn schedule_session(&mut self, member_id: &Arc<str>, timeout_ms: i32) {
        let key = TimerKey::Session(self.group.id.clone(), member_id.clone());
        self.timers
            .schedule(key, self.at(timeout_ms), TimerAction::EndSession);
    }

    /// The state of the group as a member is told when it joins.
    pub fn joined(&self, member_id: &str, members: Vec<JoinedMember>) -> Joined {
        Joined {
            error: ErrorCode::None,
            member_id: member_id.to_owned(),
            generation_id: self.group.generation,
            protocol_type: self.group.protocol_type.clone(),
            protocol_name: self.group.protocol.clone(),
            leader: self.group.leader.as_deref().unwrap_or_default().to_owned(),
            skip_assignment: false,
            members,
        }
    }

    /// What the leader needs to assign: everybody's metadata of the chosen protocol.
    pub fn members_for(&self, member_id: &str) -> Vec<JoinedMember> {
        if !self.group.is_leader(member_id) {
            return Vec::new();
        }
        let protocol = self.group.protocol.as_deref().unwrap_or_default();
        let describe = |member: &Member| JoinedMember {
            member_id: member.id.to_string(),
            group_instance_id: member.instance_id.clone(),
            metadata: member.metadata(protocol),
        };
        self.group.members().map(describe).collect()
    }

    /// Whoever waits for the assignment gets an error instead, and nobody keeps the old one.
    pub fn fail_assignment(&mut self, error: ErrorCode) {
        for member in self.group.members_mut() {
            member.assignment = Bytes::new();
        }
        self.propagate_assignment(error);
    }

    /// Answers every SyncGroup that waits.
    pub fn propagate_assignment(&mut self, error: ErrorCode) {
        let (protocol_type, protocol_name) = match error {
            ErrorCode::None => (self.group.protocol_type.clone(), self.group.protocol.clone()),
            _ => (None, None),
        };
        let mut answered = Vec::new();
        for member in self.group.members_mut() {
            let Some(token) = member.awaiting_sync.take() else {
                continue;
            };
            answered.push(member.id.clone());
            let synced = Synced {
                error,
                protocol_type: protocol_type.clone(),
                protocol_name: protocol_name.clone(),
                assignment: member.assignment.clone(),
            };
            self.out.replies.push((token, Reply::Synced(synced)));
        }
        // While they waited nothing was expected of them; from now on heartbeats are.
        for id in answered {
            self.reset_session(&id);
        }
    }

    fn end_session(&mut self, member_id: &Arc<str>) {
        if self.group.is_pending_member(member_id) {
            self.group.remove(member_id);
            if self.group.is_in(State::PreparingRebalance) && self.group.all_members_joined() {
                self.complete_join();
            }
            return;
        }
        let failed = self
            .group
            .member(member_id)
            .is_some_and(|member| !member.has_satisfied_heartbeat());
        if failed {
            self.fail_member(member_id);
        }
    }

    /// Ends the join phase: dynamic members that did not come back are out, the others are the next generation.
    pub fn complete_join(&mut self) {
        self.timers.cancel(&TimerKey::Join(self.group.id.clone()));
        let missing = |member: &&Member| !member.is_awaiting_join() && !member.is_static();
        let missing: Vec<Arc<str>> = self
            .group
            .members()
            .filter(missing)
            .map(|member| member.id.clone())
            .collect();
        for id in missing {
            self.remove_member(&id);
        }
        let has_members = self.group.members().len() > 0;
        if !self.group.elect_joined_leader() && has_members {
            // Only static members are left and none of them joined: they are waited for until their sessions end.
            self.schedule_join(self.group.rebalance_timeout_ms(), TimerAction::CompleteJoin);
            return;
        }
        self.group.init_next_generation(self.now.wall_ms);
        if has_members {
            self.announce_generation();
        } else {
            info!(
                group = &*self.group.id,
                generation = self.group.generation,
                "group is empty"
            );
            let record = self.group.metadata_record(|_| Bytes::new());
            self.write(record, Then::Nothing);
        }
    }

    fn announce_generation(&mut self) {
        let (generation, members) = (self.group.generation, self.group.members().len());
        let (leader, protocol) = (self.group.leader.as_deref(), self.group.protocol.as_deref());
        info!(
            group = &*self.group.id,
            generation, members, leader, protocol, "generation begins"
        );
        let ids: Vec<Arc<str>> = self.group.members().map(|member| member.id.clone()).collect();
        for id in ids {
            if let Some(token) = self.group.take_awaiting_join(&id) {
                let joined = self.joined(&id, self.members_for(&id));
                self.reply_joined(token, joined);
            }
            self.reset_session(&id);
            if let Some(member) = self.group.member_mut(&id) {
                member.is_new = false;
            }
            self.group.pending_sync.insert(id);
        }
        let key = TimerKey::Sync(self.group.id.clone());
        let action = TimerAction::ExpireSync {
            generation: self.group.generation,
        };
        self.timers
            .schedule(key, self.at(self.group.rebalance_timeout_ms()), action);
    }

    fn complete_initial_join(&mut self, delay_ms: i32, remaining_ms: i32) {
        if !self.group.new_member_added || remaining_ms == 0 {
            return self.complete_join();
        }
        self.group.new_member_added = false;
        let next_ms = self.config.initial_rebalance_delay_ms.min(remaining_ms);
        let left_ms = (remaining_ms - delay_ms).max(0);
        self.schedule_join(
            next_ms,
            TimerAction::CompleteInitialJoin {
                delay_ms: next_ms,
                remaining_ms: left_ms,
            },
        );
    }

    /// Members that joined but never came for their assignment are out.
    fn expire_pending_sync(&mut self, generation: i32) {
        let is_waiting = matches!(self.group.state(), State::CompletingRebalance | State::Stable);
        if generation != self.group.generation || !is_waiting || self.group.pending_sync.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.group.pending_sync) {
            self.remove_member(&id);
        }
        self.prepare_rebalance("members did not fetch their assignment");
    }

    fn schedule_join(&mut self, delay_ms: i32, action: TimerAction) {
        self.timers
            .schedule(TimerKey::Join(self.group.id.clone()), self.at(delay_ms), action);
    }

    fn at(&self, delay_ms: i32) -> i64 {
        self.now.uptime_ms + i64::from(delay_ms)
    }
}
