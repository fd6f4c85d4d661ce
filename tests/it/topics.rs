//! Topics and the cluster over the wire: what was made is there after a restart, what makes no sense is refused with its code.

use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_quorum_request::{
    PartitionData as AskedPartition, TopicData as AskedTopic,
};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteTopicsRequest, DescribeQuorumRequest, ElectLeadersRequest, ListPartitionReassignmentsRequest,
    MetadataRequest, TopicName, UnregisterBrokerRequest, UpdateFeaturesRequest,
};
use kafka_protocol::protocol::StrBytes;

use crate::client::Client;
use crate::node::Node;

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const INVALID_TOPIC_EXCEPTION: i16 = 17;
const TOPIC_ALREADY_EXISTS: i16 = 36;
const INVALID_PARTITIONS: i16 = 37;
const INVALID_REPLICATION_FACTOR: i16 = 38;
const INVALID_REPLICA_ASSIGNMENT: i16 = 39;
const INVALID_CONFIG: i16 = 40;
const INVALID_REQUEST: i16 = 42;
const ELECTION_NOT_NEEDED: i16 = 84;
const NO_REASSIGNMENT_IN_PROGRESS: i16 = 85;
const INVALID_UPDATE_VERSION: i16 = 95;
const UNKNOWN_TOPIC_ID: i16 = 100;
const BROKER_ID_NOT_REGISTERED: i16 = 102;

const TIMEOUT_MS: i32 = 10_000;

fn name(text: &str) -> TopicName {
    TopicName(StrBytes::from_string(text.to_owned()))
}

fn wanted(topic: &str, partitions: i32) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(partitions)
        .with_replication_factor(1)
}

/// The error of each topic, in the order of their names.
fn create(client: &mut Client, topics: Vec<CreatableTopic>, validate_only: bool) -> Vec<i16> {
    let request = CreateTopicsRequest::default()
        .with_topics(topics)
        .with_timeout_ms(TIMEOUT_MS)
        .with_validate_only(validate_only);
    let mut results = client.call(7, &request).topics;
    results.sort_by(|a, b| a.name.cmp(&b.name));
    results.into_iter().map(|topic| topic.error_code).collect()
}

fn describe(client: &mut Client, topic: &str, may_create: bool) -> MetadataResponseTopic {
    let asked = MetadataRequestTopic::default().with_name(Some(name(topic)));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![asked]))
        .with_allow_auto_topic_creation(may_create);
    client.call(13, &request).topics.remove(0)
}

#[test]
fn a_topic_survives_a_restart_with_a_new_leader_epoch() {
    let mut node = Node::start();
    let client = &mut node.client();
    assert_eq!(create(client, vec![wanted("t", 3)], false), vec![0]);
    let before = describe(client, "t", false);
    assert_eq!(before.partitions.len(), 3);
    assert!(
        before
            .partitions
            .iter()
            .all(|p| p.leader_id.0 == 1 && p.leader_epoch == 0)
    );
    node.restart();
    let after = describe(&mut node.client(), "t", false);
    assert_eq!(after.topic_id, before.topic_id);
    // One epoch for the leader that went, one for the leader that came: as Kafka counts.
    assert!(
        after
            .partitions
            .iter()
            .all(|p| p.leader_id.0 == 1 && p.leader_epoch == 2)
    );
}

