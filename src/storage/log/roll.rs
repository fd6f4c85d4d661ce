//! Rolling to a new segment, and flushing: when bytes become durable.
//!
//! A roll does not wait for the disk: it puts the sync of the finished segment on the list of chores. The recovery point
//! moves only when a sync has succeeded. Concurrent flushes share one: whoever waits for the one under way finds, when
//! its turn comes, that its records were synced too (group commit).

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::end::End;
use super::{Log, Writer, limits_of};
use crate::batch::BatchHeader;
use crate::error::Result;
use crate::names::FileKind;
use crate::producer_state::ProducerState;
use crate::segment::Segment;

/// Offsets in an index are relative to the segment's base and have 31 bits.
const OFFSET_SPAN_MAX: i64 = i32::MAX as i64;

impl Log {
    /// The segment that takes the next batch: the active one, or a new one if that is due.
    pub(super) fn segment_for(
        &self,
        writer: &mut Writer,
        size_bytes: u64,
        header: &BatchHeader,
        now_ms: i64,
    ) -> Result<Arc<Segment>> {
        match self.active() {
            Some(active) if !self.must_roll(writer, &active, size_bytes, header, now_ms)? => Ok(active),
            _ => self.roll(writer, self.log_end_offset().max(header.base_offset), now_ms),
        }
    }

    fn must_roll(
        &self,
        writer: &Writer,
        active: &Segment,
        size_bytes: u64,
        header: &BatchHeader,
        now_ms: i64,
    ) -> Result<bool> {
        let config = self.config.load();
        let is_full = active.size_bytes() + size_bytes > config.segment_bytes()
            || active.offset_index().is_full()
            || active.time_index().is_full()
            || header.last_offset() - active.base_offset() > OFFSET_SPAN_MAX;
        if is_full {
            return Ok(active.size_bytes() > 0);
        }
        let jitter_ms = match config.segment_jitter_ms.min(config.segment_ms) {
            max if max > 0 => i64::try_from(writer.jitter_seed % max.unsigned_abs()).unwrap_or(0),
            _ => 0,
        };
        Ok(active.size_bytes() > 0
            && active.age_ms(now_ms, header.max_timestamp)? > config.roll_after_ms() - jitter_ms)
    }

    /// Finishes the active segment and begins one at `base_offset`.
    pub(super) fn roll(&self, writer: &mut Writer, base_offset: i64, now_ms: i64) -> Result<Arc<Segment>> {
        if let Some(active) = self.active() {
            if active.base_offset() == base_offset {
                return Ok(active);
            }
            active.seal()?;
        }
        self.write_snapshot(writer, base_offset)?;
        let config = self.config.load();
        let segment = Arc::new(Segment::create(
            &self.home,
            base_offset,
            limits_of(&config),
            now_ms,
        )?);
        let mut segments = self.segments.load().to_vec();
        segments.push(Arc::clone(&segment));
        self.segments.store(Arc::new(segments));
        self.end.store(End {
            offset: self.log_end_offset(),
            segment_base: base_offset,
            position: 0,
        });
        self.chores.flush_later(self.me.clone());
        Ok(segment)
    }

    /// Writes the producers as they are now under the name of `offset`.
    pub(super) fn write_snapshot(&self, writer: &mut Writer, offset: i64) -> Result<()> {
        if writer.snapshot_offset >= offset {
            return Ok(());
        }
        self.put_snapshot(offset, &writer.producers)?;
        writer.snapshot_offset = offset;
        Ok(())
    }

    /// Writes a snapshot that the next flush will sync.
    pub(super) fn put_snapshot(&self, offset: i64, producers: &ProducerState) -> Result<()> {
        let path = self.home.file(FileKind::Snapshot, offset);
        let bytes = producers.to_snapshot();
        let file = self.disk().create(&path)?;
        self.disk().truncate(&file, &path, 0)?;
        self.disk()
            .write_at(&file, &|| path.clone(), 0, &mut [IoSlice::new(&bytes)])
    }

