//! The coordinator over real partitions: what it loads when it comes to lead, and what it lets go of.

use std::sync::Arc;
use std::time::Duration;

use ottla_base::{ErrorCode, ManualClock, Uuid};
use ottla_coordinator::command::*;
use ottla_coordinator::{Command, GroupConfig, Reply};
use ottla_metadata::Delta;
use ottla_metadata::records::{PartitionChangeRecord, Record, RemoveTopicRecord};
use ottla_storage::batch::Codec;
use tokio::runtime::Handle;

use super::internal_topics::CONSUMER_OFFSETS;
use super::{GroupCoordinator, GroupOptions};
use crate::replica::test_node::{NODE_ID, TOPIC_ID, TestNode, partition};

const OTHER_TOPIC: Uuid = Uuid::from_u128(0x77);

struct Fixture {
    node: TestNode,
    groups: Arc<GroupCoordinator>,
}

impl Fixture {
    fn new() -> Self {
        let node = TestNode::new(1);
        let options = GroupOptions {
            node_id: NODE_ID,
            groups: Arc::new(GroupConfig::default()),
            allows_consumer_protocol: true,
            assignors: Vec::new(),
            partitions: 50,
            codec: Codec::None,
            commit_timeout: Duration::from_secs(5),
            load_buffer_bytes: 1 << 20,
            expiry_interval: Duration::from_secs(600),
        };
        let groups = GroupCoordinator::new(options, Arc::new(ManualClock::at(1_000)), Handle::current());
        Self { node, groups }
    }

    fn with_topic(partitions: usize) -> Self {
        let mut fixture = Self::new();
        let led = vec![partition(&[NODE_ID], &[NODE_ID]); partitions];
        fixture.node.create_topic(CONSUMER_OFFSETS, TOPIC_ID, led);
        fixture.publish(&Delta::of_everything(&fixture.node.image));
        fixture
    }

    fn publish(&self, delta: &Delta) {
        self.groups.apply(&self.node.image, delta, &self.node.manager);
    }

    /// Applies records, as the node would, and tells the coordinator.
    fn change(&mut self, records: &[Record]) {
        let mut delta = Delta::default();
        for record in records {
            let offset = self.node.image.offset + 1;
            self.node.image.apply(record, offset, &mut delta).unwrap();
        }
        self.node.manager.apply(&self.node.image, &delta);
        self.publish(&delta);
    }

    fn set_leader(&mut self, index: i32, leader: i32) {
        let change = PartitionChangeRecord {
            topic_id: TOPIC_ID,
            partition_id: index,
            leader,
            ..PartitionChangeRecord::default()
        };
        self.change(&[change.into()]);
    }

    async fn commit(&self, group: &str, topic: &str, topic_id: Uuid, offset: i64) -> Reply {
        let partition = CommitPartition {
            partition: 0,
            offset,
            leader_epoch: -1,
            metadata: None,
        };
        let topic = CommitTopic {
            topic_id,
            name: topic.to_owned(),
            partitions: vec![partition],
        };
        let command = Command::CommitOffsets(CommitOffsets {
            group_id: group.to_owned(),
            member_id: String::new(),
            group_instance_id: None,
            generation_id: -1,
            knows_group_id_not_found: true,
            retention_ms: -1,
            is_transactional: false,
            topics: vec![topic],
        });
        self.groups.submit(group, command).await
    }

    async fn fetch(&self, group: &str) -> Reply {
        // A load takes as long as it takes; it is not what these tests are about.
        loop {
            let fetch = FetchOffsets {
                group_id: group.to_owned(),
                topics: None,
                require_stable: false,
                member_id: None,
                member_epoch: -1,
            };
            match self.groups.submit(group, Command::FetchOffsets(fetch)).await {
                Reply::Failed(ErrorCode::CoordinatorLoadInProgress) => tokio::task::yield_now().await,
                reply => return reply,
            }
        }
    }

    async fn offset(&self, group: &str) -> Option<i64> {
        match self.fetch(group).await {
            Reply::FetchedOffsets(topics) => Some(topics.first()?.partitions.first()?.offset),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn without_the_topic_nobody_coordinates() {
    let fixture = Fixture::new();
    let reply = fixture.commit("g", "t", Uuid::nil(), 1).await;
    assert_eq!(reply, Reply::Failed(ErrorCode::NotCoordinator));
    assert_eq!(fixture.groups.led_partitions(), Vec::<i32>::new());
}

#[tokio::test]
async fn groups_are_spread_over_the_partitions_that_there_are() {
    let fixture = Fixture::with_topic(3);
    assert_eq!(fixture.groups.led_partitions(), [0, 1, 2]);
    for i in 0..20 {
        let group = format!("group-{i}");
        assert!(matches!(
            fixture.commit(&group, "t", Uuid::nil(), i).await,
            Reply::Offsets(_)
        ));
        assert_eq!(fixture.offset(&group).await, Some(i));
    }
    let written: Vec<i64> = (0..3)
        .map(|i| fixture.node.partition(i).log().log_end_offset())
        .collect();
    assert_eq!(written.iter().sum::<i64>(), 20);
    assert!(written.iter().all(|records| *records > 0));
}

#[tokio::test]
async fn leadership_comes_and_goes_and_the_offsets_stay() {
    let mut fixture = Fixture::with_topic(1);
    fixture.commit("g", "t", Uuid::nil(), 7).await;
    fixture.set_leader(0, -1);
    assert_eq!(fixture.fetch("g").await, Reply::Failed(ErrorCode::NotCoordinator));
    fixture.set_leader(0, NODE_ID);
    assert_eq!(fixture.offset("g").await, Some(7));
}

#[tokio::test]
async fn a_deleted_topic_takes_its_offsets_with_it() {
    let mut fixture = Fixture::with_topic(1);
    fixture
        .node
        .create_topic("t", OTHER_TOPIC, vec![partition(&[NODE_ID], &[NODE_ID])]);
    fixture.commit("g", "t", OTHER_TOPIC, 7).await;
    fixture.change(&[RemoveTopicRecord {
        topic_id: OTHER_TOPIC,
    }
    .into()]);
    assert_eq!(fixture.offset("g").await, None);
    assert_eq!(fixture.node.partition(0).log().log_end_offset(), 2);
}

#[tokio::test]
async fn when_the_offsets_topic_itself_goes_so_do_the_groups() {
    let mut fixture = Fixture::with_topic(1);
    fixture.commit("g", "t", Uuid::nil(), 7).await;
    fixture.change(&[RemoveTopicRecord { topic_id: TOPIC_ID }.into()]);
    assert_eq!(fixture.fetch("g").await, Reply::Failed(ErrorCode::NotCoordinator));
}
