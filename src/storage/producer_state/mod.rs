//! What a partition remembers of its producers: enough to recognise a batch that was sent twice, to fence an older
//! instance of a producer, and to know which transactions are open.
//!
//! ```text
//!          check (rules of entry.rs)          apply (after the bytes are in the file)
//!  batch ----------------------------> ok ------------------------------------------> entries
//!             duplicate: old offsets            data of a transaction: `ongoing`
//!                                               its marker: `ongoing` -> `ending` until the high watermark passes it
//! ```
//! The last stable offset is the first offset of the oldest transaction in `ongoing` or `ending`, at most the high
//! watermark. State is derived from the log: it is rebuilt from the newest `.snapshot` and the batches behind it.

mod entry;
mod snapshot;
mod verification;

use std::collections::{BTreeMap, HashMap};

pub use entry::{AppendOrigin, BatchMark, Marker, ProducerEntry, ProducerError};
pub use snapshot::{SnapshotError, decode as decode_snapshot};
pub(crate) use verification::Verifications;
pub use verification::{TransactionStart, VerificationGuard};

use crate::batch::BatchHeader;
use crate::batch::control::EndTxn;
use crate::batch::header::NO_PRODUCER_EPOCH;

/// A transaction whose marker has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedTxn {
    pub producer_id: i64,
    pub first_offset: i64,
    /// The marker's offset.
    pub last_offset: i64,
    pub aborted: bool,
}

#[derive(Default)]
pub struct ProducerState {
    entries: HashMap<i64, ProducerEntry>,
    /// First offset -> producer id of the open transactions.
    ongoing: BTreeMap<i64, i64>,
    /// First offset -> marker offset of the transactions whose marker is not yet below the high watermark.
    ending: BTreeMap<i64, i64>,
    /// All batches below this offset have been applied.
    end_offset: i64,
}

impl ProducerState {
    /// The state that a snapshot holds, taken when the log ended at `offset`.
    pub fn from_snapshot(bytes: &[u8], offset: i64) -> Result<Self, SnapshotError> {
        let mut state = Self {
            end_offset: offset,
            ..Self::default()
        };
        for entry in snapshot::decode(bytes)? {
            if let Some(first) = entry.txn_first_offset {
                state.ongoing.insert(first, entry.producer_id);
            }
            state.entries.insert(entry.producer_id, entry);
        }
        Ok(state)
    }

