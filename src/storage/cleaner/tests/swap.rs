//! Every change of the disk during a cleaning is made to fail once, one after the other: what is opened afterwards tells the
//! same as before, and can be cleaned to the end.

use std::io;
use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::vfs::{DiskOp, Faults};

/// Lets so many changes pass, then fails all.
struct FailFrom(AtomicI64);

impl Faults for FailFrom {
    fn before(&self, _: DiskOp, _: &Path) -> io::Result<()> {
        match self.0.fetch_sub(1, Ordering::SeqCst) {
            left if left > 0 => Ok(()),
            _ => Err(io::ErrorKind::Other.into()),
        }
    }
}

fn fill(log: &Log) {
    for n in 0..12 {
        for key in 0..3 {
            let (key, value) = (format!("k{key}"), format!("value {n}"));
            append(log, BatchOptions::default(), &[(&key, Some(&value))]).unwrap();
        }
        append(log, txn(7, n, 0), &[("t", Some("?"))]).unwrap();
        let kind = if n % 2 == 0 { EndTxn::Abort } else { EndTxn::Commit };
        end_txn(log, kind, 7, n + 1);
        let gone = format!("gone{n}");
        append(log, BatchOptions::default(), &[(&gone, Some("x")), (&gone, None)]).unwrap();
    }
}

#[test]
fn a_crash_at_any_moment_of_a_cleaning_loses_nothing() {
    let config = Arc::new(LogConfig {
        segment_bytes: 500,
        ..compacted()
    });
    for n in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let faults = Arc::new(FailFrom(AtomicI64::new(i64::MAX)));
        let disk = Disk::with_faults(dir.path(), Arc::clone(&faults) as Arc<dyn Faults>);
        let log = open(disk, &config, Checkpointed::NOTHING).unwrap();
        fill(&log);
        let before = alive(&log);
        let end = log.log_end_offset();
        let recovery_point = log.recovery_point();
        let cleanable = Cleanable::of(&log, 5000).unwrap();
        faults.0.store(n, Ordering::SeqCst);
        let outcome = log.clean(&cleanable, &MEMORY, &AtOnce, 5000);
        // Who reads on meanwhile sees no difference, whatever has failed.
        assert_eq!(alive(&log), before, "fault {n}");
        let is_done = faults.0.load(Ordering::SeqCst) >= 0;
        assert_eq!(outcome.is_ok(), is_done, "fault {n}: {outcome:?}");
        drop(log);
        // What was trusted before the crash is trusted after it: cleaned segments are durable.
        let known = Checkpointed {
            recovery_point,
            high_watermark: end,
            ..Checkpointed::NOTHING
        };
        let log = open(Disk::new(dir.path()), &config, known).unwrap();
        assert_eq!(
            (log.log_end_offset(), log.last_stable_offset()),
            (end, end),
            "fault {n}"
        );
        assert_eq!(alive(&log), before, "fault {n}");
        assert!(log.gaps().is_empty(), "fault {n}");
        assert!(
            !files(dir.path())
                .iter()
                .any(|name| name.contains(".cleaned") || name.contains(".swap")),
            "fault {n}"
        );
        let again = Cleanable::of(&log, 9000).unwrap();
        log.clean(&again, &MEMORY, &AtOnce, 9000).unwrap();
        assert_eq!(alive(&log), before, "fault {n}");
        let cleaned = batches(&log).into_iter().flat_map(|(_, records)| records);
        let cleaned = cleaned.filter(|r| r.offset < again.first_uncleanable);
        assert!(
            cleaned.filter(|r| r.key.as_deref() == Some(b"k0")).count() <= 1,
            "fault {n}"
        );
        if is_done {
            assert!(n > 40, "the cleaning is too short to say anything: {n} changes");
            return;
        }
    }
}

#[test]
fn a_log_that_is_cut_or_closed_meanwhile_is_left_alone() {
    struct Interrupt<'a>(&'a dyn Fn());
    impl Pace for Interrupt<'_> {
        fn moved(&self, _: u64) -> bool {
            (self.0)();
            true
        }
    }
    let retain = |log: &Log| {
        log.delete_records_before(-1).unwrap();
        log.apply_retention(0).unwrap();
    };
    let close = |log: &Log| log.close().unwrap();
    for (what, interrupt) in [("retention", &retain as &dyn Fn(&Log)), ("close", &close)] {
        let mut bench = Bench::new(compacted());
        fill(&bench.log);
        let cleanable = Cleanable::of(&bench.log, 5000).unwrap();
        let outcome = bench
            .log
            .clean(&cleanable, &MEMORY, &Interrupt(&|| interrupt(&bench.log)), 5000);
        assert!(matches!(outcome, Err(CleanError::Aborted)), "{what}: {outcome:?}");
        let before = latest(&bench.log);
        bench.reopen(false);
        assert_eq!(latest(&bench.log), before, "{what}");
    }
}
