//! The cleaning of one log: a first pass reads the dirty stretch and notes the last offset of every key, a second one reads
//! everything up to its end, group of segments by group, and writes what stays.

#![deny(clippy::indexing_slicing)]

use std::ops::Range;
use std::sync::Arc;

use ottla_base::limits::DECOMPRESSED_BATCH_BYTES_MAX;

use super::filter::{Filter, Verdict};
use super::output::{self, Output};
use super::plan::{self, Cleanable};
use super::transactions::TransactionsInPass;
use super::{CleanError, CleanLimits, Cleaned, CleanerMemory, Pace};
use crate::batch::{AnyBatch, BatchError, control, visit_records};
use crate::error::StorageError;
use crate::log::read::aborted_txns;
use crate::log::{Log, Segments};
use crate::names::CLEANED_SUFFIX;
use crate::offset_map::OffsetMap;
use crate::segment::Segment;
use crate::walk::Walk;

pub(super) struct Pass<'a> {
    log: &'a Log,
    segments: Arc<Segments>,
    memory: &'a CleanerMemory,
    limits: CleanLimits,
    pace: &'a dyn Pace,
    now_ms: i64,
    dirty: Range<i64>,
    done: Cleaned,
}

impl<'a> Pass<'a> {
    pub fn new(
        log: &'a Log,
        cleanable: &Cleanable,
        memory: &'a CleanerMemory,
        pace: &'a dyn Pace,
        now_ms: i64,
    ) -> Self {
        let config = log.config();
        Self {
            log,
            segments: log.segments(),
            memory,
            limits: CleanLimits {
                segment_bytes: config.segment_bytes(),
                index_bytes: config.segment_index_bytes() as u64,
                first_uncleanable: cleanable.first_uncleanable,
            },
            pace,
            now_ms,
            dirty: cleanable.first_dirty..cleanable.first_uncleanable,
            done: Cleaned {
                first_dirty: cleanable.first_dirty,
                cleaned_to: cleanable.first_dirty,
                bytes_indexed: 0,
                bytes_read: 0,
                bytes_written: 0,
            },
        }
    }

    pub fn run(mut self) -> Result<Cleaned, CleanError> {
        let map = self.map_keys()?;
        let cleaned_to = map.latest_offset().map_or(self.dirty.start, |latest| latest + 1);
        if cleaned_to <= self.dirty.start {
            return Err(CleanError::BufferTooSmall(self.memory.dedupe_buffer_bytes));
        }
        self.log.forget_snapshots_before(self.dirty.end)?;
        let sources = self.segments_in(0, cleaned_to);
        let legacy_horizon_ms = self.legacy_horizon_ms()?;
        let mut transactions = TransactionsInPass::default();
        for group in plan::group(&sources, &self.limits) {
            let cleaned = self.clean_group(&group, &map, legacy_horizon_ms, &mut transactions);
            self.unless_gone(cleaned, &group)?;
        }
        self.done.cleaned_to = cleaned_to;
        Ok(self.done)
    }

    /// A failure with segments that are no longer part of the log says nothing of the log.
    fn unless_gone<T>(
        &self,
        outcome: Result<T, CleanError>,
        segments: &[Arc<Segment>],
    ) -> Result<T, CleanError> {
        outcome.or_else(|error| {
            self.log.check_unchanged(segments)?;
            Err(error)
        })
    }

    /// The segments from the one that `from` lies in to the last one that begins before `until`.
    fn segments_in(&self, from: i64, until: i64) -> Vec<Arc<Segment>> {
        let first = crate::log::read::index_of(&self.segments, from);
        self.segments
            .iter()
            .skip(first)
            .take_while(|segment| segment.base_offset() < until)
            .cloned()
            .collect()
    }

    fn end_of(&self, segment: &Segment) -> i64 {
        let after = self
            .segments
            .partition_point(|s| s.base_offset() <= segment.base_offset());
        self.segments
            .get(after)
            .map_or(self.dirty.end, |next| next.base_offset())
    }

    /// The last offset of every key in the dirty stretch, or in as much of it as the memory holds.
    fn map_keys(&mut self) -> Result<OffsetMap, CleanError> {
        // No key without an offset, so that a small topic costs little memory.
        let span = usize::try_from(self.dirty.end - self.dirty.start).unwrap_or(usize::MAX);
        let mut map = OffsetMap::new(
            self.memory.dedupe_buffer_bytes,
            self.memory.load_factor,
            span.min(usize::MAX >> 8),
        );
        let mut transactions = TransactionsInPass::default();
        transactions.expect(aborted_txns(
            &self.segments,
            crate::log::read::index_of(&self.segments, self.dirty.start),
            self.dirty.start,
            self.dirty.end,
        )?);
        for segment in self.segments_in(self.dirty.start, self.dirty.end) {
            let mapped = self.map_segment(&segment, &mut map, &mut transactions);
            if !self.unless_gone(mapped, std::slice::from_ref(&segment))? {
                break;
            }
            // Offsets that no batch has are as good as seen.
            map.raise_latest_offset(self.end_of(&segment) - 1);
        }
        Ok(map)
    }