    pub fn to_snapshot(&self) -> Vec<u8> {
        let mut entries: Vec<&ProducerEntry> = self.entries.values().collect();
        entries.sort_unstable_by_key(|entry| entry.producer_id);
        snapshot::encode(&entries)
    }

    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }

    pub fn set_end_offset(&mut self, offset: i64) {
        self.end_offset = offset;
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn get(&self, producer_id: i64) -> Option<&ProducerEntry> {
        self.entries.get(&producer_id)
    }

    pub fn entries(&self) -> impl Iterator<Item = &ProducerEntry> {
        self.entries.values()
    }

    /// Whether a batch of a producer may be appended. `Some` means that it was appended before. Only a verified batch may
    /// begin a transaction.
    pub fn check(
        &self,
        header: &BatchHeader,
        marker: Option<Marker>,
        origin: AppendOrigin,
        is_verified: bool,
    ) -> Result<Option<BatchMark>, ProducerError> {
        if !header.has_producer_id() {
            return Ok(None);
        }
        let producer_id = header.producer_id;
        let entry = self.entries.get(&producer_id);
        match (entry, marker) {
            (None, Some(_)) => return Ok(None),
            (Some(entry), Some(marker)) => {
                return entry.check_marker(header, marker, origin).map(|()| None);
            }
            _ if header.is_control() => return Ok(None),
            _ => {}
        }
        let duplicate = entry.and_then(|entry| entry.duplicate_of(header));
        if origin.is_client() && duplicate.is_some() {
            return Ok(duplicate);
        }
        let begins = origin.needs_verification()
            && header.is_transactional()
            && self.begins_transaction(producer_id, header.producer_epoch)?;
        if begins && !is_verified {
            return Err(ProducerError::Unverified { producer_id });
        }
        entry
            .map_or(Ok(()), |entry| entry.check_data(header, origin))
            .map(|()| None)
    }

    /// Whether transactional data of the producer would begin a transaction rather than go on with one.
    pub fn begins_transaction(&self, producer_id: i64, epoch: i16) -> Result<bool, ProducerError> {
        let Some(entry) = self.entries.get(&producer_id) else {
            return Ok(true);
        };
        entry.check_epoch(epoch)?;
        Ok(!entry.has_open_transaction(epoch))
    }

    /// The transaction that a batch would end, before it is applied.
    pub fn ended_by(&self, header: &BatchHeader, marker: Option<Marker>) -> Option<CompletedTxn> {
        let first_offset = self.entries.get(&header.producer_id)?.txn_first_offset?;
        Some(CompletedTxn {
            producer_id: header.producer_id,
            first_offset,
            last_offset: header.last_offset(),
            aborted: marker?.kind == EndTxn::Abort,
        })
    }

    /// Takes note of a batch that is in the log. A marker that ends a transaction with data here returns it.
    pub fn apply(&mut self, header: &BatchHeader, marker: Option<Marker>) -> Option<CompletedTxn> {
        self.end_offset = header.next_offset();
        let ended = self.ended_by(header, marker);
        if !header.has_producer_id() || (header.is_control() && marker.is_none()) {
            return None;
        }
        let entry = self
            .entries
            .entry(header.producer_id)
            .or_insert_with(|| ProducerEntry::new(header.producer_id));
        let Some(marker) = marker else {
            if entry.apply_data(header) {
                self.ongoing.insert(header.base_offset, header.producer_id);
            }
            return None;
        };
        entry.apply_marker(header, marker);
        ended
    }

    /// The last stable offset once `txn` has ended, as the transaction index records it.
    pub fn last_stable_offset_after(&self, txn: &CompletedTxn) -> i64 {
        let oldest_other = self
            .ongoing
            .keys()
            .copied()
            .find(|first| *first != txn.first_offset);
        oldest_other.unwrap_or(txn.last_offset + 1)
    }

    /// Moves `txn` from the open transactions to those that wait for the high watermark.
    pub fn complete(&mut self, txn: &CompletedTxn) {
        self.ongoing.remove(&txn.first_offset);
        self.ending.insert(txn.first_offset, txn.last_offset);
    }

    /// Forgets the ended transactions whose markers lie below the high watermark.
    pub fn on_high_watermark(&mut self, high_watermark: i64) {
        self.ending.retain(|_, marker| *marker >= high_watermark);
    }

    /// Where readers of committed data have to stop, if anywhere before the high watermark.
    pub fn first_unstable_offset(&self) -> Option<i64> {
        let ongoing = self.ongoing.keys().next();
        let ending = self.ending.keys().next();
        [ongoing, ending].into_iter().flatten().min().copied()
    }

    /// Forgets the producers that have no open transaction and have been silent for `expiration_ms`.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) -> usize {
        let before = self.entries.len();
        self.entries.retain(|_, entry| {
            entry.txn_first_offset.is_some() || now_ms.saturating_sub(entry.last_timestamp_ms) < expiration_ms
        });
        before - self.entries.len()
    }

    /// Whether `offset` is the last one that a known producer wrote with its current epoch, and which producer it is.
    pub fn last_data_offset(&self, producer_id: i64) -> Option<i64> {
        self.entries
            .get(&producer_id)?
            .last_batch()
            .map(|b| b.last_offset)
    }

    pub fn epoch_of(&self, producer_id: i64) -> i16 {
        self.entries
            .get(&producer_id)
            .map_or(NO_PRODUCER_EPOCH, |entry| entry.epoch)
    }
}

#[cfg(test)]
mod tests;
