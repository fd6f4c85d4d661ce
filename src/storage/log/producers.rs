//! The producers of a log at a given offset, from the newest snapshot below it and the batches in between.

#![deny(clippy::indexing_slicing)]

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use ottla_base::planted::{self, Bug};

use super::read::index_of;
use super::{AppendError, Log, Segments, Writer, append, load};
use crate::batch::{AnyBatch, BatchError, BatchHeader, control};
use crate::error::{Result, StorageError};
use crate::home::Home;
use crate::names::FileKind;
use crate::producer_state::{CompletedTxn, ProducerState, TransactionStart, VerificationGuard};
use crate::segment::Segment;
use crate::walk::{Gap, Placed};

/// Where the producers are read from.
pub(super) struct Source<'a> {
    pub home: &'a Home,
    pub segments: &'a Segments,
    pub gaps: &'a [Gap],
    pub log_start: i64,
    /// The offsets of the snapshots on disk.
    pub snapshots: &'a mut BTreeSet<i64>,
}

impl Source<'_> {
    /// The producers as they were when the log ended at `offset`. `at_segment` is called where a segment begins.
    pub fn producers_at(
        &mut self,
        offset: i64,
        mut at_segment: impl FnMut(i64, &ProducerState) -> Result<()>,
    ) -> Result<ProducerState> {
        let mut producers = newest_snapshot(self.home, self.snapshots, self.log_start, offset)?;
        let from = producers.end_offset();
        for segment in self.segments.iter().skip(index_of(self.segments, from)) {
            if segment.base_offset() >= offset {
                break;
            }
            if segment.base_offset() > from {
                at_segment(segment.base_offset(), &producers)?;
            }
            self.replay(segment, from, offset, &mut producers)?;
        }
        producers.set_end_offset(offset);
        Ok(producers)
    }

    fn replay(&self, segment: &Segment, from: i64, until: i64, producers: &mut ProducerState) -> Result<()> {
        let size = segment.size_bytes();
        let Some(first) = segment.find(from, size, self.gaps)? else {
            return Ok(());
        };
        let file = segment.open_log()?;
        let mut walk = segment.walk_headers(&file, first.position, size, self.gaps);
        while let Some(placed) = walk.next_header() {
            let placed = placed.map_err(|error| segment.walk_failed(error))?;
            if placed.batch.last_offset() >= until {
                break;
            }
            replay_batch(&file, segment, &placed, producers)?;
        }
        Ok(())
    }
}

/// What the cleaner must leave of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastRecord {
    /// The end of the last batch of its current epoch; `None` when there is none but a marker.
    pub data_offset: Option<i64>,
    pub producer_epoch: i16,
}

impl Log {
    /// By producer id, of all that are not forgotten.
    pub(crate) fn last_records(&self) -> HashMap<i64, LastRecord> {
        let writer = self.writer.lock();
        let entries = writer.producers.entries();
        entries
            .map(|entry| {
                let last = LastRecord {
                    data_offset: entry.last_batch().map(|batch| batch.last_offset),
                    producer_epoch: entry.epoch,
                };
                (entry.producer_id, last)
            })
            .collect()
    }

    /// The guard for the first batch of a transaction, to be got before the coordinator is asked; `None` when the transaction
    /// is open here already, and there is nothing to ask.
    pub fn start_verification(
        &self,
        start: &TransactionStart,
        now_ms: i64,
    ) -> Result<Option<VerificationGuard>, AppendError> {
        let mut writer = self.writer.lock();
        let begins = writer
            .producers
            .begins_transaction(start.producer_id, start.producer_epoch)?;
        Ok(begins.then(|| writer.verifications.start(start, now_ms)))
    }

    /// The producers at the log end, when the log is loaded.
    pub(super) fn load_producers(&self, mut snapshots: BTreeSet<i64>, now_ms: i64) -> Result<()> {
        let mut writer = self.writer.lock();
        let end = self.log_end_offset();
        remove_stray_snapshots(&self.home, &mut snapshots, &self.segments.load(), end)?;
        self.build_producers(&mut writer, &mut snapshots, end)?;
        let expiration_ms = self.config.load().producer_id_expiration_ms;
        writer.producers.expire(now_ms, expiration_ms);
        Ok(())
    }

    /// Builds the producers anew as they were when the log ended at `offset`.
    pub(super) fn rebuild_producers(&self, writer: &mut Writer, offset: i64) -> Result<()> {
        let mut snapshots = load::offsets_of(&self.home, FileKind::Snapshot)?;
        self.build_producers(writer, &mut snapshots, offset)
    }

