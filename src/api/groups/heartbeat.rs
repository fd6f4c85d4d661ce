//! Heartbeat 0-4: a member of a classic group is alive, and learns whether it has to join again.

use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};
use ottla_base::ErrorCode;
use ottla_coordinator::command::Heartbeat;
use ottla_coordinator::{Command, Reply as Answer};

use super::common::{error_of, owned, owned_option};
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: HeartbeatRequest) -> Reply<HeartbeatResponse> {
    if request.group_id.is_empty() {
        return Reply::Now(response(ErrorCode::InvalidGroupId));
    }
    let heartbeat = Heartbeat {
        group_id: owned(&request.group_id),
        member_id: owned(&request.member_id),
        group_instance_id: owned_option(&request.group_instance_id),
        generation_id: request.generation_id,
    };
    let answer = ctx
        .node
        .groups
        .submit(&request.group_id, Command::Heartbeat(heartbeat));
    Reply::later(async move {
        response(match answer.await {
            Answer::Heartbeat(error) => error,
            // Sessions do not run while the group is loaded, so nothing is wrong.
            Answer::Failed(ErrorCode::CoordinatorLoadInProgress) => ErrorCode::None,
            other => error_of(&other),
        })
    })
}

fn response(error: ErrorCode) -> HeartbeatResponse {
    HeartbeatResponse::default().with_error_code(error.code())
}