#[test]
fn topics_are_made_or_refused_one_by_one() {
    let node = Node::start();
    let client = &mut node.client();
    assert_eq!(create(client, vec![wanted("dry", 1)], true), vec![0]);
    assert_eq!(
        describe(client, "dry", false).error_code,
        UNKNOWN_TOPIC_OR_PARTITION
    );
    let assigned = |replicas: Vec<i32>| {
        let replicas = replicas.into_iter().map(BrokerId).collect();
        let assignment = CreatableReplicaAssignment::default().with_broker_ids(replicas);
        wanted("e-assigned", -1)
            .with_replication_factor(-1)
            .with_assignments(vec![assignment])
    };
    let topics = vec![
        wanted("a", 1),
        wanted("b none", 1),
        wanted("c", 0),
        wanted("d", 1).with_replication_factor(2),
        assigned(vec![9]),
        wanted("f", 1),
        wanted("f", 1),
    ];
    let refused = [
        0,
        INVALID_TOPIC_EXCEPTION,
        INVALID_PARTITIONS,
        INVALID_REPLICATION_FACTOR,
        INVALID_REPLICA_ASSIGNMENT,
        INVALID_REQUEST,
    ];
    assert_eq!(create(client, topics, false), refused);
    assert_eq!(
        create(client, vec![wanted("a", 1), assigned(vec![1])], false),
        vec![TOPIC_ALREADY_EXISTS, 0]
    );
    let mut odd = wanted("g", 1);
    odd.configs.push(
        kafka_protocol::messages::create_topics_request::CreatableTopicConfig::default()
            .with_name(StrBytes::from_static_str("no.such.key"))
            .with_value(Some(StrBytes::from_static_str("1"))),
    );
    assert_eq!(create(client, vec![odd], false), vec![INVALID_CONFIG]);
}

