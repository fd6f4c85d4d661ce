//! Configurations over the wire: altered key by key or as a whole, described with where they come from, kept over a restart.

use kafka_protocol::messages::alter_configs_request::{
    AlterConfigsResource as WholeResource, AlterableConfig as WholeKey,
};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{
    AlterConfigsRequest, CreateTopicsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
    ListConfigResourcesRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::client::Client;
use crate::node::Node;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

const DYNAMIC_TOPIC: i8 = 1;
const DYNAMIC_DEFAULT_BROKER: i8 = 3;
const DEFAULT: i8 = 5;

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const UNSUPPORTED_VERSION: i16 = 35;
const INVALID_REQUEST: i16 = 42;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn create(client: &mut Client, name: &str) {
    let topic = CreatableTopic::default()
        .with_name(TopicName(text(name)))
        .with_num_partitions(1)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(10_000);
    let response = client.call(7, &request);
    assert_eq!(response.topics[0].error_code, 0);
}

fn describe(client: &mut Client, kind: i8, name: &str) -> DescribeConfigsResult {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![resource])
        .with_include_synonyms(true);
    client.call(4, &request).results.remove(0)
}

fn value(client: &mut Client, kind: i8, name: &str, key: &str) -> DescribeConfigsResourceResult {
    let result = describe(client, kind, name);
    assert_eq!(result.error_code, 0, "{:?}", result.error_message);
    result
        .configs
        .into_iter()
        .find(|config| config.name.as_str() == key)
        .expect("the key is shown")
}

fn alter(
    client: &mut Client,
    kind: i8,
    name: &str,
    changes: &[(&str, i8, &str)],
    validate_only: bool,
) -> (i16, String) {
    let change = |(key, op, value): &(&str, i8, &str)| {
        AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(*op)
            .with_value((*op != DELETE).then(|| text(value)))
    };
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(changes.iter().map(change).collect());
    let request = IncrementalAlterConfigsRequest::default()
        .with_resources(vec![resource])
        .with_validate_only(validate_only);
    let answer = client.call(1, &request).responses.remove(0);
    (
        answer.error_code,
        answer
            .error_message
            .map(|message| message.to_string())
            .unwrap_or_default(),
    )
}

#[test]
fn a_topics_keys_are_set_and_taken_away() {
    let mut node = Node::start();
    let mut client = node.client();
    create(&mut client, "t");
    alter_well(&mut client, "t", ("retention.ms", SET, "1000"));
    let retention = value(&mut client, TOPIC, "t", "retention.ms");
    assert_eq!(
        (retention.value.as_deref(), retention.config_source),
        (Some("1000"), DYNAMIC_TOPIC)
    );
    node.restart();
    let mut client = node.client();
    let kept = value(&mut client, TOPIC, "t", "retention.ms");
    assert_eq!(kept.value, retention.value);
    alter_well(&mut client, "t", ("retention.ms", DELETE, ""));
    let retention = value(&mut client, TOPIC, "t", "retention.ms");
    assert_eq!(
        (retention.value.as_deref(), retention.config_source),
        (Some("604800000"), DEFAULT)
    );
}

#[test]
fn lists_are_edited_and_validating_changes_nothing() {
    let node = Node::start();
    let mut client = node.client();
    create(&mut client, "t");
    let policy = |client: &mut Client| value(client, TOPIC, "t", "cleanup.policy");
    alter_well(&mut client, "t", ("cleanup.policy", APPEND, "compact"));
    assert_eq!(policy(&mut client).value.as_deref(), Some("delete,compact"));
    let levels = policy(&mut client).synonyms;
    let levels: Vec<_> = levels
        .iter()
        .map(|level| (level.source, level.name.as_str()))
        .collect();
    assert_eq!(
        levels,
        [(DYNAMIC_TOPIC, "cleanup.policy"), (DEFAULT, "log.cleanup.policy")]
    );
    let subtract = ("cleanup.policy", SUBTRACT, "delete");
    assert_eq!(alter(&mut client, TOPIC, "t", &[subtract], true).0, 0);
    assert_eq!(policy(&mut client).value.as_deref(), Some("delete,compact"));
    alter_well(&mut client, "t", subtract);
    assert_eq!(policy(&mut client).value.as_deref(), Some("compact"));
}

fn alter_well(client: &mut Client, topic: &str, change: (&str, i8, &str)) {
    assert_eq!(alter(client, TOPIC, topic, &[change], false), (0, String::new()));
}

#[test]
fn the_older_request_replaces_everything() {
    let node = Node::start();
    let mut client = node.client();
    create(&mut client, "t");
    alter(&mut client, TOPIC, "t", &[("retention.ms", SET, "1000")], false);
    let key = WholeKey::default()
        .with_name(text("segment.ms"))
        .with_value(Some(text("5000")));
    let resource = WholeResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text("t"))
        .with_configs(vec![key]);
    let response = client.call(2, &AlterConfigsRequest::default().with_resources(vec![resource]));
    assert_eq!(response.responses[0].error_code, 0);
    assert_eq!(
        value(&mut client, TOPIC, "t", "segment.ms").value.as_deref(),
        Some("5000")
    );
    assert_eq!(
        value(&mut client, TOPIC, "t", "retention.ms").config_source,
        DEFAULT
    );
}

/// Kind, name and key of what is set, and what comes of it.
const REFUSALS: &str = "\
    2  t    retention      40 Unknown topic config name: retention
    2  none retention.ms    3 The topic 'none' does not exist.
    4  1    num.partitions 42 Cannot update these configs dynamically: [num.partitions]
    4  2    num.partitions 42 Unexpected broker id, expected 1, but received 2
    4  x    num.partitions 42 Node id must be an integer, but it is: x
    32 g    none           40 Unknown group config name: none
    16 m    none           42 Unknown client metrics configuration: none
    8  1    no.such        40 Logger no.such does not exist!
    99 x    key            42 Unknown resource type 99";

