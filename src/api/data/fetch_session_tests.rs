//! Tests of fetch sessions: each step is a request and what the session makes of its answer.

use super::*;

fn key(partition: i32) -> PartitionKey {
    PartitionKey {
        topic: TopicKey::Id(Uuid::from_u128(1)),
        partition,
    }
}

fn want(fetch_offset: i64) -> PartitionWant {
    PartitionWant {
        fetch_offset,
        log_start_offset: -1,
        max_bytes: 1 << 20,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
    }
}

fn request(id: i32, epoch: i32, wants: &[(i32, i64)]) -> SessionRequest {
    SessionRequest {
        id,
        epoch,
        uses_topic_ids: true,
        is_from_follower: false,
        wants: wants
            .iter()
            .map(|(partition, offset)| (key(*partition), want(*offset)))
            .collect(),
        forgotten: Vec::new(),
    }
}

fn news(high_watermark: i64, has_records: bool) -> PartitionNews {
    PartitionNews {
        has_records,
        high_watermark,
        log_start_offset: 0,
        error: ErrorCode::None,
        has_diverging_epoch: false,
    }
}

fn served(context: &FetchContext) -> Vec<(i32, i64)> {
    context
        .wants()
        .iter()
        .map(|(key, want)| (key.partition, want.fetch_offset))
        .collect()
}

/// A session on partitions 0 and 1, both answered with high watermark 5 and without records.
fn opened(cache: &FetchSessionCache) -> i32 {
    let context = open(cache, request(0, 0, &[(0, 5), (1, 5)]), 0).unwrap();
    let answer = context.answer(cache, &[news(5, false), news(5, false)], 0);
    assert_eq!(answer.included, [true, true]);
    assert_ne!(answer.session_id, NO_SESSION);
    answer.session_id
}

#[test]
fn an_incremental_fetch_answers_only_what_is_new() {
    let cache = FetchSessionCache::new(1000);
    let id = opened(&cache);
    // (partition answers, which of them the client hears of), request by request.
    let mut failed = news(-1, false);
    failed.error = ErrorCode::NotLeaderOrFollower;
    let mut trimmed = news(7, false);
    trimmed.log_start_offset = 3;
    let steps: &[([PartitionNews; 2], [bool; 2])] = &[
        ([news(5, false), news(5, false)], [false, false]),
        ([news(6, false), news(5, false)], [true, false]),
        ([news(6, true), news(5, false)], [true, false]),
        // The one with records went to the end: the order is now 1, 0.
        ([news(5, false), failed], [false, true]),
        ([news(5, false), news(6, false)], [false, true]),
        ([trimmed, news(6, false)], [true, false]),
    ];
    for (epoch, (answers, expected)) in (1..).zip(steps) {
        let context = open(&cache, request(id, epoch, &[]), 0).unwrap();
        let answer = context.answer(&cache, answers, 0);
        assert_eq!((answer.error, answer.session_id), (ErrorCode::None, id));
        assert_eq!(answer.included, expected, "epoch {epoch}");
    }
}

#[test]
fn partitions_come_change_and_go() {
    let cache = FetchSessionCache::new(1000);
    let id = opened(&cache);
    let mut change = request(id, 1, &[(2, 9), (0, 6)]);
    change.forgotten = vec![key(1), key(77)];
    let context = open(&cache, change, 0).unwrap();
    assert_eq!(served(&context), [(0, 6), (2, 9)]);

    let mut leave = request(id, 2, &[]);
    leave.forgotten = vec![key(0), key(2)];
    assert!(matches!(open(&cache, leave, 0), Ok(FetchContext::Sessionless(wants)) if wants.is_empty()));
    assert_eq!(cache.len(), 0);
}

#[test]
fn mismatches_are_errors_that_leave_the_session_alone() {
    let cache = FetchSessionCache::new(1000);
    let id = opened(&cache);
    let error = |request| open(&cache, request, 0).err();
    assert_eq!(
        error(request(id + 1, 1, &[])),
        Some(ErrorCode::FetchSessionIdNotFound)
    );
    assert_eq!(
        error(request(-4, 1, &[])),
        Some(ErrorCode::FetchSessionIdNotFound)
    );
    assert_eq!(
        error(request(id, 2, &[])),
        Some(ErrorCode::InvalidFetchSessionEpoch)
    );
    let by_name = SessionRequest {
        uses_topic_ids: false,
        ..request(id, 1, &[])
    };
    assert_eq!(error(by_name), Some(ErrorCode::FetchSessionTopicIdError));
    assert!(error(request(id, 1, &[])).is_none());
}

#[test]
fn a_duplicate_request_gets_an_error_for_an_answer() {
    let cache = FetchSessionCache::new(1000);
    let id = opened(&cache);
    let slow = open(&cache, request(id, 1, &[]), 0).unwrap();
    let _next = open(&cache, request(id, 2, &[]), 0).unwrap();
    let answer = slow.answer(&cache, &[news(9, true), news(9, true)], 0);
    assert_eq!(answer.error, ErrorCode::InvalidFetchSessionEpoch);
    assert_eq!(answer.included, [false, false]);
}

#[test]
fn a_full_fetch_closes_the_session_it_names() {
    let cache = FetchSessionCache::new(1000);
    let id = opened(&cache);
    let closed = open(&cache, request(id, FINAL_EPOCH, &[(0, 5), (0, 6)]), 0).unwrap();
    assert_eq!(served(&closed), [(0, 6)]);
    assert_eq!(closed.answer(&cache, &[news(5, false)], 0).session_id, NO_SESSION);
    assert_eq!(cache.len(), 0);
}

#[test]
fn epochs_wrap_past_those_with_a_meaning() {
    assert_eq!(next_epoch(i32::MAX), 1);
    assert_eq!(next_epoch(1), 2);
}

#[test]
fn a_full_cache_prefers_the_old_the_large_and_the_followers() {
    const LATER: i64 = 120_001;
    // One slot in one shard: every eighth creation lands in it.
    let cache = FetchSessionCache::new(1);
    let create = |is_follower, partitions: i64, now_ms| {
        let wants: Vec<_> = (0..partitions as i32).map(|partition| (partition, 0)).collect();
        let answers = vec![news(0, false); wants.len()];
        let mut id = NO_SESSION;
        for _ in 0..8 {
            let full = SessionRequest {
                is_from_follower: is_follower,
                ..request(0, 0, &wants)
            };
            let context = open(&cache, full, now_ms).unwrap();
            id = id.max(context.answer(&cache, &answers, now_ms).session_id);
        }
        id
    };
    let first = create(false, 3, 0);
    assert_ne!(first, NO_SESSION);
    assert_eq!(
        create(false, 9, 1),
        NO_SESSION,
        "the young are not driven out by their like"
    );
    let use_it = open(&cache, request(first, 1, &[]), LATER).unwrap();
    assert_eq!(served(&use_it).len(), 3);
    assert_eq!(create(false, 2, LATER), NO_SESSION, "nor by the smaller");
    let second = create(false, 4, LATER);
    assert_ne!(second, NO_SESSION, "but the larger take their place");
    let follower = create(true, 1, LATER + 1);
    assert_ne!(follower, NO_SESSION, "and a follower that of any consumer");
    assert_eq!(create(false, 50, LATER + 2), NO_SESSION);
    assert_ne!(
        create(false, 1, LATER + 2 + LATER),
        NO_SESSION,
        "who is not used at all goes first"
    );
    assert_eq!(cache.len(), 1);
}
