//! Idempotence and transactions as the log sees them, across restarts.

use super::*;
use crate::batch::control::{self, EndTxn};
use crate::producer_state::TransactionStart;

fn data(
    bench: &Bench,
    producer_id: i64,
    epoch: i16,
    sequence: i32,
    values: &[&str],
    txn: bool,
) -> Result<AppendInfo, AppendError> {
    let options = BatchOptions {
        producer_id,
        producer_epoch: epoch,
        base_sequence: sequence,
        transactional: txn,
        ..BatchOptions::default()
    };
    let batch = built(options, 1000, values);
    let guard = match txn {
        true => bench
            .log
            .start_verification(&start(producer_id, epoch, sequence), 1000)?,
        false => None,
    };
    let origin = guard.map_or(AppendOrigin::Client, AppendOrigin::VerifiedClient);
    let info = bench.log.append_as_leader(batch, 0, origin, 1000)?;
    bench.log.raise_high_watermark(bench.log.log_end_offset());
    Ok(info)
}

fn start(producer_id: i64, producer_epoch: i16, base_sequence: i32) -> TransactionStart {
    TransactionStart {
        producer_id,
        producer_epoch,
        base_sequence,
        raises_epoch: true,
    }
}

fn end(bench: &Bench, producer_id: i64, epoch: i16, kind: EndTxn) {
    let bytes = control::end_txn_marker(kind, producer_id, epoch, 3, 1000);
    let batch = ValidBatch::trusted(&bytes).unwrap();
    let origin = AppendOrigin::TxnMarker {
        transaction_version: 2,
    };
    bench.log.append_as_leader(batch, 0, origin, 1000).unwrap();
    bench.log.raise_high_watermark(bench.log.log_end_offset());
}

#[test]
fn a_batch_that_comes_twice_is_written_once_even_after_a_restart() {
    let mut bench = Bench::new(small());
    for sequence in 0..20 {
        data(&bench, 7, 0, sequence, &["0123456789"], false).unwrap();
    }
    let again = data(&bench, 7, 0, 18, &["0123456789"], false).unwrap();
    assert!(again.duplicate);
    assert_eq!((again.first_offset, bench.log.log_end_offset()), (18, 20));
    assert!(matches!(
        data(&bench, 7, 0, 25, &["x"], false),
        Err(AppendError::OutOfOrderSequence(_))
    ));
    for restart in [Bench::restart_cleanly, Bench::restart_after_kill] {
        restart(&mut bench);
        assert!(data(&bench, 7, 0, 19, &["0123456789"], false).unwrap().duplicate);
        assert!(data(&bench, 7, 0, 25, &["x"], false).is_err());
    }
    assert!(!data(&bench, 7, 0, 20, &["x"], false).unwrap().duplicate);
}

#[test]
fn committed_readers_see_what_is_stable_and_are_told_what_was_aborted() {
    let mut bench = Bench::new(small());
    data(&bench, 1, 0, 0, &["a0", "a1"], true).unwrap();
    data(&bench, 2, 0, 0, &["b0"], true).unwrap();
    assert_eq!(
        (bench.log.last_stable_offset(), bench.log.high_watermark()),
        (0, 3)
    );
    end(&bench, 1, 1, EndTxn::Abort);
    assert_eq!(bench.log.last_stable_offset(), 2);
    end(&bench, 2, 1, EndTxn::Commit);
    assert_eq!(bench.log.last_stable_offset(), 5);
    data(&bench, 3, 0, 0, &["c0"], true).unwrap();
    assert_eq!(bench.log.last_stable_offset(), 5);
    for restart in [Bench::restart_cleanly, Bench::restart_after_kill] {
        let read = bench.log.read(0, 1000, ReadBound::LastStable, true).unwrap();
        let aborted = vec![AbortedRange {
            producer_id: 1,
            first_offset: 0,
        }];
        assert_eq!(read.aborted, Some(aborted));
        let seen = read_from(&bench.log, 0, 1000, ReadBound::LastStable);
        assert_eq!(seen.last().unwrap().0, 4);
        restart(&mut bench);
        bench.log.raise_high_watermark(6);
        assert_eq!(bench.log.last_stable_offset(), 5);
        let open: Vec<i64> = bench
            .log
            .active_producers()
            .iter()
            .map(|p| p.current_txn_start_offset)
            .collect();
        assert_eq!(open, [-1, -1, 5]);
    }
}

