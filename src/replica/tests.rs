//! Partitions as the metadata makes them, on real logs.

use std::sync::Arc;
use std::time::Duration;

use ottla_base::{ErrorCode, TopicIdPartition, Uuid};
use ottla_metadata::records::PartitionChangeRecord;
use ottla_storage::{AppendOrigin, ReadBound};
use tokio::time::Instant;

use super::test_node::{NODE_ID, TOPIC_ID, TestNode, batch, partition};
use super::{Acks, NO_EPOCH, Partition, ReadRequest, ReplicaError};

fn append(partition: &Partition, records: usize) -> Result<i64, ErrorCode> {
    partition
        .append_blocking(batch(records), AppendOrigin::Client, Acks::All, 0)
        .map(|info| info.first_offset)
        .map_err(|error| error.code())
}

fn read(offset: i64) -> ReadRequest {
    ReadRequest {
        offset,
        max_bytes: 1 << 20,
        bound: ReadBound::HighWatermark,
        min_one_batch: true,
        current_leader_epoch: NO_EPOCH,
        last_fetched_epoch: NO_EPOCH,
        leader_only: true,
    }
}

fn code<T>(result: Result<T, ReplicaError>) -> ErrorCode {
    result.err().map_or(ErrorCode::None, |error| error.code())
}

#[test]
fn a_lone_leader_commits_what_it_appends() {
    let (_node, partition) = TestNode::with_leader();
    assert_eq!(append(&partition, 3), Ok(0));
    assert_eq!(append(&partition, 2), Ok(3));
    assert_eq!(partition.log().high_watermark(), 5);
    assert_eq!(partition.is_committed(4), Ok(true));
    assert_eq!(partition.is_committed(5), Ok(false));
    let found = partition.read(&read(3)).unwrap();
    assert_eq!(
        (found.result.high_watermark, found.result.log_start_offset),
        (5, 0)
    );
    assert!(found.result.slice.is_some() && !found.has_more_behind);
}

#[test]
fn the_high_watermark_waits_for_the_isr() {
    let mut node = TestNode::new(1);
    node.create_topic("t", TOPIC_ID, vec![partition(&[NODE_ID, 2], &[NODE_ID, 2])]);
    let led = node.partition(0);
    assert_eq!(append(&led, 4), Ok(0));
    assert_eq!(led.log().high_watermark(), 0);
    assert!(led.read(&read(0)).unwrap().result.slice.is_none());
    led.follower_fetched(2, 3).unwrap();
    assert_eq!(led.log().high_watermark(), 3);
    led.follower_fetched(7, 4).unwrap();
    assert_eq!(
        led.log().high_watermark(),
        3,
        "who is not in the ISR does not count"
    );
    // The follower falls out: the leader alone decides, in the same leadership.
    node.change(PartitionChangeRecord {
        isr: Some(vec![NODE_ID]),
        ..PartitionChangeRecord::default()
    });
    assert_eq!(led.log().high_watermark(), 4);
    assert_eq!(led.leader_epoch(), 5);
}

#[test]
fn acks_all_needs_enough_replicas() {
    let mut node = TestNode::new(1);
    node.create_topic("t", TOPIC_ID, vec![partition(&[NODE_ID, 2, 3], &[NODE_ID])]);
    node.set_config("t", "min.insync.replicas", "2");
    let led = node.partition(0);
    assert_eq!(append(&led, 1), Err(ErrorCode::NotEnoughReplicas));
    let leader_only = led
        .append_blocking(batch(1), AppendOrigin::Client, Acks::Leader, 0)
        .unwrap();
    assert_eq!(leader_only.first_offset, 0);
    assert_eq!(led.is_committed(0), Err(ErrorCode::NotEnoughReplicasAfterAppend));
    node.set_config("t", "min.insync.replicas", "1");
    assert_eq!(append(&led, 1), Ok(1));
}

#[test]
fn a_topic_with_fewer_replicas_than_it_wants_needs_them_all() {
    let mut node = TestNode::new(1);
    node.create_topic("t", TOPIC_ID, vec![partition(&[NODE_ID], &[NODE_ID])]);
    node.set_config("t", "min.insync.replicas", "3");
    assert_eq!(append(&node.partition(0), 1), Ok(0));
}

