//! DescribeQuorum (55), versions 0-2: the leader of the metadata log, its voters and how far each of them is.
//!
//! - Only partition 0 of `__cluster_metadata` is there to be described, and only if nothing else is asked for.
//! - Directory ids and the nodes' endpoints from version 2 on; with `kraft.version` 0 no directory id is known.
//! - A node that is broker and controller in one is a voter and not an observer too.

use kafka_protocol::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use kafka_protocol::messages::{BrokerId, DescribeQuorumRequest, DescribeQuorumResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_base::ids::METADATA_TOPIC;
use ottla_base::{ErrorCode, Uuid};
use ottla_metadata::Image;

use crate::api::{Ctx, Reply};

/// First version with the nodes' endpoints and the voters' directory ids.
const NODES_FROM: i16 = 2;

pub fn handle(ctx: &Ctx, request: DescribeQuorumRequest) -> Reply<DescribeQuorumResponse> {
    let image = ctx.image();
    let is_described = asks_for_the_metadata_log_alone(&request);
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|p| match is_described {
            true => metadata_partition(ctx, &image),
            false => unknown(p.partition_index),
        });
        TopicData::default()
            .with_partitions(partitions.collect())
            .with_topic_name(topic.topic_name)
    });
    let response = DescribeQuorumResponse::default().with_topics(topics.collect());
    Reply::Now(match ctx.api_version {
        NODES_FROM.. if is_described => response.with_nodes(nodes(&image)),
        _ => response,
    })
}

fn asks_for_the_metadata_log_alone(request: &DescribeQuorumRequest) -> bool {
    let [topic] = request.topics.as_slice() else {
        return false;
    };
    let partitions = topic.partitions.iter().map(|p| p.partition_index);
    topic.topic_name.as_str() == METADATA_TOPIC && partitions.eq([0])
}

fn metadata_partition(ctx: &Ctx, image: &Image) -> PartitionData {
    let quorum = ctx.node.controller.quorum();
    let now_ms = ctx.now_ms();
    let voter = |(id, directory_id): (i32, Uuid)| {
        let directory_id = if ctx.api_version < NODES_FROM {
            Uuid::nil()
        } else {
            directory_id
        };
        ReplicaState::default()
            .with_replica_id(BrokerId(id))
            .with_replica_directory_id(directory_id)
            .with_log_end_offset(quorum.log_end_offset)
            .with_last_fetch_timestamp(now_ms)
            .with_last_caught_up_timestamp(now_ms)
    };
    PartitionData::default()
        .with_leader_id(BrokerId(quorum.leader_id))
        .with_leader_epoch(quorum.leader_epoch)
        .with_high_watermark(quorum.high_watermark)
        .with_current_voters(voters(ctx, image).into_iter().map(voter).collect())
}

/// Who votes: as the log says, or as the settings do while the log does not.
fn voters(ctx: &Ctx, image: &Image) -> Vec<(i32, Uuid)> {
    if image.features.kraft_version > 0 {
        let voters = image.voters.iter();
        return voters.map(|voter| (voter.id, voter.directory_id)).collect();
    }
    let voters = ctx.node.config.voters.iter();
    voters.map(|voter| (voter.id, Uuid::nil())).collect()
}

/// The controllers with the endpoints under which they registered.
fn nodes(image: &Image) -> Vec<Node> {
    let controllers = image.controllers.values();
    let nodes = controllers.map(|controller| {
        let listeners = controller.endpoints.iter().map(|endpoint| {
            Listener::default()
                .with_name(StrBytes::from_string(endpoint.name.clone()))
                .with_host(StrBytes::from_string(endpoint.host.clone()))
                .with_port(endpoint.port)
        });
        Node::default()
            .with_node_id(BrokerId(controller.id))
            .with_listeners(listeners.collect())
    });
    nodes.collect()
}

fn unknown(index: i32) -> PartitionData {
    PartitionData::default()
        .with_partition_index(index)
        .with_error_code(ErrorCode::UnknownTopicOrPartition.code())
        .with_error_message(Some(StrBytes::from_static_str(
            "This server does not host this topic-partition.",
        )))
}
