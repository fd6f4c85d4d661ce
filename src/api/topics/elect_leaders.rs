//! ElectLeaders (43), versions 0-2: preferred (0) or unclean (1) elections, for named partitions or for all.
//!
//! Version 0 has no type: it is the preferred election. A type that does not exist is INVALID_REQUEST. Partitions that need
//! no election are answered ELECTION_NOT_NEEDED when they were named, and left out when all were meant.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};
use ottla_base::{ErrorCode, TopicPartition};
use ottla_metadata::controller::{ElectionKind, ElectionResult};

use crate::api::text::{message, topic_name};
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: ElectLeadersRequest) -> Reply<ElectLeadersResponse> {
    let kind = match request.election_type {
        0 => ElectionKind::Preferred,
        1 => ElectionKind::Unclean,
        _ => return Reply::Now(failed(ErrorCode::InvalidRequest)),
    };
    let partitions = request.topic_partitions.map(|topics| {
        let partitions = topics.iter().flat_map(|topic| {
            let name: Arc<str> = topic.topic.as_str().into();
            topic
                .partitions
                .iter()
                .map(move |index| TopicPartition::new(name.clone(), *index))
        });
        partitions.collect::<Vec<_>>()
    });
    let ctx = ctx.clone();
    Reply::later(async move {
        let controller = &ctx.node.controller;
        let write =
            controller.write(move |c, image, _now_ms| c.elect_leaders(image, kind, partitions.as_deref()));
        match write.await {
            Ok(results) => ElectLeadersResponse::default().with_replica_election_results(by_topic(results)),
            Err(error) => failed(error),
        }
    })
}

fn by_topic(results: Vec<ElectionResult>) -> Vec<ReplicaElectionResult> {
    let mut topics: BTreeMap<Arc<str>, Vec<PartitionResult>> = BTreeMap::new();
    for (partition, result) in results {
        let entry = PartitionResult::default().with_partition_id(partition.partition);
        let entry = match result {
            Ok(()) => entry.with_error_message(None),
            Err(problem) => entry
                .with_error_code(problem.code.code())
                .with_error_message(message(&problem.message)),
        };
        topics.entry(partition.topic).or_default().push(entry);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        ReplicaElectionResult::default()
            .with_topic(topic_name(&name))
            .with_partition_result(partitions)
    });
    topics.collect()
}

fn failed(error: ErrorCode) -> ElectLeadersResponse {
    ElectLeadersResponse::default().with_error_code(error.code())
}
