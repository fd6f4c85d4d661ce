//! What becomes of a batch: it stays as it is, stays with fewer records, stays as an empty shell, or goes.
//!
//! A record stays when no later record has its key, unless it is a tombstone whose horizon has passed. The horizon is set by
//! the first pass that keeps a tombstone (or that finds a marker without data), so that a consumer has
//! `delete.retention.ms` to see it.
//!
//! An empty shell keeps what a producer's next batch is checked against: its last sequence, or the epoch of its marker.

#![deny(clippy::indexing_slicing)]

use std::collections::HashMap;

use bytes::Bytes;
use ottla_base::limits::DECOMPRESSED_BATCH_BYTES_MAX;
use ottla_base::planted::{self, Bug};

use super::transactions::{MarkerUse, TransactionsInPass};
use crate::batch::{
    self, AnyBatch, BatchError, BatchHeader, LegacyHeader, Record, RecordView, control, header, rewrite,
    visit_records,
};
use crate::log::LastRecord;
use crate::offset_map::OffsetMap;
use crate::txn_index::AbortedTxn;

/// The outcome for one batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Byte by byte.
    Keep,
    Replace(Bytes),
    Drop,
}

/// What a pass goes by.
pub(super) struct Filter<'a> {
    pub map: &'a OffsetMap,
    pub last_records: &'a HashMap<i64, LastRecord>,
    pub now_ms: i64,
    pub delete_retention_ms: i64,
    /// The batch that ends here stays at least as a shell, so that the next segment begins where this one ends.
    pub first_uncleanable: i64,
    /// Whether tombstones of the older formats, which have no horizon, still stay in the segment at hand.
    pub keeps_legacy_tombstones: bool,
}

/// The records of a batch that stay, by number, and how many there are.
struct Choice {
    kept: Vec<bool>,
    kept_count: usize,
    keeps_tombstone: bool,
}

