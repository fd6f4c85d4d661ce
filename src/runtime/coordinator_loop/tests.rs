//! The loop with the group machine on a log in memory: what is parked, what fails, what waits for what, and a load.

mod transactions;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ottla_base::{ErrorCode, ManualClock, Uuid};
use ottla_coordinator::command::*;
use ottla_coordinator::{Command, GroupConfig, GroupShard, Reply};
use ottla_storage::AppendOrigin;
use ottla_storage::batch::{AnyBatch, Codec, ValidBatch, records};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::journal::JournalError;
use super::{Journal, LoopOptions, ShardHandle};

/// A log whose high watermark moves when the test says so.
#[derive(Clone, Default)]
struct MemoryLog(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    batches: Vec<Bytes>,
    end_offset: i64,
    committed: i64,
    is_lagging: bool,
    failure: Option<ErrorCode>,
    reads_are_held: bool,
    waiters: Vec<Arc<Notify>>,
}

impl MemoryLog {
    fn set(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.0.lock();
        change(&mut inner);
        if !inner.is_lagging {
            inner.committed = inner.end_offset;
        }
        inner.waiters.iter().for_each(|waiter| waiter.notify_one());
    }

    fn batch_sizes(&self) -> Vec<usize> {
        self.0
            .lock()
            .batches
            .iter()
            .map(|batch| records(batch, 1 << 20).unwrap().count())
            .collect()
    }
}

impl Journal for MemoryLog {
    type Watch = ();

    async fn append(&self, mut batch: ValidBatch, _: AppendOrigin) -> Result<i64, ErrorCode> {
        let first_offset = self.0.lock().end_offset;
        if let Some(error) = self.0.lock().failure {
            return Err(error);
        }
        batch.place(first_offset, 0);
        let mut bytes = BytesMut::from(&batch.header_bytes()[..]);
        bytes.extend_from_slice(&batch.body);
        self.set(|inner| {
            inner.end_offset += i64::from(batch.header.record_count);
            inner.batches.push(bytes.freeze());
        });
        Ok(first_offset)
    }

    fn committed_end(&self) -> Result<i64, ErrorCode> {
        Ok(self.0.lock().committed)
    }

    fn batch_bytes_max(&self) -> usize {
        1000
    }

    fn watch(&self, waiter: &Arc<Notify>) {
        self.0.lock().waiters.push(waiter.clone());
    }

    fn start_offset(&self) -> i64 {
        0
    }

    fn end_offset(&self) -> i64 {
        self.0.lock().end_offset
    }

    /// One batch, and the beginning of the next.
    fn read(&self, offset: i64, _max_bytes: usize, into: &mut Vec<u8>) -> Result<(), JournalError> {
        while self.0.lock().reads_are_held {
            std::thread::sleep(Duration::from_millis(1));
        }
        let inner = self.0.lock();
        let holds = |batch: &&Bytes| AnyBatch::parse(batch).unwrap().last_offset() >= offset;
        let mut found = inner.batches.iter().filter(holds);
        into.clear();
        into.extend_from_slice(found.next().unwrap());
        if let Some(next) = found.next() {
            into.extend_from_slice(&next[..next.len() - 1]);
        }
        Ok(())
    }
}

type Shard = ShardHandle<GroupShard>;

fn open(log: &MemoryLog) -> Shard {
    let config = GroupConfig {
        initial_rebalance_delay_ms: 100,
        ..GroupConfig::default()
    };
    let options = LoopOptions {
        name: "test".into(),
        clock: Arc::new(ManualClock::at(1_000)),
        codec: Codec::None,
        commit_timeout: Duration::from_secs(5),
        load_buffer_bytes: 1 << 20,
    };
    let machine = GroupShard::new(Arc::new(config));
    ShardHandle::open(machine, log.clone(), options, &tokio::runtime::Handle::current())
}

async fn loaded(log: &MemoryLog) -> Shard {
    let shard = open(log);
    while shard.is_loading() {
        tokio::task::yield_now().await;
    }
    shard
}

fn commit(group: &str, offset: i64, metadata: &str) -> Command {
    let partition = CommitPartition {
        partition: 0,
        offset,
        leader_epoch: -1,
        metadata: Some(metadata.to_owned()),
    };
    Command::CommitOffsets(CommitOffsets {
        group_id: group.to_owned(),
        member_id: String::new(),
        group_instance_id: None,
        generation_id: -1,
        knows_group_id_not_found: true,
        retention_ms: -1,
        is_transactional: false,
        topics: vec![CommitTopic {
            topic_id: Uuid::nil(),
            name: "t".to_owned(),
            partitions: vec![partition],
        }],
    })
}

fn fetch(group: &str) -> Command {
    Command::FetchOffsets(FetchOffsets {
        group_id: group.to_owned(),
        topics: None,
        require_stable: false,
        member_id: None,
        member_epoch: -1,
    })
}

