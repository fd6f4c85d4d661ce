//! What is answered to requests that nobody should send, but somebody will: topics named twice, cursors that lead nowhere,
//! more asked for than there is. Each case was sent to Apache Kafka 4.3.1 too, and this is what it answered.

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_producers_request::TopicRequest as ProducersTopic;
use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest, DescribeProducersRequest,
    DescribeQuorumRequest, DescribeTopicPartitionsRequest, MetadataRequest, TopicName, UpdateFeaturesRequest,
};
use kafka_protocol::protocol::StrBytes;
use ottla_base::{ErrorCode, Uuid};

use crate::client::Client;
use crate::node::Node;

fn name(text: &str) -> TopicName {
    TopicName(StrBytes::from_string(text.to_owned()))
}

/// Makes topics of three partitions and returns their ids.
fn create(client: &mut Client, names: &[&str]) -> Vec<Uuid> {
    let topic = |text: &&str| {
        CreatableTopic::default()
            .with_name(name(text))
            .with_num_partitions(3)
            .with_replication_factor(1)
    };
    let request = CreateTopicsRequest::default()
        .with_topics(names.iter().map(topic).collect())
        .with_timeout_ms(10_000);
    let created = client.call(7, &request).topics;
    let id = |text: &&str| {
        let topic = created.iter().find(|topic| topic.name.as_str() == *text).unwrap();
        assert_eq!(topic.error_code, 0);
        topic.topic_id
    };
    names.iter().map(id).collect()
}

#[test]
fn metadata_of_a_topic_that_is_named_twice() {
    let node = Node::start();
    let client = &mut node.client();
    let id = create(client, &["a", "b"])[0];
    let asked = ["b", "a", "b"].map(|text| MetadataRequestTopic::default().with_name(Some(name(text))));
    for version in 0..=13 {
        let request = MetadataRequest::default().with_topics(Some(asked.to_vec()));
        let topics = client.call(version, &request).topics;
        let names: Vec<&str> = topics.iter().map(|t| t.name.as_ref().unwrap().as_str()).collect();
        assert_eq!(names, ["b", "a"], "version {version}");
    }
    // Ids came before versions that can answer them.
    let by_id = MetadataRequestTopic::default().with_name(None).with_topic_id(id);
    let request = MetadataRequest::default().with_topics(Some(vec![by_id]));
    for version in [10, 11] {
        let topic = client.call(version, &request).topics.remove(0);
        assert_eq!(topic.error_code, ErrorCode::InvalidRequest.code());
        assert_eq!(topic.name, Some(name("")), "version {version} has no null names");
    }
}

#[test]
fn the_metadata_log_is_no_topic_to_be_made() {
    let node = Node::start();
    let asked = MetadataRequestTopic::default().with_name(Some(name("__cluster_metadata")));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![asked]))
        .with_allow_auto_topic_creation(true);
    let topic = node.client().call(12, &request).topics.remove(0);
    assert_eq!(topic.error_code, ErrorCode::UnknownTopicOrPartition.code());
}

#[test]
fn topics_that_are_to_be_deleted_twice_stay() {
    let node = Node::start();
    let client = &mut node.client();
    let ids = create(client, &["twice", "both", "once"]);
    let by_name = |text: &str| DeleteTopicState::default().with_name(Some(name(text)));
    let by_id = |id: Uuid| DeleteTopicState::default().with_name(None).with_topic_id(id);
    let unknown = Uuid::from_u128(77);
    let asked = vec![
        by_name("twice"),
        by_id(unknown),
        by_name("both"),
        by_name("twice"),
        by_id(ids[1]),
        by_name("once"),
        by_id(unknown),
    ];
    let request = DeleteTopicsRequest::default()
        .with_topics(asked)
        .with_timeout_ms(10_000);
    let answers = client.call(6, &request).responses;
    let codes: Vec<i16> = answers.iter().map(|answer| answer.error_code).collect();
    let invalid = ErrorCode::InvalidRequest.code();
    assert_eq!(codes, [invalid, invalid, invalid, 0]);
    let all = client
        .call(12, &MetadataRequest::default().with_topics(None))
        .topics;
    assert_eq!(all.len(), 2);
}

/// Names and errors of the topics, and where the next page begins.
type Page = (Vec<(String, i16)>, Option<(String, i32)>);

