//! Letting go of old records: by time, by size, and because somebody asked for it (DeleteRecords).
//!
//! Only whole segments go, oldest first, and never one that holds records at or behind the high watermark. Their files
//! are renamed at once and unlinked after `file.delete.delay.ms`.

#![deny(clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Log, Segments, Writer};
use crate::config::LogConfig;
use crate::error::Result;
use crate::segment::Segment;

/// The offset lies behind the high watermark.
#[derive(Debug, thiserror::Error)]
pub enum DeleteRecordsError {
    #[error("offset {offset} is not within the log, whose high watermark is {high_watermark}")]
    OffsetOutOfRange { offset: i64, high_watermark: i64 },
    #[error(transparent)]
    Storage(#[from] crate::error::StorageError),
}

impl Log {
    /// Raises the log start to `offset` (−1: the high watermark) and returns it. The files go with the next retention.
    pub fn delete_records_before(&self, offset: i64) -> Result<i64, DeleteRecordsError> {
        let high_watermark = self.high_watermark();
        let offset = if offset == -1 { high_watermark } else { offset };
        if offset < 0 || offset > high_watermark {
            return Err(DeleteRecordsError::OffsetOutOfRange {
                offset,
                high_watermark,
            });
        }
        let writer = self.writer.lock();
        self.raise_log_start(&writer, offset)?;
        Ok(self.log_start_offset())
    }

    /// Removes the segments that the topic's configuration no longer wants; returns how many.
    pub fn apply_retention(&self, now_ms: i64) -> Result<u32> {
        let config = self.config();
        let mut writer = self.writer.lock();
        if self.is_closed() {
            return Ok(0);
        }
        let segments = self.segments.load_full();
        let doomed = self.expired(&segments, &config, now_ms)?;
        if doomed == 0 {
            return Ok(0);
        }
        if doomed == segments.len() {
            // The log keeps an active segment, so an empty one takes over before the last one goes.
            self.roll(&mut writer, self.log_end_offset(), now_ms)?;
        }
        self.remove_oldest(&writer, doomed, now_ms)?;
        Ok(u32::try_from(doomed).unwrap_or(u32::MAX))
    }

    /// How many of the oldest segments are to go: as long as one of the rules says so for the next one.
    fn expired(&self, segments: &Segments, config: &LogConfig, now_ms: i64) -> Result<usize> {
        let (log_start, high_watermark) = (self.log_start_offset(), self.high_watermark());
        let mut surplus_bytes = match u64::try_from(config.retention_bytes) {
            Ok(kept) if config.cleanup_delete => self.size_bytes().saturating_sub(kept),
            _ => 0,
        };
        let by_time = config.cleanup_delete && config.retention_ms >= 0;
        let mut doomed = 0;
        for (index, segment) in segments.iter().enumerate() {
            let next = segments.get(index + 1);
            let end = next.map_or_else(|| self.log_end_offset(), |next| next.base_offset());
            if end > high_watermark || (next.is_none() && segment.size_bytes() == 0) {
                break;
            }
            let is_before_start = next.is_some_and(|next| next.base_offset() <= log_start);
            let is_too_old = by_time && now_ms.saturating_sub(segment.newest_ms()?) > config.retention_ms;
            let is_surplus = surplus_bytes > 0 && surplus_bytes >= segment.size_bytes();
            if !(is_before_start || is_too_old || is_surplus) {
                break;
            }
            surplus_bytes = surplus_bytes.saturating_sub(segment.size_bytes());
            doomed += 1;
        }
        Ok(doomed)
    }

    fn remove_oldest(&self, writer: &Writer, count: usize, now_ms: i64) -> Result<()> {
        let segments = self.segments.load_full();
        let Some((doomed, kept)) = segments.split_at_checked(count) else {
            return Ok(());
        };
        let Some(first_kept) = kept.first() else {
            return Ok(());
        };
        // Readers are turned away before the files go.
        self.raise_log_start(writer, self.log_start_offset().max(first_kept.base_offset()))?;
        self.segments.store(Arc::new(kept.to_vec()));
        let base = first_kept.base_offset();
        self.gaps.rcu(|gaps| {
            let kept: Vec<_> = gaps
                .iter()
                .filter(|gap| gap.segment_base >= base)
                .copied()
                .collect();
            kept
        });
        self.discard(doomed, now_ms)
    }

    /// Renames the files of segments that are no longer listed, and has them unlinked later.
    pub(super) fn discard(&self, segments: &[Arc<Segment>], now_ms: i64) -> Result<()> {
        let due_ms = now_ms.saturating_add(self.config.load().file_delete_delay_ms);
        for segment in segments {
            let renamed = segment.mark_deleted()?;
            self.chores.unlink_later(self.disk(), renamed, due_ms);
        }
        self.disk().sync_dir(&self.home.path())
    }

    /// The log start only rises; what lies below it is no longer part of the log.
    fn raise_log_start(&self, writer: &Writer, to: i64) -> Result<()> {
        if self.log_start.fetch_max(to, Ordering::AcqRel) >= to {
            return Ok(());
        }
        let mut epochs = self.epochs.lock();
        epochs.truncate_from_start(to)?;
        self.publish_epoch(&epochs);
        drop(epochs);
        self.publish_first_unstable(&writer.producers);
        Ok(())
    }
}