#[test]
fn refusals_are_kafkas() {
    let node = Node::start();
    let mut client = node.client();
    create(&mut client, "t");
    for row in REFUSALS.lines() {
        let mut words = row.split_whitespace();
        let mut word = || words.next().unwrap();
        let (kind, name, key, code) = (word(), word(), word(), word());
        let answer = alter(
            &mut client,
            kind.parse().unwrap(),
            name,
            &[(key, SET, "1")],
            false,
        );
        assert_eq!(
            answer,
            (code.parse().unwrap(), words.collect::<Vec<_>>().join(" "))
        );
    }
    let unnamed = alter(&mut client, TOPIC, "", &[("retention.ms", SET, "1")], false);
    assert_eq!(
        unnamed,
        (
            INVALID_REQUEST,
            "Default topic resources are not allowed.".to_owned()
        )
    );
    let unknown = alter(&mut client, TOPIC, "t", &[("retention.ms", 7, "1")], false);
    assert_eq!(unknown, (INVALID_REQUEST, "Unknown operations type 7".to_owned()));
    let twice = [("retention.ms", SET, "1"), ("retention.ms", SET, "2")];
    let answer = alter(&mut client, TOPIC, "t", &twice, false);
    assert_eq!(
        answer,
        (INVALID_REQUEST, "Error due to duplicate config keys".to_owned())
    );
    let kept = value(&mut client, TOPIC, "t", "retention.ms");
    assert_eq!(kept.config_source, DEFAULT, "nothing was changed");
}

#[test]
fn what_is_set_for_all_brokers_is_below_every_topic() {
    let mut node = Node::start();
    let mut client = node.client();
    create(&mut client, "t");
    assert_eq!(
        alter(
            &mut client,
            BROKER,
            "",
            &[("log.retention.ms", SET, "5000")],
            false
        )
        .0,
        0
    );
    node.restart();
    let mut client = node.client();
    let retention = value(&mut client, TOPIC, "t", "retention.ms");
    assert_eq!(
        (retention.value.as_deref(), retention.config_source),
        (Some("5000"), DYNAMIC_DEFAULT_BROKER)
    );
    let levels = describe(&mut client, BROKER_LOGGER, "1");
    assert!(levels.configs.iter().any(|logger| logger.name.as_str() == "root"));
}

#[test]
fn describing_what_is_not_there() {
    let node = Node::start();
    let mut client = node.client();
    for (kind, name, code) in [
        (TOPIC, "none", UNKNOWN_TOPIC_OR_PARTITION),
        (BROKER, "7", INVALID_REQUEST),
        (BROKER_LOGGER, "", INVALID_REQUEST),
        (GROUP, "", INVALID_REQUEST),
        (99, "x", INVALID_REQUEST),
    ] {
        let result = describe(&mut client, kind, name);
        assert_eq!(
            (result.error_code, result.configs.len()),
            (code, 0),
            "{kind} {name}"
        );
    }
    assert_eq!(
        describe(&mut client, GROUP, "nobody").configs.len(),
        17,
        "a group need not exist"
    );
}

#[test]
fn resources_that_have_configurations_are_listed() {
    let node = Node::start();
    let mut client = node.client();
    create(&mut client, "t");
    alter(
        &mut client,
        CLIENT_METRICS,
        "m",
        &[("interval.ms", SET, "1000")],
        false,
    );
    alter(
        &mut client,
        GROUP,
        "g",
        &[("share.isolation.level", SET, "read_committed")],
        false,
    );
    let list = |client: &mut Client, version: i16, kinds: Vec<i8>| {
        let response = client.call(
            version,
            &ListConfigResourcesRequest::default().with_resource_types(kinds),
        );
        let names = response.config_resources.into_iter();
        (
            response.error_code,
            names
                .map(|r| (r.resource_type, r.resource_name.to_string()))
                .collect::<Vec<_>>(),
        )
    };
    let (code, all) = list(&mut client, 1, Vec::new());
    assert_eq!(code, 0);
    for (kind, name) in [
        (TOPIC, "t"),
        (BROKER, "1"),
        (BROKER_LOGGER, "1"),
        (CLIENT_METRICS, "m"),
        (GROUP, "g"),
    ] {
        assert!(all.contains(&(kind, name.to_owned())), "{kind} {name} in {all:?}");
    }
    assert_eq!(
        list(&mut client, 0, Vec::new()),
        (0, vec![(CLIENT_METRICS, "m".to_owned())])
    );
    assert_eq!(list(&mut client, 1, vec![99]).0, UNSUPPORTED_VERSION);
}

#[test]
fn limits_on_connections_change_while_the_node_runs() {
    let mut node = Node::start();
    let mut client = node.client();
    assert_eq!(
        alter(&mut client, BROKER, "", &[("max.connections", SET, "2")], false).0,
        0
    );
    let mut second = node.client();
    assert_eq!(describe(&mut second, BROKER, "1").error_code, 0);
    assert!(node.client().is_closed(), "a third is too many");
    assert_eq!(
        alter(&mut client, BROKER, "", &[("max.connections", SET, "3")], false).0,
        0
    );
    assert_eq!(describe(&mut node.client(), BROKER, "1").error_code, 0);
    drop((client, second));
    node.restart();
    let mut client = node.client();
    let limit = value(&mut client, BROKER, "1", "max.connections");
    assert_eq!(
        (limit.value.as_deref(), limit.config_source),
        (Some("3"), DYNAMIC_DEFAULT_BROKER)
    );
}
