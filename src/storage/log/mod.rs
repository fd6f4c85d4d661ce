//! A partition's log: its segments in offset order, the offsets that bound it, and what it remembers of its producers.
//!
//! ```text
//!  log start          last stable offset     high watermark       log end
//!      |  committed data      |   open txns        |  not replicated   |
//!      [ segment ][ segment ][        active segment                   ]
//! ```
//! Invariants: log start <= last stable offset <= high watermark <= log end; the recovery point is at or below the log
//! end and everything below it has been synced; only the last segment grows.
//!
//! Locks: `writer` is held for an append, a roll, a truncation or the removal of segments; inside it `epochs` may be
//! taken. `flushing` is taken for a flush, and inside it `epochs`. Readers take none of them: the list of segments stands behind an `ArcSwap`, the
//! offsets are atomics, and the end of the log is published as one consistent whole ([`end::LogEnd`]).
//!
//! A log is made by [`load`] (from a directory, after recovery: one that was not checked cannot be served) or created
//! empty. Reading order: [`append`], [`read`], [`timestamps`], [`roll`] (and flushing), [`close`], [`retention`], [`truncate`],
//! [`load`], [`recovery`], [`producers`], [`exchange`].

pub mod append;
mod close;
mod end;
mod exchange;
pub mod load;
mod producers;
pub mod read;
mod recovery;
mod retention;
mod roll;
mod timestamps;
mod truncate;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use ottla_base::{TopicPartition, Uuid};
use parking_lot::Mutex;

use crate::chores::Chores;
use crate::cleaner::CleaningMark;
use crate::config::LogConfig;
use crate::epoch_cache::{self, EpochCache, EpochStart};
use crate::home::Home;
use crate::producer_state::{ProducerEntry, ProducerState, Verifications};
use crate::segment::{Segment, SegmentLimits};
use crate::vfs::Disk;
use crate::walk::Gap;
use end::LogEnd;

pub use append::{AppendError, AppendInfo};
pub(crate) use producers::LastRecord;
pub use read::{AbortedRange, ReadBound, ReadError, ReadResult};
pub use retention::DeleteRecordsError;
pub use timestamps::FoundTimestamp;

/// The segments, oldest first; never empty.
pub(crate) type Segments = Vec<Arc<Segment>>;

pub struct Log {
    topic_partition: TopicPartition,
    topic_id: Uuid,
    dir_id: Uuid,
    home: Arc<Home>,
    chores: Arc<Chores>,
    config: ArcSwap<LogConfig>,
    segments: ArcSwap<Segments>,
    /// Stretches that were found damaged; almost always empty.
    gaps: ArcSwap<Vec<Gap>>,
    end: LogEnd,
    log_start: AtomicI64,
    high_watermark: AtomicI64,
    /// First offset of the oldest transaction that is open or whose marker is not below the high watermark.
    first_unstable: AtomicI64,
    recovery_point: AtomicI64,
    last_flush_ms: AtomicI64,
    /// Set when the partition was deleted or the log closed: nothing may be appended any more.
    closed: AtomicBool,
    epochs: Mutex<EpochCache>,
    /// What readers see of `epochs`: a change of it holds the lock until it is on the disk.
    known_epochs: ArcSwap<Vec<EpochStart>>,
    /// The latest epoch of `epochs`, −1 for none: appends look here first.
    latest_epoch: AtomicI64,
    flushing: Mutex<()>,
    writer: Mutex<Writer>,
    cleaning: CleaningMark,
    me: Weak<Log>,
}

/// What only the holder of the log's lock may change.
struct Writer {
    producers: ProducerState,
    verifications: Verifications,
    /// The offset of the newest producer snapshot on disk.
    snapshot_offset: i64,
    /// By how much this log rolls earlier than `segment.ms`, so that not all logs roll at once.
    jitter_seed: u64,
}

/// "No transaction holds back the readers of committed data."
const STABLE: i64 = i64::MAX;

/// A producer as DescribeProducers shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerSummary {
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub last_sequence: i32,
    pub last_timestamp_ms: i64,
    pub coordinator_epoch: i32,
    /// −1 when no transaction is open.
    pub current_txn_start_offset: i64,
}

impl From<&ProducerEntry> for ProducerSummary {
    fn from(entry: &ProducerEntry) -> Self {
        Self {
            producer_id: entry.producer_id,
            producer_epoch: entry.epoch,
            last_sequence: entry.last_sequence(),
            last_timestamp_ms: entry.last_timestamp_ms,
            coordinator_epoch: entry.coordinator_epoch,
            current_txn_start_offset: entry.txn_first_offset.unwrap_or(-1),
        }
    }
}