    /// False when the map is full.
    fn map_segment(
        &mut self,
        segment: &Segment,
        map: &mut OffsetMap,
        transactions: &mut TransactionsInPass,
    ) -> Result<bool, CleanError> {
        let start = segment.offset_index().lookup(self.dirty.start)?.position;
        let file = segment.open_log()?;
        let chunk_bytes = self.memory.read_buffer_bytes();
        let mut walk = Walk::batches_by(&file, u64::from(start), segment.size_bytes(), chunk_bytes);
        while let Some(found) = walk.next_whole() {
            let (placed, bytes) = found.map_err(|error| segment.walk_failed(error))?;
            self.done.bytes_indexed += bytes.len() as u64;
            go_on(self.pace, bytes.len() as u64)?;
            let noted = note_keys(&placed.batch, bytes, self.dirty.start, map, transactions)
                .map_err(|error| unreadable(segment, &placed.batch, &error))?;
            if !noted {
                return Ok(false);
            }
            if placed.batch.last_offset() >= self.dirty.start {
                map.raise_latest_offset(placed.batch.last_offset());
            }
        }
        Ok(true)
    }

    /// Tombstones of the older formats in segments that were written before this may go.
    fn legacy_horizon_ms(&self) -> Result<i64, CleanError> {
        let cleaned = self.segments.iter().rev();
        let last = cleaned.into_iter().find(|s| s.base_offset() < self.dirty.start);
        let Some(last) = last else { return Ok(0) };
        Ok(last
            .modified_ms()?
            .saturating_sub(self.log.config().delete_retention_ms))
    }

    fn clean_group(
        &mut self,
        group: &[Arc<Segment>],
        map: &OffsetMap,
        legacy_horizon_ms: i64,
        transactions: &mut TransactionsInPass,
    ) -> Result<(), CleanError> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            return Ok(());
        };
        let base_offset = first.base_offset();
        let mut output = Output::create(
            self.log,
            base_offset,
            self.memory.write_buffer_bytes(),
            self.now_ms,
        )?;
        let last_records = self.log.last_records();
        let mut filter = Filter {
            map,
            last_records: &last_records,
            now_ms: self.now_ms,
            delete_retention_ms: self.log.config().delete_retention_ms,
            first_uncleanable: self.dirty.end,
            keeps_legacy_tombstones: true,
        };
        let mut is_changed = group.len() > 1;
        for segment in group {
            filter.keeps_legacy_tombstones = segment.modified_ms()? > legacy_horizon_ms;
            is_changed |= self.filter_segment(segment, &filter, &mut output, transactions)?;
        }
        if !is_changed {
            self.done.bytes_written += output.bytes_written();
            // Nothing to gain: the segment stays, and nobody has to open another file.
            drop(output);
            output::remove_files(&self.log.home().beside(CLEANED_SUFFIX), base_offset)?;
            return Ok(());
        }
        self.done.bytes_written += output.finish(last)?;
        self.log.exchange_segments(group, self.now_ms)
    }

    /// True when what was written is not what was read.
    fn filter_segment(
        &mut self,
        segment: &Segment,
        filter: &Filter<'_>,
        output: &mut Output,
        transactions: &mut TransactionsInPass,
    ) -> Result<bool, CleanError> {
        let index = crate::log::read::index_of(&self.segments, segment.base_offset());
        let (from, upper) = (segment.base_offset(), self.end_of(segment));
        transactions.expect(aborted_txns(&self.segments, index, from, upper)?);
        let file = segment.open_log()?;
        let chunk_bytes = self.memory.read_buffer_bytes();
        let mut walk = Walk::batches_by(&file, 0, segment.size_bytes(), chunk_bytes);
        let mut is_changed = false;
        let mut index_entries = Vec::new();
        while let Some(found) = walk.next_whole() {
            let (placed, bytes) = found.map_err(|error| segment.walk_failed(error))?;
            let failed = |error: &BatchError| unreadable(segment, &placed.batch, error);
            let (verdict, aborted) = filter
                .judge(&placed.batch, bytes, transactions)
                .map_err(|error| failed(&error))?;
            let mut moved = bytes.len() as u64;
            self.done.bytes_read += moved;
            match verdict {
                Verdict::Keep => moved += output.push(&placed.batch, bytes)?,
                Verdict::Replace(batch) => {
                    is_changed = true;
                    let parsed = AnyBatch::parse(&batch).map_err(|error| failed(&error))?;
                    moved += output.push(&parsed, &batch)?;
                }
                Verdict::Drop => is_changed = true,
            }
            if let Some(txn) = aborted {
                output.push_aborted(&txn)?;
                index_entries.push(txn);
            }
            go_on(self.pace, moved)?;
        }
        Ok(is_changed || segment.txn_index().entries()? != index_entries)
    }
}

/// Puts the keys of a batch into the map, from offset `from` on. False when it is full.
fn note_keys(
    batch: &AnyBatch,
    bytes: &[u8],
    from: i64,
    map: &mut OffsetMap,
    transactions: &mut TransactionsInPass,
) -> Result<bool, BatchError> {
    if let AnyBatch::Current(header) = batch {
        if header.is_control() {
            let kind = control::end_txn_of(header, bytes)?.map(|(kind, _)| kind);
            transactions.on_marker(header, kind);
            return Ok(true);
        }
        if transactions.on_data(header) {
            return Ok(true);
        }
    }
    let mut has_room = true;
    visit_records(bytes, DECOMPRESSED_BATCH_BYTES_MAX, |record| {
        if let Some(key) = record.key
            && record.offset >= from
            && has_room
        {
            has_room = map.put(key, record.offset);
        }
    })?;
    Ok(has_room)
}

fn go_on(pace: &dyn Pace, bytes: u64) -> Result<(), CleanError> {
    match pace.moved(bytes) {
        true => Ok(()),
        false => Err(CleanError::Aborted),
    }
}

fn unreadable(segment: &Segment, batch: &AnyBatch, error: &BatchError) -> StorageError {
    let what = format!("the batch that ends at offset {}: {error}", batch.last_offset());
    StorageError::corrupt(&segment.log().path(), what)
}
