//! ListPartitionReassignments (46), version 0: the moves that are under way, of named partitions or of all.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use kafka_protocol::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};
use ottla_base::TopicPartition;
use ottla_metadata::controller::ongoing_reassignments;

use crate::api::text::{broker_ids, topic_name};
use crate::api::{Ctx, Reply};

pub fn handle(
    ctx: &Ctx,
    request: ListPartitionReassignmentsRequest,
) -> Reply<ListPartitionReassignmentsResponse> {
    let of = request.topics.map(|topics| {
        let partitions = topics.iter().flat_map(|topic| {
            let name: Arc<str> = topic.name.as_str().into();
            topic
                .partition_indexes
                .iter()
                .map(move |index| TopicPartition::new(name.clone(), *index))
        });
        partitions.collect::<Vec<_>>()
    });
    let mut topics: BTreeMap<Arc<str>, Vec<OngoingPartitionReassignment>> = BTreeMap::new();
    for ongoing in ongoing_reassignments(&ctx.image(), of.as_deref()) {
        let entry = OngoingPartitionReassignment::default()
            .with_partition_index(ongoing.partition.partition)
            .with_replicas(broker_ids(&ongoing.replicas))
            .with_adding_replicas(broker_ids(&ongoing.adding))
            .with_removing_replicas(broker_ids(&ongoing.removing));
        topics.entry(ongoing.partition.topic).or_default().push(entry);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        OngoingTopicReassignment::default()
            .with_name(topic_name(&name))
            .with_partitions(partitions)
    });
    Reply::Now(
        ListPartitionReassignmentsResponse::default()
            .with_error_message(None)
            .with_topics(topics.collect()),
    )
}
