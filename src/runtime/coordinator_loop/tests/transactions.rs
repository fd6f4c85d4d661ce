//! Offsets that are committed in transactions: unstable until the marker, then the group's or gone, in the order of the log,
//! and the same after a load.

use ottla_storage::batch::control::EndTxn;

use super::*;
use crate::runtime::TxnMarker;
use crate::runtime::coordinator_loop::InTransaction;

const PRODUCER: i64 = 9;

fn in_transaction(producer_id: i64) -> Option<InTransaction> {
    Some(InTransaction {
        producer_id,
        producer_epoch: 0,
        guard: None,
    })
}

fn commit_in_transaction(group: &str, offset: i64) -> Command {
    let Command::CommitOffsets(mut commit) = commit(group, offset, "") else {
        panic!("not a commit")
    };
    commit.is_transactional = true;
    Command::CommitOffsets(commit)
}

fn marker(producer_id: i64, kind: EndTxn) -> TxnMarker {
    TxnMarker {
        producer_id,
        producer_epoch: 1,
        kind,
        coordinator_epoch: 0,
        transaction_version: 2,
    }
}

/// What a consumer is told that must not read an offset which may still change.
async fn stable(shard: &Shard, group: &str) -> Result<i64, ErrorCode> {
    let topic = FetchTopic {
        topic_id: Uuid::nil(),
        name: "t".to_owned(),
        partitions: vec![0],
    };
    let reply = shard
        .submit(Command::FetchOffsets(FetchOffsets {
            group_id: group.to_owned(),
            topics: Some(vec![topic]),
            require_stable: true,
            member_id: None,
            member_epoch: -1,
        }))
        .await;
    let Reply::FetchedOffsets(topics) = reply else {
        panic!("{reply:?}")
    };
    match topics[0].partitions[0].error {
        ErrorCode::None => Ok(topics[0].partitions[0].offset),
        error => Err(error),
    }
}