    fn build_producers(&self, writer: &mut Writer, snapshots: &mut BTreeSet<i64>, offset: i64) -> Result<()> {
        let mut source = Source {
            home: &self.home,
            segments: &self.segments.load(),
            gaps: &self.gaps.load(),
            log_start: self.log_start_offset(),
            snapshots: &mut *snapshots,
        };
        let mut newest = None;
        let mut producers = source.producers_at(offset, |base, producers| {
            newest = Some(base);
            self.put_snapshot(base, producers)
        })?;
        writer.snapshot_offset = newest
            .or_else(|| snapshots.range(..=offset).next_back().copied())
            .unwrap_or(0);
        producers.on_high_watermark(self.high_watermark());
        if !planted::strikes(Bug::StableOffsetForgotten) {
            self.publish_first_unstable(&producers);
        }
        writer.producers = producers;
        Ok(())
    }
}

/// Applies a batch of the log to the producers. An ended transaction comes with the stable offset that it leaves.
pub(super) fn apply_batch(
    producers: &mut ProducerState,
    header: &BatchHeader,
    bytes: &[u8],
) -> Result<Option<(CompletedTxn, i64)>, BatchError> {
    let marker = control::end_txn_of(header, bytes)?.map(append::to_marker);
    Ok(producers.apply(header, marker).map(|txn| {
        let last_stable_offset = producers.last_stable_offset_after(&txn);
        producers.complete(&txn);
        (txn, last_stable_offset)
    }))
}

/// What a batch that is in the log means to the producers. Only transaction markers need more than the header.
fn replay_batch(
    file: &File,
    segment: &Segment,
    placed: &Placed,
    producers: &mut ProducerState,
) -> Result<()> {
    let AnyBatch::Current(header) = placed.batch else {
        return Ok(());
    };
    let path = || segment.log().path();
    let mut bytes = Vec::new();
    if header.is_control() && header.has_producer_id() {
        bytes.resize(header.size_bytes(), 0);
        file.read_exact_at(&mut bytes, placed.position)
            .map_err(|source| StorageError::io("read", &path())(source))?;
    }
    if let Err(error) = apply_batch(producers, &header, &bytes) {
        tracing::warn!(path = %path().display(), %error, "a control batch is skipped");
    }
    Ok(())
}

/// The newest snapshot at or below `end` that can be read; without one, no producers from `log_start` on. Snapshots of
/// a longer log that is gone are removed, and those that cannot be read.
fn newest_snapshot(
    home: &Home,
    snapshots: &mut BTreeSet<i64>,
    log_start: i64,
    end: i64,
) -> Result<ProducerState> {
    while let Some(offset) = snapshots.last().copied() {
        let path = home.file(FileKind::Snapshot, offset);
        if offset > end {
            home.disk.remove(&path)?;
            snapshots.remove(&offset);
            continue;
        }
        if offset <= log_start {
            break;
        }
        let bytes = std::fs::read(&path).map_err(StorageError::io("read", &path))?;
        match ProducerState::from_snapshot(&bytes, offset) {
            Ok(producers) => return Ok(producers),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a producer snapshot is discarded");
                home.disk.remove(&path)?;
                snapshots.remove(&offset);
            }
        }
    }
    let mut producers = ProducerState::default();
    producers.set_end_offset(log_start);
    Ok(producers)
}

/// Snapshots belong to the base of a segment; one behind the last base is the one of the last stop.
fn remove_stray_snapshots(
    home: &Home,
    snapshots: &mut BTreeSet<i64>,
    segments: &Segments,
    end: i64,
) -> Result<()> {
    let bases: BTreeSet<i64> = segments.iter().map(|segment| segment.base_offset()).collect();
    let newest = snapshots.range(..=end).next_back().copied();
    for offset in snapshots.clone() {
        let is_of_last_stop = Some(offset) == newest && bases.last().is_none_or(|last| offset > *last);
        if !bases.contains(&offset) && !is_of_last_stop {
            home.disk.remove(&home.file(FileKind::Snapshot, offset))?;
            snapshots.remove(&offset);
        }
    }
    Ok(())
}

/// The segment that a transaction's batches were in may be long gone: then nothing is known, and nothing needs to be.
pub(super) fn at_segment_start(
    home: &Home,
    kept: &Segments,
    gaps: &[Gap],
    segment: &Arc<Segment>,
) -> Result<ProducerState> {
    let mut source = Source {
        home,
        segments: kept,
        gaps,
        log_start: kept.first().map_or(0, |first| first.base_offset()),
        snapshots: &mut load::offsets_of(home, FileKind::Snapshot)?,
    };
    source.producers_at(segment.base_offset(), |_, _| Ok(()))
}
