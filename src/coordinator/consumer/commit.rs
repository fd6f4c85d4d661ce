//! Who may commit offsets to such a group, and read them.

use ottla_base::{ErrorCode, Uuid};

use super::assignment;
use super::group::ConsumerGroup;
use super::member::Member;
use crate::command::CommitOffsets;

/// What is left to check per partition of a commit.
pub(crate) enum CommitCheck<'a> {
    Passed,
    /// The commit is of an older epoch: it counts for partitions that the member has had since then.
    Since(&'a Member, i32),
}

impl CommitCheck<'_> {
    pub fn check(&self, topic: Uuid, partition: i32) -> Result<(), ErrorCode> {
        let Self::Since(member, epoch) = self else {
            return Ok(());
        };
        let assigned_in = assignment::epoch_of(&member.assigned, topic, partition)
            .or_else(|| assignment::epoch_of(&member.pending_revocation, topic, partition));
        match assigned_in {
            Some(assigned_in) if *epoch >= assigned_in => Ok(()),
            _ => Err(stale(member)),
        }
    }
}

impl ConsumerGroup {
    pub fn check_commit(&self, request: &CommitOffsets) -> Result<CommitCheck<'_>, ErrorCode> {
        let epoch = request.generation_id;
        if epoch < 0 && self.members().len() == 0 {
            return Ok(CommitCheck::Passed);
        }
        if request.is_transactional && names_nobody(request) {
            return Ok(CommitCheck::Passed);
        }
        let member = self
            .member(&request.member_id)
            .ok_or(ErrorCode::UnknownMemberId)?;
        // From the version on that knows group ids to be missing, clients know of member epochs too.
        let is_too_old = !request.is_transactional && !request.knows_group_id_not_found;
        if member.classic.is_none() && is_too_old {
            return Err(ErrorCode::UnsupportedVersion);
        }
        match epoch {
            _ if epoch == member.epoch => Ok(CommitCheck::Passed),
            _ if epoch > member.epoch => Err(stale(member)),
            _ => Ok(CommitCheck::Since(member, epoch)),
        }
    }

    pub fn check_fetch(&self, member_id: Option<&str>, epoch: i32) -> Result<(), ErrorCode> {
        if member_id.is_none() && epoch < 0 {
            return Ok(());
        }
        let member = self
            .member(member_id.unwrap_or_default())
            .ok_or(ErrorCode::UnknownMemberId)?;
        match epoch == member.epoch {
            true => Ok(()),
            false => Err(stale(member)),
        }
    }
}

/// Each protocol has its own name for it.
fn stale(member: &Member) -> ErrorCode {
    match member.classic {
        Some(_) => ErrorCode::IllegalGeneration,
        None => ErrorCode::StaleMemberEpoch,
    }
}

/// Producers of before did not say for which member they commit.
fn names_nobody(request: &CommitOffsets) -> bool {
    const NO_GENERATION: i32 = -1;
    request.generation_id == NO_GENERATION
        && request.member_id.is_empty()
        && request.group_instance_id.is_none()
}