#[tokio::test(start_paused = true)]
async fn offsets_of_a_transaction_count_when_it_commits_and_never_when_it_aborts() {
    for (kind, expected) in [(EndTxn::Commit, 7), (EndTxn::Abort, 5)] {
        let log = MemoryLog::default();
        let shard = loaded(&log).await;
        shard.submit(commit("g", 5, "")).await;
        let answer = shard.submit_in(in_transaction(PRODUCER), commit_in_transaction("g", 7));
        assert!(is_committed(&answer.await));
        assert_eq!(offset_in(&shard.submit(fetch("g")).await), Some(5));
        // Whoever loads the partition now knows as much.
        for shard in [&shard, &loaded(&log).await] {
            assert_eq!(stable(shard, "g").await, Err(ErrorCode::UnstableOffsetCommit));
        }
        assert_eq!(shard.end_transaction(marker(PRODUCER, kind)).await, Ok(()));
        for shard in [&shard, &loaded(&log).await] {
            assert_eq!(stable(shard, "g").await, Ok(expected), "{kind:?}");
        }
        // The coordinator may send the marker again.
        assert_eq!(shard.end_transaction(marker(PRODUCER, kind)).await, Ok(()));
        assert_eq!(stable(&shard, "g").await, Ok(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn each_transaction_has_batches_of_its_own() {
    let log = MemoryLog::default();
    let shard = loaded(&log).await;
    let answers = [
        shard.submit_in(None, commit("own", 1, "")),
        shard.submit_in(in_transaction(1), commit_in_transaction("a", 1)),
        shard.submit_in(in_transaction(1), commit_in_transaction("b", 1)),
        shard.submit_in(in_transaction(2), commit_in_transaction("c", 1)),
        shard.submit_in(None, commit("own", 2, "")),
    ];
    for answer in answers {
        assert!(is_committed(&answer.await));
    }
    let producers: Vec<(i64, bool, i32)> = log
        .0
        .lock()
        .batches
        .iter()
        .map(|batch| match AnyBatch::parse(batch).unwrap() {
            AnyBatch::Current(header) => (header.producer_id, header.is_transactional(), header.record_count),
            AnyBatch::Legacy(_) => unreachable!(),
        })
        .collect();
    assert_eq!(
        producers,
        [(-1, false, 1), (1, true, 2), (2, true, 1), (-1, false, 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_marker_stands_behind_what_was_committed_before_it_and_waits_as_long() {
    let log = MemoryLog::default();
    let shard = loaded(&log).await;
    log.set(|inner| inner.is_lagging = true);
    let committed = shard.submit_in(in_transaction(PRODUCER), commit_in_transaction("g", 7));
    let mut ended = Box::pin(shard.end_transaction(marker(PRODUCER, EndTxn::Commit)));
    let waited = tokio::time::timeout(Duration::from_secs(1), &mut ended).await;
    assert!(waited.is_err());
    log.set(|inner| inner.is_lagging = false);
    assert_eq!(ended.await, Ok(()));
    assert!(is_committed(&committed.await));
    assert_eq!(stable(&shard, "g").await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn a_marker_that_takes_too_long_is_reported_and_counts_when_it_arrives() {
    let log = MemoryLog::default();
    let shard = loaded(&log).await;
    shard
        .submit_in(in_transaction(PRODUCER), commit_in_transaction("g", 7))
        .await;
    log.set(|inner| inner.is_lagging = true);
    let late = shard.end_transaction(marker(PRODUCER, EndTxn::Commit)).await;
    assert_eq!(late, Err(ErrorCode::CoordinatorNotAvailable));
    log.set(|inner| inner.is_lagging = false);
    assert_eq!(stable(&shard, "g").await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn what_the_log_refuses_is_not_pending() {
    let log = MemoryLog::default();
    let shard = loaded(&log).await;
    shard.submit(commit("g", 5, "")).await;
    log.set(|inner| inner.failure = Some(ErrorCode::InvalidProducerEpoch));
    let refused = shard.submit_in(in_transaction(PRODUCER), commit_in_transaction("g", 7));
    assert_eq!(refused.await, Reply::Failed(ErrorCode::InvalidProducerEpoch));
    let refused = shard.end_transaction(marker(PRODUCER, EndTxn::Commit));
    assert_eq!(refused.await, Err(ErrorCode::InvalidProducerEpoch));
    log.set(|inner| inner.failure = None);
    assert_eq!(stable(&shard, "g").await, Ok(5));
}

#[tokio::test(start_paused = true)]
async fn a_commit_outside_of_the_transaction_that_came_later_stays() {
    let log = MemoryLog::default();
    let shard = loaded(&log).await;
    shard
        .submit_in(in_transaction(PRODUCER), commit_in_transaction("g", 7))
        .await;
    shard.submit(commit("g", 9, "")).await;
    shard
        .end_transaction(marker(PRODUCER, EndTxn::Commit))
        .await
        .unwrap();
    for shard in [&shard, &loaded(&log).await] {
        assert_eq!(stable(shard, "g").await, Ok(9));
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_group_takes_its_pending_offsets_with_it() {
    let log = MemoryLog::default();
    let shard = loaded(&log).await;
    shard
        .submit_in(in_transaction(PRODUCER), commit_in_transaction("g", 7))
        .await;
    let deleted = shard.submit(Command::DeleteGroups(vec!["g".to_owned()])).await;
    assert_eq!(
        deleted,
        Reply::DeletedGroups(vec![("g".to_owned(), ErrorCode::None)])
    );
    shard
        .end_transaction(marker(PRODUCER, EndTxn::Commit))
        .await
        .unwrap();
    for shard in [&shard, &loaded(&log).await] {
        assert_eq!(stable(shard, "g").await, Ok(-1));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_marker_when_the_partition_goes_is_told() {
    let log = MemoryLog::default();
    let shard = loaded(&log).await;
    log.set(|inner| inner.is_lagging = true);
    let ended = shard.end_transaction(marker(PRODUCER, EndTxn::Commit));
    let close = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        shard.close();
    };
    let (ended, ()) = tokio::join!(ended, close);
    assert_eq!(ended, Err(ErrorCode::NotCoordinator));
}
