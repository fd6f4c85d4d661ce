//! The traps of transactions on a partition: what comes late, twice, or from an instance that should be gone must not open
//! a transaction that nobody ends, and must not be written twice. Each was a fault of some broker once.

use super::*;
use crate::batch::control::{self, EndTxn};
use crate::producer_state::{ProducerError, TransactionStart, VerificationGuard};

const PRODUCER: i64 = 7;

/// One producer whose clients raise its epoch with every transaction, or one of before.
struct Producer<'a> {
    log: &'a Log,
    raises_epoch: bool,
}

impl Producer<'_> {
    fn verify(&self, epoch: i16, sequence: i32) -> Option<VerificationGuard> {
        self.try_verify(epoch, sequence).unwrap()
    }

    fn try_verify(&self, epoch: i16, sequence: i32) -> Result<Option<VerificationGuard>, AppendError> {
        let start = TransactionStart {
            producer_id: PRODUCER,
            producer_epoch: epoch,
            base_sequence: sequence,
            raises_epoch: self.raises_epoch,
        };
        self.log.start_verification(&start, 1000)
    }

    fn send(
        &self,
        epoch: i16,
        sequence: i32,
        guard: Option<VerificationGuard>,
    ) -> Result<AppendInfo, AppendError> {
        let options = BatchOptions {
            producer_id: PRODUCER,
            producer_epoch: epoch,
            base_sequence: sequence,
            transactional: true,
            ..BatchOptions::default()
        };
        let origin = guard.map_or(AppendOrigin::Client, AppendOrigin::VerifiedClient);
        let info = self
            .log
            .append_as_leader(built(options, 1000, &["v"]), 0, origin, 1000)?;
        self.log.raise_high_watermark(self.log.log_end_offset());
        Ok(info)
    }

    fn end(&self, epoch: i16, coordinator_epoch: i32) -> Result<AppendInfo, AppendError> {
        let bytes = control::end_txn_marker(EndTxn::Abort, PRODUCER, epoch, coordinator_epoch, 1000);
        let origin = AppendOrigin::TxnMarker {
            transaction_version: if self.raises_epoch { 2 } else { 1 },
        };
        let batch = ValidBatch::trusted(&bytes).unwrap();
        let info = self.log.append_as_leader(batch, 0, origin, 1000)?;
        self.log.raise_high_watermark(self.log.log_end_offset());
        Ok(info)
    }

    fn is_stable(&self) -> bool {
        self.log.last_stable_offset() == self.log.log_end_offset()
    }
}

