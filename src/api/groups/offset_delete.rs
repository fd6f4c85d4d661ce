//! OffsetDelete 0: offsets of a group that it does not read any more.

use std::collections::HashMap;

use kafka_protocol::messages::offset_delete_request::OffsetDeleteRequestTopic;
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use ottla_base::ErrorCode;
use ottla_coordinator::command::DeleteOffsets;
use ottla_coordinator::{Command, Reply as Answer};
use ottla_metadata::Image;

use super::common::{error_of, owned};
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: OffsetDeleteRequest) -> Reply<OffsetDeleteResponse> {
    if request.group_id.is_empty() {
        return Reply::Now(failed(ErrorCode::InvalidGroupId));
    }
    let image = ctx.image();
    let existing = |topic: &OffsetDeleteRequestTopic| {
        let partitions = topic.partitions.iter().map(|partition| partition.partition_index);
        let partitions: Vec<i32> = partitions
            .filter(|index| exists(&image, &topic.name, *index))
            .collect();
        (!partitions.is_empty()).then(|| (owned(&topic.name), partitions))
    };
    // The group is asked even if there is nothing to delete: it may not be there, or refuse.
    let delete = DeleteOffsets {
        group_id: owned(&request.group_id),
        topics: request.topics.iter().filter_map(existing).collect(),
    };
    let answer = ctx
        .node
        .groups
        .submit(&request.group_id, Command::DeleteOffsets(delete));
    Reply::later(async move {
        match answer.await {
            Answer::Offsets(results) => {
                let errors = results.into_iter().flat_map(|topic| {
                    let name = topic.name;
                    topic
                        .partitions
                        .into_iter()
                        .map(move |(partition, error)| ((name.clone(), partition), error))
                });
                response(&request, &errors.collect())
            }
            other => failed(error_of(&other)),
        }
    })
}

fn exists(image: &Image, topic: &str, partition: i32) -> bool {
    image
        .topics
        .by_name(topic)
        .is_some_and(|topic| topic.partitions.contains_key(&partition))
}

/// The request's topics in its order; what the group was not asked for does not exist.
fn response(
    request: &OffsetDeleteRequest,
    errors: &HashMap<(String, i32), ErrorCode>,
) -> OffsetDeleteResponse {
    let topic = |topic: &OffsetDeleteRequestTopic| {
        let partition = |index: i32| {
            let error = errors.get(&(owned(&topic.name), index)).copied();
            OffsetDeleteResponsePartition::default()
                .with_partition_index(index)
                .with_error_code(error.unwrap_or(ErrorCode::UnknownTopicOrPartition).code())
        };
        let partitions = topic.partitions.iter().map(|one| partition(one.partition_index));
        OffsetDeleteResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    };
    OffsetDeleteResponse::default().with_topics(request.topics.iter().map(topic).collect())
}

fn failed(error: ErrorCode) -> OffsetDeleteResponse {
    OffsetDeleteResponse::default().with_error_code(error.code())
}
