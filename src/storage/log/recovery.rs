//! Recovery: what is believed of a log that was not stopped cleanly.
//!
//! Everything below the recovery point was synced and is trusted. The segments from there on are read whole: every
//! batch must have the size and the checksum that it claims, and the indexes are built anew on the way. Then
//!
//! - a *tail* that is not a batch (a write that was cut by the crash) is cut off;
//! - *damage* is kept: when valid batches follow, in the same segment or in a later one, nothing that follows is cut.
//!   The damaged stretch becomes a [`Gap`], and whoever reads there is told so. (Apache Kafka cuts at the first bad
//!   batch and deletes all that follows; a flipped bit then costs the rest of the partition.)

#![deny(clippy::indexing_slicing)]

use std::cmp::Ordering;
use std::fs::File;
use std::sync::Arc;

use ottla_base::planted::{self, Bug};

use super::Segments;
use super::load::Checkpointed;
use super::producers::{self, apply_batch};
use crate::batch::{AnyBatch, BatchHeader, HEADER_BYTES, header};
use crate::epoch_cache::EpochCache;
use crate::error::{Result, StorageError};
use crate::home::Home;
use crate::producer_state::ProducerState;
use crate::segment::{Segment, SegmentLimits};
use crate::txn_index::AbortedTxn;
use crate::walk::{Gap, Placed, Walk, WalkError, read_up_to};

/// Bytes searched at a time for the next valid batch behind a damaged one.
const SEARCH_CHUNK_BYTES: usize = 1 << 20;

pub(super) struct Recovery<'a> {
    home: &'a Arc<Home>,
    limits: SegmentLimits,
    epochs: &'a mut EpochCache,
    /// The producers so far, for the aborted transactions that go into the transaction indexes.
    producers: ProducerState,
    /// The end of the segment that was recovered last was cut off.
    tail_was_cut: bool,
    /// Whether a segment must go on where the one before it ended. Compaction leaves holes between segments; in any other
    /// log a hole is the end of a segment that was lost, even when what is left of it ends with a whole batch.
    is_gapless: bool,
    /// The segment before was read to its end, so that `end_offset` is its.
    end_was_recovered: bool,
    /// Segments or snapshots may have been removed.
    pub may_have_removed: bool,
    pub gaps: Vec<Gap>,
    /// Where the segment that was looked at last ends.
    pub end_offset: i64,
}

impl<'a> Recovery<'a> {
    pub fn new(
        home: &'a Arc<Home>,
        limits: SegmentLimits,
        epochs: &'a mut EpochCache,
        is_compacted: bool,
    ) -> Self {
        Self {
            home,
            limits,
            epochs,
            is_gapless: !is_compacted,
            producers: ProducerState::default(),
            tail_was_cut: false,
            end_was_recovered: false,
            may_have_removed: false,
            gaps: Vec::new(),
            end_offset: 0,
        }
    }

    /// The segments that are left. `end_offset` says where they end, `gaps` what is missing between them.
    pub fn run(&mut self, segments: Segments, known: &Checkpointed) -> Result<Segments> {
        let trusted = trusted_count(&segments, known);
        let mut kept: Segments = Vec::with_capacity(segments.len());
        let bases: Vec<i64> = segments.iter().map(|segment| segment.base_offset()).collect();
        for (index, segment) in segments.into_iter().enumerate() {
            let is_kept = if index < trusted && self.trust(&segment, index + 1 == trusted)? {
                self.note_hole(&segment, &kept);
                true
            } else {
                self.recover_segment(&segment, &kept, bases.get(index + 1).copied())?
            };
            if is_kept {
                kept.push(segment);
            }
        }
        Ok(kept)
    }

