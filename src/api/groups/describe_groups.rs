//! DescribeGroups 0-6: state and members of classic groups. Up to version 5 a group that is not there is "Dead", from 6 on
//! it is an error.

use std::collections::HashMap;

use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use ottla_base::ErrorCode;
use ottla_coordinator::command::{self, DescribedMember};
use ottla_coordinator::{Command, Reply as Answer};

use super::common::{ask_by_partition, error_of, owned};
use crate::api::text::text;
use crate::api::{Ctx, Reply, operations};

pub fn handle(ctx: &Ctx, request: DescribeGroupsRequest) -> Reply<DescribeGroupsResponse> {
    let version = ctx.api_version;
    let operations = operations::on_group(request.include_authorized_operations);
    let ids: Vec<String> = request.groups.iter().map(|id| owned(id)).collect();
    let answers = ask_by_partition(ctx, ids.clone(), Command::Describe);
    Reply::later(async move {
        let mut described: HashMap<String, DescribedGroup> = HashMap::new();
        for (asked, answer) in answers.await {
            match answer {
                Answer::Described(groups) => {
                    described.extend(
                        groups
                            .into_iter()
                            .map(|one| (one.group_id.clone(), group(one, version, operations))),
                    );
                }
                other => {
                    let error = error_of(&other);
                    described.extend(asked.into_iter().map(|id| (id.clone(), failed(id, error))));
                }
            }
        }
        let groups = ids.iter().filter_map(|id| described.get(id).cloned()).collect();
        DescribeGroupsResponse::default().with_groups(groups)
    })
}

fn group(group: command::DescribedGroup, version: i16, operations: i32) -> DescribedGroup {
    let is_missing = group.error == ErrorCode::GroupIdNotFound;
    let message = group.message.filter(|_| version >= 6).map(text);
    let error = if is_missing && version < 6 {
        ErrorCode::None
    } else {
        group.error
    };
    DescribedGroup::default()
        .with_error_code(error.code())
        .with_error_message(message)
        .with_group_id(GroupId(text(group.group_id)))
        .with_group_state(text(group.state))
        .with_protocol_type(text(group.protocol_type))
        .with_protocol_data(text(group.protocol_data))
        .with_members(group.members.into_iter().map(member).collect())
        .with_authorized_operations(if error == ErrorCode::None {
            operations
        } else {
            operations::NOT_REQUESTED
        })
}

fn member(member: DescribedMember) -> DescribedGroupMember {
    DescribedGroupMember::default()
        .with_member_id(text(member.member_id))
        .with_group_instance_id(member.group_instance_id.map(text))
        .with_client_id(text(member.client_id))
        .with_client_host(text(member.client_host))
        .with_member_metadata(member.metadata)
        .with_member_assignment(member.assignment)
}

fn failed(group_id: String, error: ErrorCode) -> DescribedGroup {
    DescribedGroup::default()
        .with_group_id(GroupId(text(group_id)))
        .with_error_code(error.code())
}
