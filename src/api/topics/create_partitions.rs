//! CreatePartitions (37), versions 0-3: adds partitions to topics, placed by the controller or by the client.
//!
//! A topic that stands twice in a request is refused with INVALID_REQUEST. Each topic succeeds or fails by itself.

use std::collections::HashMap;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse, TopicName};
use ottla_base::ErrorCode;
use ottla_metadata::controller::{CreatePartitions, Problem};

use crate::api::text::{message, plain_ids, topic_name};
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: CreatePartitionsRequest) -> Reply<CreatePartitionsResponse> {
    let ctx = ctx.clone();
    Reply::later(async move {
        let (mut results, accepted) = sort(&request.topics);
        results.extend(create(&ctx, accepted, request.validate_only).await);
        CreatePartitionsResponse::default().with_results(results)
    })
}

fn sort(topics: &[CreatePartitionsTopic]) -> (Vec<CreatePartitionsTopicResult>, Vec<CreatePartitions>) {
    let mut times: HashMap<&TopicName, usize> = HashMap::new();
    for topic in topics {
        *times.entry(&topic.name).or_default() += 1;
    }
    let (mut refused, mut accepted) = (Vec::new(), Vec::new());
    for topic in topics {
        match times.remove(&topic.name) {
            Some(1) => accepted.push(wanted(topic)),
            Some(_) => {
                let problem = Problem::new(ErrorCode::InvalidRequest, "Duplicate topic name.");
                refused.push(result(&topic.name, Err(problem)));
            }
            None => {}
        }
    }
    (refused, accepted)
}

fn wanted(topic: &CreatePartitionsTopic) -> CreatePartitions {
    let assignments = topic.assignments.as_ref();
    CreatePartitions {
        topic: topic.name.to_string(),
        count: topic.count,
        assignments: assignments.map(|list| list.iter().map(|a| plain_ids(&a.broker_ids)).collect()),
    }
}

async fn create(
    ctx: &Ctx,
    topics: Vec<CreatePartitions>,
    validate_only: bool,
) -> Vec<CreatePartitionsTopicResult> {
    if topics.is_empty() {
        return Vec::new();
    }
    let names: Vec<TopicName> = topics.iter().map(|topic| topic_name(&topic.topic)).collect();
    let controller = &ctx.node.controller;
    let write = controller.write(move |c, image, _now_ms| c.create_partitions(image, &topics, validate_only));
    match write.await {
        Ok(results) => names
            .iter()
            .zip(results)
            .map(|(name, (_, fate))| result(name, fate))
            .collect(),
        Err(error) => names
            .iter()
            .map(|name| result(name, Err(Problem::new(error, ""))))
            .collect(),
    }
}

fn result(name: &TopicName, fate: Result<(), Problem>) -> CreatePartitionsTopicResult {
    let result = CreatePartitionsTopicResult::default().with_name(name.clone());
    match fate {
        Ok(()) => result,
        Err(problem) => result
            .with_error_code(problem.code.code())
            .with_error_message(message(&problem.message)),
    }
}
