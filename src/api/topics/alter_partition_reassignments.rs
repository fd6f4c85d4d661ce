//! AlterPartitionReassignments (45), versions 0-1: moves replicas (KIP-455), or cancels a move with null replicas.
//!
//! Version 1 may forbid a change of the replication factor (KIP-860). Each partition succeeds or fails by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_protocol::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};
use ottla_base::TopicPartition;
use ottla_metadata::controller::{Problem, Reassignment};

use crate::api::text::{message, plain_ids, topic_name};
use crate::api::{Ctx, Reply};

pub fn handle(
    ctx: &Ctx,
    request: AlterPartitionReassignmentsRequest,
) -> Reply<AlterPartitionReassignmentsResponse> {
    // Before version 1 the factor may change: the field's default.
    let allow_factor_change = request.allow_replication_factor_change;
    let moves = moves(&request);
    let ctx = ctx.clone();
    Reply::later(async move {
        let controller = &ctx.node.controller;
        let write = controller
            .write(move |c, image, _now_ms| c.alter_reassignments(image, &moves, allow_factor_change));
        let response = AlterPartitionReassignmentsResponse::default()
            .with_error_message(None)
            .with_allow_replication_factor_change(allow_factor_change);
        match write.await {
            Ok(results) => response.with_responses(by_topic(results)),
            Err(error) => response.with_error_code(error.code()),
        }
    })
}

fn moves(request: &AlterPartitionReassignmentsRequest) -> Vec<Reassignment> {
    let moves = request.topics.iter().flat_map(|topic| {
        let name: Arc<str> = topic.name.as_str().into();
        topic.partitions.iter().map(move |partition| Reassignment {
            partition: TopicPartition::new(name.clone(), partition.partition_index),
            replicas: partition.replicas.as_deref().map(plain_ids),
        })
    });
    moves.collect()
}

fn by_topic(results: Vec<(TopicPartition, Result<(), Problem>)>) -> Vec<ReassignableTopicResponse> {
    let mut topics: BTreeMap<Arc<str>, Vec<ReassignablePartitionResponse>> = BTreeMap::new();
    for (partition, result) in results {
        let entry = ReassignablePartitionResponse::default().with_partition_index(partition.partition);
        let entry = match result {
            Ok(()) => entry.with_error_message(None),
            Err(problem) => entry
                .with_error_code(problem.code.code())
                .with_error_message(message(&problem.message)),
        };
        topics.entry(partition.topic).or_default().push(entry);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        ReassignableTopicResponse::default()
            .with_name(topic_name(&name))
            .with_partitions(partitions)
    });
    topics.collect()
}
