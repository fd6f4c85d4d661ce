//! Truncation: what a follower does when its log parts from the leader's.

#![deny(clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::end::End;
use super::{Log, Writer, limits_of};
use crate::error::Result;
use crate::names::FileKind;
use crate::segment::Segment;

impl Log {
    /// Cuts off all records from `offset` on. What is cut is lost, also to readers that are under way. Batches are cut
    /// whole, so that the log ends before `offset` if that is in the middle of one: its leader will send it again.
    pub fn truncate_to(&self, offset: i64) -> Result<()> {
        let _no_flush = self.flushing.lock();
        let mut writer = self.writer.lock();
        if offset >= self.log_end_offset() {
            return Ok(());
        }
        let segments = self.segments.load_full();
        let kept = segments.partition_point(|segment| segment.base_offset() <= offset);
        let (kept, cut) = segments.split_at_checked(kept).unwrap_or((&segments, &[]));
        let Some(last) = kept.last() else {
            return self.restart_at(&mut writer, offset);
        };
        self.lower_bounds(offset);
        self.segments.store(Arc::new(kept.to_vec()));
        self.unlink_now(cut)?;
        let end = last.truncate_to(offset, &self.gaps.load())?;
        self.lower_bounds(end);
        last.sync(true)?;
        self.finish_truncation(&mut writer, last, end)
    }

    /// Drops everything and begins anew at `offset`: for a follower whose leader no longer has what comes next.
    pub fn truncate_fully_and_start_at(&self, offset: i64) -> Result<()> {
        let _no_flush = self.flushing.lock();
        let mut writer = self.writer.lock();
        self.restart_at(&mut writer, offset)
    }

    fn restart_at(&self, writer: &mut Writer, offset: i64) -> Result<()> {
        let old = self.segments.load_full();
        self.high_watermark.store(offset, Ordering::Release);
        self.recovery_point.store(offset, Ordering::Release);
        // The old files go first: the new segment may have the name of one of them.
        self.unlink_now(&old)?;
        let limits = limits_of(&self.config.load());
        let segment = Arc::new(Segment::create(&self.home, offset, limits, 0)?);
        self.segments.store(Arc::new(vec![Arc::clone(&segment)]));
        self.log_start.store(offset, Ordering::Release);
        self.gaps.store(Arc::default());
        writer.snapshot_offset = offset;
        self.finish_truncation(writer, &segment, offset)
    }

    fn finish_truncation(&self, writer: &mut Writer, last: &Segment, offset: i64) -> Result<()> {
        self.end.store(End {
            offset,
            segment_base: last.base_offset(),
            position: last.size_bytes(),
        });
        let mut epochs = self.epochs.lock();
        epochs.truncate_from_end(offset)?;
        self.publish_epoch(&epochs);
        drop(epochs);
        self.rebuild_producers(writer, offset)?;
        self.disk().sync_dir(&self.home.path())
    }

    /// Readers are turned away from what is about to go before it goes.
    fn lower_bounds(&self, offset: i64) {
        self.high_watermark.fetch_min(offset, Ordering::AcqRel);
        self.recovery_point.fetch_min(offset, Ordering::AcqRel);
        self.log_start.fetch_min(offset, Ordering::AcqRel);
        let end = self.end.load();
        self.end.store(End {
            offset: end.offset.min(offset),
            ..end
        });
    }

    fn unlink_now(&self, segments: &[Arc<Segment>]) -> Result<()> {
        for segment in segments {
            for kind in FileKind::ALL {
                self.disk().remove(&self.home.file(kind, segment.base_offset()))?;
            }
        }
        Ok(())
    }
}
