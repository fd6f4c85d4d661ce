//! Reading: from an offset to the stretch of a file that a fetch returns.
//!
//! No byte is copied and no lock taken. A read begins at the batch that holds the offset, ends before the bound that its
//! reader may see, and stays within one segment. The last batch may be cut: clients expect that, and ask again.

#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use ottla_base::FileSlice;
use ottla_base::planted::{self, Bug};

use super::end::End;
use super::{Log, Segments};
use crate::error::StorageError;
use crate::segment::Segment;
use crate::txn_index::AbortedTxn;
use crate::walk::{Gap, Placed};

/// How far a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBound {
    /// Consumers at READ_UNCOMMITTED.
    HighWatermark,
    /// Consumers at READ_COMMITTED.
    LastStable,
    /// Followers, and the broker's own readers.
    LogEnd,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("offset {offset} is not within {log_start} and {log_end}")]
    OffsetOutOfRange {
        offset: i64,
        log_start: i64,
        log_end: i64,
    },
    /// The records from `first_offset` to before `next_offset` were damaged on disk.
    #[error("the records from offset {first_offset} to {next_offset} are damaged")]
    Corrupt { first_offset: i64, next_offset: i64 },
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Data of an aborted transaction begins at `first_offset`: the client drops that producer's records from there to the
/// abort marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedRange {
    pub producer_id: i64,
    pub first_offset: i64,
}

#[derive(Clone, Debug)]
pub struct ReadResult {
    /// `None`: nothing to read (yet), or the first batch did not fit.
    pub slice: Option<FileSlice>,
    /// The base offset of the first batch in `slice`, else the offset asked for.
    pub first_offset: i64,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
    pub log_end_offset: i64,
    /// The first batch was larger than `max_bytes` and was left out.
    pub first_batch_too_large: bool,
    /// `Some` (perhaps empty) for [`ReadBound::LastStable`] only.
    pub aborted: Option<Vec<AbortedRange>>,
}

/// Where in which segment a read begins and may end.
struct Found {
    index: usize,
    segment: Arc<Segment>,
    first: Placed,
    end: u64,
}

impl Log {
    /// At most `max_bytes` from the batch that holds `offset` on, nothing at or behind `bound`. With `min_one_batch`
    /// the first batch is returned whole even if it is larger.
    pub fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        bound: ReadBound,
        min_one_batch: bool,
    ) -> Result<ReadResult, ReadError> {
        let is_gone = |error: &ReadError| matches!(error, ReadError::Storage(error) if error.is_not_found());
        look_twice(|| self.try_read(offset, max_bytes, bound, min_one_batch), is_gone)
    }

    fn try_read(
        &self,
        offset: i64,
        max_bytes: usize,
        bound: ReadBound,
        min_one_batch: bool,
    ) -> Result<ReadResult, ReadError> {
        let mut result = self.empty_result(offset, bound);
        let end = self.end.load();
        self.check_range(offset, &end)?;
        let bound_offset = match bound {
            ReadBound::HighWatermark => result.high_watermark,
            ReadBound::LastStable if planted::strikes(Bug::StableOffsetIgnored) => result.high_watermark,
            ReadBound::LastStable => result.last_stable_offset,
            ReadBound::LogEnd => end.offset,
        };
        if offset >= bound_offset {
            return Ok(result);
        }
        let gaps = self.gaps.load();
        if let Some(gap) = gaps
            .iter()
            .find(|gap| gap.first_offset <= offset && offset < gap.next_offset)
        {
            return Err(ReadError::Corrupt {
                first_offset: gap.first_offset,
                next_offset: gap.next_offset,
            });
        }
        let segments = self.segments.load_full();
        let found = locate(&segments, offset, bound_offset, &end, &gaps)?;
        // Retention may have overtaken the first look: then what was found is not what was asked for. It raises the start
        // before it takes segments away, so a second look tells.
        self.check_range(offset, &end)?;
        let Some(found) = found else {
            return Ok(result);
        };
        let first_bytes = found.first.batch.size_bytes();
        if first_bytes > max_bytes && !min_one_batch {
            result.first_batch_too_large = true;
            return Ok(result);
        }
        let available = usize::try_from(found.end - found.first.position).unwrap_or(usize::MAX);
        let len = max_bytes.max(first_bytes).min(available);
        if bound == ReadBound::LastStable {
            let upper = upper_offset(&segments, &found, len as u64, end.offset)?;
            result.aborted = Some(aborted(&segments, found.index, offset, upper)?);
        }
        result.first_offset = found.first.first_offset();
        result.slice = Some(FileSlice {
            file: found.segment.open_log()?,
            position: found.first.position,
            len,
        });
        Ok(result)
    }

    fn check_range(&self, offset: i64, end: &End) -> Result<(), ReadError> {
        let log_start = self.log_start_offset();
        if offset < log_start || offset > end.offset {
            return Err(ReadError::OffsetOutOfRange {
                offset,
                log_start,
                log_end: end.offset,
            });
        }
        Ok(())
    }

    fn empty_result(&self, offset: i64, bound: ReadBound) -> ReadResult {
        // The stable offset is read first: a watermark that is raised in between makes it too small, never too large.
        let last_stable_offset = self.last_stable_offset();
        ReadResult {
            slice: None,
            first_offset: offset,
            high_watermark: self.high_watermark(),
            last_stable_offset,
            log_start_offset: self.log_start_offset(),
            log_end_offset: self.log_end_offset(),
            first_batch_too_large: false,
            aborted: (bound == ReadBound::LastStable).then(Vec::new),
        }
    }

    /// The aborted transactions with data in `[from, upper)`.
    pub fn aborted_transactions(&self, from: i64, upper: i64) -> Result<Vec<AbortedRange>, StorageError> {
        let segments = self.segments.load_full();
        let index = index_of(&segments, from);
        aborted(&segments, index, from, upper)
    }
}

