//! The rules for producers, one table row per edge, and the snapshot's bytes.

use super::*;
use crate::batch::{AnyBatch, BatchBuilder};
use crate::batch::{BatchOptions, control};

const CLIENT: AppendOrigin = AppendOrigin::Client;
const TV2: AppendOrigin = AppendOrigin::TxnMarker {
    transaction_version: 2,
};
const TV1: AppendOrigin = AppendOrigin::TxnMarker {
    transaction_version: 1,
};

fn data(
    offset: i64,
    producer_id: i64,
    epoch: i16,
    sequence: i32,
    count: i32,
    transactional: bool,
) -> BatchHeader {
    let mut builder = BatchBuilder::new(BatchOptions {
        producer_id,
        producer_epoch: epoch,
        base_sequence: sequence,
        transactional,
        base_offset: offset,
        ..BatchOptions::default()
    });
    for _ in 0..count {
        builder.append(1000, None, Some(b"v"), &[]);
    }
    header(&builder.build())
}

fn end(
    offset: i64,
    producer_id: i64,
    epoch: i16,
    kind: EndTxn,
    coordinator_epoch: i32,
) -> (BatchHeader, Option<Marker>) {
    let bytes = control::end_txn_marker(kind, producer_id, epoch, coordinator_epoch, 2000);
    let mut header = header(&bytes);
    header.base_offset = offset;
    (
        header,
        Some(Marker {
            kind,
            coordinator_epoch,
        }),
    )
}

fn header(bytes: &[u8]) -> BatchHeader {
    match AnyBatch::parse(bytes).unwrap() {
        AnyBatch::Current(header) => header,
        AnyBatch::Legacy(_) => unreachable!(),
    }
}

#[test]
fn the_last_five_batches_are_recognised() {
    let mut state = ProducerState::default();
    for i in 0..7 {
        state.apply(&data(i * 2, 1, 0, i as i32 * 2, 2, false), None);
    }
    let check = |sequence, count| state.check(&data(99, 1, 0, sequence, count, false), None, CLIENT, true);
    assert_eq!(check(12, 2).unwrap().unwrap().first_offset(), 12);
    assert_eq!(check(4, 2).unwrap().unwrap().first_offset(), 4);
    assert_eq!(check(14, 1), Ok(None));
    for (sequence, count) in [(12, 1), (15, 1)] {
        assert!(matches!(
            check(sequence, count),
            Err(ProducerError::OutOfOrderSequence { last: 13, .. })
        ));
    }
}

/// It was written, but nobody remembers that, and a producer that has five requests under way never sends it. Kafka says the same.
#[test]
fn the_sixth_batch_back_is_out_of_order() {
    let mut state = ProducerState::default();
    for i in 0..6 {
        state.apply(&data(i, 1, 0, i as i32, 1, false), None);
    }
    let check = |sequence| state.check(&data(99, 1, 0, sequence, 1, false), None, CLIENT, true);
    assert_eq!(check(1).unwrap().unwrap().first_offset(), 1);
    assert!(matches!(
        check(0),
        Err(ProducerError::OutOfOrderSequence { last: 5, .. })
    ));
}

#[test]
fn epochs_fence_and_begin_with_sequence_zero() {
    let mut state = ProducerState::default();
    state.apply(&data(0, 1, 3, 7, 1, false), None);
    let check = |epoch, sequence| state.check(&data(1, 1, epoch, sequence, 1, false), None, CLIENT, true);
    assert!(matches!(
        check(2, 8),
        Err(ProducerError::InvalidEpoch { current: 3, .. })
    ));
    assert!(matches!(
        check(4, 8),
        Err(ProducerError::OutOfOrderSequence { .. })
    ));
    assert_eq!(check(4, 0), Ok(None));
    assert_eq!(check(3, 8), Ok(None));
    // An unknown producer may begin anywhere: its records may have been deleted.
    assert_eq!(
        state.check(&data(1, 2, 5, 77, 1, false), None, CLIENT, true),
        Ok(None)
    );
}

#[test]
fn sequences_wrap_and_are_still_recognised() {
    let mut state = ProducerState::default();
    state.apply(&data(0, 1, 0, i32::MAX - 1, 3, false), None);
    let retry = state
        .check(&data(9, 1, 0, i32::MAX - 1, 3, false), None, CLIENT, true)
        .unwrap();
    assert_eq!(retry.unwrap().first_sequence(), i32::MAX - 1);
    assert_eq!(
        state.check(&data(3, 1, 0, 1, 1, false), None, CLIENT, true),
        Ok(None)
    );
}

