//! Groups of the consumer protocol over the wire: members join, share, learn of topics that change and leave; what is set for
//! a group counts at once; and a restart leaves the group as it was.

use std::time::Duration;

use kafka_protocol::messages::consumer_group_describe_response::DescribedGroup;
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    CreatePartitionsRequest, IncrementalAlterConfigsRequest,
};
use ottla_base::{ErrorCode, Uuid};

use super::{code, create_topic, find_coordinator, group, is_starting, text, topic};
use crate::client::{Client, PATIENCE};
use crate::node::Node;

fn start() -> Node {
    // New assignments at once: what happens must not depend on how fast this test is.
    Node::start_with(&[
        ("offsets.topic.num.partitions", "4"),
        ("group.consumer.assignment.interval.ms", "0"),
    ])
}

/// A member as its client knows it.
struct Member {
    id: String,
    epoch: i32,
    owned: Vec<i32>,
}

impl Member {
    fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            epoch: 0,
            owned: Vec::new(),
        }
    }

    /// A heartbeat that says everything.
    fn request(&self, topic_id: Uuid) -> ConsumerGroupHeartbeatRequest {
        let owned = TopicPartitions::default()
            .with_topic_id(topic_id)
            .with_partitions(self.owned.clone());
        let owned = if self.owned.is_empty() {
            vec![]
        } else {
            vec![owned]
        };
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group("g"))
            .with_member_id(text(&self.id))
            .with_member_epoch(self.epoch)
            .with_rebalance_timeout_ms(60_000)
            .with_subscribed_topic_names(Some(vec![topic("t")]))
            .with_topic_partitions(Some(owned))
    }

    /// Beats once and does as it is told.
    fn beat(&mut self, client: &mut Client, version: i16, topic_id: Uuid) -> ConsumerGroupHeartbeatResponse {
        let answer = client.call(version, &self.request(topic_id));
        if answer.error_code != 0 {
            return answer;
        }
        self.epoch = answer.member_epoch;
        if let Some(assignment) = &answer.assignment {
            let partitions = assignment.topic_partitions.iter().flat_map(|t| &t.partitions);
            self.owned = partitions.copied().collect();
        }
        answer
    }
}

fn describe(client: &mut Client, version: i16, id: &str) -> DescribedGroup {
    let request = ConsumerGroupDescribeRequest::default()
        .with_group_ids(vec![group(id)])
        .with_include_authorized_operations(true);
    client.call(version, &request).groups.remove(0)
}

/// Until nobody is told anything new; returns what each has.
fn settle(client: &mut Client, topic_id: Uuid, members: &mut [Member]) -> Vec<Vec<i32>> {
    for _ in 0..4 * members.len() {
        for member in &mut *members {
            assert_eq!(member.beat(client, 1, topic_id).error_code, 0);
        }
    }
    members.iter().map(|member| member.owned.clone()).collect()
}

#[test]
fn members_share_the_partitions_and_hear_of_new_ones() {
    let node = start();
    let mut client = node.client();
    find_coordinator(&mut client);
    let topic_id = create_topic(&mut client, "t");
    let mut members = [Member::new("a"), Member::new("b")];
    assert_eq!(settle(&mut client, topic_id, &mut members[..1]), [[0, 1]]);
    let shared = settle(&mut client, topic_id, &mut members);
    assert_eq!(shared.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    let more = CreatePartitionsTopic::default()
        .with_name(topic("t"))
        .with_count(6)
        .with_assignments(None);
    let request = CreatePartitionsRequest::default()
        .with_topics(vec![more])
        .with_timeout_ms(5000);
    assert_eq!(client.call(3, &request).results[0].error_code, 0);
    let mut shared = settle(&mut client, topic_id, &mut members).concat();
    shared.sort_unstable();
    assert_eq!(shared, [0, 1, 2, 3, 4, 5]);

    let described = describe(&mut client, 1, "g");
    assert_eq!(
        (described.group_state.as_str(), described.members.len()),
        ("Stable", 2)
    );
    assert_eq!(described.group_epoch, members[0].epoch);
    assert_eq!(described.members[0].member_type, 1);
    assert_eq!(described.members[0].client_host.as_str(), "/127.0.0.1");
    assert_eq!(
        described.members[0].assignment,
        described.members[0].target_assignment
    );

    let leave = Member {
        epoch: -1,
        ..Member::new("a")
    }
    .request(topic_id);
    assert_eq!(client.call(1, &leave).member_epoch, -1);
    assert_eq!(settle(&mut client, topic_id, &mut members[1..])[0].len(), 6);
}

#[test]
fn both_versions_serve_a_member_and_only_the_first_gives_it_an_id() {
    let node = start();
    let mut client = node.client();
    find_coordinator(&mut client);
    let topic_id = create_topic(&mut client, "t");
    let given = Member::new("").beat(&mut client, 0, topic_id);
    let id = given.member_id.expect("an id").to_string();
    assert_eq!((given.error_code, id.len()), (0, 22));
    let mut member = Member {
        epoch: given.member_epoch,
        ..Member::new(&id)
    };
    assert_eq!(member.beat(&mut client, 0, topic_id).error_code, 0);
    assert_eq!(describe(&mut client, 0, "g").members[0].member_type, -1);
    let refused = Member::new("").beat(&mut client, 1, topic_id);
    assert_eq!(refused.error_code, code(ErrorCode::InvalidRequest));
    assert!(refused.error_message.is_some() && refused.member_id.is_none());
}

#[test]
fn what_a_group_sets_for_itself_counts_at_once_and_after_a_restart() {
    let mut node = start();
    let mut client = node.client();
    find_coordinator(&mut client);
    let topic_id = create_topic(&mut client, "t");
    let mut members = [Member::new("a")];
    settle(&mut client, topic_id, &mut members);
    let heartbeat = AlterableConfig::default()
        .with_name(text("consumer.heartbeat.interval.ms"))
        .with_config_operation(0)
        .with_value(Some(text("7000")));
    let resource = AlterConfigsResource::default()
        .with_resource_type(32)
        .with_resource_name(text("g"))
        .with_configs(vec![heartbeat]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    assert_eq!(client.call(1, &request).responses[0].error_code, 0);
    let answer = members[0].beat(&mut client, 1, topic_id);
    assert_eq!(answer.heartbeat_interval_ms, 7000);

    node.restart();
    let mut client = node.client();
    let deadline = std::time::Instant::now() + PATIENCE;
    let answer = loop {
        let answer = members[0].beat(&mut client, 1, topic_id);
        if !is_starting(answer.error_code) || std::time::Instant::now() > deadline {
            break answer;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!((answer.error_code, answer.member_epoch), (0, members[0].epoch));
    assert_eq!(answer.heartbeat_interval_ms, 7000);
    assert_eq!(members[0].owned, [0, 1]);
}

#[test]
fn without_the_protocol_its_requests_are_refused() {
    let node = Node::start_with(&[("group.coordinator.rebalance.protocols", "classic")]);
    let mut client = node.client();
    let refused = code(ErrorCode::UnsupportedVersion);
    let answer = Member::new("a").beat(&mut client, 1, Uuid::nil());
    assert_eq!(answer.error_code, refused);
    assert_eq!(describe(&mut client, 1, "g").error_code, refused);
}