/// A segment may go away between the look at the list and the opening of its file: the second look sees another list.
pub(super) fn look_twice<T, E>(
    look: impl Fn() -> Result<T, E>,
    is_gone: impl Fn(&E) -> bool,
) -> Result<T, E> {
    match look() {
        Err(error) if is_gone(&error) => look(),
        other => other,
    }
}

/// The segment that `offset` lies in, or would: the last one whose base is not behind it.
pub(crate) fn index_of(segments: &Segments, offset: i64) -> usize {
    segments
        .partition_point(|segment| segment.base_offset() <= offset)
        .saturating_sub(1)
}

fn locate(
    segments: &Segments,
    offset: i64,
    bound_offset: i64,
    log_end: &End,
    gaps: &[Gap],
) -> Result<Option<Found>, StorageError> {
    // Compaction may have removed the end of a segment, so that the offset's batch is in a later one.
    for (index, segment) in segments.iter().enumerate().skip(index_of(segments, offset)) {
        if segment.base_offset() >= bound_offset {
            return Ok(None);
        }
        let end = bound_position(segments, index, bound_offset, log_end, gaps)?;
        let Some(first) = segment.find(offset, end, gaps)? else {
            continue;
        };
        // A read stops before a damaged stretch; the next one begins in it and is told.
        let gap = gaps
            .iter()
            .filter(|gap| gap.segment_base == segment.base_offset() && gap.position > first.position)
            .map(|gap| gap.position)
            .min();
        return Ok(Some(Found {
            index,
            segment: Arc::clone(segment),
            first,
            end: gap.map_or(end, |gap| gap.min(end)),
        }));
    }
    Ok(None)
}

/// Where in a segment the bytes end that a reader up to `bound_offset` may see.
fn bound_position(
    segments: &Segments,
    index: usize,
    bound_offset: i64,
    log_end: &End,
    gaps: &[Gap],
) -> Result<u64, StorageError> {
    let Some(segment) = segments.get(index) else {
        return Ok(0);
    };
    if let Some(next) = segments.get(index + 1)
        && next.base_offset() <= bound_offset
    {
        return Ok(segment.size_bytes());
    }
    if bound_offset == log_end.offset && segment.base_offset() == log_end.segment_base {
        return Ok(log_end.position);
    }
    let size = segment.size_bytes();
    let bound = segment.find(bound_offset, size, gaps)?;
    Ok(bound.map_or(size, |batch| batch.position))
}

/// An offset that no record of the read reaches: cheap to find, and good enough to bound the search for aborts.
fn upper_offset(
    segments: &Segments,
    found: &Found,
    len: u64,
    log_end_offset: i64,
) -> Result<i64, StorageError> {
    let end = found.first.position + len;
    if let Some(entry) = found.segment.offset_index().first_at_or_after_position(end)? {
        return Ok(entry.offset);
    }
    Ok(segments
        .get(found.index + 1)
        .map_or(log_end_offset, |next| next.base_offset()))
}

fn aborted(
    segments: &Segments,
    first_segment: usize,
    from: i64,
    upper: i64,
) -> Result<Vec<AbortedRange>, StorageError> {
    Ok(aborted_txns(segments, first_segment, from, upper)?
        .iter()
        .map(|txn| AbortedRange {
            producer_id: txn.producer_id,
            first_offset: txn.first_offset,
        })
        .collect())
}

/// Aborts stand in the segment of their marker, which may be later than that of their data.
pub(crate) fn aborted_txns(
    segments: &Segments,
    first_segment: usize,
    from: i64,
    upper: i64,
) -> Result<Vec<AbortedTxn>, StorageError> {
    let mut found = Vec::new();
    for segment in segments.iter().skip(first_segment) {
        if !segment.txn_index().is_empty() && segment.txn_index().collect(from, upper, &mut found)? {
            break;
        }
    }
    Ok(found)
}