    /// Makes everything that is in the log durable. Blocks.
    pub fn flush(&self) -> Result<()> {
        self.flush_up_to(self.log_end_offset())
    }

    /// Syncs the segments before the active one: the chore that a roll leaves behind.
    pub(crate) fn flush_rolled(&self) -> Result<()> {
        match self.active() {
            Some(active) => self.flush_up_to(active.base_offset()),
            None => Ok(()),
        }
    }

    fn flush_up_to(&self, offset: i64) -> Result<()> {
        if self.recovery_point() >= offset {
            return Ok(());
        }
        let _turn = self.flushing.lock();
        let from = self.recovery_point();
        if from >= offset || self.is_deleted() {
            return Ok(());
        }
        // The end first: a log that rolls between the two looks has then a segment too many, and not an end that lies in one
        // which is not synced.
        let end = self.end.load();
        let segments = self.segments.load_full();
        // Only as far as was asked for: a chore need not sync the active segment.
        let last = segments.partition_point(|segment| segment.base_offset() < offset);
        let first = segments
            .partition_point(|segment| segment.base_offset() <= from)
            .saturating_sub(1);
        for (index, segment) in segments.iter().enumerate().take(last).skip(first) {
            let is_sealed = index + 1 < segments.len();
            match segment.sync(is_sealed) {
                // Retention has taken the segment away meanwhile: there is nothing left to make durable.
                Err(error) if error.is_not_found() => continue,
                other => other?,
            }
            // Of a segment that was synced before, the rest is durable.
            if segment.base_offset() >= from {
                self.sync_snapshot(segment.base_offset())?;
                self.disk().sync_dir(&self.home.path())?;
            }
        }
        let synced = match segments.get(last) {
            Some(next) => next.base_offset(),
            None => end.offset,
        };
        // What recovery will not read again must be known without it, and it must find the directory.
        self.epochs.lock().persist(synced)?;
        self.home.anchor()?;
        self.recovery_point.fetch_max(synced, Ordering::AcqRel);
        Ok(())
    }

    pub(super) fn sync_snapshot(&self, offset: i64) -> Result<()> {
        let path = self.home.file(FileKind::Snapshot, offset);
        match self.disk().open(&path) {
            Ok(file) => self.disk().sync(&file, &path),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Flushes when `flush.ms` has passed since the last time. For the janitor.
    pub fn flush_if_due(&self, now_ms: i64) -> Result<()> {
        let flush_ms = self.config.load().flush_ms;
        let last_ms = self.last_flush_ms.load(Ordering::Acquire);
        if now_ms.saturating_sub(last_ms) < flush_ms {
            return Ok(());
        }
        self.last_flush_ms.store(now_ms, Ordering::Release);
        self.flush()
    }

    /// Gives back all descriptors and maps; they are opened again when they are needed.
    pub fn release(&self) {
        let _writer = self.writer.lock();
        for segment in self.segments.load().iter() {
            segment.release();
        }
    }

    /// As [`Log::release`], unless somebody is writing: for a process that may open no more files.
    pub(crate) fn release_if_idle(&self) {
        if let Some(_writer) = self.writer.try_lock() {
            for segment in self.segments.load().iter() {
                segment.release();
            }
        }
    }

    /// Gives back what belongs to finished segments: a log that rolls often would have all of them open for minutes.
    pub(crate) fn release_rolled(&self) {
        let _writer = self.writer.lock();
        if let Some((_active, rolled)) = self.segments.load().split_last() {
            rolled.iter().for_each(|segment| segment.release());
        }
    }

    /// Gives back what belongs to segments that were not used since the last call. For the janitor.
    pub fn release_cold(&self) {
        let _writer = self.writer.lock();
        for segment in self.segments.load().iter() {
            segment.release_if_cold();
        }
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.home
            .path()
            .to_str()
            .is_some_and(|path| path.ends_with("-delete"))
    }
}
