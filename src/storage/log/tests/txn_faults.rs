//! The process dies between any two changes of the disk: between a transaction's data, its marker, the transaction index, the
//! roll and the producer snapshot. What comes back is what the log itself says, however far each of the files had come:
//! where readers of committed data stop, which transactions were aborted, what each producer may send next.

use std::io;
use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::batch::control::{self, EndTxn};
use crate::error::Result;
use crate::producer_state::{ProducerEntry, ProducerState};
use crate::txn_index::AbortedTxn;
use crate::vfs::{DiskOp, Faults};

/// Lets so many changes of the disk happen; then nothing happens any more.
struct DiesAfter(AtomicI64);

impl Faults for DiesAfter {
    fn before(&self, _: DiskOp, _: &Path) -> io::Result<()> {
        match self.0.fetch_sub(1, Ordering::SeqCst) {
            left if left > 0 => Ok(()),
            _ => Err(io::ErrorKind::Other.into()),
        }
    }
}

fn config() -> Arc<LogConfig> {
    Arc::new(LogConfig {
        transaction_verification: false,
        ..small()
    })
}

fn open_with(dir: &Path, faults: Arc<dyn Faults>) -> Result<Arc<Log>> {
    let identity = LogIdentity {
        topic_partition: TopicPartition::new("t", 0),
        topic_id: Uuid::from_u128(7),
        dir_id: Uuid::from_u128(8),
    };
    let home = Home::new(Arc::new(Disk::with_faults(dir, faults)), dir);
    UnrecoveredLog::open(home, identity, config(), 0)?.recover(Checkpointed::NOTHING, Arc::default(), 0)
}

fn data(log: &Log, producer_id: i64, epoch: i16, sequence: i32) -> Result<AppendInfo, AppendError> {
    let options = BatchOptions {
        producer_id,
        producer_epoch: epoch,
        base_sequence: sequence,
        transactional: true,
        ..BatchOptions::default()
    };
    let batch = built(options, 1000, &["0123456789", "b"]);
    log.append_as_leader(batch, 0, AppendOrigin::Client, 1000)
}

fn end(log: &Log, producer_id: i64, epoch: i16, kind: EndTxn) -> Result<AppendInfo, AppendError> {
    let bytes = control::end_txn_marker(kind, producer_id, epoch, 3, 1000);
    let origin = AppendOrigin::TxnMarker {
        transaction_version: 2,
    };
    log.append_as_leader(ValidBatch::trusted(&bytes).unwrap(), 0, origin, 1000)
}

/// Four producers, one transaction each per round, the ends in another order than the beginnings, and one that stays open for
/// rounds; until the disk fails.
fn live(log: &Log) -> Result<(), AppendError> {
    for round in 0..5i16 {
        for producer_id in 0..4i64 {
            data(log, producer_id, round, 0)?;
        }
        if round % 3 == 0 {
            data(log, 9, round / 3, 0)?;
        }
        data(log, 0, round, 2)?;
        for producer_id in [2, 0, 3, 1] {
            let kind = match (i64::from(round) + producer_id) % 2 {
                0 => EndTxn::Commit,
                _ => EndTxn::Abort,
            };
            end(log, producer_id, round + 1, kind)?;
        }
        if round % 3 == 2 {
            end(log, 9, round / 3 + 1, EndTxn::Abort)?;
        }
        log.raise_high_watermark(log.log_end_offset());
        if round % 2 == 1 {
            log.flush()?;
        }
    }
    log.close()?;
    Ok(())
}

/// What the bytes of the segments say, read from the first to the last without any other file.
fn told_by_the_batches(log: &Log) -> (ProducerState, Vec<AbortedTxn>) {
    let mut state = ProducerState::default();
    let mut aborted = Vec::new();
    for segment in log.segments().iter() {
        let bytes = std::fs::read(segment.log().path()).unwrap();
        let file = tempfile::tempfile().unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
        let mut walk = Walk::batches(&file, 0, bytes.len() as u64);
        while let Some(Ok((placed, batch))) = walk.next_whole() {
            let batch::AnyBatch::Current(header) = placed.batch else {
                unreachable!()
            };
            let marker = control::end_txn_of(&header, batch)
                .unwrap()
                .map(append::to_marker);
            let Some(txn) = state.apply(&header, marker) else {
                continue;
            };
            if txn.aborted {
                aborted.push(AbortedTxn {
                    producer_id: txn.producer_id,
                    first_offset: txn.first_offset,
                    last_offset: txn.last_offset,
                    last_stable_offset: state.last_stable_offset_after(&txn),
                });
            }
            state.complete(&txn);
        }
    }
    (state, aborted)
}

fn in_the_indexes(log: &Log) -> Vec<AbortedTxn> {
    let segments = log.segments();
    let entries = segments
        .iter()
        .flat_map(|segment| segment.txn_index().entries().unwrap());
    entries.collect()
}

fn summaries(state: &ProducerState) -> Vec<ProducerSummary> {
    let mut all: Vec<_> = state.entries().map(ProducerSummary::from).collect();
    all.sort_unstable_by_key(|producer| producer.producer_id);
    all
}

fn check(dir: &Path, clean: bool, n: i64) {
    let known = Checkpointed {
        clean_shutdown: clean,
        ..Checkpointed::NOTHING
    };
    let log = open(dir, &config(), known);
    let end = log.log_end_offset();
    log.raise_high_watermark(end);
    let (mut expected, aborted) = told_by_the_batches(&log);
    expected.on_high_watermark(end);
    assert_eq!(log.active_producers(), summaries(&expected), "after {n} changes");
    assert_eq!(in_the_indexes(&log), aborted, "after {n} changes");
    let stable = expected.first_unstable_offset().unwrap_or(end);
    assert_eq!(log.last_stable_offset(), stable, "after {n} changes");
    // What was open can be ended, and nothing else holds readers back then.
    let open: Vec<ProducerEntry> = expected.entries().cloned().collect();
    for entry in open.iter().filter(|entry| entry.txn_first_offset.is_some()) {
        self::end(&log, entry.producer_id, entry.epoch + 1, EndTxn::Abort).unwrap();
    }
    log.raise_high_watermark(log.log_end_offset());
    assert_eq!(
        log.last_stable_offset(),
        log.log_end_offset(),
        "after {n} changes"
    );
}

#[test]
fn transactions_come_back_from_a_crash_at_any_change_of_the_disk() {
    for n in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let faults = Arc::new(DiesAfter(AtomicI64::new(n)));
        let lived = match open_with(dir.path(), faults.clone()) {
            Ok(log) => live(&log).is_ok(),
            Err(_) => false,
        };
        if lived {
            assert!(n > 90, "the life of the log is too short to say anything: {n}");
            // The clean stop is believed as it is.
            return check(dir.path(), true, n);
        }
        check(dir.path(), false, n);
    }
}
