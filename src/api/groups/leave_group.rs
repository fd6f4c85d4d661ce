//! LeaveGroup 0-5: members leave, or are sent away by an administrator. From version 3 on several at once, each with an
//! error of its own; before, the one member's error is the answer's.

use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};
use ottla_base::ErrorCode;
use ottla_coordinator::command::{LeaveGroup, LeavingMember, LeftMember};
use ottla_coordinator::{Command, Reply as Answer};

use super::common::{error_of, owned, owned_option};
use crate::api::text::text;
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: LeaveGroupRequest) -> Reply<LeaveGroupResponse> {
    if request.group_id.is_empty() {
        return Reply::Now(failed(ErrorCode::InvalidGroupId));
    }
    let has_members = ctx.api_version >= 3;
    let members = if has_members {
        request.members.iter().map(leaving).collect()
    } else {
        vec![LeavingMember {
            member_id: owned(&request.member_id),
            group_instance_id: None,
            reason: None,
        }]
    };
    let leave = LeaveGroup {
        group_id: owned(&request.group_id),
        members,
    };
    let answer = ctx.node.groups.submit(&request.group_id, Command::Leave(leave));
    Reply::later(async move {
        match answer.await {
            Answer::Left(members) if has_members => {
                LeaveGroupResponse::default().with_members(members.into_iter().map(left).collect())
            }
            Answer::Left(members) => {
                let first = members
                    .into_iter()
                    .map(|member| member.error)
                    .find(|error| *error != ErrorCode::None);
                failed(first.unwrap_or(ErrorCode::None))
            }
            other => failed(error_of(&other)),
        }
    })
}

fn leaving(member: &MemberIdentity) -> LeavingMember {
    LeavingMember {
        member_id: owned(&member.member_id),
        group_instance_id: owned_option(&member.group_instance_id),
        reason: owned_option(&member.reason),
    }
}

fn left(member: LeftMember) -> MemberResponse {
    MemberResponse::default()
        .with_member_id(text(member.member_id))
        .with_group_instance_id(member.group_instance_id.map(text))
        .with_error_code(member.error.code())
}

fn failed(error: ErrorCode) -> LeaveGroupResponse {
    LeaveGroupResponse::default().with_error_code(error.code())
}
