//! The rules, one by one.

use super::*;

#[test]
fn the_last_value_of_a_key_stays_where_it_was() {
    let mut bench = Bench::new(compacted());
    for n in 0..200 {
        bench.put(&format!("k{}", n % 5), Some(&format!("value {n}")));
    }
    let before = latest(&bench.log);
    let (segments, bytes) = (bench.log.segments().len(), bench.log.size_bytes());
    let cleaned = bench.clean(1000).unwrap();
    let active = bench.log.segments().last().unwrap().base_offset();
    assert_eq!((cleaned.first_dirty, cleaned.cleaned_to), (0, active));
    assert_eq!(bench.log.cleaned_to(), Some(active));
    assert!(bench.log.size_bytes() < bytes / 2);
    for clean_shutdown in [true, false] {
        assert_eq!(latest(&bench.log), before);
        assert_eq!(bench.log.log_end_offset(), 200);
        bench.reopen(clean_shutdown);
    }
    assert_eq!(bench.clean(1000), None, "nothing new, nothing to do");
    bench.roll();
    bench.clean(1000).unwrap();
    assert!(bench.log.segments().len() < segments / 2, "small ones become one");
    assert!(
        !bench
            .files()
            .iter()
            .any(|name| name.contains(".cleaned") || name.contains(".swap"))
    );
}

#[test]
fn segments_become_as_large_as_the_topic_wants_them() {
    let bench = Bench::new(compacted());
    for n in 0..200 {
        bench.put(&format!("key {n}"), Some("v"));
    }
    // Nothing is superseded: what is written is what was there.
    let before = batches(&bench.log);
    bench.clean(1000).unwrap();
    assert_eq!(batches(&bench.log), before);
    let segments = bench.log.segments();
    assert!(segments.iter().all(|segment| segment.size_bytes() <= 700));
    assert!(
        segments
            .windows(2)
            .all(|pair| pair[0].base_offset() < pair[1].base_offset())
    );
    for offset in 0..200 {
        assert_eq!(
            bench
                .log
                .read(offset, 1, ReadBound::LogEnd, true)
                .unwrap()
                .first_offset,
            offset
        );
    }
}

#[test]
fn a_tombstone_stays_until_its_horizon_and_takes_its_key_along() {
    let bench = Bench::new(compacted());
    bench.put("a", Some("1"));
    bench.put("b", Some("1"));
    bench.put("a", None);
    bench.roll();
    bench.clean(5000).unwrap();
    let horizons: Vec<_> = batches(&bench.log)
        .iter()
        .filter_map(|(header, _)| header.delete_horizon_ms())
        .collect();
    assert_eq!(horizons, [6000], "now + delete.retention.ms");
    assert_eq!(latest(&bench.log)["a"], (2, None));
    bench.roll();
    bench.clean(5999).unwrap();
    assert_eq!((count_of(&bench.log, "a"), count_of(&bench.log, "b")), (1, 1));
    bench.roll();
    bench.clean(6000).unwrap();
    assert_eq!((count_of(&bench.log, "a"), count_of(&bench.log, "b")), (0, 1));
}

#[test]
fn aborted_data_goes_and_its_marker_follows_after_its_own_horizon() {
    let mut bench = Bench::new(compacted());
    bench.put("k", Some("old"));
    bench
        .append(txn(5, 0, 0), &[("k", Some("aborted")), ("x", Some("aborted"))])
        .unwrap();
    end_txn(&bench.log, EndTxn::Abort, 5, 1);
    bench.append(txn(6, 0, 0), &[("c", Some("committed"))]).unwrap();
    end_txn(&bench.log, EndTxn::Commit, 6, 1);
    bench.append(txn(5, 1, 0), &[("y", Some("later"))]).unwrap();
    end_txn(&bench.log, EndTxn::Commit, 5, 2);
    bench.append(txn(6, 1, 0), &[("c", Some("again"))]).unwrap();
    end_txn(&bench.log, EndTxn::Commit, 6, 2);
    bench.roll();
    let before = latest(&bench.log);
    assert_eq!(before["k"], (0, Some("old".to_owned())));
    let markers = |bench: &Bench| -> Vec<(i64, Option<i64>)> {
        let all = batches(&bench.log);
        let control = all.iter().filter(|(header, _)| header.is_control());
        control
            .map(|(header, _)| (header.base_offset, header.delete_horizon_ms()))
            .collect()
    };
    bench.clean(10_000).unwrap();
    assert_eq!(latest(&bench.log), before);
    assert!(
        !batches(&bench.log)
            .iter()
            .any(|(header, _)| header.base_offset == 1)
    );
    assert_eq!(
        markers(&bench),
        [(3, None), (5, None), (7, None), (9, None)],
        "data was met in this pass"
    );
    bench.roll();
    bench.clean(20_000).unwrap();
    // c of offset 4 is gone since the last pass, so that nothing is left of both transactions.
    assert_eq!(
        markers(&bench),
        [(3, Some(21_000)), (5, Some(21_000)), (7, None), (9, None)]
    );
    bench.reopen(false);
    bench.roll();
    bench.clean(21_000).unwrap();
    assert_eq!(markers(&bench), [(7, None), (9, None)]);
    for (key, value) in &before {
        if key != "filler" {
            assert_eq!(&latest(&bench.log)[key], value);
        }
    }
}

