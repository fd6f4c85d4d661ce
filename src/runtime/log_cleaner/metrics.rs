//! What the cleaner tells of itself, by the names that Kafka's metrics have: whoever watches Apache Kafka's cleaner watches
//! this one. A cleaner that falls behind, or that has given a log up, shows here long before a disk is full.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use ottla_storage::LogDirs;
use ottla_storage::cleaner::{Cleanable, Found};
use parking_lot::Mutex;

/// Kept by the cleaner's threads.
#[derive(Debug, Default)]
pub struct CleanerMetrics {
    /// Of the last look: the bits of a share.
    dirtiest_ratio: AtomicU64,
    overdue_ms: AtomicI64,
    threads_wanted: AtomicUsize,
    threads_at_work: AtomicUsize,
    /// What each thread has done last.
    last_passes: Mutex<BTreeMap<usize, CleanerPass>>,
}

/// The cleaning of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanerPass {
    pub bytes_read: u64,
    pub bytes_written: u64,
    pub elapsed: Duration,
}

/// The metrics at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanerFigures {
    /// `max-dirty-percent`: of the log with the largest dirty share.
    pub max_dirty_percent: u64,
    /// `cleaner-recopy-percent`: what the threads' last cleanings wrote, of what they read.
    pub cleaner_recopy_percent: u64,
    /// `max-clean-time-secs`: the longest of the threads' last cleanings.
    pub max_clean_time_secs: u64,
    /// `max-compaction-delay-secs`: how long a record has been older than its `max.compaction.lag.ms` allows.
    pub max_compaction_delay_secs: u64,
    /// `uncleanable-partitions-count` and `uncleanable-bytes`, of each log dir.
    pub uncleanable: Vec<Uncleanable>,
    /// `DeadThreadCount`: threads that should be there and are not. They come back.
    pub dead_thread_count: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncleanable {
    pub dir: PathBuf,
    pub partitions: usize,
    pub bytes: u64,
}

/// As long as it lives, a thread is at work.
pub(super) struct AtWork<'a>(&'a AtomicUsize);

impl CleanerMetrics {
    pub(super) fn threads_wanted(&self, threads: usize) {
        self.threads_wanted.store(threads, Ordering::Relaxed);
    }

    pub(super) fn thread_at_work(&self) -> AtWork<'_> {
        self.threads_at_work.fetch_add(1, Ordering::Relaxed);
        AtWork(&self.threads_at_work)
    }

    pub(super) fn looked(&self, found: &Found) {
        let ratio = found.dirtiest_ratio.to_bits();
        self.dirtiest_ratio.store(ratio, Ordering::Relaxed);
        self.overdue_ms.store(found.overdue_ms, Ordering::Relaxed);
    }

    pub(super) fn cleaned(&self, thread: usize, pass: CleanerPass) {
        self.last_passes.lock().insert(thread, pass);
    }

    pub(super) fn figures(&self, dirs: &LogDirs, now_ms: i64) -> CleanerFigures {
        let passes = self.last_passes.lock();
        let all = CleanerPass {
            bytes_read: passes.values().map(|pass| pass.bytes_read).sum(),
            bytes_written: passes.values().map(|pass| pass.bytes_written).sum(),
            elapsed: passes.values().map(|pass| pass.elapsed).max().unwrap_or_default(),
        };
        let ratio = f64::from_bits(self.dirtiest_ratio.load(Ordering::Relaxed));
        let wanted = self.threads_wanted.load(Ordering::Relaxed);
        CleanerFigures {
            max_dirty_percent: (ratio * 100.0) as u64,
            cleaner_recopy_percent: all.recopy_percent(),
            max_clean_time_secs: all.elapsed.as_secs(),
            max_compaction_delay_secs: self.overdue_ms.load(Ordering::Relaxed).unsigned_abs() / 1000,
            uncleanable: uncleanable(dirs, now_ms),
            dead_thread_count: wanted.saturating_sub(self.threads_at_work.load(Ordering::Relaxed)),
        }
    }
}

impl CleanerPass {
    /// What was written, of what was read.
    pub fn recopy_percent(&self) -> u64 {
        100 * self.bytes_written / self.bytes_read.max(1)
    }

    /// Of what was read.
    pub fn mb_per_s(&self) -> f64 {
        self.bytes_read as f64 / 1e6 / self.elapsed.as_secs_f64().max(1e-6)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn uncleanable(dirs: &LogDirs, now_ms: i64) -> Vec<Uncleanable> {
    let of_dir = |path: PathBuf| {
        let mut sum = Uncleanable {
            dir: path,
            partitions: 0,
            bytes: 0,
        };
        for log in dirs.logs() {
            if log.is_uncleanable() && log.path().parent() == Some(&sum.dir) {
                sum.partitions += 1;
                sum.bytes += Cleanable::of(&log, now_ms).map_or(0, |cleanable| cleanable.cleanable_bytes);
            }
        }
        sum
    };
    let dirs = dirs.dirs().iter();
    dirs.map(|dir| of_dir(dir.path().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_last_passes_of_all_threads() {
        let metrics = CleanerMetrics::default();
        let dir = tempfile::tempdir().unwrap();
        let dirs = crate::runtime::test_dirs::open(dir.path());
        let pass = |bytes_read, bytes_written, seconds| CleanerPass {
            bytes_read,
            bytes_written,
            elapsed: Duration::from_secs(seconds),
        };
        metrics.cleaned(0, pass(9_000, 9_000, 90));
        metrics.cleaned(0, pass(100, 30, 5));
        metrics.cleaned(1, pass(300, 10, 2));
        metrics.looked(&Found {
            job: None,
            dirtiest_ratio: 0.427,
            overdue_ms: 12_345,
        });
        metrics.threads_wanted(3);
        let threads = (metrics.thread_at_work(), metrics.thread_at_work());
        let expected = CleanerFigures {
            max_dirty_percent: 42,
            cleaner_recopy_percent: 10,
            max_clean_time_secs: 5,
            max_compaction_delay_secs: 12,
            uncleanable: vec![Uncleanable {
                dir: dir.path().to_owned(),
                partitions: 0,
                bytes: 0,
            }],
            dead_thread_count: 1,
        };
        assert_eq!(metrics.figures(&dirs, 0), expected);
        drop(threads);
        assert_eq!(metrics.figures(&dirs, 0).dead_thread_count, 3);
    }

    #[test]
    fn a_pass_over_nothing_has_figures_too() {
        let pass = CleanerPass {
            bytes_read: 0,
            bytes_written: 0,
            elapsed: Duration::ZERO,
        };
        assert_eq!((pass.recopy_percent(), pass.mb_per_s()), (0, 0.0));
    }
}
