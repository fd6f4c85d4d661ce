//! Metadata (3), versions 0-13: brokers, topics, partitions and their leaders; creates missing topics if it may.
//!
//! - A null list of topics (an empty one in version 0) is all topics.
//! - Topics by id from version 12 on; versions 10 and 11 have the field, but Kafka refuses ids in them.
//! - A topic that is missing is created when the request and `auto.create.topics.enable` allow it. Kafka answers
//!   UNKNOWN_TOPIC_OR_PARTITION and lets the client ask again; here the answer waits for the topic, which saves the client
//!   a round and its retry back-off.
//! - A topic that is asked for twice is answered once.
//! - Authorized operations (KIP-430): of the cluster in versions 8-10, of topics from version 8 on.

use std::collections::HashSet;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use ottla_base::config::Settings;
use ottla_base::ids::is_internal_topic;
use ottla_base::{ErrorCode, Uuid};
use ottla_metadata::Image;
use ottla_metadata::image::{Partition, Topic};

use super::auto_create;
use super::partition_view::view;
use crate::api::text::{broker_ids, topic_name};
use crate::api::{Ctx, Reply, endpoints, operations};

pub fn handle(ctx: &Ctx, mut request: MetadataRequest) -> Reply<MetadataResponse> {
    if asks_for_ids_too_early(ctx, &request) {
        return Reply::Now(refused(&request, ErrorCode::InvalidRequest));
    }
    if let Some(topics) = &mut request.topics {
        let mut seen = HashSet::new();
        topics.retain(|topic| seen.insert((topic.name.clone(), topic.topic_id)));
    }
    let missing = missing_topics(ctx, &request);
    if missing.is_empty() {
        return Reply::Now(answer(ctx, &request, &[]));
    }
    let ctx = ctx.clone();
    Reply::later(async move {
        let errors = auto_create::create(&ctx, missing).await;
        answer(&ctx, &request, &errors)
    })
}

fn asks_for_ids_too_early(ctx: &Ctx, request: &MetadataRequest) -> bool {
    let mut topics = request.topics.iter().flatten();
    (10..=11).contains(&ctx.api_version) && topics.any(|t| t.name.is_none() || !t.topic_id.is_nil())
}

fn refused(request: &MetadataRequest, error: ErrorCode) -> MetadataResponse {
    let topics = request.topics.iter().flatten();
    // These versions cannot say that a topic has no name.
    let topics = topics
        .map(|t| topic_error(Some(t.name.clone().unwrap_or_default()), t.topic_id, error))
        .collect();
    MetadataResponse::default().with_topics(topics)
}

/// Topics to create before the request is answered.
fn missing_topics(ctx: &Ctx, request: &MetadataRequest) -> Vec<String> {
    if !request.allow_auto_topic_creation || !ctx.node.config.bool("auto.create.topics.enable") {
        return Vec::new();
    }
    let image = ctx.image();
    let names = request
        .topics
        .iter()
        .flatten()
        .filter(|topic| topic.topic_id.is_nil());
    let names = names.filter_map(|topic| topic.name.as_ref());
    names
        .filter(|name| image.topics.by_name(name).is_none())
        .map(|name| name.to_string())
        .collect()
}

/// `errors` are those of topics that could not be created.
fn answer(ctx: &Ctx, request: &MetadataRequest, errors: &[(String, ErrorCode)]) -> MetadataResponse {
    let image = ctx.image();
    let alive = endpoints::alive(ctx, &image);
    let controller_id = endpoints::admin_target(ctx, &alive);
    let brokers = alive.into_iter().map(|broker| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(broker.id))
            .with_host(broker.host)
            .with_port(broker.port)
            .with_rack(broker.rack)
    });
    let with_cluster_operations =
        request.include_cluster_authorized_operations && (8..=10).contains(&ctx.api_version);
    MetadataResponse::default()
        .with_brokers(brokers.collect())
        .with_cluster_id(Some(StrBytes::from_string(ctx.node.cluster_id.clone())))
        .with_controller_id(BrokerId(controller_id))
        .with_cluster_authorized_operations(operations::on_cluster(with_cluster_operations))
        .with_topics(topics(ctx, &image, request, errors))
}

fn topics(
    ctx: &Ctx,
    image: &Image,
    request: &MetadataRequest,
    errors: &[(String, ErrorCode)],
) -> Vec<MetadataResponseTopic> {
    let operations = operations::on_topic(request.include_topic_authorized_operations);
    let named = match &request.topics {
        Some(topics) if !topics.is_empty() || ctx.api_version > 0 => topics,
        _ => {
            let all = image.topics.iter();
            return all
                .map(|topic| found(ctx, image, topic).with_topic_authorized_operations(operations))
                .collect();
        }
    };
    let named = named.iter().map(|asked| match lookup(image, asked) {
        Some(topic) => found(ctx, image, topic).with_topic_authorized_operations(operations),
        None => absent(asked, errors),
    });
    named.collect()
}

fn lookup<'a>(image: &'a Image, asked: &MetadataRequestTopic) -> Option<&'a Topic> {
    let topic = match &asked.name {
        _ if !asked.topic_id.is_nil() => image.topics.by_id(asked.topic_id),
        Some(name) => image.topics.by_name(name),
        None => None,
    };
    topic.map(|topic| &**topic)
}

fn found(ctx: &Ctx, image: &Image, topic: &Topic) -> MetadataResponseTopic {
    let partitions = topic
        .partitions
        .iter()
        .map(|(index, p)| partition(ctx, image, *index, p))
        .collect();
    MetadataResponseTopic::default()
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(topic.id)
        .with_is_internal(is_internal_topic(&topic.name))
        .with_partitions(partitions)
}

fn partition(ctx: &Ctx, image: &Image, index: i32, partition: &Partition) -> MetadataResponsePartition {
    let view = view(ctx, image, partition);
    MetadataResponsePartition::default()
        .with_error_code(view.error.code())
        .with_partition_index(index)
        .with_leader_id(BrokerId(view.leader))
        .with_leader_epoch(partition.leader_epoch)
        .with_replica_nodes(broker_ids(&partition.replicas))
        .with_isr_nodes(broker_ids(&partition.isr))
        .with_offline_replicas(broker_ids(&view.offline))
}

fn absent(asked: &MetadataRequestTopic, errors: &[(String, ErrorCode)]) -> MetadataResponseTopic {
    if !asked.topic_id.is_nil() {
        return topic_error(None, asked.topic_id, ErrorCode::UnknownTopicId);
    }
    let name = asked.name.as_ref().map_or("", |name| name.as_str());
    let error = errors
        .iter()
        .find(|(failed, _)| failed == name)
        .map(|(_, error)| *error);
    let error = error.unwrap_or_else(|| match ottla_base::topic_name::problem(name) {
        Some(_) => ErrorCode::InvalidTopicException,
        None => ErrorCode::UnknownTopicOrPartition,
    });
    topic_error(asked.name.clone(), Uuid::nil(), error)
}

fn topic_error(name: Option<TopicName>, id: Uuid, error: ErrorCode) -> MetadataResponseTopic {
    let is_internal = name.as_ref().is_some_and(|name| is_internal_topic(name));
    MetadataResponseTopic::default()
        .with_error_code(error.code())
        .with_name(name)
        .with_topic_id(id)
        .with_is_internal(is_internal)
        .with_topic_authorized_operations(operations::NOT_REQUESTED)
}
