//! ListGroups 0-5: the groups that this broker coordinates, from version 4 on by state, from 5 on by type.

use futures::future::join_all;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};
use ottla_base::ErrorCode;
use ottla_coordinator::command::{self, ListGroups};
use ottla_coordinator::{Command, Reply as Answer};

use super::common::{error_of, owned};
use crate::api::text::text;
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: ListGroupsRequest) -> Reply<ListGroupsResponse> {
    let filter = ListGroups {
        states: request.states_filter.iter().map(owned).collect(),
        types: request.types_filter.iter().map(owned).collect(),
    };
    let groups = &ctx.node.groups;
    let partitions = groups.led_partitions().into_iter();
    let answers = partitions.map(|partition| groups.submit_to(partition, Command::List(filter.clone())));
    let answers = join_all(answers.collect::<Vec<_>>());
    Reply::later(async move {
        let mut listed = Vec::new();
        for answer in answers.await {
            match answer {
                Answer::Listed(groups) => listed.extend(groups.into_iter().map(group)),
                // Another broker's by now, which lists them.
                Answer::Failed(ErrorCode::NotCoordinator) => {}
                other => return ListGroupsResponse::default().with_error_code(error_of(&other).code()),
            }
        }
        ListGroupsResponse::default().with_groups(listed)
    })
}

fn group(group: command::ListedGroup) -> ListedGroup {
    ListedGroup::default()
        .with_group_id(GroupId(text(group.group_id)))
        .with_protocol_type(text(group.protocol_type))
        .with_group_state(text(group.state))
        .with_group_type(text(group.group_type))
}