impl Filter<'_> {
    /// Judges one whole batch. An aborted transaction that must stand in the new index comes with its marker.
    pub fn judge(
        &self,
        batch: &AnyBatch,
        bytes: &[u8],
        transactions: &mut TransactionsInPass,
    ) -> Result<(Verdict, Option<AbortedTxn>), BatchError> {
        match batch {
            AnyBatch::Legacy(legacy) => Ok((self.judge_legacy(legacy, bytes)?, None)),
            AnyBatch::Current(header) if header.is_control() => {
                self.judge_control(header, bytes, transactions)
            }
            AnyBatch::Current(header) => Ok((self.judge_data(header, bytes, transactions)?, None)),
        }
    }

    fn judge_data(
        &self,
        header: &BatchHeader,
        bytes: &[u8],
        transactions: &mut TransactionsInPass,
    ) -> Result<Verdict, BatchError> {
        if transactions.on_data(header) {
            return self.emptied(header);
        }
        let keeps_tombstones = header
            .delete_horizon_ms()
            .is_none_or(|horizon_ms| self.now_ms < horizon_ms);
        let choice = self.choose(bytes, keeps_tombstones)?;
        if choice.kept_count == 0 {
            return self.emptied(header);
        }
        let sets_horizon = choice.keeps_tombstone && header.delete_horizon_ms().is_none();
        if choice.kept_count == choice.kept.len() && !sets_horizon {
            return Ok(Verdict::Keep);
        }
        let kept = kept_records(bytes, &choice)?;
        let horizon_ms = sets_horizon.then(|| self.horizon_ms());
        Ok(Verdict::Replace(rewrite(header, &kept, horizon_ms)?))
    }

    fn judge_control(
        &self,
        header: &BatchHeader,
        bytes: &[u8],
        transactions: &mut TransactionsInPass,
    ) -> Result<(Verdict, Option<AbortedTxn>), BatchError> {
        let kind = control::end_txn_of(header, bytes)?.map(|(kind, _)| kind);
        if kind.is_none() && header.record_count > 0 {
            // No transaction marker: nothing that the cleaner may judge.
            return Ok((Verdict::Keep, None));
        }
        match transactions.on_marker(header, kind) {
            MarkerUse::Needed => Ok((Verdict::Keep, None)),
            MarkerUse::NeededWithIndex(txn) => Ok((Verdict::Keep, Some(txn))),
            MarkerUse::NotNeeded => Ok((self.without_use(header, bytes)?, None)),
        }
    }

    /// A marker that is not needed gets a horizon first, and goes in a pass after it.
    fn without_use(&self, header: &BatchHeader, bytes: &[u8]) -> Result<Verdict, BatchError> {
        if header.record_count == 0 {
            return self.emptied(header);
        }
        match header.delete_horizon_ms() {
            Some(horizon_ms) if horizon_ms <= self.now_ms => self.emptied(header),
            Some(_) => Ok(Verdict::Keep),
            None => {
                let records: Vec<Record> = batch::records(bytes, bytes.len())?.collect::<Result<_, _>>()?;
                Ok(Verdict::Replace(rewrite(
                    header,
                    &records,
                    Some(self.horizon_ms()),
                )?))
            }
        }
    }

    /// A batch of which no record stays.
    fn emptied(&self, header: &BatchHeader) -> Result<Verdict, BatchError> {
        if !self.must_leave_shell(header) {
            return Ok(Verdict::Drop);
        }
        match header.record_count {
            0 => Ok(Verdict::Keep),
            _ => Ok(Verdict::Replace(rewrite(header, &[], None)?)),
        }
    }

    fn must_leave_shell(&self, header: &BatchHeader) -> bool {
        let is_last_of_producer = self
            .last_records
            .get(&header.producer_id)
            .filter(|_| header.has_producer_id())
            .is_some_and(|last| match last.data_offset {
                Some(offset) => header.last_offset() == offset,
                None => header.is_control() && header.producer_epoch == last.producer_epoch,
            });
        is_last_of_producer || header.next_offset() == self.first_uncleanable
    }

    /// What stays of a message of the older formats becomes a batch of the current one.
    fn judge_legacy(&self, legacy: &LegacyHeader, bytes: &[u8]) -> Result<Verdict, BatchError> {
        let choice = self.choose(bytes, self.keeps_legacy_tombstones)?;
        let kept = kept_records(bytes, &choice)?;
        let Some(first) = kept.first() else {
            return Ok(Verdict::Drop);
        };
        let codec = legacy.codec()?;
        let base_offset = first.offset;
        let span = legacy.offset - base_offset;
        let as_current = BatchHeader {
            base_offset,
            length: 0,
            leader_epoch: header::NO_LEADER_EPOCH,
            magic: 2,
            crc: 0,
            attributes: header::attributes(codec, legacy.timestamp_type(), false, false),
            last_offset_delta: i32::try_from(span).map_err(|_| BatchError::BadCount)?,
            base_timestamp: first.timestamp,
            max_timestamp: legacy.timestamp,
            producer_id: header::NO_PRODUCER_ID,
            producer_epoch: header::NO_PRODUCER_EPOCH,
            base_sequence: header::NO_SEQUENCE,
            record_count: 0,
        };
        Ok(Verdict::Replace(rewrite(&as_current, &kept, None)?))
    }

    fn choose(&self, bytes: &[u8], keeps_tombstones: bool) -> Result<Choice, BatchError> {
        let mut choice = Choice {
            kept: Vec::new(),
            kept_count: 0,
            keeps_tombstone: false,
        };
        visit_records(bytes, DECOMPRESSED_BATCH_BYTES_MAX, |record| {
            let stays = self.stays(&record, keeps_tombstones);
            choice.kept.push(stays);
            choice.kept_count += usize::from(stays);
            choice.keeps_tombstone |= stays && record.value.is_none();
        })?;
        Ok(choice)
    }

    fn stays(&self, record: &RecordView<'_>, keeps_tombstones: bool) -> bool {
        if self
            .map
            .latest_offset()
            .is_none_or(|latest| record.offset > latest)
        {
            return true;
        }
        // A record without a key is a mistake of the past: the topic was not compacted when it was taken.
        record.key.is_some_and(|key| {
            let is_last = self.map.get(key).is_none_or(|last| record.offset >= last)
                && !planted::strikes(Bug::LastRecordCleaned);
            is_last && (record.value.is_some() || keeps_tombstones)
        })
    }

    fn horizon_ms(&self) -> i64 {
        self.now_ms.saturating_add(self.delete_retention_ms)
    }
}

fn kept_records(bytes: &[u8], choice: &Choice) -> Result<Vec<Record>, BatchError> {
    let mut records = Vec::with_capacity(choice.kept_count);
    for (record, stays) in batch::records(bytes, DECOMPRESSED_BATCH_BYTES_MAX)?.zip(&choice.kept) {
        let record = record?;
        if *stays {
            records.push(record);
        }
    }
    Ok(records)
}