#[test]
fn an_abort_in_a_later_segment_is_found_and_rebuilt() {
    let mut bench = Bench::new(small());
    data(&bench, 1, 0, 0, &["a0"], true).unwrap();
    for sequence in 0..30 {
        data(&bench, 9, 0, sequence, &["0123456789"], false).unwrap();
    }
    end(&bench, 1, 1, EndTxn::Abort);
    assert!(bench.log.segments().len() > 3);
    let aborted = |bench: &Bench| {
        bench
            .log
            .read(0, 100, ReadBound::LastStable, true)
            .unwrap()
            .aborted
            .unwrap()
    };
    let expected = [AbortedRange {
        producer_id: 1,
        first_offset: 0,
    }];
    assert_eq!(aborted(&bench), expected);
    let last = bench.log.segments().last().unwrap().base_offset();
    let index = bench.file(&format!("{last:020}.txnindex"));
    let before = std::fs::read(&index).unwrap();
    // Without snapshots and index, recovery of the last segment alone has to look further back.
    bench.log.flush().unwrap();
    for base in bench.log.segments().iter().map(|s| s.base_offset()) {
        let _ = std::fs::remove_file(bench.file(&format!("{base:020}.snapshot")));
    }
    std::fs::remove_file(&index).unwrap();
    bench.restart_after_kill();
    assert_eq!(std::fs::read(&index).unwrap(), before);
    assert_eq!(aborted(&bench), expected);
}

#[test]
fn a_fenced_producer_is_told_so() {
    let bench = Bench::new(small());
    data(&bench, 1, 3, 0, &["x"], true).unwrap();
    assert!(matches!(
        data(&bench, 1, 2, 1, &["x"], true),
        Err(AppendError::InvalidProducerEpoch(_))
    ));
    assert!(matches!(
        data(&bench, 1, 3, 1, &["x"], false),
        Err(AppendError::InvalidTxnState(_))
    ));
    end(&bench, 1, 4, EndTxn::Commit);
    data(&bench, 1, 4, 0, &["x"], true).unwrap();
}

#[test]
fn silent_producers_are_forgotten() {
    let bench = Bench::new(small());
    data(&bench, 1, 0, 0, &["x"], false).unwrap();
    assert_eq!(bench.log.expire_producers(1000 + 86_399_999), 0);
    assert_eq!(bench.log.expire_producers(1000 + 86_400_000), 1);
}

#[test]
fn a_transaction_that_was_cut_off_by_its_end_is_open_again_without_it() {
    let bench = Bench::new(small());
    data(&bench, 1, 0, 0, &["a0", "a1"], true).unwrap();
    end(&bench, 1, 1, EndTxn::Abort);
    data(&bench, 1, 1, 0, &["b0"], true).unwrap();
    bench.log.truncate_to(2).unwrap();
    let open: Vec<(i16, i64)> = bench
        .log
        .active_producers()
        .iter()
        .map(|producer| (producer.producer_epoch, producer.current_txn_start_offset))
        .collect();
    assert_eq!(open, [(0, 0)]);
    assert_eq!(bench.log.last_stable_offset(), 0);
    assert_eq!(bench.log.aborted_transactions(0, 100).unwrap(), []);
    end(&bench, 1, 1, EndTxn::Commit);
    assert_eq!(bench.log.last_stable_offset(), 3);
}

#[test]
fn deleting_the_records_of_an_open_transaction_does_not_end_it() {
    let mut bench = Bench::new(small());
    data(&bench, 1, 0, 0, &["a0", "a1"], true).unwrap();
    for sequence in 0..20 {
        data(&bench, 9, 0, sequence, &["0123456789"], false).unwrap();
    }
    bench.log.delete_records_before(10).unwrap();
    bench.log.apply_retention(2000).unwrap();
    // Readers cannot stop before the log's start, and must not go on before the transaction's end is known.
    assert_eq!(bench.log.last_stable_offset(), 10);
    bench.restart_cleanly();
    bench.log.raise_high_watermark(22);
    assert_eq!(bench.log.last_stable_offset(), 10);
    end(&bench, 1, 1, EndTxn::Abort);
    assert_eq!(bench.log.last_stable_offset(), 23);
    let aborted = bench.log.aborted_transactions(10, 23).unwrap();
    assert_eq!(aborted.len(), 1);
}