#[test]
fn leadership_follows_the_metadata() {
    let (mut node, led) = TestNode::with_leader();
    append(&led, 2).unwrap();
    node.change(PartitionChangeRecord {
        leader: 2,
        isr: Some(vec![2]),
        ..PartitionChangeRecord::default()
    });
    assert_eq!(append(&led, 1), Err(ErrorCode::NotLeaderOrFollower));
    assert_eq!(code(led.read(&read(0))), ErrorCode::NotLeaderOrFollower);
    assert!(
        led.read(&ReadRequest {
            leader_only: false,
            ..read(0)
        })
        .is_ok()
    );
    node.change(PartitionChangeRecord {
        leader: NODE_ID,
        isr: Some(vec![NODE_ID]),
        ..PartitionChangeRecord::default()
    });
    assert_eq!(append(&led, 1), Ok(2));
    assert_eq!(led.leader_epoch(), 7);
    let epochs: Vec<_> = led
        .log()
        .epoch_entries()
        .iter()
        .map(|e| (e.epoch, e.start_offset))
        .collect();
    assert_eq!(epochs, [(5, 0), (7, 2)]);
}

#[test]
fn requests_with_another_leader_epoch_are_turned_away() {
    let (_node, led) = TestNode::with_leader();
    let at = |current_leader_epoch| {
        code(led.read(&ReadRequest {
            current_leader_epoch,
            ..read(0)
        }))
    };
    assert_eq!(at(4), ErrorCode::FencedLeaderEpoch);
    assert_eq!(at(5), ErrorCode::None);
    assert_eq!(at(6), ErrorCode::UnknownLeaderEpoch);
}

#[test]
fn a_reader_whose_log_differs_is_told_from_where() {
    let (mut node, led) = TestNode::with_leader();
    append(&led, 3).unwrap();
    node.change(PartitionChangeRecord {
        leader: NODE_ID,
        ..PartitionChangeRecord::default()
    });
    append(&led, 2).unwrap();
    // (offset, last epoch of the reader): where its log differs.
    for (offset, epoch, expected) in [
        (3, 5, None),
        (2, 5, None),
        (4, 5, Some((5, 3))),
        (5, 6, None),
        (6, 6, Some((6, 5))),
    ] {
        let request = ReadRequest {
            last_fetched_epoch: epoch,
            ..read(offset)
        };
        assert_eq!(
            led.read(&request).unwrap().diverging_epoch,
            expected,
            "{offset} {epoch}"
        );
    }
    let too_new = ReadRequest {
        last_fetched_epoch: 9,
        ..read(5)
    };
    assert_eq!(code(led.read(&too_new)), ErrorCode::OffsetOutOfRange);
}

#[test]
fn deleted_topics_leave_and_their_names_are_free() {
    let (mut node, led) = TestNode::with_leader();
    append(&led, 3).unwrap();
    let old = led.log().path();
    node.delete_topic(TOPIC_ID);
    assert!(node.manager.by_name("t", 0).is_none());
    assert_eq!(append(&led, 1), Err(ErrorCode::UnknownTopicOrPartition));
    assert_eq!(
        code(led.read(&ReadRequest {
            leader_only: false,
            ..read(0)
        })),
        ErrorCode::UnknownTopicOrPartition
    );
    assert!(!old.exists() && led.log().path().to_string_lossy().ends_with("-delete"));

    let again = Uuid::from_u128(99);
    node.create_topic("t", again, vec![partition(&[NODE_ID], &[NODE_ID])]);
    let born = node.manager.by_name("t", 0).unwrap();
    assert_eq!(
        born.id(),
        TopicIdPartition {
            topic_id: again,
            partition: 0
        }
    );
    assert_eq!(append(&born, 1), Ok(0));
}

#[test]
fn partitions_go_where_the_metadata_places_them() {
    let mut node = TestNode::new(2);
    let mut placed = partition(&[NODE_ID], &[NODE_ID]);
    placed.directories = vec![node.dirs[1]];
    let elsewhere = partition(&[2], &[2]);
    node.create_topic(
        "t",
        TOPIC_ID,
        vec![placed, partition(&[NODE_ID], &[NODE_ID]), elsewhere],
    );
    assert_eq!(node.partition(0).log().dir_id(), node.dirs[1]);
    assert_eq!(node.partition(1).log().dir_id(), node.dirs[0], "the emptier one");
    let other = TopicIdPartition {
        topic_id: TOPIC_ID,
        partition: 2,
    };
    assert_eq!(
        node.manager.find(&other).err().map(|e| e.code()),
        Some(ErrorCode::NotLeaderOrFollower)
    );
    assert_eq!(node.manager.all().len(), 2);
}

