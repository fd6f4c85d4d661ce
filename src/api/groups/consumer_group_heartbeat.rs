//! ConsumerGroupHeartbeat 0-1: all that a member of a consumer group says and is told: it joins, subscribes, gives up and
//! takes partitions, and leaves (KIP-848).
//!
//! Members of version 0 have no id until they are given one; from version 1 on they bring their own, and can subscribe by a
//! regular expression.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions as RequestedPartitions;
use kafka_protocol::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use ottla_base::ids::uuid_to_string;
use ottla_base::{ErrorCode, Uuid};
use ottla_coordinator::command::{ConsumerHeartbeat, ConsumerHeartbeatAnswer};
use ottla_coordinator::consumer::Assignor;
use ottla_coordinator::{Command, Reply as Answer};

use super::common::{client_host, error_of, is_consumer_protocol_enabled, owned, owned_option};
use crate::api::text::text;
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: ConsumerGroupHeartbeatRequest) -> Reply<ConsumerGroupHeartbeatResponse> {
    if !is_consumer_protocol_enabled(ctx) {
        return Reply::Now(failed(ErrorCode::UnsupportedVersion, None));
    }
    let heartbeat = command(ctx, &request);
    let assignors = &ctx.node.groups.options().assignors;
    if let Err(error) = heartbeat.validate(assignors) {
        let message = refusal(error, &heartbeat, assignors);
        return Reply::Now(failed(error, message));
    }
    let (group_id, member_id) = (heartbeat.group_id.clone(), heartbeat.member_id.clone());
    let answer = ctx
        .node
        .groups
        .submit(&group_id, Command::ConsumerHeartbeat(heartbeat));
    Reply::later(async move {
        let error = match answer.await {
            Answer::ConsumerHeartbeat(answer) if answer.error == ErrorCode::None => return response(answer),
            Answer::ConsumerHeartbeat(answer) => answer.error,
            other => error_of(&other),
        };
        failed(error, explanation(error, &group_id, &member_id))
    })
}

fn command(ctx: &Ctx, request: &ConsumerGroupHeartbeatRequest) -> ConsumerHeartbeat {
    const JOINS: i32 = 0;
    const LEAVES_FOR_A_WHILE: i32 = -2;
    let may_lack_id = ctx.api_version == 0 && matches!(request.member_epoch, JOINS | LEAVES_FOR_A_WHILE);
    let member_id = match request.member_id.is_empty() && may_lack_id {
        true => uuid_to_string(Uuid::new_v4()),
        false => owned(&request.member_id),
    };
    let names = request.subscribed_topic_names.as_ref();
    ConsumerHeartbeat {
        group_id: owned(&request.group_id),
        member_id,
        member_epoch: request.member_epoch,
        instance_id: owned_option(&request.instance_id),
        rack_id: owned_option(&request.rack_id),
        client_id: ctx.client_id().to_owned(),
        client_host: client_host(ctx),
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        topic_names: names.map(|names| names.iter().map(|name| owned(name)).collect()),
        topic_regex: owned_option(&request.subscribed_topic_regex),
        server_assignor: owned_option(&request.server_assignor),
        owned: request.topic_partitions.as_deref().map(owned_partitions),
    }
}

fn owned_partitions(topics: &[RequestedPartitions]) -> BTreeMap<Uuid, BTreeSet<i32>> {
    let mut owned: BTreeMap<Uuid, BTreeSet<i32>> = BTreeMap::new();
    for topic in topics {
        owned.entry(topic.topic_id).or_default().extend(&topic.partitions);
    }
    owned
}

fn response(answer: ConsumerHeartbeatAnswer) -> ConsumerGroupHeartbeatResponse {
    let assignment = answer.assignment.map(|partitions| {
        let topic = |(topic_id, partitions): (Uuid, BTreeSet<i32>)| {
            TopicPartitions::default()
                .with_topic_id(topic_id)
                .with_partitions(partitions.into_iter().collect())
        };
        Assignment::default().with_topic_partitions(partitions.into_iter().map(topic).collect())
    });
    ConsumerGroupHeartbeatResponse::default()
        .with_member_id(Some(text(answer.member_id)))
        .with_member_epoch(answer.member_epoch)
        .with_heartbeat_interval_ms(answer.heartbeat_interval_ms)
        .with_assignment(assignment)
}

fn failed(error: ErrorCode, message: Option<String>) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse::default()
        .with_error_code(error.code())
        .with_error_message(message.map(text))
}

/// What is wrong with the request itself, for the log of its client.
fn refusal(error: ErrorCode, heartbeat: &ConsumerHeartbeat, assignors: &[Assignor]) -> Option<String> {
    Some(match error {
        ErrorCode::UnsupportedAssignor => {
            let supported: Vec<&str> = assignors.iter().map(|assignor| assignor.name()).collect();
            format!(
                "There is no assignor {}, but there are: {}.",
                heartbeat.server_assignor.as_deref().unwrap_or_default(),
                supported.join(", ")
            )
        }
        _ if heartbeat.member_epoch < -2 => format!("{} is no member epoch.", heartbeat.member_epoch),
        _ if heartbeat.member_epoch == 0 => {
            "A member that joins must say its ids, its rebalance timeout and its subscription, and own no partitions."
                .to_owned()
        }
        _ => "Ids that are given must not be empty, and a static member must give its instance id when it leaves."
            .to_owned(),
    })
}

/// What the group says of it, for the log of the client. Errors that clients handle by themselves need no words.
fn explanation(error: ErrorCode, group_id: &str, member_id: &str) -> Option<String> {
    Some(match error {
        ErrorCode::GroupIdNotFound => {
            format!("There is no consumer group {group_id} that a member could be in.")
        }
        ErrorCode::UnknownMemberId => format!("Member {member_id} is not in group {group_id}."),
        ErrorCode::FencedMemberEpoch => {
            format!("Member {member_id} is in another epoch: it must give up its partitions and join again.")
        }
        ErrorCode::FencedInstanceId => format!("Another member than {member_id} has this instance id."),
        ErrorCode::UnreleasedInstanceId => "The member with this instance id has not left.".to_owned(),
        ErrorCode::GroupMaxSizeReached => format!("Group {group_id} has as many members as it may have."),
        ErrorCode::InvalidRegularExpression => {
            "The regular expression is not one that can be used.".to_owned()
        }
        _ => return None,
    })
}
