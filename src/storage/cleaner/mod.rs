//! Compaction: of all records with the same key only the last stays. Offsets never change, and readers are never held up.
//!
//! ```text
//! plan           which stretch of a log is dirty, how much it needs cleaning, which segments become one
//! pass           reads the dirty stretch into an offset map, then rewrites all segments up to its end
//!  ├ transactions    what was aborted, which markers are still needed
//!  ├ filter          what becomes of a batch
//!  └ output          the new segment, beside the old ones; log/exchange.rs puts it in their place
//! mark           how far a log is cleaned, and who is at it
//! ```
//! The room has no threads: the runtime's log cleaner asks [`next_log`] for the log that needs it most and calls
//! [`Job::clean`].

mod filter;
mod mark;
mod output;
mod pass;
mod plan;
mod transactions;

use std::sync::Arc;

use crate::config::LogConfig;
use crate::dirs::LogDirs;
use crate::error::StorageError;
use crate::log::Log;

use mark::Claim;
pub(crate) use mark::CleaningMark;
pub use plan::Cleanable;

/// What a cleaner thread may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanerMemory {
    /// This thread's share of `log.cleaner.dedupe.buffer.size`.
    pub dedupe_buffer_bytes: usize,
    /// `log.cleaner.io.buffer.load.factor`.
    pub load_factor: f64,
    /// This thread's share of `log.cleaner.io.buffer.size`; a larger batch takes what it needs.
    pub io_buffer_bytes: usize,
}

impl CleanerMemory {
    fn read_buffer_bytes(&self) -> usize {
        (self.io_buffer_bytes / 2).max(IO_BUFFER_BYTES_MIN)
    }

    fn write_buffer_bytes(&self) -> usize {
        (self.io_buffer_bytes / 2).max(IO_BUFFER_BYTES_MIN)
    }
}

const IO_BUFFER_BYTES_MIN: usize = 4 << 10;

/// What a cleaning has to keep to.
#[derive(Clone, Copy, Debug)]
struct CleanLimits {
    segment_bytes: u64,
    index_bytes: u64,
    first_uncleanable: i64,
}

/// Who says how fast a cleaning may go, and when it has to stop.
pub trait Pace {
    /// Called for so many bytes read and written; may wait. False: the cleaning is given up.
    fn moved(&self, bytes: u64) -> bool;
}

/// What a cleaning has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleaned {
    pub first_dirty: i64,
    pub cleaned_to: i64,
    /// By the pass that looks for the last value of each key.
    pub bytes_indexed: u64,
    /// By the pass that rewrites.
    pub bytes_read: u64,
    pub bytes_written: u64,
}

/// Why a log was not cleaned.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The log was closed, deleted or cut while it was cleaned, or the node stops. What was exchanged before is well.
    #[error("the cleaning was given up")]
    Aborted,
    #[error(
        "log.cleaner.dedupe.buffer.size leaves {0} bytes for the keys, which do not hold those of one batch"
    )]
    BufferTooSmall(usize),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A log that one thread has taken upon itself to clean.
pub struct Job {
    log: Arc<Log>,
    cleanable: Cleanable,
}

/// What a look at all compacted logs has found.
#[derive(Default)]
pub struct Found {
    /// The log that needs cleaning most, if one is due.
    pub job: Option<Job>,
    /// Of the log with the largest dirty share, due or not.
    pub dirtiest_ratio: f64,
    /// For how long a record has been older than its `max.compaction.lag.ms` allows: of the worst log.
    pub overdue_ms: i64,
}

/// Looks for the compacted log that needs cleaning most. The first failure to find out about one marks that log.
pub fn next_log(dirs: &LogDirs, now_ms: i64) -> Found {
    let mut found = Found::default();
    for log in dirs.logs() {
        let config = log.config();
        if !config.cleanup_compact || log.is_closed() || log.is_offline() || !log.cleaning().is_idle() {
            continue;
        }
        match Cleanable::of(&log, now_ms) {
            Ok(cleanable) => found.add(Job { log, cleanable }, &config),
            Err(error) => give_up(&log, log.cleaning().claim(), &error.into()),
        }
    }
    found
}

impl Found {
    fn add(&mut self, job: Job, config: &LogConfig) {
        let ratio = job.cleanable.ratio;
        self.dirtiest_ratio = self.dirtiest_ratio.max(ratio);
        self.overdue_ms = self.overdue_ms.max(job.cleanable.overdue_ms);
        let is_worse = self.job.as_ref().is_none_or(|best| best.cleanable.ratio < ratio);
        if is_worse && job.cleanable.is_due(config) {
            self.job = Some(job);
        }
    }
}

impl Job {
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Cleans the log and writes down how far it went. `None` when nothing was done: another thread was faster, the
    /// cleaning was given up, or it failed and is not tried again. Blocks.
    pub fn clean(
        &self,
        dirs: &LogDirs,
        memory: &CleanerMemory,
        pace: &dyn Pace,
        now_ms: i64,
    ) -> Option<Cleaned> {
        let claim = self.log.cleaning().claim()?;
        match self.log.clean(&self.cleanable, memory, pace, now_ms) {
            Ok(cleaned) => {
                if let Err(error) = dirs.checkpoint_cleaned(&self.log) {
                    tracing::error!(%error, "cannot write the cleaner's checkpoint");
                }
                Some(cleaned)
            }
            Err(CleanError::Aborted) => None,
            Err(error) if self.log.is_closed() => {
                tracing::debug!(partition = %self.log.topic_partition(), %error, "closed while it was cleaned");
                None
            }
            // It may have room again later.
            Err(CleanError::Storage(error)) if error.is_disk_full() => {
                tracing::warn!(partition = %self.log.topic_partition(), %error, "no room to clean a log");
                None
            }
            Err(error) => {
                give_up(&self.log, Some(claim), &error);
                None
            }
        }
    }
}

impl Log {
    /// Cleans `cleanable`, a stretch that was found in this log.
    pub fn clean(
        &self,
        cleanable: &Cleanable,
        memory: &CleanerMemory,
        pace: &dyn Pace,
        now_ms: i64,
    ) -> Result<Cleaned, CleanError> {
        let gaps = self.gaps();
        if let Some(gap) = gaps
            .iter()
            .find(|gap| gap.first_offset < cleanable.first_uncleanable)
        {
            let what = format!("offsets {} to {} are damaged", gap.first_offset, gap.next_offset);
            return Err(StorageError::corrupt(&self.path(), what).into());
        }
        let cleaned = pass::Pass::new(self, cleanable, memory, pace, now_ms).run()?;
        self.cleaning().set_cleaned_to(cleaned.cleaned_to);
        Ok(cleaned)
    }

    /// The first offset that no cleaning has seen; `None` when there was none yet.
    pub fn cleaned_to(&self) -> Option<i64> {
        self.cleaning().cleaned_to()
    }

    pub fn is_being_cleaned(&self) -> bool {
        self.cleaning().is_in_progress()
    }

    /// Whether a cleaning has failed, so that there is none until the next start.
    pub fn is_uncleanable(&self) -> bool {
        self.cleaning().is_uncleanable()
    }
}

fn give_up(log: &Log, claim: Option<Claim<'_>>, error: &CleanError) {
    tracing::error!(partition = %log.topic_partition(), %error,
        "cannot clean a log: it is left as it is until the next start");
    if let Some(claim) = claim {
        claim.mark_uncleanable();
    }
}

#[cfg(test)]
mod tests;
