//! DescribeTopicPartitions (75), version 0: partitions with their eligible leader replicas, a page at a time (KIP-966).
//!
//! Topics are answered in the order of their names. The page ends after `max.request.partition.size.limit` partitions, or
//! fewer if the request says so; the cursor names the first partition that did not fit. An empty list is all topics. A cursor
//! that is nowhere in what is asked for is INVALID_REQUEST for every topic.

use std::collections::BTreeSet;

use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
use ottla_base::ErrorCode;
use ottla_base::config::Settings;
use ottla_base::ids::is_internal_topic;
use ottla_metadata::Image;
use ottla_metadata::image::{Partition, Topic};

use super::partition_view::view;
use crate::api::text::{broker_ids, topic_name};
use crate::api::{Ctx, Reply, operations};

pub fn handle(ctx: &Ctx, request: DescribeTopicPartitionsRequest) -> Reply<DescribeTopicPartitionsResponse> {
    let image = ctx.image();
    let first = request
        .cursor
        .as_ref()
        .map(|cursor| (cursor.topic_name.to_string(), cursor.partition_index));
    if first
        .as_ref()
        .is_some_and(|cursor| !is_possible(&request, cursor))
    {
        return Reply::Now(refused(&request));
    }
    let limit_max = ctx.node.config.i32("max.request.partition.size.limit");
    let limit = request.response_partition_limit.min(limit_max);
    let mut page = Page {
        ctx,
        image: &image,
        room: usize::try_from(limit).unwrap_or(0).max(1),
        response: Default::default(),
    };
    for name in names(&image, &request, first.as_ref().map(|(name, _)| name.as_str())) {
        let from = match &first {
            Some((topic, partition)) if *topic == name => *partition,
            _ => 0,
        };
        if !page.add(&name, from) {
            break;
        }
    }
    Reply::Now(page.response)
}

/// Whether a page can begin here: with a partition of a topic that is asked for.
fn is_possible(request: &DescribeTopicPartitionsRequest, (name, partition): &(String, i32)) -> bool {
    let topics = &request.topics;
    *partition >= 0 && (topics.is_empty() || topics.iter().any(|topic| topic.name.as_str() == name))
}

fn refused(request: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let topics = request.topics.iter().map(|topic| {
        DescribeTopicPartitionsResponseTopic::default()
            .with_error_code(ErrorCode::InvalidRequest.code())
            .with_name(Some(topic.name.clone()))
    });
    DescribeTopicPartitionsResponse::default().with_topics(topics.collect())
}

/// The topics that are asked for, from the cursor's on, in the order of their names.
fn names(image: &Image, request: &DescribeTopicPartitionsRequest, from: Option<&str>) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = match request.topics.is_empty() {
        true => image.topics.iter().map(|topic| topic.name.to_string()).collect(),
        false => request
            .topics
            .iter()
            .map(|topic| topic.name.to_string())
            .collect(),
    };
    if let Some(from) = from {
        names = names.split_off(from);
    }
    names
}

struct Page<'a> {
    ctx: &'a Ctx,
    image: &'a Image,
    /// Partitions that still fit.
    room: usize,
    response: DescribeTopicPartitionsResponse,
}

impl Page<'_> {
    /// Adds a topic from one of its partitions on; false when the page is full.
    fn add(&mut self, name: &str, from: i32) -> bool {
        if self.room == 0 {
            self.response.next_cursor = Some(cursor(name, from));
            return false;
        }
        let Some(topic) = self.image.topics.by_name(name) else {
            self.response.topics.push(unknown(name));
            return true;
        };
        let mut entry = header(topic);
        for (index, partition) in topic.partitions.iter().filter(|(index, _)| **index >= from) {
            if self.room == 0 {
                self.response.next_cursor = Some(cursor(name, *index));
                break;
            }
            self.room -= 1;
            entry.partitions.push(self.partition(*index, partition));
        }
        self.response.topics.push(entry);
        self.response.next_cursor.is_none()
    }

    fn partition(&self, index: i32, partition: &Partition) -> DescribeTopicPartitionsResponsePartition {
        let view = view(self.ctx, self.image, partition);
        DescribeTopicPartitionsResponsePartition::default()
            .with_error_code(view.error.code())
            .with_partition_index(index)
            .with_leader_id(BrokerId(view.leader))
            .with_leader_epoch(partition.leader_epoch)
            .with_replica_nodes(broker_ids(&partition.replicas))
            .with_isr_nodes(broker_ids(&partition.isr))
            .with_eligible_leader_replicas(Some(broker_ids(&partition.elr)))
            .with_last_known_elr(Some(broker_ids(&partition.last_known_elr)))
            .with_offline_replicas(broker_ids(&view.offline))
    }
}

fn header(topic: &Topic) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(topic.id)
        .with_is_internal(is_internal_topic(&topic.name))
        .with_topic_authorized_operations(operations::on_topic(true))
}

fn unknown(name: &str) -> DescribeTopicPartitionsResponseTopic {
    let error = match ottla_base::topic_name::problem(name) {
        Some(_) => ErrorCode::InvalidTopicException,
        None => ErrorCode::UnknownTopicOrPartition,
    };
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(error.code())
        .with_name(Some(topic_name(name)))
        .with_is_internal(is_internal_topic(name))
        .with_topic_authorized_operations(operations::on_topic(true))
}

fn cursor(name: &str, partition: i32) -> Cursor {
    Cursor::default()
        .with_topic_name(topic_name(name))
        .with_partition_index(partition)
}