#[test]
fn whoever_asks_for_a_topic_may_make_it() {
    let node = Node::start();
    let client = &mut node.client();
    assert_eq!(
        describe(client, "asked", false).error_code,
        UNKNOWN_TOPIC_OR_PARTITION
    );
    let made = describe(client, "asked", true);
    assert_eq!((made.error_code, made.partitions.len()), (0, 1));
    assert_eq!(
        describe(client, "not a name", true).error_code,
        INVALID_TOPIC_EXCEPTION
    );
    let careful = Node::start_with(&[("auto.create.topics.enable", "false")]);
    let refused = describe(&mut careful.client(), "asked", true);
    assert_eq!(refused.error_code, UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn topics_grow_and_go() {
    let mut node = Node::start();
    let client = &mut node.client();
    create(client, vec![wanted("t", 1)], false);
    let grow = |client: &mut Client, topic: &str, count: i32| {
        let topic = CreatePartitionsTopic::default()
            .with_name(name(topic))
            .with_count(count)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(TIMEOUT_MS);
        client.call(3, &request).results[0].error_code
    };
    assert_eq!(grow(client, "t", 1), INVALID_PARTITIONS);
    assert_eq!(grow(client, "u", 2), UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(grow(client, "t", 4), 0);
    let grown = describe(client, "t", false);
    assert_eq!(grown.partitions.len(), 4);
    let delete = |client: &mut Client, state: DeleteTopicState| {
        let request = DeleteTopicsRequest::default()
            .with_topics(vec![state])
            .with_timeout_ms(TIMEOUT_MS);
        client.call(6, &request).responses[0].error_code
    };
    let by_id = DeleteTopicState::default()
        .with_topic_id(grown.topic_id)
        .with_name(None);
    assert_eq!(delete(client, by_id.clone()), 0);
    assert_eq!(delete(client, by_id), UNKNOWN_TOPIC_ID);
    let by_name = DeleteTopicState::default().with_name(Some(name("t")));
    assert_eq!(delete(client, by_name.clone()), UNKNOWN_TOPIC_OR_PARTITION);
    // The name is free at once, and what comes is another topic.
    assert_eq!(create(client, vec![wanted("t", 1)], false), vec![0]);
    assert_ne!(describe(client, "t", false).topic_id, grown.topic_id);
    assert_eq!(delete(client, by_name), 0);
    node.restart();
    assert_eq!(
        describe(&mut node.client(), "t", false).error_code,
        UNKNOWN_TOPIC_OR_PARTITION
    );
}

#[test]
fn leaders_and_replicas_of_one_node() {
    let node = Node::start();
    let client = &mut node.client();
    create(client, vec![wanted("t", 1)], false);
    let elect = |client: &mut Client, topic: &str| {
        let partitions = TopicPartitions::default()
            .with_topic(name(topic))
            .with_partitions(vec![0]);
        let request = ElectLeadersRequest::default()
            .with_topic_partitions(Some(vec![partitions]))
            .with_timeout_ms(TIMEOUT_MS);
        client.call(2, &request).replica_election_results[0].partition_result[0].error_code
    };
    assert_eq!(elect(client, "t"), ELECTION_NOT_NEEDED);
    assert_eq!(elect(client, "u"), UNKNOWN_TOPIC_OR_PARTITION);
    let reassign = |client: &mut Client, replicas: Option<Vec<i32>>| {
        let replicas = replicas.map(|ids| ids.into_iter().map(BrokerId).collect());
        let partition = ReassignablePartition::default()
            .with_partition_index(0)
            .with_replicas(replicas);
        let topic = ReassignableTopic::default()
            .with_name(name("t"))
            .with_partitions(vec![partition]);
        let request = AlterPartitionReassignmentsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(TIMEOUT_MS);
        client.call(0, &request).responses[0].partitions[0].error_code
    };
    assert_eq!(reassign(client, Some(vec![1])), 0);
    assert_eq!(reassign(client, Some(vec![2])), INVALID_REPLICA_ASSIGNMENT);
    assert_eq!(reassign(client, None), NO_REASSIGNMENT_IN_PROGRESS);
    let all = ListPartitionReassignmentsRequest::default().with_timeout_ms(TIMEOUT_MS);
    assert!(client.call(0, &all.with_topics(None)).topics.is_empty());
}

#[test]
fn the_quorum_is_this_node_and_its_epoch_goes_up() {
    let mut node = Node::start();
    let ask = |client: &mut Client, topic: &str| {
        let partition = AskedPartition::default().with_partition_index(0);
        let topic = AskedTopic::default()
            .with_topic_name(name(topic))
            .with_partitions(vec![partition]);
        client.call(2, &DescribeQuorumRequest::default().with_topics(vec![topic]))
    };
    for epoch in 1..=2 {
        let answer = ask(&mut node.client(), "__cluster_metadata");
        let partition = &answer.topics[0].partitions[0];
        assert_eq!((partition.leader_id.0, partition.leader_epoch), (1, epoch));
        assert!(partition.high_watermark > 0);
        let voter = &partition.current_voters[0];
        assert_eq!(
            (voter.replica_id.0, voter.replica_directory_id.is_nil()),
            (1, false)
        );
        assert_eq!(answer.nodes[0].listeners[0].name.as_str(), "CONTROLLER");
        node.restart();
    }
    let other = ask(&mut node.client(), "t");
    assert_eq!(
        other.topics[0].partitions[0].error_code,
        UNKNOWN_TOPIC_OR_PARTITION
    );
}

#[test]
fn features_change_and_stay_changed() {
    const UPGRADE: i8 = 1;
    const SAFE_DOWNGRADE: i8 = 2;
    let mut node = Node::start();
    let update = |client: &mut Client, feature: &str, level: i16, upgrade_type: i8| {
        let update = FeatureUpdateKey::default()
            .with_feature(StrBytes::from_string(feature.to_owned()))
            .with_max_version_level(level)
            .with_upgrade_type(upgrade_type);
        let request = UpdateFeaturesRequest::default()
            .with_feature_updates(vec![update])
            .with_timeout_ms(TIMEOUT_MS);
        client.call(2, &request).error_code
    };
    let client = &mut node.client();
    assert_eq!(
        update(client, "transaction.version", 1, UPGRADE),
        INVALID_UPDATE_VERSION
    );
    assert_eq!(update(client, "transaction.version", 1, SAFE_DOWNGRADE), 0);
    assert_eq!(
        update(client, "transaction.version", 9, UPGRADE),
        INVALID_UPDATE_VERSION
    );
    assert_eq!(
        update(client, "metadata.version", 29, SAFE_DOWNGRADE),
        INVALID_UPDATE_VERSION
    );
    node.restart();
    // What is there already is no change, and no error either.
    assert_eq!(update(&mut node.client(), "transaction.version", 1, UPGRADE), 0);
    let unknown = UnregisterBrokerRequest::default().with_broker_id(BrokerId(9));
    assert_eq!(
        node.client().call(0, &unknown).error_code,
        BROKER_ID_NOT_REGISTERED
    );
}
