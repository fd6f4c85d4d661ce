//! Every change of the disk is made to fail once, one after the other, and the log is opened again on what is left:
//! what was acknowledged is there, what was not is there whole or not at all, and nothing else is.

use std::io;
use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::error::Result;
use crate::vfs::{DiskOp, Faults};

/// Lets so many changes pass, then fails one, or all from there on.
struct FailFrom {
    left: AtomicI64,
    kind: io::ErrorKind,
    only_once: bool,
}

impl Faults for FailFrom {
    fn before(&self, _: DiskOp, _: &Path) -> io::Result<()> {
        match self.left.fetch_sub(1, Ordering::SeqCst) {
            left if left > 0 || (self.only_once && left < 0) => Ok(()),
            _ => Err(self.kind.into()),
        }
    }
}

fn open_with(dir: &Path, faults: Arc<FailFrom>) -> Result<Arc<Log>> {
    let identity = LogIdentity {
        topic_partition: TopicPartition::new("t", 0),
        topic_id: Uuid::from_u128(7),
        dir_id: Uuid::from_u128(8),
    };
    let home = Home::new(Arc::new(Disk::with_faults(dir, faults)), dir);
    UnrecoveredLog::open(home, identity, Arc::new(small()), 0)?.recover(
        Checkpointed::NOTHING,
        Arc::default(),
        0,
    )
}

/// A life of a log, until something fails: the values that were acknowledged, those that were tried, and whether the
/// log start was moved.
fn live(log: &Log, acked: &mut Vec<String>, tried: &mut Vec<String>) {
    for i in 0..40 {
        let values = [format!("{i}.a"), format!("{i}.b")];
        tried.extend(values.clone());
        let batch = batch_of(i, &[&values[0], &values[1]]);
        if log
            .append_as_leader(batch, (i / 10) as i32, AppendOrigin::Client, i)
            .is_ok()
        {
            acked.extend(values);
        }
        log.raise_high_watermark(log.log_end_offset());
        if i % 9 == 8 {
            let _ = log.flush();
        }
    }
    let _ = log.close();
}

fn check(dir: &Path, acked: &[String], tried: &[String], n: i64) {
    let log = open(dir, &Arc::new(small()), Checkpointed::NOTHING);
    let found: Vec<String> = read_from(&log, 0, 400, ReadBound::LogEnd)
        .into_iter()
        .map(|(_, v)| v)
        .collect();
    assert!(log.gaps().is_empty(), "fault {n}");
    let mut tried = tried.iter();
    for value in &found {
        assert!(
            tried.any(|t| t == value),
            "fault {n}: {value} is out of order or was never written"
        );
    }
    for value in acked {
        assert!(
            found.contains(value),
            "fault {n}: {value} was acknowledged and is lost"
        );
    }
}

fn run(kind: io::ErrorKind, only_once: bool) {
    for n in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let faults = Arc::new(FailFrom {
            left: AtomicI64::new(n),
            kind,
            only_once,
        });
        let (mut acked, mut tried) = (vec![], vec![]);
        if let Ok(log) = open_with(dir.path(), Arc::clone(&faults)) {
            live(&log, &mut acked, &mut tried);
        }
        check(dir.path(), &acked, &tried, n);
        if faults.left.load(Ordering::SeqCst) > 0 {
            assert!(n > 100, "the life of the log is too short to say anything");
            assert_eq!(acked.len(), 80);
            return;
        }
    }
}

#[test]
fn a_disk_that_fails_for_good() {
    run(io::ErrorKind::Other, false);
}

#[test]
fn a_disk_that_fails_once_and_then_says_that_all_is_well() {
    run(io::ErrorKind::Other, true);
}

#[test]
fn a_disk_that_is_full_for_a_moment() {
    run(io::ErrorKind::StorageFull, true);
}

#[test]
fn a_disk_that_stays_full() {
    run(io::ErrorKind::StorageFull, false);
}
