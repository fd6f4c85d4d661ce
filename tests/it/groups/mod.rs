//! Groups over the wire: every API in every version, what happens while a member waits, and what a restart leaves.

mod admin;
mod consumer;
mod member;
mod offsets;
mod producers;

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{CreateTopicsRequest, FindCoordinatorRequest, GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;
use ottla_base::{ErrorCode, Uuid};

use crate::client::Client;
use crate::node::Node;

fn start() -> Node {
    Node::start_with(&[("offsets.topic.num.partitions", "4")])
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn group(id: &str) -> GroupId {
    GroupId(text(id))
}

fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

fn code(error: ErrorCode) -> i16 {
    error.code()
}

/// Whether a client is to come again: after a start the node has yet to lead its partitions and to load them.
fn is_starting(error_code: i16) -> bool {
    [ErrorCode::NotCoordinator, ErrorCode::CoordinatorLoadInProgress]
        .map(code)
        .contains(&error_code)
}

/// Makes a topic with two partitions.
fn create_topic(client: &mut Client, name: &str) -> Uuid {
    let creatable = CreatableTopic::default()
        .with_name(topic(name))
        .with_num_partitions(2)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![creatable])
        .with_timeout_ms(5000);
    let response = client.call(7, &request);
    assert_eq!(response.topics[0].error_code, 0);
    response.topics[0].topic_id
}

/// Finds the coordinator as a client does; the first one who asks makes the topic.
fn find_coordinator(client: &mut Client) {
    let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("any")]);
    let response = client.call(6, &request);
    assert_eq!(response.coordinators[0].error_code, 0);
}

#[test]
fn the_coordinator_is_this_node_for_groups_in_all_versions() {
    let node = start();
    let mut client = node.client();
    for version in 0..=6 {
        let request = match version {
            0..4 => FindCoordinatorRequest::default().with_key(text("g")),
            _ => FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g"), text("h")]),
        };
        let response = client.call(version, &request);
        let found: Vec<(i16, i32, String, i32)> = match version {
            0..4 => vec![(
                response.error_code,
                response.node_id.0,
                response.host.to_string(),
                response.port,
            )],
            _ => {
                let coordinators = response.coordinators.iter();
                coordinators
                    .map(|c| (c.error_code, c.node_id.0, c.host.to_string(), c.port))
                    .collect()
            }
        };
        assert_eq!(found.len(), if version < 4 { 1 } else { 2 });
        for coordinator in found {
            assert_eq!(
                coordinator,
                (0, 1, "127.0.0.1".to_owned(), i32::from(node.address().port())),
                "v{version}"
            );
        }
    }
}

#[test]
fn other_kinds_of_coordinators() {
    let node = start();
    let mut client = node.client();
    let mut find = |version: i16, key_type: i8, key: &str| {
        let request = FindCoordinatorRequest::default()
            .with_key_type(key_type)
            .with_coordinator_keys(vec![text(key)]);
        client.call(version, &request).coordinators[0].error_code
    };
    assert_eq!(find(6, 1, "transactional-id"), 0);
    assert_eq!(
        find(6, 2, "g:AAAAAAAAAAAAAAAAAAAAAQ:0"),
        code(ErrorCode::CoordinatorNotAvailable)
    );
    assert_eq!(
        find(6, 2, "not a share partition"),
        code(ErrorCode::InvalidRequest)
    );
    assert_eq!(
        find(5, 2, "g:AAAAAAAAAAAAAAAAAAAAAQ:0"),
        code(ErrorCode::InvalidRequest)
    );
    assert_eq!(find(6, 9, "g"), code(ErrorCode::InvalidRequest));
}