#[test]
fn a_producer_goes_on_where_it_was_though_all_its_records_are_gone() {
    for clean_shutdown in [true, false] {
        let mut bench = Bench::new(compacted());
        let idempotent = |sequence| BatchOptions {
            transactional: false,
            ..txn(9, 3, sequence)
        };
        for sequence in 0..4 {
            bench.append(idempotent(sequence), &[("k", Some("v"))]).unwrap();
        }
        bench.put("k", Some("of another"));
        bench.roll();
        bench.clean(1000).unwrap();
        let shells: Vec<_> = batches(&bench.log)
            .into_iter()
            .filter(|(header, _)| header.producer_id == 9)
            .map(|(header, _)| (header.base_offset, header.record_count, header.last_sequence()))
            .collect();
        assert_eq!(shells, [(3, 0, 3)]);
        // Without snapshots the shell alone tells.
        for name in bench.files().iter().filter(|name| name.ends_with(".snapshot")) {
            std::fs::remove_file(bench.dir.path().join(name)).unwrap();
        }
        bench.reopen(clean_shutdown);
        assert!(
            bench
                .append(idempotent(3), &[("k", Some("v"))])
                .unwrap()
                .duplicate
        );
        assert!(matches!(
            bench.append(idempotent(9), &[("k", None)]),
            Err(AppendError::OutOfOrderSequence(_))
        ));
        assert!(
            !bench
                .append(idempotent(4), &[("k", Some("v"))])
                .unwrap()
                .duplicate
        );
    }
}

#[test]
fn nothing_is_cleaned_behind_an_open_transaction_or_before_its_time() {
    let bench = Bench::new(LogConfig {
        min_compaction_lag_ms: 500,
        ..compacted()
    });
    for _ in 0..30 {
        bench.put("k", Some("0123456789"));
    }
    assert_eq!(
        Cleanable::of(&bench.log, 599).unwrap().cleanable_bytes,
        0,
        "written at 100"
    );
    assert!(Cleanable::of(&bench.log, 600).unwrap().cleanable_bytes > 0);
    let open = bench
        .append(txn(1, 0, 0), &[("t", Some("?"))])
        .unwrap()
        .first_offset;
    for _ in 0..30 {
        bench.put("k", Some("0123456789"));
    }
    let cleanable = Cleanable::of(&bench.log, 10_000).unwrap();
    assert!(cleanable.first_uncleanable <= open);
    bench.clean(10_000).unwrap();
    end_txn(&bench.log, EndTxn::Commit, 1, 1);
    assert_eq!(latest(&bench.log)["t"].0, open);
    assert_eq!(latest(&bench.log)["k"].0, open + 30);
}

#[test]
fn a_record_that_is_overdue_counts_more_than_the_ratio() {
    let config = LogConfig {
        min_cleanable_dirty_ratio: 1.0,
        max_compaction_lag_ms: 1000,
        ..compacted()
    };
    let bench = Bench::new(config);
    for _ in 0..30 {
        bench.put("k", Some("0123456789"));
    }
    assert_eq!(bench.clean(1100), None);
    assert!(bench.clean(1101).is_some());
}

#[test]
fn memory_for_a_few_keys_cleans_piece_by_piece() {
    let bench = Bench::new(compacted());
    for n in 0..400 {
        bench.put(&format!("k{}", n % 100), Some(&n.to_string()));
    }
    let before = latest(&bench.log);
    let few = CleanerMemory {
        dedupe_buffer_bytes: 40 * crate::offset_map::SLOT_BYTES,
        ..MEMORY
    };
    let mut rounds = 0;
    loop {
        let cleanable = Cleanable::of(&bench.log, 1000).unwrap();
        if cleanable.cleanable_bytes == 0 {
            break;
        }
        let cleaned = bench.log.clean(&cleanable, &few, &AtOnce, 1000).unwrap();
        assert!(cleaned.cleaned_to > cleanable.first_dirty);
        assert_eq!(latest(&bench.log), before);
        rounds += 1;
    }
    assert!(rounds > 5);
    let one = CleanerMemory {
        dedupe_buffer_bytes: 0,
        ..MEMORY
    };
    let keys: Vec<String> = (0..30).map(|n| format!("n{n}")).collect();
    let many: Vec<_> = keys.iter().map(|key| (key.as_str(), Some("v"))).collect();
    bench.append(BatchOptions::default(), &many).unwrap();
    bench.roll();
    let mut outcome = Ok(());
    for _ in 0..9 {
        let cleanable = Cleanable::of(&bench.log, 1000).unwrap();
        outcome = outcome.and_then(|()| bench.log.clean(&cleanable, &one, &AtOnce, 1000).map(drop));
    }
    assert!(
        matches!(outcome, Err(CleanError::BufferTooSmall(0))),
        "{outcome:?}"
    );
}

#[test]
fn a_reader_of_the_old_segments_is_not_disturbed() {
    let bench = Bench::new(compacted());
    for _ in 0..30 {
        bench.put("k", Some("0123456789"));
    }
    let old = bench.log.segments();
    bench.clean(1000).unwrap();
    bench.log.release();
    for (index, segment) in old.iter().enumerate() {
        let found = segment
            .find(segment.base_offset(), segment.size_bytes(), &[])
            .unwrap()
            .unwrap();
        assert_eq!(found.first_offset(), segment.base_offset(), "segment {index}");
    }
}

#[test]
fn a_log_that_cannot_be_read_is_marked_and_left() {
    let bench = Bench::new(compacted());
    for _ in 0..30 {
        bench.put("k", Some("0123456789"));
    }
    let first = bench.dir.path().join(format!("{:020}.log", 0));
    let mut bytes = std::fs::read(&first).unwrap();
    bytes[70] ^= 1;
    std::fs::write(&first, bytes).unwrap();
    let before = bench.files();
    let cleanable = Cleanable::of(&bench.log, 1000).unwrap();
    let failed = bench.log.clean(&cleanable, &MEMORY, &AtOnce, 1000);
    assert!(
        matches!(failed, Err(CleanError::Storage(StorageError::Corrupt { .. }))),
        "{failed:?}"
    );
    assert_eq!(bench.files(), before);
}