fn with_producer(raises_epoch: bool, run: impl FnOnce(&Producer<'_>)) {
    let bench = Bench::new(small());
    run(&Producer {
        log: &bench.log,
        raises_epoch,
    });
}

fn is_unverified(result: &Result<AppendInfo, AppendError>) -> bool {
    matches!(
        result,
        Err(AppendError::InvalidTxnState(ProducerError::Unverified { .. }))
    )
}

/// KIP-890, first part: the batch was sent before the abort and arrives after it. Without the question to the coordinator it
/// would begin a transaction that is never ended, and every reader of committed data would hang behind it.
#[test]
fn kip_890_a_batch_that_is_late_by_one_transaction_opens_none() {
    with_producer(false, |producer| {
        producer.send(0, 0, producer.verify(0, 0)).unwrap();
        producer.end(0, 1).unwrap();
        assert!(is_unverified(&producer.send(0, 1, None)));
        assert!(producer.is_stable());
    });
}

/// The coordinator said yes to the transaction that was open when it was asked; the marker of that one came first.
#[test]
fn kip_890_an_answer_that_was_overtaken_by_the_marker_proves_nothing() {
    with_producer(false, |producer| {
        let overtaken = producer.verify(0, 0);
        producer.end(0, 1).unwrap();
        assert!(is_unverified(&producer.send(0, 0, overtaken)));
        let fresh = producer.verify(0, 0);
        assert_ne!(fresh, overtaken);
        assert!(is_unverified(&producer.send(0, 0, overtaken)));
        producer.send(0, 0, fresh).unwrap();
        // What has been used once is used up.
        producer.end(0, 1).unwrap();
        assert!(is_unverified(&producer.send(0, 1, fresh)));
        assert!(producer.is_stable());
    });
}

/// KIP-890, second part: the marker raises the epoch, so that whatever was sent before it is of an epoch that is over.
#[test]
fn kip_890_the_marker_fences_what_was_sent_before_it() {
    with_producer(true, |producer| {
        producer.send(0, 0, producer.verify(0, 0)).unwrap();
        producer.end(1, 1).unwrap();
        let late = producer.send(0, 1, None);
        assert!(matches!(late, Err(AppendError::InvalidProducerEpoch(_))));
        assert!(matches!(
            producer.try_verify(0, 1),
            Err(AppendError::InvalidProducerEpoch(_))
        ));
        producer.send(1, 0, producer.verify(1, 0)).unwrap();
    });
}

/// The client goes on with its next transaction as soon as the coordinator has decided, which may be before the marker of the
/// one before arrives here: that marker has the epoch of the next transaction, and must not take its guard away.
#[test]
fn kip_890_the_next_transaction_may_be_verified_before_the_marker_of_the_one_before() {
    with_producer(true, |producer| {
        producer.send(0, 0, producer.verify(0, 0)).unwrap();
        let next = producer.verify(1, 0);
        assert!(next.is_some());
        producer.end(1, 1).unwrap();
        producer.send(1, 0, next).unwrap();
        assert_eq!(producer.log.last_stable_offset(), 2);
    });
}

/// The EndTxn that was held back ends nothing that was begun since: its marker has an epoch that is over.
#[test]
fn a_delayed_marker_does_not_end_the_transaction_after_its_own() {
    with_producer(true, |producer| {
        producer.send(0, 0, producer.verify(0, 0)).unwrap();
        producer.end(1, 1).unwrap();
        producer.send(1, 0, producer.verify(1, 0)).unwrap();
        assert!(matches!(
            producer.end(1, 1),
            Err(AppendError::InvalidProducerEpoch(_))
        ));
        assert!(!producer.is_stable());
        producer.end(2, 1).unwrap();
        assert!(producer.is_stable());
    });
}

/// KAFKA-19999: the answer to a marker is lost, or the coordinator restarts, and the same marker comes again.
#[test]
fn kafka_19999_a_marker_that_is_written_again_is_no_error() {
    with_producer(true, |producer| {
        producer.send(0, 0, producer.verify(0, 0)).unwrap();
        producer.end(1, 1).unwrap();
        producer.end(1, 1).unwrap();
        producer.end(1, 2).unwrap();
        assert!(producer.is_stable());
        // The transaction is in the list of the aborted ones once.
        assert_eq!(producer.log.aborted_transactions(0, 100).unwrap().len(), 1);
        // An older coordinator has nothing to say any more.
        assert!(matches!(
            producer.end(1, 1),
            Err(AppendError::CoordinatorFenced(_))
        ));
    });
}

/// KAFKA-18660, KAFKA-19367: a transaction that has got the very last epoch can only be ended with that same epoch.
#[test]
fn kafka_18660_a_transaction_in_the_last_epoch_can_be_ended() {
    with_producer(true, |producer| {
        producer.send(i16::MAX, 0, producer.verify(i16::MAX, 0)).unwrap();
        producer.end(i16::MAX, 1).unwrap();
        assert!(producer.is_stable());
    });
}

/// Redpanda 3232: the same producer id with an older epoch is an instance that should be gone, whatever it sends.
#[test]
fn an_older_epoch_of_the_same_producer_is_fenced() {
    with_producer(false, |producer| {
        producer.send(3, 0, producer.verify(3, 0)).unwrap();
        for sequence in [0, 1] {
            let zombie = producer.send(2, sequence, None);
            assert!(matches!(zombie, Err(AppendError::InvalidProducerEpoch(_))));
        }
        assert!(matches!(
            producer.end(2, 9),
            Err(AppendError::InvalidProducerEpoch(_))
        ));
    });
}

/// Redpanda 5356: a batch that is sent again is answered with the offset that it got, also in an open transaction, and also
/// when its transaction has ended in the meantime.
#[test]
fn a_batch_that_is_sent_again_gets_its_first_offset() {
    with_producer(false, |producer| {
        producer.send(0, 0, producer.verify(0, 0)).unwrap();
        producer.send(0, 1, None).unwrap();
        let again = producer.send(0, 0, None).unwrap();
        assert!(again.duplicate);
        assert_eq!(again.first_offset, 0);
        producer.end(0, 1).unwrap();
        let again = producer.send(0, 1, None).unwrap();
        assert_eq!((again.duplicate, again.first_offset), (true, 1));
        assert_eq!(producer.log.log_end_offset(), 3);
    });
}

/// KIP-360: after a reset the producer has a new epoch and begins with sequence 0; anything else is a gap.
#[test]
fn kip_360_a_new_epoch_begins_with_sequence_zero() {
    with_producer(false, |producer| {
        producer.send(0, 0, producer.verify(0, 0)).unwrap();
        producer.end(0, 1).unwrap();
        let skipped = producer.send(1, 5, producer.verify(1, 5));
        assert!(matches!(skipped, Err(AppendError::OutOfOrderSequence(_))));
        producer.send(1, 0, producer.verify(1, 0)).unwrap();
        producer.send(1, 1, None).unwrap();
    });
}

/// Where the producer is unknown any sequence would be taken, so a batch whose forerunner could not be verified must not be
/// written before it: the forerunner would then be refused for ever.
#[test]
fn a_batch_behind_one_that_could_not_be_verified_waits_for_it() {
    for raises_epoch in [false, true] {
        with_producer(raises_epoch, |producer| {
            let first = producer.verify(0, 0);
            let second = producer.verify(0, 1);
            assert_eq!(first, second);
            let ahead = producer.send(0, 1, second);
            assert!(matches!(ahead, Err(AppendError::OutOfOrderSequence(_))));
            producer.send(0, 0, first).unwrap();
            producer.send(0, 1, None).unwrap();
        });
    }
}

/// A producer whose epoch rises with every transaction begins with 0 even where all that it wrote has expired.
#[test]
fn an_unknown_producer_of_the_new_kind_begins_with_sequence_zero() {
    with_producer(true, |producer| {
        let skipped = producer.send(4, 3, producer.verify(4, 3));
        assert!(matches!(skipped, Err(AppendError::OutOfOrderSequence(_))));
    });
    with_producer(false, |producer| {
        producer.send(4, 3, producer.verify(4, 3)).unwrap();
    });
}

#[test]
fn without_the_setting_nobody_is_asked() {
    let bench = Bench::new(LogConfig {
        transaction_verification: false,
        ..small()
    });
    let producer = Producer {
        log: &bench.log,
        raises_epoch: false,
    };
    producer.send(0, 0, None).unwrap();
    producer.end(0, 1).unwrap();
    assert!(producer.is_stable());
}
