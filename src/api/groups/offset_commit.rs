//! OffsetCommit 2-10: how far a group has read. Versions 2 to 4 may say how long the offsets are to be kept; from 10 on topics
//! have ids in place of names. What is committed bears the topic's id in any case, so that a topic of the same name that comes
//! later does not inherit it.
//!
//! A partition that is not there is told so, also where the group refuses the commit as a whole.

use kafka_protocol::messages::OffsetCommitResponse;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use ottla_base::{ErrorCode, Uuid};
use ottla_coordinator::command::{CommitOffsets, CommitPartition, CommitTopic, TopicErrors};
use ottla_coordinator::{Command, Reply as Answer};
use ottla_metadata::Image;

use super::common::{error_of, owned, owned_option};
use crate::api::text::topic_name;
use crate::api::{Ctx, Reply};
use crate::wire::messages::OffsetCommitRequest;

pub fn handle(ctx: &Ctx, request: OffsetCommitRequest) -> Reply<OffsetCommitResponse> {
    let image = ctx.image();
    let checked: Vec<Checked> = request
        .topics
        .iter()
        .map(|topic| check(&image, ctx.api_version, topic))
        .collect();
    let topics: Vec<CommitTopic> = checked.iter().filter_map(Checked::to_commit).collect();
    if topics.is_empty() {
        return Reply::Now(response(checked, &mut |_| ErrorCode::UnknownServerError));
    }
    let commit = CommitOffsets {
        group_id: owned(&request.group_id),
        member_id: owned(&request.member_id),
        group_instance_id: owned_option(&request.group_instance_id),
        generation_id: request.generation_id_or_member_epoch,
        knows_group_id_not_found: ctx.api_version >= 9,
        retention_ms: if ctx.api_version <= 4 {
            request.retention_time_ms
        } else {
            -1
        },
        is_transactional: false,
        topics,
    };
    let answer = ctx
        .node
        .groups
        .submit(&request.group_id, Command::CommitOffsets(commit));
    Reply::later(async move {
        match answer.await {
            Answer::Offsets(results) => {
                let mut errors = in_order(results);
                response(checked, &mut |_| {
                    errors.next().unwrap_or(ErrorCode::UnknownServerError)
                })
            }
            other => {
                let error = error_of(&other);
                response(checked, &mut |_| error)
            }
        }
    })
}

/// A topic of the request, and what is wrong with each of its partitions before the coordinator is asked.
struct Checked {
    topic_id: Uuid,
    name: String,
    partitions: Vec<(CommitPartition, ErrorCode)>,
}

fn check(image: &Image, version: i16, topic: &OffsetCommitRequestTopic) -> Checked {
    let by_id = version >= 10;
    let found = match by_id {
        true => image.topics.by_id(topic.topic_id),
        false => image.topics.by_name(&topic.name),
    };
    let error_in = |partition: &OffsetCommitRequestPartition| match found {
        None if by_id => ErrorCode::UnknownTopicId,
        Some(found) if found.partitions.contains_key(&partition.partition_index) => ErrorCode::None,
        _ => ErrorCode::UnknownTopicOrPartition,
    };
    Checked {
        topic_id: found.map_or(topic.topic_id, |found| found.id),
        name: found.map_or_else(|| owned(&topic.name), |found| found.name.to_string()),
        partitions: topic
            .partitions
            .iter()
            .map(|one| (partition(one), error_in(one)))
            .collect(),
    }
}

fn partition(partition: &OffsetCommitRequestPartition) -> CommitPartition {
    CommitPartition {
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: owned_option(&partition.committed_metadata),
    }
}

impl Checked {
    /// The part that the coordinator is asked for, if there is any.
    fn to_commit(&self) -> Option<CommitTopic> {
        let good = self
            .partitions
            .iter()
            .filter(|(_, error)| *error == ErrorCode::None);
        let partitions: Vec<CommitPartition> = good.map(|(partition, _)| partition.clone()).collect();
        let is_any = !partitions.is_empty();
        is_any.then(|| CommitTopic {
            topic_id: self.topic_id,
            name: self.name.clone(),
            partitions,
        })
    }
}

fn in_order(results: Vec<TopicErrors>) -> impl Iterator<Item = ErrorCode> {
    results
        .into_iter()
        .flat_map(|topic| topic.partitions)
        .map(|(_, error)| error)
}

/// The request's topics in its order; `committed` is asked for each partition that the coordinator was asked for.
fn response(checked: Vec<Checked>, committed: &mut dyn FnMut(i32) -> ErrorCode) -> OffsetCommitResponse {
    let mut topics = Vec::with_capacity(checked.len());
    for topic in checked {
        let partition = |(partition, error): &(CommitPartition, ErrorCode)| {
            let error = if *error == ErrorCode::None {
                committed(partition.partition)
            } else {
                *error
            };
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition)
                .with_error_code(error.code())
        };
        topics.push(
            OffsetCommitResponseTopic::default()
                .with_name(topic_name(&topic.name))
                .with_topic_id(topic.topic_id)
                .with_partitions(topic.partitions.iter().map(partition).collect()),
        );
    }
    OffsetCommitResponse::default().with_topics(topics)
}