impl Log {
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.topic_partition
    }

    pub fn topic_id(&self) -> Uuid {
        self.topic_id
    }

    /// The id of the log directory (`directory.id`) that the log lies in.
    pub fn dir_id(&self) -> Uuid {
        self.dir_id
    }

    pub fn path(&self) -> PathBuf {
        self.home.path().to_path_buf()
    }

    pub fn config(&self) -> Arc<LogConfig> {
        self.config.load_full()
    }

    pub fn set_config(&self, config: Arc<LogConfig>) {
        self.config.store(config);
    }

    /// The first offset that readers may ask for.
    pub fn log_start_offset(&self) -> i64 {
        self.log_start.load(Ordering::Acquire)
    }

    /// The offset that the next record gets.
    pub fn log_end_offset(&self) -> i64 {
        self.end.load().offset
    }

    pub fn high_watermark(&self) -> i64 {
        self.high_watermark.load(Ordering::Acquire)
    }

    /// Where readers of committed data stop.
    pub fn last_stable_offset(&self) -> i64 {
        self.first_unstable
            .load(Ordering::Acquire)
            .min(self.high_watermark())
    }

    /// Everything below has been synced.
    pub fn recovery_point(&self) -> i64 {
        self.recovery_point.load(Ordering::Acquire)
    }

    /// How far this replica counts: to its end, or while `flush.messages` or more records wait for a sync, to what is synced.
    pub fn settled_end(&self) -> i64 {
        // In this order: a sync in between makes the difference smaller, and the end that was seen is durable.
        let end = self.log_end_offset();
        let synced = self.recovery_point();
        match end - synced < self.config.load().flush_messages {
            true => end,
            false => synced,
        }
    }

    /// Raises the high watermark, never beyond the log end and never back, and returns what it is then.
    pub fn raise_high_watermark(&self, to: i64) -> i64 {
        let to = to.min(self.log_end_offset());
        let before = self.high_watermark.fetch_max(to, Ordering::AcqRel);
        if to <= before {
            return before;
        }
        // Without transactions there is nothing that a higher watermark could make stable.
        if self.first_unstable.load(Ordering::Acquire) != STABLE {
            let mut writer = self.writer.lock();
            writer.producers.on_high_watermark(self.high_watermark());
            self.publish_first_unstable(&writer.producers);
        }
        to
    }

    fn publish_first_unstable(&self, producers: &ProducerState) {
        let first = producers
            .first_unstable_offset()
            .map_or(STABLE, |first| first.max(self.log_start_offset()));
        self.first_unstable.store(first, Ordering::Release);
    }

    /// The leader epoch of the newest batch, or of the leadership that was assigned last.
    pub fn latest_epoch(&self) -> Option<i32> {
        i32::try_from(self.latest_epoch.load(Ordering::Acquire))
            .ok()
            .filter(|epoch| *epoch >= 0)
    }

    /// Notes that `epoch` begins at `start`. It is durable when records of it are: see [`crate::epoch_cache`].
    pub fn assign_epoch(&self, epoch: i32, start: i64) {
        let mut epochs = self.epochs.lock();
        epochs.assign(epoch, start);
        self.publish_epoch(&epochs);
    }

    fn publish_epoch(&self, epochs: &EpochCache) {
        let latest = epochs.latest().map_or(-1, |entry| i64::from(entry.epoch));
        self.latest_epoch.store(latest, Ordering::Release);
        self.known_epochs.store(Arc::clone(epochs.entries()));
    }

    /// The largest known epoch at or below `epoch`, and the offset at which it ended.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        epoch_cache::end_offset_for(&self.known_epochs.load(), epoch, self.log_end_offset())
    }

    /// The leader epoch in which `offset` was written.
    pub fn epoch_of(&self, offset: i64) -> Option<i32> {
        epoch_cache::epoch_of(&self.known_epochs.load(), offset)
    }

    pub fn epoch_entries(&self) -> Vec<EpochStart> {
        self.known_epochs.load().to_vec()
    }

    /// Bytes of all segments.
    pub fn size_bytes(&self) -> u64 {
        self.segments
            .load()
            .iter()
            .map(|segment| segment.size_bytes())
            .sum()
    }

    pub fn segments(&self) -> Arc<Segments> {
        self.segments.load_full()
    }

    pub fn active_producers(&self) -> Vec<ProducerSummary> {
        let writer = self.writer.lock();
        let mut all: Vec<_> = writer.producers.entries().map(ProducerSummary::from).collect();
        all.sort_unstable_by_key(|producer| producer.producer_id);
        all
    }

    /// Forgets the producers that have been silent for too long; returns how many.
    pub fn expire_producers(&self, now_ms: i64) -> usize {
        let expiration_ms = self.config.load().producer_id_expiration_ms;
        let mut writer = self.writer.lock();
        writer.verifications.expire(now_ms, expiration_ms);
        writer.producers.expire(now_ms, expiration_ms)
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether the log directory has failed.
    pub fn is_offline(&self) -> bool {
        self.home.disk.is_offline()
    }

    /// What was found damaged when the log was loaded.
    pub fn gaps(&self) -> Arc<Vec<Gap>> {
        self.gaps.load_full()
    }

    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    pub(crate) fn close_for_appends(&self) {
        self.closed.store(true, Ordering::Release);
        // Whoever holds the lock may still append; once it was free, nobody does.
        drop(self.writer.lock());
    }

    fn disk(&self) -> &Arc<Disk> {
        &self.home.disk
    }

    pub(crate) fn cleaning(&self) -> &CleaningMark {
        &self.cleaning
    }

    pub(crate) fn limits(&self) -> SegmentLimits {
        limits_of(&self.config.load())
    }

    fn active(&self) -> Option<Arc<Segment>> {
        self.segments.load().last().cloned()
    }
}

fn limits_of(config: &LogConfig) -> SegmentLimits {
    SegmentLimits {
        index_interval_bytes: config.index_interval_bytes(),
        index_bytes_max: config.segment_index_bytes(),
    }
}

#[cfg(test)]
mod tests;
