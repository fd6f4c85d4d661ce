//! What the broker says that it answers, and what it does with what it does not.

use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, MetadataRequest};
use kafka_protocol::protocol::StrBytes;
use ottla::api::table::{Scope, rows};

use crate::client::Client;
use crate::node::Node;

fn request() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("ottla-it"))
        .with_client_software_version(StrBytes::from_static_str("1.0"))
}

#[test]
fn every_version_advertises_what_has_a_handler() {
    let node = Node::start();
    let mut client = node.client();
    for version in 0..=4 {
        let response = client.call(version, &request());
        assert_eq!(response.error_code, 0);
        let advertised: Vec<(i16, i16)> = response
            .api_keys
            .iter()
            .map(|api| (api.api_key, api.max_version))
            .collect();
        let telemetry = [
            ApiKey::GetTelemetrySubscriptions as i16,
            ApiKey::PushTelemetry as i16,
        ];
        let works: Vec<(i16, i16)> = rows()
            .iter()
            .filter(|row| matches!(row.scope, Scope::Broker | Scope::Both) && !telemetry.contains(&row.key))
            .filter_map(|row| row.works().map(|versions| (row.key, *versions.end())))
            .collect();
        assert_eq!(advertised, works, "version {version}");
        let min_of_produce = response
            .api_keys
            .iter()
            .find(|api| api.api_key == 0)
            .map(|api| api.min_version);
        assert_eq!(
            min_of_produce,
            Some(0),
            "librdkafka asks for Produce 0 before it compresses"
        );
        let finalized = response
            .finalized_features
            .iter()
            .find(|feature| &*feature.name == "metadata.version");
        assert_eq!(
            finalized.map(|feature| feature.max_version_level),
            (version >= 3).then_some(30)
        );
    }
}

#[test]
fn a_version_from_the_future_is_answered_in_version_0() {
    let node = Node::start();
    for version in [5, 99, i16::MAX] {
        let mut client = node.client();
        let correlation_id = client.send_body(18, version, 2, b"whatever comes then");
        let answer = client.receive_frame().unwrap();
        let expected = [
            &correlation_id.to_be_bytes()[..],
            &[0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4],
        ]
        .concat();
        assert_eq!(answer, expected);
        // The connection is still good.
        assert_eq!(client.call(4, &request()).error_code, 0);
    }
}

#[test]
fn what_is_not_served_closes_the_connection() {
    let node = Node::start();
    let closes = |key: i16, version: i16, header_version: i16| {
        let mut client = node.client();
        client.send_body(key, version, header_version, &[]);
        assert!(client.is_closed(), "key {key}, version {version}");
    };
    closes(999, 0, 1);
    closes(-1, 0, 1);
    closes(4, 0, 1);
    closes(52, 0, 2);
    closes(2, 0, 1);
    closes(3, 99, 2);
}

#[test]
fn names_that_no_library_has_are_refused() {
    let node = Node::start();
    let mut client = node.client();
    for name in ["", "a b", "-a", "a\n"] {
        let request = request().with_client_software_name(StrBytes::from_string(name.to_owned()));
        assert_eq!(client.call(3, &request).error_code, 42, "{name:?}");
    }
}

#[test]
fn answers_come_in_the_order_of_the_requests() {
    let node = Node::start();
    let mut client: Client = node.client();
    let sent: Vec<(bool, i32)> = (0..100)
        .map(|i| match i % 2 {
            0 => (true, client.send(4, &request())),
            _ => (false, client.send(12, &MetadataRequest::default())),
        })
        .collect();
    for (is_versions, correlation_id) in sent {
        if is_versions {
            client.receive::<ApiVersionsRequest>(4, correlation_id);
        } else {
            client.receive::<MetadataRequest>(12, correlation_id);
        }
    }
}
