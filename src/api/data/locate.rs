//! From what a request names to a partition of this node, or to the error and the hint that lead the client on.

use std::sync::Arc;

use ottla_base::{ErrorCode, TopicIdPartition, Uuid};
use ottla_metadata::Image;

use crate::api::Ctx;
use crate::api::endpoints::{self, Endpoint};
use crate::replica::Partition;

/// The partition of this name. One that exists elsewhere is an error that makes the client ask for its leader.
pub fn by_name(ctx: &Ctx, image: &Image, topic: &str, partition: i32) -> Result<Arc<Partition>, ErrorCode> {
    let topic = image
        .topics
        .by_name(topic)
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    hosted(ctx, image, topic.id, partition)
}

/// The partition of this topic id.
pub fn by_id(ctx: &Ctx, image: &Image, topic_id: Uuid, partition: i32) -> Result<Arc<Partition>, ErrorCode> {
    hosted(ctx, image, topic_id, partition)
}

fn hosted(ctx: &Ctx, image: &Image, topic_id: Uuid, partition: i32) -> Result<Arc<Partition>, ErrorCode> {
    let topic = image.topics.by_id(topic_id).ok_or(ErrorCode::UnknownTopicId)?;
    if !topic.partitions.contains_key(&partition) {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    ctx.node
        .replicas
        .find(&TopicIdPartition { topic_id, partition })
        .map_err(|error| error.code())
}

/// Who leads a partition, and where that broker is reached on the listener of the request (KIP-951).
pub struct LeaderHint {
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub endpoint: Option<Endpoint>,
}

pub fn leader_hint(ctx: &Ctx, image: &Image, topic: &str, partition: i32) -> Option<LeaderHint> {
    let state = image.partition(topic, partition)?;
    let endpoint = endpoints::broker(ctx, image, state.leader);
    Some(LeaderHint {
        leader_id: state.leader,
        leader_epoch: state.leader_epoch,
        endpoint,
    })
}

/// Adds an endpoint that the answer does not name yet.
pub fn add_endpoint(endpoints: &mut Vec<Endpoint>, endpoint: Option<Endpoint>) {
    if let Some(endpoint) = endpoint
        && !endpoints.iter().any(|known| known.id == endpoint.id)
    {
        endpoints.push(endpoint);
    }
}