    /// Whether a segment may be believed as it is. Of the last such one the end is looked up.
    fn trust(&mut self, segment: &Segment, is_last: bool) -> Result<bool> {
        if !segment.has_all_indexes() || segment.txn_index().sanity_check().is_err() {
            return Ok(false);
        }
        if is_last {
            match segment.next_offset() {
                Ok(end) => self.end_offset = end,
                Err(StorageError::Corrupt { .. }) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Rebuilds one segment. False when it holds nothing and was removed.
    fn recover_segment(
        &mut self,
        segment: &Arc<Segment>,
        kept: &Segments,
        next_base: Option<i64>,
    ) -> Result<bool> {
        tracing::info!(segment = %segment.log().path().display(), "recovering");
        segment.reset_indexes()?;
        if self.producers.end_offset() != segment.base_offset() {
            self.may_have_removed = true;
            self.producers = producers::at_segment_start(self.home, kept, &self.gaps, segment)?;
        }
        let place = Place {
            file: &*segment.open_log()?,
            size: segment.size_bytes(),
            base: segment.base_offset(),
            next_base,
            is_gapless: self.is_gapless,
        };
        let mut progress = Progress {
            position: 0,
            next_offset: segment.base_offset(),
            batches: 0,
        };
        let mut gaps = Vec::new();
        let mut is_cut = false;
        while !is_cut && let Some(damage) = self.rebuild(segment, &place, &mut progress)? {
            let next = place.find_valid(damage + 1, progress.next_offset);
            match next.map_err(|error| segment.walk_failed(error))? {
                None => is_cut = true,
                Some(next) => {
                    gaps.push(gap(segment, damage, &next, progress.next_offset));
                    progress.position = next.position;
                }
            }
        }
        if progress.batches == 0 && self.tail_was_cut && segment.base_offset() != self.end_offset {
            // Nothing valid, and not where the log goes on: the remains of what was cut before it.
            self.may_have_removed = true;
            segment.mark_deleted()?;
            return Ok(false);
        }
        if is_cut {
            cut_tail(segment, progress.position)?;
        }
        self.note_hole(segment, kept);
        self.gaps.append(&mut gaps);
        // A last segment without index files gets them from a roll or a clean stop, as it would have without the crash.
        // With thousands of small logs, two files for each would be most of what their recovery costs.
        if next_base.is_some() || segment.has_some_index() {
            segment.seal()?;
        }
        self.tail_was_cut = is_cut;
        self.end_was_recovered = true;
        self.end_offset = progress.next_offset;
        Ok(true)
    }

    /// When the segment before lost its end and yet the log goes on, what is missing between them is damage too.
    fn note_hole(&mut self, segment: &Segment, kept: &Segments) {
        if let Some(previous) = kept.last()
            && (self.tail_was_cut || (self.is_gapless && self.end_was_recovered))
            && self.end_offset < segment.base_offset()
        {
            self.gaps.push(Gap {
                segment_base: previous.base_offset(),
                position: previous.size_bytes(),
                end: previous.size_bytes(),
                first_offset: self.end_offset,
                next_offset: segment.base_offset(),
            });
        }
        self.tail_was_cut = false;
        self.end_was_recovered = false;
    }

    /// Puts the batches from `progress` on into the indexes, until the end or a place where no batch stands: that is
    /// returned.
    fn rebuild(
        &mut self,
        segment: &Segment,
        place: &Place<'_>,
        progress: &mut Progress,
    ) -> Result<Option<u64>> {
        let mut walk = Walk::batches(place.file, progress.position, place.size);
        loop {
            progress.position = walk.position();
            let (placed, bytes) = match walk.next_whole() {
                None => return Ok(None),
                Some(Ok(found)) => found,
                Some(Err(WalkError::Batch { position, .. })) => return Ok(Some(position)),
                Some(Err(error)) => return Err(segment.walk_failed(error)),
            };
            if !place.accepts(&placed, progress.next_offset) || is_cut_by_a_bug(segment, &placed) {
                return Ok(Some(progress.position));
            }
            segment.reindex(&placed, self.limits)?;
            self.note(segment, &placed, bytes)?;
            progress.next_offset = placed.batch.next_offset();
            progress.batches += 1;
        }
    }

    fn note(&mut self, segment: &Segment, placed: &Placed, bytes: &[u8]) -> Result<()> {
        let AnyBatch::Current(header) = placed.batch else {
            return Ok(());
        };
        if self
            .epochs
            .latest()
            .is_none_or(|latest| header.leader_epoch > latest.epoch)
        {
            self.epochs.assign(header.leader_epoch, header.base_offset);
        }
        match apply_batch(&mut self.producers, &header, bytes) {
            Ok(Some((txn, _))) if txn.aborted && planted::strikes(Bug::AbortedForgotten) => Ok(()),
            Ok(Some((txn, last_stable_offset))) if txn.aborted => segment.txn_index().append(&AbortedTxn {
                producer_id: txn.producer_id,
                first_offset: txn.first_offset,
                last_offset: txn.last_offset,
                last_stable_offset,
            }),
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::warn!(segment = %segment.log().path().display(), %error, "a control batch is skipped");
                Ok(())
            }
        }
    }
}

/// How far the rebuilding of a segment has come.
struct Progress {
    position: u64,
    next_offset: i64,
    batches: u64,
}

fn gap(segment: &Segment, position: u64, next: &Placed, first_offset: i64) -> Gap {
    let gap = Gap {
        segment_base: segment.base_offset(),
        position,
        end: next.position,
        first_offset,
        next_offset: next.first_offset(),
    };
    tracing::error!(segment = %segment.log().path().display(), ?gap,
        "damage within the segment: the records in it are lost, those behind it are kept");
    gap
}

fn is_cut_by_a_bug(segment: &Segment, placed: &Placed) -> bool {
    let is_of_groups = || {
        segment
            .log()
            .path()
            .to_string_lossy()
            .contains("__consumer_offsets")
    };
    placed.end() == segment.size_bytes()
        && (planted::strikes(Bug::TailCutAtStart)
            || planted::strikes(Bug::OffsetsCutAtStart) && is_of_groups())
}

fn cut_tail(segment: &Segment, position: u64) -> Result<()> {
    let cut_bytes = segment.size_bytes() - position;
    tracing::warn!(segment = %segment.log().path().display(), position, cut_bytes,
        "the end of the segment is not a batch: cutting it off");
    segment.cut_at(position)
}

/// How many of the oldest segments are trusted: all after a clean stop, else those before the recovery point's.
fn trusted_count(segments: &Segments, known: &Checkpointed) -> usize {
    if known.clean_shutdown {
        return segments.len();
    }
    segments
        .partition_point(|segment| segment.base_offset() <= known.recovery_point)
        .saturating_sub(1)
}

/// The file that is recovered, and what its batches must fit into.
struct Place<'a> {
    file: &'a File,
    size: u64,
    base: i64,
    /// Where the next segment begins, if there is one.
    next_base: Option<i64>,
    is_gapless: bool,
}

impl Place<'_> {
    /// Whether a valid batch may stand where offset `expected` is due. The checksum does not cover a batch's offset: one
    /// that is damaged by a bit looks like a jump, and if it were believed, all that follows would be out of order.
    fn accepts(&self, placed: &Placed, expected: i64) -> bool {
        let (first, next) = (placed.first_offset(), placed.batch.next_offset());
        let fits =
            i32::try_from(next - 1 - self.base).is_ok() && self.next_base.is_none_or(|base| next <= base);
        match first.cmp(&expected) {
            Ordering::Less => false,
            Ordering::Equal => fits,
            // A jump is real if the log goes on from there, or, at the end, where logs have holes.
            Ordering::Greater => {
                let follower = Walk::headers(self.file, placed.end(), self.size).next_header();
                fits && match follower {
                    Some(Ok(follower)) => follower.first_offset() >= next,
                    _ => self.next_base.is_some() || !self.is_gapless,
                }
            }
        }
    }

