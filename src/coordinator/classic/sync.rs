//! SyncGroup: the leader brings the assignment, the others come for theirs.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ottla_base::ErrorCode;

use super::group::State;
use super::turn::{TimerKey, Turn};
use crate::command::{Reply, SyncGroup, Synced};
use crate::machine::Token;
use crate::shard::Resume;

/// An assignment that is being written down.
#[derive(Clone, Debug)]
pub struct Assignment {
    generation: i32,
    by_member: BTreeMap<String, Bytes>,
}

impl Turn<'_> {
    pub fn sync(&mut self, request: SyncGroup, token: Token) {
        if let Err(error) = self.validate_sync(&request) {
            return self.reply(token, Reply::Synced(Synced::error(error)));
        }
        match self.group.state() {
            State::Empty => self.reply(token, Reply::Synced(Synced::error(ErrorCode::UnknownMemberId))),
            State::PreparingRebalance => {
                self.reply(
                    token,
                    Reply::Synced(Synced::error(ErrorCode::RebalanceInProgress)),
                );
            }
            State::CompletingRebalance => self.await_assignment(request, token),
            State::Stable => {
                self.sync_arrived(&request.member_id);
                let assignment = self
                    .group
                    .member(&request.member_id)
                    .map(|member| member.assignment.clone());
                let synced = Synced {
                    error: ErrorCode::None,
                    protocol_type: self.group.protocol_type.clone(),
                    protocol_name: self.group.protocol.clone(),
                    assignment: assignment.unwrap_or_default(),
                };
                self.reply(token, Reply::Synced(synced));
            }
        }
    }

    fn validate_sync(&self, request: &SyncGroup) -> Result<(), ErrorCode> {
        if self.group.is_in(State::Empty) {
            return Err(ErrorCode::UnknownMemberId);
        }
        self.group
            .validate_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.group.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        let differ =
            |asked: &Option<String>, is: &Option<String>| asked.is_some() && is.is_some() && asked != is;
        let inconsistent = differ(&request.protocol_type, &self.group.protocol_type)
            || differ(&request.protocol_name, &self.group.protocol);
        match inconsistent {
            true => Err(ErrorCode::InconsistentGroupProtocol),
            false => Ok(()),
        }
    }

    fn await_assignment(&mut self, request: SyncGroup, token: Token) {
        let replaced = self
            .group
            .member_mut(&request.member_id)
            .and_then(|member| member.awaiting_sync.replace(token));
        if let Some(replaced) = replaced {
            self.reply(
                replaced,
                Reply::Synced(Synced::error(ErrorCode::RebalanceInProgress)),
            );
        }
        self.sync_arrived(&request.member_id);
        if !self.group.is_leader(&request.member_id) {
            return;
        }
        let by_member: BTreeMap<String, Bytes> = request.assignments.into_iter().collect();
        let assigned = |id: &Arc<str>| by_member.get(id.as_ref()).cloned().unwrap_or_default();
        let record = self.group.metadata_record(|member| assigned(&member.id));
        let assignment = Assignment {
            generation: self.group.generation,
            by_member,
        };
        self.resume_with(record, Resume::Assigned(self.group.id.clone(), assignment));
    }

    /// The assignment is written down, or could not be. Somebody may have joined in the meantime: then it is void.
    pub fn assigned(&mut self, assignment: Assignment, appended: Result<(), ErrorCode>) {
        let is_current = assignment.generation == self.group.generation;
        if !self.group.is_in(State::CompletingRebalance) || !is_current {
            return;
        }
        if let Err(error) = appended {
            self.fail_assignment(error);
            return self.rebalance_or_complete_join("the assignment could not be written");
        }
        for member in self.group.members_mut() {
            member.assignment = assignment
                .by_member
                .get(member.id.as_ref())
                .cloned()
                .unwrap_or_default();
        }
        self.propagate_assignment(ErrorCode::None);
        self.group.transition_to(State::Stable, self.now.wall_ms);
    }

    fn sync_arrived(&mut self, member_id: &str) {
        self.group.pending_sync.remove(member_id);
        if self.group.pending_sync.is_empty() {
            self.timers.cancel(&TimerKey::Sync(self.group.id.clone()));
        }
    }
}
