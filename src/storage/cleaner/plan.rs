//! What of a log may be cleaned, how much it needs it, and which segments become one.
//!
//! ```text
//!  log start        first dirty       first uncleanable         log end
//!      |   cleaned before  |   to be cleaned    |  active segment, open transactions, too young
//!      [  segs  ][  segs  ][ segs ][ segs ][ ...]
//! ```

#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use super::CleanLimits;
use crate::config::LogConfig;
use crate::error::Result;
use crate::log::{Log, Segments};
use crate::segment::Segment;

/// Offsets in an index are relative to the segment's base and have 31 bits.
const OFFSET_SPAN_MAX: i64 = i32::MAX as i64;

/// The stretch of a log that waits to be cleaned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cleanable {
    pub first_dirty: i64,
    /// The base of a segment.
    pub first_uncleanable: i64,
    /// Dirty bytes as a share of all bytes that a cleaning would read.
    pub ratio: f64,
    pub cleanable_bytes: u64,
    /// For how long a record has been older than `max.compaction.lag.ms` allows.
    pub overdue_ms: i64,
}

impl Cleanable {
    pub fn of(log: &Log, now_ms: i64) -> Result<Self> {
        let config = log.config();
        let segments = log.segments();
        let first_dirty = first_dirty_offset(log);
        let first_uncleanable = first_uncleanable_offset(log, &segments, first_dirty, &config, now_ms)?;
        let bytes = |wanted: &dyn Fn(&Segment) -> bool| -> u64 {
            let wanted = segments.iter().filter(|segment| wanted(segment));
            wanted.map(|segment| segment.size_bytes()).sum()
        };
        let floor = floor_base(&segments, first_dirty);
        let cleaned_bytes = bytes(&|segment| segment.base_offset() < first_dirty);
        let is_dirty =
            |segment: &Segment| segment.base_offset() >= floor && segment.base_offset() < first_uncleanable;
        let cleanable_bytes = match first_uncleanable > first_dirty {
            true => bytes(&is_dirty),
            false => 0,
        };
        let total_bytes = cleaned_bytes + cleanable_bytes;
        let has_limit = config.max_compaction_lag_ms < i64::MAX && cleanable_bytes > 0;
        let oldest = match has_limit {
            true => oldest_first_timestamp(segments.iter().filter(|segment| is_dirty(segment)))?,
            false => None,
        };
        let overdue_ms = oldest.map_or(0, |oldest| {
            let age_ms = now_ms.saturating_sub(oldest);
            age_ms.saturating_sub(config.max_compaction_lag_ms).max(0)
        });
        Ok(Self {
            first_dirty,
            first_uncleanable,
            ratio: match total_bytes {
                0 => 0.0,
                total => cleanable_bytes as f64 / total as f64,
            },
            cleanable_bytes,
            overdue_ms,
        })
    }

    pub fn is_due(&self, config: &LogConfig) -> bool {
        self.cleanable_bytes > 0 && (self.overdue_ms > 0 || self.ratio > config.min_cleanable_dirty_ratio)
    }
}

/// Where the last cleaning ended, if that still says something.
fn first_dirty_offset(log: &Log) -> i64 {
    let log_start = log.log_start_offset();
    match log.cleaned_to() {
        Some(offset) if (log_start..=log.log_end_offset()).contains(&offset) => offset,
        _ => log_start,
    }
}

/// Nothing is cleaned that is open, uncommitted, of an open transaction, or younger than `min.compaction.lag.ms`.
fn first_uncleanable_offset(
    log: &Log,
    segments: &Segments,
    first_dirty: i64,
    config: &LogConfig,
    now_ms: i64,
) -> Result<i64> {
    let active_base = segments.last().map_or(0, |active| active.base_offset());
    let mut first = log.last_stable_offset().min(active_base);
    if config.min_compaction_lag_ms > 0 {
        let youngest_ms = now_ms.saturating_sub(config.min_compaction_lag_ms);
        let floor = floor_base(segments, first_dirty);
        for segment in segments.iter().filter(|segment| segment.base_offset() >= floor) {
            if segment.largest_timestamp()?.timestamp > youngest_ms {
                first = first.min(segment.base_offset());
                break;
            }
        }
    }
    Ok(floor_base(segments, first))
}

/// The base of the segment that `offset` lies in.
fn floor_base(segments: &Segments, offset: i64) -> i64 {
    let after = segments.partition_point(|segment| segment.base_offset() <= offset);
    let floor = segments.get(after.saturating_sub(1));
    floor.map_or(offset, |segment| segment.base_offset())
}

fn oldest_first_timestamp<'a>(segments: impl Iterator<Item = &'a Arc<Segment>>) -> Result<Option<i64>> {
    let mut oldest: Option<i64> = None;
    for segment in segments {
        let first = segment
            .first_batch_timestamp()?
            .filter(|timestamp| *timestamp > 0);
        oldest = [oldest, first].into_iter().flatten().min();
    }
    Ok(oldest)
}

/// Puts segments, in order, into groups of which each becomes one segment that keeps every limit.
pub(super) fn group(segments: &[Arc<Segment>], limits: &CleanLimits) -> Vec<Vec<Arc<Segment>>> {
    let mut groups: Vec<Vec<Arc<Segment>>> = Vec::new();
    let mut sum = Sizes::default();
    for (index, segment) in segments.iter().enumerate() {
        let end = segments
            .get(index + 1)
            .map_or(limits.first_uncleanable, |next| next.base_offset());
        let with_it = sum.plus(segment);
        match groups.last_mut() {
            Some(group) if with_it.fits(limits) && spans_little(group, segment, end) => {
                group.push(Arc::clone(segment));
                sum = with_it;
            }
            _ => {
                groups.push(vec![Arc::clone(segment)]);
                sum = Sizes::default().plus(segment);
            }
        }
    }
    groups
}

/// Whether the offsets of `group` with `segment` behind it can be told in an index. An empty segment has none.
fn spans_little(group: &[Arc<Segment>], segment: &Segment, end: i64) -> bool {
    let base = group.first().map_or(0, |first| first.base_offset());
    segment.size_bytes() == 0 || end - 1 - base <= OFFSET_SPAN_MAX
}

/// What is summed up over a group.
#[derive(Clone, Copy, Default)]
struct Sizes {
    log_bytes: u64,
    offset_index_bytes: u64,
    time_index_bytes: u64,
}

impl Sizes {
    fn plus(self, segment: &Segment) -> Self {
        Self {
            log_bytes: self.log_bytes + segment.size_bytes(),
            offset_index_bytes: self.offset_index_bytes + segment.offset_index().entries().size_bytes(),
            time_index_bytes: self.time_index_bytes + segment.time_index().entries().size_bytes(),
        }
    }

    fn fits(self, limits: &CleanLimits) -> bool {
        self.log_bytes <= limits.segment_bytes
            && self.offset_index_bytes <= limits.index_bytes
            && self.time_index_bytes <= limits.index_bytes
    }
}