#[test]
fn records_are_deleted_up_to_the_high_watermark() {
    let (mut node, led) = TestNode::with_leader();
    append(&led, 4).unwrap();
    assert_eq!(code(led.delete_records_before(5)), ErrorCode::OffsetOutOfRange);
    assert_eq!(code(led.delete_records_before(-2)), ErrorCode::OffsetOutOfRange);
    assert_eq!(led.delete_records_before(2).unwrap(), 2);
    assert_eq!(code(led.read(&read(1))), ErrorCode::OffsetOutOfRange);
    assert_eq!(led.delete_records_before(-1).unwrap(), 4);
    node.set_config("t", "cleanup.policy", "compact");
    assert_eq!(code(led.delete_records_before(-1)), ErrorCode::PolicyViolation);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_replicas_is_woken_or_times_out() {
    let mut node = TestNode::new(1);
    node.create_topic("t", TOPIC_ID, vec![partition(&[NODE_ID, 2], &[NODE_ID, 2])]);
    let led = node.partition(0);
    append(&led, 1).unwrap();
    let wait = |led: Arc<Partition>| async move {
        led.wait_committed(0, Instant::now() + Duration::from_secs(1))
            .await
    };
    assert_eq!(wait(led.clone()).await, Err(ErrorCode::RequestTimedOut));
    let waiting = tokio::spawn(wait(led.clone()));
    tokio::task::yield_now().await;
    led.follower_fetched(2, 1).unwrap();
    assert_eq!(waiting.await.unwrap(), Ok(()));

    append(&led, 1).unwrap();
    let waiting = tokio::spawn(async move {
        led.wait_committed(1, Instant::now() + Duration::from_secs(1))
            .await
    });
    tokio::task::yield_now().await;
    node.delete_topic(TOPIC_ID);
    assert_eq!(waiting.await.unwrap(), Err(ErrorCode::UnknownTopicOrPartition));
}

#[tokio::test]
async fn an_append_that_must_be_durable_is_seen_once_it_is() {
    let (mut node, led) = TestNode::with_leader();
    node.set_config("t", "flush.messages", "1");
    let info = led
        .append_blocking(batch(2), AppendOrigin::Client, Acks::All, 0)
        .unwrap();
    assert!(info.flush_due);
    assert_eq!(led.log().high_watermark(), 0);
    led.settle(&info).await.unwrap();
    assert_eq!((led.log().recovery_point(), led.log().high_watermark()), (2, 2));
}

#[test]
fn a_replica_moves_to_another_directory_while_it_is_in_use() {
    let mut node = TestNode::new(2);
    let mut placed = partition(&[NODE_ID], &[NODE_ID]);
    placed.directories = vec![node.dirs[0]];
    node.create_topic("t", TOPIC_ID, vec![placed]);
    let led = node.partition(0);
    for _ in 0..30 {
        append(&led, 1000).unwrap();
    }
    led.delete_records_before(1500).unwrap();
    let old = led.log();
    let begun = node
        .manager
        .begin_move(led.name(), node.dirs[1])
        .unwrap()
        .unwrap();
    assert!(
        node.manager
            .begin_move(led.name(), node.dirs[1])
            .unwrap()
            .is_none(),
        "it is on its way"
    );
    let writer = {
        let led = led.clone();
        std::thread::spawn(move || (0..30).all(|_| append(&led, 100).is_ok()))
    };
    assert!(begun.run().unwrap());
    assert!(writer.join().unwrap());

    let new = led.log();
    assert_eq!(
        (new.dir_id(), new.path().file_name()),
        (node.dirs[1], Some("t-0".as_ref()))
    );
    assert!(old.path().to_string_lossy().ends_with("-delete"));
    assert_eq!(new.log_end_offset(), 33_000);
    assert_eq!((new.log_start_offset(), new.high_watermark()), (1500, 33_000));
    assert_eq!(new.latest_epoch(), Some(5));
    assert!(led.read(&read(1500)).unwrap().result.slice.is_some());
    assert_eq!(append(&led, 1), Ok(33_000));
    assert!(node.manager.log_dirs().future_logs().is_empty());
    assert!(
        node.manager
            .begin_move(led.name(), node.dirs[1])
            .unwrap()
            .is_none(),
        "it is there"
    );
    let delta = ottla_metadata::Delta::of_everything(&node.image);
    assert_eq!(
        node.manager.misplaced(&node.image, &delta),
        [(led.id(), node.dirs[1])]
    );
}

#[test]
fn a_move_is_given_up_for_another_and_with_its_topic() {
    let mut node = TestNode::new(3);
    let mut placed = partition(&[NODE_ID], &[NODE_ID]);
    placed.directories = vec![node.dirs[0]];
    node.create_topic("t", TOPIC_ID, vec![placed]);
    let led = node.partition(0);
    append(&led, 10).unwrap();
    let first = node
        .manager
        .begin_move(led.name(), node.dirs[1])
        .unwrap()
        .unwrap();
    let second = node
        .manager
        .begin_move(led.name(), node.dirs[2])
        .unwrap()
        .unwrap();
    assert!(!first.run().unwrap());
    assert_eq!(node.manager.log_dirs().future_logs().len(), 1);
    node.delete_topic(TOPIC_ID);
    assert!(!second.run().unwrap());
    assert!(node.manager.log_dirs().future_logs().is_empty());
}
