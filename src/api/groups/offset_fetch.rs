//! OffsetFetch 1-10: what groups have committed. Up to version 7 of one group, from 8 on of several; without topics of all of
//! them; from 10 on topics have ids in place of names.

use futures::future::join_all;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{GroupId, OffsetFetchResponse};
use ottla_base::{ErrorCode, Uuid};
use ottla_coordinator::command::{FetchOffsets, FetchTopic, FetchedOffset, FetchedTopic};
use ottla_coordinator::{Command, Reply as Answer};
use ottla_metadata::Image;

use super::common::{error_of, owned, owned_option};
use crate::api::text::{text, topic_name};
use crate::api::{Ctx, Reply};
use crate::wire::messages::OffsetFetchRequest;

pub fn handle(ctx: &Ctx, request: OffsetFetchRequest) -> Reply<OffsetFetchResponse> {
    let version = ctx.api_version;
    let groups = asked_groups(&request, version)
        .into_iter()
        .map(|group| fetch(ctx, group, request.require_stable));
    let fetched = join_all(groups.collect::<Vec<_>>());
    Reply::later(async move {
        let mut groups = fetched.await;
        match version {
            8.. => {
                OffsetFetchResponse::default().with_groups(groups.into_iter().map(group_response).collect())
            }
            _ => groups
                .pop()
                .map_or_else(OffsetFetchResponse::default, |group| old_response(group, version)),
        }
    })
}

/// A group that is asked for.
struct Asked {
    group_id: String,
    topics: Option<Vec<FetchTopic>>,
    /// From version 9 on members of consumer groups say who they are.
    member_id: Option<String>,
    member_epoch: i32,
}

struct Fetched {
    group_id: String,
    error: ErrorCode,
    topics: Vec<FetchedTopic>,
}

fn asked_groups(request: &OffsetFetchRequest, version: i16) -> Vec<Asked> {
    if version >= 8 {
        return request.groups.iter().map(asked_group).collect();
    }
    let topic =
        |topic: &kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic| FetchTopic {
            topic_id: Uuid::nil(),
            name: owned(&topic.name),
            partitions: topic.partition_indexes.clone(),
        };
    let topics = request
        .topics
        .as_ref()
        .map(|topics| topics.iter().map(topic).collect());
    vec![Asked {
        group_id: owned(&request.group_id),
        topics,
        member_id: None,
        member_epoch: -1,
    }]
}

fn asked_group(group: &OffsetFetchRequestGroup) -> Asked {
    let topics = group.topics.as_ref().map(|topics| {
        let topic = topics.iter().map(|topic| FetchTopic {
            topic_id: topic.topic_id,
            name: owned(&topic.name),
            partitions: topic.partition_indexes.clone(),
        });
        topic.collect()
    });
    Asked {
        group_id: owned(&group.group_id),
        topics,
        member_id: owned_option(&group.member_id),
        member_epoch: group.member_epoch,
    }
}

fn fetch(ctx: &Ctx, asked: Asked, require_stable: bool) -> impl Future<Output = Fetched> + Send + use<> {
    let version = ctx.api_version;
    let image = ctx.image();
    let Asked {
        group_id,
        topics,
        member_id,
        member_epoch,
    } = asked;
    let of_all = topics.is_none();
    let (topics, unknown) = match topics {
        Some(topics) if version >= 10 => named(&image, topics),
        Some(topics) => (Some(topics), Vec::new()),
        None => (None, Vec::new()),
    };
    let asked_for = topics.clone().unwrap_or_default();
    let command = FetchOffsets {
        group_id: group_id.clone(),
        topics,
        require_stable,
        member_id,
        member_epoch,
    };
    let answer = ctx.node.groups.submit(&group_id, Command::FetchOffsets(command));
    async move {
        match answer.await {
            Answer::FetchedOffsets(mut topics) => {
                if of_all && version >= 10 {
                    set_topic_ids(&image, &mut topics);
                }
                topics.extend(unknown);
                Fetched {
                    group_id,
                    error: ErrorCode::None,
                    topics,
                }
            }
            other => {
                let error = error_of(&other);
                // Version 1 has no room for an error of the group.
                let topics = if version < 2 {
                    every_partition(asked_for, error)
                } else {
                    Vec::new()
                };
                Fetched {
                    group_id,
                    error,
                    topics,
                }
            }
        }
    }
}

/// The names of the topics that are asked for by id, and the answers for those that have none.
fn named(image: &Image, topics: Vec<FetchTopic>) -> (Option<Vec<FetchTopic>>, Vec<FetchedTopic>) {
    let mut known = Vec::with_capacity(topics.len());
    let mut unknown = Vec::new();
    for topic in topics {
        match image.topics.by_id(topic.topic_id) {
            Some(found) => known.push(FetchTopic {
                name: found.name.to_string(),
                ..topic
            }),
            None => unknown.push(topic),
        }
    }
    (Some(known), every_partition(unknown, ErrorCode::UnknownTopicId))
}

/// The group's offsets know their topics by name. One that has no id any more cannot be said.
fn set_topic_ids(image: &Image, topics: &mut Vec<FetchedTopic>) {
    topics.retain_mut(|topic| {
        let found = image.topics.by_name(&topic.name);
        topic.topic_id = found.map_or(topic.topic_id, |found| found.id);
        !topic.topic_id.is_nil()
    });
}

fn every_partition(topics: Vec<FetchTopic>, error: ErrorCode) -> Vec<FetchedTopic> {
    let failed = |partition: i32| FetchedOffset {
        partition,
        offset: -1,
        leader_epoch: -1,
        metadata: String::new(),
        error,
    };
    let topic = |topic: FetchTopic| FetchedTopic {
        topic_id: topic.topic_id,
        name: topic.name,
        partitions: topic.partitions.into_iter().map(failed).collect(),
    };
    topics.into_iter().map(topic).collect()
}

fn group_response(group: Fetched) -> OffsetFetchResponseGroup {
    let partition = |offset: FetchedOffset| {
        OffsetFetchResponsePartitions::default()
            .with_partition_index(offset.partition)
            .with_committed_offset(offset.offset)
            .with_committed_leader_epoch(offset.leader_epoch)
            .with_metadata(Some(text(offset.metadata)))
            .with_error_code(offset.error.code())
    };
    let topic = |topic: FetchedTopic| {
        OffsetFetchResponseTopics::default()
            .with_name(topic_name(&topic.name))
            .with_topic_id(topic.topic_id)
            .with_partitions(topic.partitions.into_iter().map(partition).collect())
    };
    OffsetFetchResponseGroup::default()
        .with_group_id(GroupId(text(group.group_id)))
        .with_error_code(group.error.code())
        .with_topics(group.topics.into_iter().map(topic).collect())
}

/// The answer up to version 7.
fn old_response(group: Fetched, version: i16) -> OffsetFetchResponse {
    let partition = |offset: FetchedOffset| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(offset.partition)
            .with_committed_offset(offset.offset)
            .with_committed_leader_epoch(offset.leader_epoch)
            .with_metadata(Some(text(offset.metadata)))
            .with_error_code(offset.error.code())
    };
    let topic = |topic: FetchedTopic| {
        OffsetFetchResponseTopic::default()
            .with_name(topic_name(&topic.name))
            .with_partitions(topic.partitions.into_iter().map(partition).collect())
    };
    OffsetFetchResponse::default()
        .with_error_code(if version >= 2 { group.error.code() } else { 0 })
        .with_topics(group.topics.into_iter().map(topic).collect())
}