fn offset_in(reply: &Reply) -> Option<i64> {
    match reply {
        Reply::FetchedOffsets(topics) => Some(topics.first()?.partitions.first()?.offset),
        other => panic!("{other:?}"),
    }
}

fn is_committed(reply: &Reply) -> bool {
    matches!(reply, Reply::Offsets(topics) if topics[0].partitions == [(0, ErrorCode::None)])
}

fn join(member_id: &str) -> Command {
    Command::Join(join_group("g", member_id))
}

pub(super) fn join_group(group_id: &str, member_id: &str) -> JoinGroup {
    JoinGroup {
        group_id: group_id.to_owned(),
        member_id: member_id.to_owned(),
        group_instance_id: None,
        client_id: "c".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        protocol_type: "consumer".to_owned(),
        protocols: vec![Protocol {
            name: "range".to_owned(),
            metadata: Bytes::new(),
        }],
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        reason: None,
        requires_known_member_id: false,
        supports_skipping_assignment: true,
        fresh_id: Uuid::from_u128(1),
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_waits_until_its_record_is_committed() {
    let log = MemoryLog::default();
    let shard = loaded(&log).await;
    log.set(|inner| inner.is_lagging = true);
    let mut answer = Box::pin(shard.submit(commit("g", 5, "")));
    assert!(
        tokio::time::timeout(Duration::from_secs(1), &mut answer)
            .await
            .is_err()
    );
    assert_eq!(offset_in(&shard.submit(fetch("g")).await), None);
    log.set(|inner| inner.is_lagging = false);
    assert!(is_committed(&answer.await));
    assert_eq!(offset_in(&shard.submit(fetch("g")).await), Some(5));
}

#[tokio::test(start_paused = true)]
async fn commands_that_wait_together_are_one_batch() {
    let log = MemoryLog::default();
    let shard = loaded(&log).await;
    let answers: Vec<_> = (0..10)
        .map(|i| shard.submit(commit(&format!("g{i}"), i, "")))
        .collect();
    for answer in answers {
        assert!(is_committed(&answer.await));
    }
    assert_eq!(log.batch_sizes(), [10]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_never_larger_than_the_topic_allows() {
    let log = MemoryLog::default();
    let shard = loaded(&log).await;
    let answers: Vec<_> = (0..4)
        .map(|i| shard.submit(commit("g", i, &"m".repeat(400))))
        .collect();
    for answer in answers {
        assert!(is_committed(&answer.await));
    }
    assert_eq!(log.batch_sizes(), [2, 2]);
    let too_large = shard.submit(commit("g", 9, &"m".repeat(1000))).await;
    assert_eq!(too_large, Reply::Failed(ErrorCode::UnknownServerError));
    assert_eq!(offset_in(&shard.submit(fetch("g")).await), Some(3));
}

#[tokio::test(start_paused = true)]
async fn tombstones_that_do_not_fit_into_one_batch_take_several() {
    let log = MemoryLog::default();
    let shard = loaded(&log).await;
    for i in 0..40 {
        assert!(is_committed(
            &shard.submit(commit(&format!("group-{i}"), i, "")).await
        ));
    }
    let deleted = shard
        .submit(Command::TopicsDeleted(vec![(Uuid::nil(), "t".to_owned())]))
        .await;
    assert_eq!(deleted, Reply::Done);
    assert!(log.batch_sizes()[40..].len() > 1);
    assert_eq!(offset_in(&shard.submit(fetch("group-0")).await), None);
    assert_eq!(offset_in(&shard.submit(fetch("group-39")).await), None);
}

#[tokio::test(start_paused = true)]
async fn a_failed_append_is_told_as_kafka_tells_it_and_leaves_no_trace() {
    let log = MemoryLog::default();
    let shard = loaded(&log).await;
    assert!(is_committed(&shard.submit(commit("g", 1, "")).await));
    for (failure, told) in [
        (ErrorCode::NotEnoughReplicas, ErrorCode::CoordinatorNotAvailable),
        (ErrorCode::KafkaStorageError, ErrorCode::NotCoordinator),
        (ErrorCode::NotLeaderOrFollower, ErrorCode::NotCoordinator),
        (ErrorCode::RecordListTooLarge, ErrorCode::UnknownServerError),
    ] {
        log.set(|inner| inner.failure = Some(failure));
        assert_eq!(shard.submit(commit("g", 2, "")).await, Reply::Failed(told));
    }
    log.set(|inner| inner.failure = None);
    assert_eq!(offset_in(&shard.submit(fetch("g")).await), Some(1));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_too_long_is_told_but_the_record_stays() {
    let log = MemoryLog::default();
    let shard = loaded(&log).await;
    log.set(|inner| inner.is_lagging = true);
    let late = shard.submit(commit("g", 5, "")).await;
    assert_eq!(late, Reply::Failed(ErrorCode::CoordinatorNotAvailable));
    log.set(|inner| inner.is_lagging = false);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(offset_in(&shard.submit(fetch("g")).await), Some(5));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_sees_what_was_appended_before_it_and_holds_up_what_comes_after() {
    let log = MemoryLog::default();
    let shard = loaded(&log).await;
    log.set(|inner| inner.is_lagging = true);
    let first = shard.submit(commit("g", 5, ""));
    let delete = shard.submit(Command::DeleteGroups(vec!["g".to_owned()]));
    let second = shard.submit(commit("g", 6, ""));
    let unlag = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        log.set(|inner| inner.is_lagging = false);
    };
    let (first, deleted, second, ()) = tokio::join!(first, delete, second, unlag);
    assert!(is_committed(&first));
    assert_eq!(
        deleted,
        Reply::DeletedGroups(vec![("g".to_owned(), ErrorCode::None)])
    );
    assert!(is_committed(&second));
    assert_eq!(log.batch_sizes(), [1, 2, 1]);
    assert_eq!(offset_in(&shard.submit(fetch("g")).await), Some(6));
}

#[tokio::test(start_paused = true)]
async fn timers_fire_without_anybody_asking() {
    let log = MemoryLog::default();
    let shard = loaded(&log).await;
    let joined = tokio::time::timeout(Duration::from_millis(101), shard.submit(join("")))
        .await
        .unwrap();
    assert!(
        matches!(joined, Reply::Joined(joined) if joined.generation_id == 1 && joined.members.len() == 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_load_brings_everything_back() {
    let log = MemoryLog::default();
    let shard = loaded(&log).await;
    for i in 0..20 {
        assert!(is_committed(&shard.submit(commit(&format!("g{i}"), i, "")).await));
    }
    shard.submit(Command::DeleteGroups(vec!["g7".to_owned()])).await;
    shard.close();
    let shard = loaded(&log).await;
    for i in 0..20 {
        let expected = Some(i).filter(|i| *i != 7);
        assert_eq!(offset_in(&shard.submit(fetch(&format!("g{i}"))).await), expected);
    }
}

#[tokio::test]
async fn while_it_loads_it_says_so() {
    let log = MemoryLog::default();
    assert!(is_committed(&loaded(&log).await.submit(commit("g", 1, "")).await));
    log.set(|inner| inner.reads_are_held = true);
    let shard = open(&log);
    let early = shard.submit(commit("g", 2, "")).await;
    assert_eq!(early, Reply::Failed(ErrorCode::CoordinatorLoadInProgress));
    log.set(|inner| inner.reads_are_held = false);
    while shard.is_loading() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(offset_in(&shard.submit(fetch("g")).await), Some(1));
}

#[tokio::test]
async fn news_that_come_while_it_loads_are_not_lost() {
    let log = MemoryLog::default();
    assert!(is_committed(&loaded(&log).await.submit(commit("g", 1, "")).await));
    log.set(|inner| inner.reads_are_held = true);
    let shard = open(&log);
    shard.notify(Command::TopicsDeleted(vec![(Uuid::nil(), "t".to_owned())]));
    log.set(|inner| inner.reads_are_held = false);
    while shard.is_loading() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(offset_in(&shard.submit(fetch("g")).await), None);
}

#[tokio::test]
async fn a_partition_that_loads_slowly_delays_no_other() {
    let slow = MemoryLog::default();
    assert!(is_committed(
        &loaded(&slow).await.submit(commit("g", 1, "")).await
    ));
    slow.set(|inner| inner.reads_are_held = true);
    let loading = open(&slow);
    let other = loaded(&MemoryLog::default()).await;
    for i in 0..1000 {
        assert!(is_committed(&other.submit(commit("h", i, "")).await));
    }
    assert!(loading.is_loading(), "the test has shown nothing");
    slow.set(|inner| inner.reads_are_held = false);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_log_is_not_served() {
    let log = MemoryLog::default();
    assert!(is_committed(&loaded(&log).await.submit(commit("g", 1, "")).await));
    log.set(|inner| {
        let mut bytes = BytesMut::from(&inner.batches[0][..]);
        // The version of the value, behind 61 bytes of header, 7 of the record, 11 of the key and 1 of its length.
        bytes[61 + 7 + 11 + 1] = 0x7f;
        inner.batches[0] = bytes.freeze();
    });
    let shard = loaded(&log).await;
    assert_eq!(
        shard.submit(fetch("g")).await,
        Reply::Failed(ErrorCode::NotCoordinator)
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_when_the_partition_goes_is_told() {
    let log = MemoryLog::default();
    let shard = loaded(&log).await;
    log.set(|inner| inner.is_lagging = true);
    let commit = shard.submit(commit("g", 1, ""));
    let join = shard.submit(join(""));
    let later = shard.clone();
    let close = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        shard.close();
    };
    let (commit, join, ()) = tokio::join!(commit, join, close);
    assert_eq!(commit, Reply::Failed(ErrorCode::NotCoordinator));
    assert_eq!(join, Reply::Failed(ErrorCode::NotCoordinator));
    assert_eq!(
        later.submit(fetch("g")).await,
        Reply::Failed(ErrorCode::NotCoordinator)
    );
}
