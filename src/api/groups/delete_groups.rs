//! DeleteGroups 0-2: groups without members are deleted, with their offsets.

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse, GroupId};
use ottla_base::ErrorCode;
use ottla_coordinator::{Command, Reply as Answer};

use super::common::{ask_by_partition, error_of, owned};
use crate::api::text::text;
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: DeleteGroupsRequest) -> Reply<DeleteGroupsResponse> {
    let mut ids: Vec<String> = Vec::with_capacity(request.groups_names.len());
    for id in &request.groups_names {
        if !ids.iter().any(|known| known == id.as_str()) {
            ids.push(owned(id));
        }
    }
    let answers = ask_by_partition(ctx, ids, Command::DeleteGroups);
    Reply::later(async move {
        let mut results = Vec::new();
        for (asked, answer) in answers.await {
            match answer {
                Answer::DeletedGroups(groups) => {
                    results.extend(groups.into_iter().map(|(id, error)| result(id, error)))
                }
                other => results.extend(asked.into_iter().map(|id| result(id, error_of(&other)))),
            }
        }
        DeleteGroupsResponse::default().with_results(results)
    })
}

fn result(group_id: String, error: ErrorCode) -> DeletableGroupResult {
    DeletableGroupResult::default()
        .with_group_id(GroupId(text(group_id)))
        .with_error_code(error.code())
}