#[test]
fn transactions_hold_the_stable_offset_until_the_high_watermark_passes_their_marker() {
    let mut state = ProducerState::default();
    state.apply(&data(0, 1, 0, 0, 5, true), None);
    state.apply(&data(5, 2, 0, 0, 5, true), None);
    assert_eq!(state.first_unstable_offset(), Some(0));
    let plain = state.check(&data(10, 1, 0, 5, 1, false), None, CLIENT, true);
    assert_eq!(plain, Err(ProducerError::InvalidTxnState { producer_id: 1 }));

    let (header, marker) = end(10, 1, 0, EndTxn::Abort, 4);
    let txn = state.apply(&header, marker).unwrap();
    assert!(txn.aborted);
    assert_eq!((txn.first_offset, txn.last_offset), (0, 10));
    assert_eq!(state.last_stable_offset_after(&txn), 5);
    state.complete(&txn);
    assert_eq!(state.first_unstable_offset(), Some(0));
    state.on_high_watermark(10);
    assert_eq!(state.first_unstable_offset(), Some(0));
    state.on_high_watermark(11);
    assert_eq!(state.first_unstable_offset(), Some(5));

    let (header, marker) = end(11, 2, 0, EndTxn::Commit, 4);
    let txn = state.apply(&header, marker).unwrap();
    assert_eq!(state.last_stable_offset_after(&txn), 12);
    state.complete(&txn);
    state.on_high_watermark(12);
    assert_eq!(state.first_unstable_offset(), None);
}

#[test]
fn markers_are_fenced_by_epoch_and_coordinator() {
    let mut state = ProducerState::default();
    state.apply(&data(0, 1, 3, 0, 1, true), None);
    let check = |state: &ProducerState, epoch, coordinator, origin| {
        let (header, marker) = end(1, 1, epoch, EndTxn::Commit, coordinator);
        state.check(&header, marker, origin, true)
    };
    assert!(check(&state, 2, 0, TV1).is_err());
    assert!(check(&state, 3, 0, TV1).is_ok());
    assert!(check(&state, 3, 0, TV2).is_err());
    assert!(check(&state, 4, 0, TV2).is_ok());
    let (header, marker) = end(1, 1, 4, EndTxn::Commit, 7);
    let txn = state.apply(&header, marker).unwrap();
    state.complete(&txn);
    // The same marker once more is a retry (KAFKA-19999); an older coordinator is fenced.
    assert!(check(&state, 4, 7, TV2).is_ok());
    assert!(matches!(
        check(&state, 4, 6, TV2),
        Err(ProducerError::CoordinatorFenced { current: 7, .. })
    ));
    // The marker's epoch cleared the batches, so the next transaction begins with sequence 0.
    assert!(
        state
            .check(&data(2, 1, 4, 1, 1, true), None, CLIENT, true)
            .is_err()
    );
    assert!(
        state
            .check(&data(2, 1, 4, 0, 1, true), None, CLIENT, true)
            .is_ok()
    );
}

#[test]
fn silent_producers_expire_unless_a_transaction_is_open() {
    let mut state = ProducerState::default();
    state.apply(&data(0, 1, 0, 0, 1, false), None);
    state.apply(&data(1, 2, 0, 0, 1, true), None);
    assert_eq!(state.expire(1999, 1000), 0);
    assert_eq!(state.expire(2000, 1000), 1);
    assert!(state.get(1).is_none() && state.get(2).is_some());
}

#[test]
fn the_snapshot_is_kafkas_byte_for_byte() {
    let golden = include_bytes!("../../../tests/golden/storage/producers.snapshot");
    let state = ProducerState::from_snapshot(golden, 13).unwrap();
    assert_eq!(state.to_snapshot(), golden);
    assert_eq!(state.first_unstable_offset(), Some(12));
    let third = state.get(9).unwrap();
    assert_eq!((third.epoch, third.last_sequence()), (0, 0));
    assert_eq!(state.get(7).unwrap().last_batch(), None);
}

#[test]
fn a_damaged_snapshot_is_refused_wherever_it_is_damaged() {
    let golden = include_bytes!("../../../tests/golden/storage/producers.snapshot");
    for at in 0..golden.len() {
        let mut bytes = golden.to_vec();
        bytes[at] ^= 1;
        assert!(decode_snapshot(&bytes).is_err(), "byte {at}");
        assert!(decode_snapshot(&golden[..at]).is_err(), "cut at {at}");
    }
}
