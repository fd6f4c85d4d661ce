//! SyncGroup 0-5: the leader brings the assignment of the generation, every member fetches its part.
//!
//! From version 5 on the request names protocol type and protocol, and must.

use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use ottla_base::ErrorCode;
use ottla_coordinator::command::{SyncGroup, Synced};
use ottla_coordinator::{Command, Reply as Answer};

use super::common::{copied, error_of, owned, owned_option};
use crate::api::text::text;
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: SyncGroupRequest) -> Reply<SyncGroupResponse> {
    let names_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    if ctx.api_version >= 5 && !names_protocol {
        return Reply::Now(response(Synced::error(ErrorCode::InconsistentGroupProtocol)));
    }
    if request.group_id.is_empty() {
        return Reply::Now(response(Synced::error(ErrorCode::InvalidGroupId)));
    }
    let assignments = request.assignments.iter();
    let sync = SyncGroup {
        group_id: owned(&request.group_id),
        member_id: owned(&request.member_id),
        group_instance_id: owned_option(&request.group_instance_id),
        generation_id: request.generation_id,
        protocol_type: owned_option(&request.protocol_type),
        protocol_name: owned_option(&request.protocol_name),
        assignments: assignments
            .map(|one| (owned(&one.member_id), copied(&one.assignment)))
            .collect(),
    };
    let answer = ctx.node.groups.submit(&request.group_id, Command::Sync(sync));
    Reply::later(async move {
        match answer.await {
            Answer::Synced(synced) => response(synced),
            other => response(Synced::error(error_of(&other))),
        }
    })
}

fn response(synced: Synced) -> SyncGroupResponse {
    SyncGroupResponse::default()
        .with_error_code(synced.error.code())
        .with_protocol_type(synced.protocol_type.map(text))
        .with_protocol_name(synced.protocol_name.map(text))
        .with_assignment(synced.assignment)
}
