//! Heartbeat, and the check that commits of offsets share with it.

use std::sync::Arc;

use ottla_base::ErrorCode;

use super::group::{ClassicGroup, State};
use super::turn::Turn;
use crate::command::{CommitOffsets, Heartbeat};

impl Turn<'_> {
    pub fn heartbeat(&mut self, request: &Heartbeat) -> Result<(), ErrorCode> {
        self.group
            .validate_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.group.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        if self.group.is_in(State::Empty) {
            return Err(ErrorCode::UnknownMemberId);
        }
        let member_id: Arc<str> = request.member_id.as_str().into();
        self.reset_session(&member_id);
        match self.group.state() {
            State::PreparingRebalance => Err(ErrorCode::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Whether the offsets may be committed. Those of a member prove that it is alive.
    pub fn accept_commit(&mut self, request: &CommitOffsets) -> Result<(), ErrorCode> {
        self.group.validate_commit(request)?;
        if request.is_transactional {
            // The producer speaks, which says nothing of the member's own life.
            return Ok(());
        }
        if matches!(self.group.state(), State::Stable | State::PreparingRebalance) {
            let member_id: Arc<str> = request.member_id.as_str().into();
            self.reset_session(&member_id);
        }
        Ok(())
    }
}

impl ClassicGroup {
    fn validate_commit(&self, request: &CommitOffsets) -> Result<(), ErrorCode> {
        let is_empty = self.is_in(State::Empty);
        if request.generation_id < 0 && is_empty {
            // An administrator, or a consumer that assigns its partitions itself.
            return Ok(());
        }
        let names_member = request.generation_id >= 0
            || !request.member_id.is_empty()
            || request.group_instance_id.is_some();
        if !names_member {
            // Producers of before did not say for which member they commit.
            return match request.is_transactional {
                true => Ok(()),
                false => Err(ErrorCode::UnknownMemberId),
            };
        }
        self.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        match self.is_in(State::CompletingRebalance) && !request.is_transactional {
            // Its generation is right, so it has joined; what it read belongs to the assignment it is about to lose.
            true => Err(ErrorCode::RebalanceInProgress),
            false => Ok(()),
        }
    }
}
