//! FindCoordinator 0-6: which broker coordinates a group (type 0), a transactional id (1, from version 1 on) or the state of a
//! share group's partition (2, from version 6 on). From version 4 on several keys at once.
//!
//! The topic that a coordinator keeps its records in is made when it is first asked for. Kafka answers that first request
//! with COORDINATOR_NOT_AVAILABLE and lets the client come again; here it waits for the topic.

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_base::ErrorCode;
use ottla_base::ids::uuid_from_string;

use crate::api::endpoints::{self, Endpoint};
use crate::api::text::text;
use crate::api::{Ctx, Reply};
use crate::runtime::group_coordinator::internal_topics::{InternalTopic, partition_for};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

pub fn handle(ctx: &Ctx, request: FindCoordinatorRequest) -> Reply<FindCoordinatorResponse> {
    let ctx = ctx.clone();
    Reply::later(async move {
        if ctx.api_version < 4 {
            let found = find(&ctx, request.key_type, &request.key).await;
            return one(found, ctx.api_version);
        }
        let mut coordinators = Vec::with_capacity(request.coordinator_keys.len());
        for key in request.coordinator_keys {
            let found = find(&ctx, request.key_type, &key).await;
            coordinators.push(coordinator(key, found));
        }
        FindCoordinatorResponse::default().with_coordinators(coordinators)
    })
}

async fn find(ctx: &Ctx, key_type: i8, key: &str) -> Result<Endpoint, ErrorCode> {
    let topic = match key_type {
        GROUP => InternalTopic::ConsumerOffsets,
        TRANSACTION => InternalTopic::TransactionState,
        SHARE if ctx.api_version >= 6 && is_share_key(key) => return Err(ErrorCode::CoordinatorNotAvailable),
        _ => return Err(ErrorCode::InvalidRequest),
    };
    let config = &*ctx.node.config;
    if ctx.image().topics.by_name(topic.name()).is_none() {
        let ensured = topic.ensure(config, &ctx.node.controller).await;
        ensured.map_err(|_| ErrorCode::CoordinatorNotAvailable)?;
    }
    let image = ctx.image();
    let found = image
        .topics
        .by_name(topic.name())
        .ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let partitions = i32::try_from(found.partitions.len()).unwrap_or(i32::MAX);
    let partition = found.partitions.get(&partition_for(key, partitions));
    let leader = partition
        .filter(|partition| partition.has_leader())
        .ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let broker = endpoints::broker(ctx, &image, leader.leader).filter(|broker| !broker.fenced);
    broker.ok_or(ErrorCode::CoordinatorNotAvailable)
}

/// `group:topic id:partition`
fn is_share_key(key: &str) -> bool {
    let mut parts = key.rsplitn(3, ':');
    let partition = parts.next().and_then(|partition| partition.parse::<u32>().ok());
    let topic_id = parts.next().and_then(uuid_from_string);
    let group = parts.next().filter(|group| !group.is_empty());
    partition.is_some() && topic_id.is_some() && group.is_some()
}

/// The answer up to version 3.
fn one(found: Result<Endpoint, ErrorCode>, version: i16) -> FindCoordinatorResponse {
    let error = found.as_ref().err().copied().unwrap_or(ErrorCode::None);
    let (node_id, host, port) = address(found);
    let response = FindCoordinatorResponse::default()
        .with_error_code(error.code())
        .with_node_id(node_id)
        .with_host(host)
        .with_port(port);
    match version {
        0 => response,
        _ => response.with_error_message(Some(text(error.name()))),
    }
}

fn coordinator(key: StrBytes, found: Result<Endpoint, ErrorCode>) -> Coordinator {
    let error = found.as_ref().err().copied().unwrap_or(ErrorCode::None);
    let (node_id, host, port) = address(found);
    Coordinator::default()
        .with_key(key)
        .with_error_code(error.code())
        .with_node_id(node_id)
        .with_host(host)
        .with_port(port)
}

fn address(found: Result<Endpoint, ErrorCode>) -> (BrokerId, StrBytes, i32) {
    match found {
        Ok(endpoint) => (BrokerId(endpoint.id), endpoint.host, endpoint.port),
        Err(_) => (BrokerId(-1), text(""), -1),
    }
}

#[cfg(test)]
mod tests {
    use super::is_share_key;

    #[test]
    fn keys_of_share_partitions() {
        assert!(is_share_key("g:AAAAAAAAAAAAAAAAAAAAAQ:0"));
        assert!(is_share_key("a:b:AAAAAAAAAAAAAAAAAAAAAQ:17"));
        for key in [
            "",
            "g",
            "g:AAAAAAAAAAAAAAAAAAAAAQ",
            "g:topic:0",
            ":AAAAAAAAAAAAAAAAAAAAAQ:0",
            "g:AAAAAAAAAAAAAAAAAAAAAQ:-1",
        ] {
            assert!(!is_share_key(key), "{key}");
        }
    }
}
