//! ConsumerGroupDescribe 0-1: state, epochs and members of consumer groups. Clients that get GROUP_ID_NOT_FOUND ask
//! DescribeGroups next, since the group may be a classic one.

use kafka_protocol::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, GroupId, TopicName,
};
use ottla_base::ErrorCode;
use ottla_coordinator::command::{DescribedConsumerGroup, DescribedConsumerMember, DescribedTopic};
use ottla_coordinator::{Command, Reply as Answer};

use super::common::{ask_by_partition, error_of, is_consumer_protocol_enabled, owned};
use crate::api::text::text;
use crate::api::{Ctx, Reply, operations};

pub fn handle(ctx: &Ctx, request: ConsumerGroupDescribeRequest) -> Reply<ConsumerGroupDescribeResponse> {
    let ids: Vec<String> = request.group_ids.iter().map(|id| owned(id)).collect();
    if !is_consumer_protocol_enabled(ctx) {
        let groups = ids
            .into_iter()
            .map(|id| failed(id, ErrorCode::UnsupportedVersion));
        return Reply::Now(response(groups.collect()));
    }
    let (nameless, ids): (Vec<String>, Vec<String>) = ids.into_iter().partition(String::is_empty);
    let nameless = nameless
        .into_iter()
        .map(|id| failed(id, ErrorCode::InvalidGroupId));
    let mut groups: Vec<DescribedGroup> = nameless.collect();
    let version = ctx.api_version;
    let operations = operations::on_group(request.include_authorized_operations);
    let answers = ask_by_partition(ctx, ids, Command::DescribeConsumerGroups);
    Reply::later(async move {
        for (asked, answer) in answers.await {
            match answer {
                Answer::DescribedConsumerGroups(described) => {
                    groups.extend(described.into_iter().map(|one| group(one, version, operations)));
                }
                other => groups.extend(asked.into_iter().map(|id| failed(id, error_of(&other)))),
            }
        }
        response(groups)
    })
}

fn response(groups: Vec<DescribedGroup>) -> ConsumerGroupDescribeResponse {
    ConsumerGroupDescribeResponse::default().with_groups(groups)
}

fn group(group: DescribedConsumerGroup, version: i16, operations: i32) -> DescribedGroup {
    if group.error != ErrorCode::None {
        let message = format!("Group {} not found.", group.group_id);
        return failed(group.group_id, group.error).with_error_message(Some(text(message)));
    }
    let members = group.members.into_iter().map(|one| member(one, version));
    DescribedGroup::default()
        .with_group_id(GroupId(text(group.group_id)))
        .with_group_state(text(group.state))
        .with_group_epoch(group.epoch)
        .with_assignment_epoch(group.assignment_epoch)
        .with_assignor_name(text(group.assignor))
        .with_members(members.collect())
        .with_authorized_operations(operations)
}

fn member(member: DescribedConsumerMember, version: i16) -> Member {
    const CLASSIC: i8 = 0;
    const CONSUMER: i8 = 1;
    const UNKNOWN: i8 = -1;
    let names = member.topic_names.into_iter().map(|name| TopicName(text(name)));
    Member::default()
        .with_member_id(text(member.member_id))
        .with_instance_id(member.instance_id.map(text))
        .with_rack_id(member.rack_id.map(text))
        .with_member_epoch(member.member_epoch)
        .with_client_id(text(member.client_id))
        .with_client_host(text(member.client_host))
        .with_subscribed_topic_names(names.collect())
        .with_subscribed_topic_regex(member.topic_regex.map(text))
        .with_assignment(assignment(member.assignment))
        .with_target_assignment(assignment(member.target_assignment))
        .with_member_type(match (version, member.is_classic) {
            (0, _) => UNKNOWN,
            (_, true) => CLASSIC,
            (_, false) => CONSUMER,
        })
}

fn assignment(topics: Vec<DescribedTopic>) -> Assignment {
    let topic = |topic: DescribedTopic| {
        TopicPartitions::default()
            .with_topic_id(topic.topic_id)
            .with_topic_name(TopicName(text(topic.name)))
            .with_partitions(topic.partitions)
    };
    Assignment::default().with_topic_partitions(topics.into_iter().map(topic).collect())
}

fn failed(group_id: String, error: ErrorCode) -> DescribedGroup {
    DescribedGroup::default()
        .with_group_id(GroupId(text(group_id)))
        .with_error_code(error.code())
}