    /// The next valid batch at or behind `from` that can follow offset `expected`.
    fn find_valid(&self, from: u64, expected: i64) -> Result<Option<Placed>, WalkError> {
        let mut chunk = Vec::new();
        let mut start = from;
        while start + (HEADER_BYTES as u64) <= self.size {
            chunk.resize(SEARCH_CHUNK_BYTES + HEADER_BYTES, 0);
            let filled = read_up_to(self.file, &mut chunk, start).map_err(|source| WalkError::Io {
                position: start,
                source,
            })?;
            chunk.truncate(filled);
            for (index, window) in chunk.windows(HEADER_BYTES).enumerate().take(SEARCH_CHUNK_BYTES) {
                if is_plausible(window, expected)
                    && let Some(placed) = valid_at(self.file, start + index as u64, self.size)
                    && self.accepts(&placed, expected)
                {
                    return Ok(Some(placed));
                }
            }
            start += SEARCH_CHUNK_BYTES as u64;
        }
        Ok(None)
    }
}

/// A look at the few bytes that rule out almost every place, before a checksum is computed.
fn is_plausible(window: &[u8], next_offset: i64) -> bool {
    if window.get(header::MAGIC_AT) != Some(&2) {
        return false;
    }
    BatchHeader::parse(window).is_ok_and(|header| {
        header.base_offset >= next_offset && header.last_offset_delta >= 0 && header.record_count >= 0
    })
}

fn valid_at(file: &File, position: u64, end: u64) -> Option<Placed> {
    match Walk::one(file, position, end).next_whole() {
        Some(Ok((placed, _))) => Some(placed),
        _ => None,
    }
}
