//! JoinGroup 0-9: a member enters the next generation of its group; the answer comes when that begins.
//!
//! Version 0 has no rebalance timeout of its own, from 4 on a member asks for its id first, from 5 on it may be static, 7
//! brings the protocol type and a protocol name that may be null, 8 a reason, 9 a leader that need not assign.

use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use ottla_base::{ErrorCode, Uuid};
use ottla_coordinator::command::{JoinGroup, Joined, JoinedMember, Protocol};
use ottla_coordinator::{Command, Reply as Answer};

use super::common::{client_host, copied, error_of, owned, owned_option};
use crate::api::text::text;
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: JoinGroupRequest) -> Reply<JoinGroupResponse> {
    let version = ctx.api_version;
    if request.group_id.is_empty() {
        let joined = Joined::error(&request.member_id, ErrorCode::InvalidGroupId);
        return Reply::Now(response(joined, version));
    }
    let join = command(ctx, &request);
    let answer = ctx.node.groups.submit(&request.group_id, Command::Join(join));
    Reply::later(async move {
        match answer.await {
            Answer::Joined(joined) => response(joined, version),
            other => response(Joined::error("", error_of(&other)), version),
        }
    })
}

fn command(ctx: &Ctx, request: &JoinGroupRequest) -> JoinGroup {
    let protocol = |protocol: &JoinGroupRequestProtocol| Protocol {
        name: owned(&protocol.name),
        metadata: copied(&protocol.metadata),
    };
    JoinGroup {
        group_id: owned(&request.group_id),
        member_id: owned(&request.member_id),
        group_instance_id: owned_option(&request.group_instance_id),
        client_id: ctx.client_id().to_owned(),
        client_host: client_host(ctx),
        protocol_type: owned(&request.protocol_type),
        protocols: request.protocols.iter().map(protocol).collect(),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: match ctx.api_version {
            0 => request.session_timeout_ms,
            _ => request.rebalance_timeout_ms,
        },
        reason: owned_option(&request.reason),
        requires_known_member_id: ctx.api_version >= 4,
        supports_skipping_assignment: ctx.api_version >= 9,
        fresh_id: Uuid::new_v4(),
    }
}

fn response(joined: Joined, version: i16) -> JoinGroupResponse {
    let member = |member: JoinedMember| {
        JoinGroupResponseMember::default()
            .with_member_id(text(member.member_id))
            .with_group_instance_id(member.group_instance_id.map(text))
            .with_metadata(member.metadata)
    };
    JoinGroupResponse::default()
        .with_error_code(joined.error.code())
        .with_generation_id(joined.generation_id)
        .with_protocol_type(joined.protocol_type.map(text))
        .with_protocol_name(match joined.protocol_name {
            // Null is for clients that know it.
            None if version < 7 => Some(text("")),
            name => name.map(text),
        })
        .with_leader(text(joined.leader))
        .with_skip_assignment(joined.skip_assignment)
        .with_member_id(text(joined.member_id))
        .with_members(joined.members.into_iter().map(member).collect())
}