fn page(client: &mut Client, topics: &[&str], limit: i32, from: Option<(&str, i32)>) -> Page {
    let topics = topics
        .iter()
        .map(|text| TopicRequest::default().with_name(name(text)));
    let cursor = from.map(|(topic, partition)| {
        Cursor::default()
            .with_topic_name(name(topic))
            .with_partition_index(partition)
    });
    let request = DescribeTopicPartitionsRequest::default()
        .with_topics(topics.collect())
        .with_response_partition_limit(limit)
        .with_cursor(cursor);
    let response = client.call(0, &request);
    let topics = response
        .topics
        .iter()
        .map(|topic| (topic.name.as_ref().unwrap().to_string(), topic.error_code));
    let next = response.next_cursor;
    (
        topics.collect(),
        next.map(|cursor| (cursor.topic_name.to_string(), cursor.partition_index)),
    )
}

#[test]
fn cursors_that_lead_nowhere() {
    let node = Node::start();
    let client = &mut node.client();
    create(client, &["a", "z"]);
    let topic = |text: &str, error: ErrorCode| (text.to_owned(), error.code());
    let refused = vec![
        topic("z", ErrorCode::InvalidRequest),
        topic("a", ErrorCode::InvalidRequest),
    ];
    for from in [("a", -1), ("m", 0), ("zz", 0), ("", 0)] {
        assert_eq!(
            page(client, &["z", "a"], 2000, Some(from)),
            (refused.clone(), None),
            "{from:?}"
        );
    }
    // Nor does it matter when all topics are asked for.
    let z = vec![topic("z", ErrorCode::None)];
    assert_eq!(page(client, &[], 2000, Some(("m", 0))), (z, None));
    // A full page ends before the next topic, also before one that is not there.
    let first = vec![topic("a", ErrorCode::None)];
    let next = Some(("nowhere".to_owned(), 0));
    assert_eq!(page(client, &["z", "nowhere", "a"], 3, None), (first, next));
    let rest = vec![
        topic("nowhere", ErrorCode::UnknownTopicOrPartition),
        topic("z", ErrorCode::None),
    ];
    assert_eq!(
        page(client, &["z", "nowhere", "a"], 3, Some(("nowhere", 0))),
        (rest, None)
    );
}

#[test]
fn the_metadata_log_is_described_alone_or_not_at_all() {
    let node = Node::start();
    let client = &mut node.client();
    let log = "__cluster_metadata";
    let cases: [&[(&str, &[i32])]; 5] = [
        &[(log, &[0])],
        &[(log, &[0, 0])],
        &[(log, &[0, 1])],
        &[(log, &[0]), ("other", &[0])],
        &[(log, &[1])],
    ];
    for (case, asked) in cases.into_iter().enumerate() {
        let partition = |index: &i32| PartitionData::default().with_partition_index(*index);
        let topics = asked.iter().map(|(topic, partitions)| {
            TopicData::default()
                .with_topic_name(name(topic))
                .with_partitions(partitions.iter().map(partition).collect())
        });
        let request = DescribeQuorumRequest::default().with_topics(topics.collect());
        let response = client.call(2, &request);
        let wanted = match case {
            0 => ErrorCode::None,
            _ => ErrorCode::UnknownTopicOrPartition,
        };
        let mut partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        assert!(partitions.all(|partition| partition.error_code == wanted.code()));
        assert_eq!(response.nodes.is_empty(), case > 0, "case {case}");
    }
}

#[test]
fn brokers_are_not_described_where_controllers_listen() {
    let node = Node::start();
    let mut client = Client::connect(node.controller_address());
    for (version, error) in [
        (0, ErrorCode::InvalidRequest),
        (1, ErrorCode::MismatchedEndpointType),
        (2, ErrorCode::MismatchedEndpointType),
    ] {
        let response = client.call(version, &DescribeClusterRequest::default());
        assert_eq!(response.error_code, error.code(), "version {version}");
    }
}

#[test]
fn kinds_and_names_that_do_not_exist() {
    let node = Node::start();
    let client = &mut node.client();
    for upgrade_type in [0, 9] {
        let update = FeatureUpdateKey::default()
            .with_feature(StrBytes::from_static_str("group.version"))
            .with_max_version_level(1)
            .with_upgrade_type(upgrade_type);
        let request = UpdateFeaturesRequest::default()
            .with_feature_updates(vec![update])
            .with_timeout_ms(10_000);
        let code = client.call(2, &request).error_code;
        assert_eq!(code, ErrorCode::InvalidUpdateVersion.code());
    }
    for (topic, error) in [
        ("no name", ErrorCode::InvalidTopicException),
        ("", ErrorCode::InvalidTopicException),
        ("nowhere", ErrorCode::UnknownTopicOrPartition),
    ] {
        let topic = ProducersTopic::default()
            .with_name(name(topic))
            .with_partition_indexes(vec![0]);
        let request = DescribeProducersRequest::default().with_topics(vec![topic]);
        let response = client.call(0, &request);
        assert_eq!(response.topics[0].partitions[0].error_code, error.code());
    }
}
