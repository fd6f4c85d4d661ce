//! DeleteTopics (20), versions 1-6: by name, from version 6 on also by id.
//!
//! - With `delete.topic.enable=false` every topic is answered TOPIC_DELETION_DISABLED (INVALID_REQUEST before version 3).
//! - A topic is named by its name or by its id, once; anything else is INVALID_REQUEST, answered once.
//! - The files go after `file.delete.delay.ms`; for clients the topic is gone with the answer.

use std::collections::HashMap;

use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use ottla_base::config::Settings;
use ottla_base::{ErrorCode, Uuid};
use ottla_metadata::Image;
use ottla_metadata::controller::Problem;

use crate::api::text::{message, topic_name};
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: DeleteTopicsRequest) -> Reply<DeleteTopicsResponse> {
    let asked = asked(request);
    if !ctx.node.config.bool("delete.topic.enable") {
        return Reply::Now(answer(disabled(ctx, &asked)));
    }
    let found = resolve(&ctx.image(), &asked);
    let ctx = ctx.clone();
    Reply::later(async move { answer(delete(&ctx, found).await) })
}

/// The topics of a request in the form of version 6.
fn asked(request: DeleteTopicsRequest) -> Vec<DeleteTopicState> {
    let names = request.topic_names.into_iter();
    let names = names.map(|name| DeleteTopicState::default().with_name(Some(name)));
    request.topics.into_iter().chain(names).collect()
}

fn disabled(ctx: &Ctx, asked: &[DeleteTopicState]) -> Vec<DeletableTopicResult> {
    let problem = match ctx.api_version {
        ..3 => Problem::new(
            ErrorCode::InvalidRequest,
            "This version does not support disabled topic deletion.",
        ),
        _ => Problem::new(ErrorCode::TopicDeletionDisabled, "Topic deletion is disabled."),
    };
    asked
        .iter()
        .map(|topic| failed(topic.name.clone(), topic.topic_id, &problem))
        .collect()
}

/// A topic to delete, or the answer that it gets instead.
type Resolved = Result<(TopicName, Uuid), DeletableTopicResult>;

/// One answer for each topic, however often it is named.
fn resolve(image: &Image, asked: &[DeleteTopicState]) -> Vec<Resolved> {
    let mut resolved: Vec<Resolved> = Vec::with_capacity(asked.len());
    let mut places = HashMap::new();
    for topic in asked {
        let one = resolve_one(image, topic);
        // A name and an id may mean the same topic.
        let key = match &one {
            Ok((_, id)) => (None, *id),
            Err(_) => (topic.name.clone(), topic.topic_id),
        };
        let place = *places.entry(key).or_insert(resolved.len());
        match resolved.get_mut(place) {
            Some(first) => *first = Err(repeated(topic, one)),
            None => resolved.push(one),
        }
    }
    resolved
}

fn repeated(asked: &DeleteTopicState, resolved: Resolved) -> DeletableTopicResult {
    let (name, id) = match resolved {
        Ok((name, id)) => (Some(name), id),
        Err(_) => (asked.name.clone(), asked.topic_id),
    };
    failed(name, id, &invalid("The topic is named more than once."))
}

fn resolve_one(image: &Image, asked: &DeleteTopicState) -> Resolved {
    let (name, id) = (asked.name.clone(), asked.topic_id);
    match (&name, id.is_nil()) {
        (Some(_), false) => Err(failed(
            name,
            id,
            &invalid("You may not specify both topic name and topic id."),
        )),
        (None, true) => Err(failed(
            name,
            id,
            &invalid("Neither topic name nor id were specified."),
        )),
        (Some(given), true) => match image.topics.by_name(given) {
            Some(topic) => Ok((given.clone(), topic.id)),
            None => Err(failed(
                name,
                id,
                &Problem::new(ErrorCode::UnknownTopicOrPartition, UNKNOWN_NAME),
            )),
        },
        (None, false) => match image.topics.by_id(id) {
            Some(topic) => Ok((topic_name(&topic.name), id)),
            None => Err(failed(
                name,
                id,
                &Problem::new(ErrorCode::UnknownTopicId, UNKNOWN_ID),
            )),
        },
    }
}

async fn delete(ctx: &Ctx, resolved: Vec<Resolved>) -> Vec<DeletableTopicResult> {
    let ids: Vec<Uuid> = resolved.iter().flatten().map(|(_, id)| *id).collect();
    let fates: HashMap<Uuid, Result<(), Problem>> = match ids.is_empty() {
        true => HashMap::new(),
        false => {
            let controller = &ctx.node.controller;
            let asked = ids.clone();
            match controller
                .write(move |c, image, _now_ms| c.delete_topics(image, &asked))
                .await
            {
                Ok(results) => results.into_iter().collect(),
                Err(error) => ids.iter().map(|id| (*id, Err(Problem::new(error, "")))).collect(),
            }
        }
    };
    let answer = |resolved: Resolved| match resolved {
        Err(refused) => refused,
        Ok((name, id)) => match fates.get(&id) {
            Some(Err(problem)) => failed(Some(name), id, problem),
            _ => DeletableTopicResult::default()
                .with_name(Some(name))
                .with_topic_id(id),
        },
    };
    resolved.into_iter().map(answer).collect()
}

fn answer(responses: Vec<DeletableTopicResult>) -> DeleteTopicsResponse {
    DeleteTopicsResponse::default().with_responses(responses)
}

fn invalid(message: &str) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, message)
}

fn failed(name: Option<TopicName>, id: Uuid, problem: &Problem) -> DeletableTopicResult {
    DeletableTopicResult::default()
        .with_name(name)
        .with_topic_id(id)
        .with_error_code(problem.code.code())
        .with_error_message(message(&problem.message))
}

const UNKNOWN_NAME: &str = "This server does not host this topic-partition.";
const UNKNOWN_ID: &str = "This server does not host this topic ID.";
