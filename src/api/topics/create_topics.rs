//! CreateTopics (19), versions 2-7: topics with partitions placed by the controller or by the client, and their configs.
//!
//! - Each topic succeeds or fails by itself; those that succeed are one batch of the metadata log.
//! - The answer waits until this node has applied the batch, so that a client may produce at once.
//! - Version 5 and newer name the partitions, the replication factor and the effective configs of what was made (KIP-525);
//!   version 7 its id.
//! - A name that stands twice in a request, and the topic of the metadata log, are refused with INVALID_REQUEST.

use std::collections::{BTreeMap, HashMap};

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, TopicName};
use ottla_base::ErrorCode;
use ottla_base::config::describe;
use ottla_base::ids::METADATA_TOPIC;
use ottla_metadata::controller::{CreateTopic, CreatedTopic, Problem};

use crate::api::configs::effective;
use crate::api::text::{message, plain_ids, text, topic_name};
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: CreateTopicsRequest) -> Reply<CreateTopicsResponse> {
    let (refused, accepted) = sort(&request.topics);
    let ctx = ctx.clone();
    Reply::later(async move {
        let mut topics = refused;
        topics.extend(create(&ctx, accepted, request.validate_only).await);
        CreateTopicsResponse::default().with_topics(topics)
    })
}

/// Answers for what no controller need look at, and the topics that are left.
fn sort(topics: &[CreatableTopic]) -> (Vec<CreatableTopicResult>, Vec<CreateTopic>) {
    let mut times: HashMap<&TopicName, usize> = HashMap::new();
    for topic in topics {
        *times.entry(&topic.name).or_default() += 1;
    }
    let mut refused = Vec::new();
    let mut accepted = Vec::new();
    for topic in topics {
        match times.remove(&topic.name) {
            Some(1) if topic.name.as_str() != METADATA_TOPIC => accepted.push(wanted(topic)),
            Some(1) => refused.push(failed(&topic.name, &prohibited())),
            Some(_) => refused.push(failed(&topic.name, &duplicate())),
            // Already answered where the name stood first.
            None => {}
        }
    }
    (refused, accepted)
}

fn duplicate() -> Problem {
    Problem::new(ErrorCode::InvalidRequest, "Duplicate topic name.")
}

fn prohibited() -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        format!("Creation of internal topic {METADATA_TOPIC} is prohibited."),
    )
}

fn wanted(topic: &CreatableTopic) -> CreateTopic {
    let assignments = topic
        .assignments
        .iter()
        .map(|a| (a.partition_index, plain_ids(&a.broker_ids)));
    let configs = topic.configs.iter();
    let configs = configs.map(|c| {
        (
            c.name.to_string(),
            c.value.as_ref().map(|value| value.to_string()),
        )
    });
    CreateTopic {
        name: topic.name.to_string(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments.collect(),
        configs: configs.collect(),
    }
}

async fn create(ctx: &Ctx, topics: Vec<CreateTopic>, validate_only: bool) -> Vec<CreatableTopicResult> {
    if topics.is_empty() {
        return Vec::new();
    }
    let asked = topics.clone();
    let controller = &ctx.node.controller;
    let written = controller
        .write(move |c, image, _now_ms| c.create_topics(image, &topics, validate_only))
        .await;
    match written {
        Ok(results) => {
            let results = asked
                .iter()
                .zip(results)
                .map(|(topic, (_, result))| match result {
                    Ok(created) => made(ctx, topic, &created),
                    Err(problem) => failed(&topic_name(&topic.name), &problem),
                });
            results.collect()
        }
        Err(error) => {
            let problem = Problem::new(error, "");
            asked
                .iter()
                .map(|topic| failed(&topic_name(&topic.name), &problem))
                .collect()
        }
    }
}

fn made(ctx: &Ctx, topic: &CreateTopic, created: &CreatedTopic) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(topic_name(&topic.name))
        .with_error_message(None)
        .with_topic_id(created.id)
        .with_num_partitions(created.partitions)
        .with_replication_factor(created.replication_factor)
        .with_configs(Some(configs(ctx, topic)))
}

fn configs(ctx: &Ctx, topic: &CreateTopic) -> Vec<CreatableTopicConfigs> {
    let own: BTreeMap<&str, &str> = topic
        .configs
        .iter()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_deref()?)))
        .collect();
    let entries = describe::topic(&effective(ctx, &ctx.image()), &own).into_iter();
    let entries = entries.map(|entry| {
        CreatableTopicConfigs::default()
            .with_name(text(entry.name))
            .with_value(entry.value.map(text))
            .with_read_only(entry.is_read_only)
            .with_config_source(entry.origin as i8)
            .with_is_sensitive(entry.is_sensitive)
    });
    entries.collect()
}

fn failed(name: &TopicName, problem: &Problem) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(name.clone())
        .with_error_code(problem.code.code())
        .with_error_message(message(&problem.message))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
}
