//! LeaveGroup: members that go of their own will, or that an administrator sends away.

use ottla_base::ErrorCode;
use tracing::info;

use super::group::State;
use super::turn::Turn;
use crate::command::{LeavingMember, LeftMember};

impl Turn<'_> {
    pub fn leave(&mut self, members: Vec<LeavingMember>) -> Vec<LeftMember> {
        let left: Vec<LeftMember> = members.into_iter().map(|member| self.leave_one(member)).collect();
        if left.iter().any(|member| member.error == ErrorCode::None) {
            match self.group.state() {
                State::Stable | State::CompletingRebalance => self.rebalance_or_complete_join("members left"),
                State::PreparingRebalance => self.maybe_complete_join(),
                State::Empty => {}
            }
        }
        left
    }

    fn leave_one(&mut self, member: LeavingMember) -> LeftMember {
        let error = match self.leaving_id(&member) {
            Ok(id) => {
                let reason = member.reason.as_deref();
                info!(group = &*self.group.id, member = id, reason, "member leaves");
                self.remove_member(&id);
                ErrorCode::None
            }
            Err(error) => error,
        };
        LeftMember {
            member_id: member.member_id,
            group_instance_id: member.group_instance_id,
            error,
        }
    }

    fn leaving_id(&self, member: &LeavingMember) -> Result<String, ErrorCode> {
        let instance_id = member.group_instance_id.as_deref();
        if member.member_id.is_empty() {
            let id = instance_id.and_then(|instance_id| self.group.static_member_id(instance_id));
            return id.map(|id| id.to_string()).ok_or(ErrorCode::UnknownMemberId);
        }
        if !self.group.is_pending_member(&member.member_id) {
            self.group.validate_member(&member.member_id, instance_id)?;
        }
        Ok(member.member_id.clone())
    }
}
