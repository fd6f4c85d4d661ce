//! Appending: as the leader, which gives a batch its offsets, and as a follower, which takes them as they are.
//!
//! One short lock, one `pwritev`. The order inside it: producer rules, roll, leader epoch, bytes, indexes, producer
//! state, and last the new end, so that a reader never learns of an offset whose bytes are not there.

#![deny(clippy::indexing_slicing)]

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_base::planted::{self, Bug};

use super::end::End;
use super::{Log, Writer};
use crate::batch::{
    AnyBatch, BatchError, BatchHeader, HEADER_BYTES, TimestampType, ValidBatch, control, header,
};
use crate::error::{Result, StorageError};
use crate::producer_state::{AppendOrigin, BatchMark, Marker, ProducerEntry, ProducerError};
use crate::segment::{BatchSummary, Segment};
use crate::txn_index::AbortedTxn;

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendInfo {
    pub first_offset: i64,
    pub last_offset: i64,
    /// −1 unless the leader's clock stamped the batch.
    pub log_append_time_ms: i64,
    pub log_start_offset: i64,
    /// The batch was appended before; the offsets are those of the first time.
    pub duplicate: bool,
    /// `flush.messages` is reached: call [`Log::flush`], where blocking is allowed, before the append is acknowledged
    /// and before the high watermark passes it.
    pub flush_due: bool,
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    #[error("{0}")]
    InvalidProducerEpoch(ProducerError),
    #[error("{0}")]
    OutOfOrderSequence(ProducerError),
    #[error("{0}")]
    InvalidTxnState(ProducerError),
    #[error("{0}")]
    CoordinatorFenced(ProducerError),
    #[error("a batch of {size_bytes} bytes does not fit a segment of {segment_bytes}")]
    RecordListTooLarge { size_bytes: usize, segment_bytes: i32 },
    #[error("the batch cannot be read: {0}")]
    Malformed(#[from] BatchError),
    #[error("the batch begins at offset {found}, the log ends at {log_end}")]
    NotAtLogEnd { found: i64, log_end: i64 },
    /// The partition was deleted, or the log closed.
    #[error("the log is closed")]
    Closed,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<ProducerError> for AppendError {
    fn from(error: ProducerError) -> Self {
        match error {
            ProducerError::InvalidEpoch { .. } => Self::InvalidProducerEpoch(error),
            ProducerError::OutOfOrderSequence { .. } => Self::OutOfOrderSequence(error),
            ProducerError::InvalidTxnState { .. } | ProducerError::Unverified { .. } => {
                Self::InvalidTxnState(error)
            }
            ProducerError::CoordinatorFenced { .. } => Self::CoordinatorFenced(error),
        }
    }
}

impl Log {
    /// Appends a checked batch at the end of the log, in the leader's epoch.
    pub fn append_as_leader(
        &self,
        mut batch: ValidBatch,
        leader_epoch: i32,
        origin: AppendOrigin,
        now_ms: i64,
    ) -> Result<AppendInfo, AppendError> {
        let segment_bytes = self.config.load().segment_bytes;
        let size_bytes = batch.size_bytes();
        if i32::try_from(size_bytes).map_or(true, |size| size > segment_bytes) {
            return Err(AppendError::RecordListTooLarge {
                size_bytes,
                segment_bytes,
            });
        }
        let marker = marker_of(&batch)?;
        let mut writer = self.writer.lock();
        self.check_open()?;
        if let Some(first_time) = self.check_producer(&writer, &batch.header, marker, origin)? {
            return Ok(self.duplicate(&first_time));
        }
        let end = self.end.load();
        batch.place(end.offset, leader_epoch);
        if origin.is_client() && planted::strikes(Bug::AckWithoutAppend) {
            return Ok(self.appended(&batch.header, batch.header.last_offset()));
        }
        let segment = self.segment_for(&mut writer, size_bytes as u64, &batch.header, now_ms)?;
        let head = batch.header_bytes();
        let mut parts = [IoSlice::new(&head), IoSlice::new(&batch.body)];
        self.write_batch(&mut writer, &segment, &batch.header, marker, &mut parts)?;
        Ok(self.appended(&batch.header, batch.header.last_offset()))
    }

    /// Appends batches that a leader has placed. They must begin where the log ends; those that do not are refused.
    pub fn append_as_follower(
        &self,
        batches: &[u8],
        leader_epoch: i32,
        now_ms: i64,
    ) -> Result<AppendInfo, AppendError> {
        let headers = check_replicated(batches)?;
        let mut writer = self.writer.lock();
        self.check_open()?;
        let mut info: Option<AppendInfo> = None;
        let mut rest = batches;
        for header in headers {
            let (bytes, behind) = rest
                .split_at_checked(header.size_bytes())
                .ok_or(BatchError::Truncated)?;
            rest = behind;
            // A leader of a later epoch may have written it; whoever fetches anew learns of that epoch first (KAFKA-20130).
            if header.leader_epoch > leader_epoch {
                break;
            }
            self.append_placed(&mut writer, &header, bytes, now_ms)?;
            let first_offset = info.map_or(header.base_offset, |info| info.first_offset);
            info = Some(AppendInfo {
                first_offset,
                ..self.appended(&header, header.last_offset())
            });
        }
        Ok(info.unwrap_or_else(|| self.nothing_appended()))
    }

    fn append_placed(
        &self,
        writer: &mut Writer,
        header: &BatchHeader,
        bytes: &[u8],
        now_ms: i64,
    ) -> Result<(), AppendError> {
        let end = self.end.load();
        // Compaction leaves holes, so a batch may begin behind the end; before the end it never does.
        if header.base_offset < end.offset {
            return Err(AppendError::NotAtLogEnd {
                found: header.base_offset,
                log_end: end.offset,
            });
        }
        let marker = control::end_txn_of(header, bytes)?.map(to_marker);
        let segment = self.segment_for(writer, bytes.len() as u64, header, now_ms)?;
        self.write_batch(writer, &segment, header, marker, &mut [IoSlice::new(bytes)])?;
        Ok(())
    }

    /// Writes a batch that has its place, and what follows from it; all of it or nothing. If a part fails and what was
    /// done before cannot be undone, the log dir goes offline.
    fn write_batch(
        &self,
        writer: &mut Writer,
        segment: &Arc<Segment>,
        header: &BatchHeader,
        marker: Option<Marker>,
        parts: &mut [IoSlice<'_>],
    ) -> Result<()> {
        self.note_epoch(header);
        let start = segment.size_bytes();
        let summary = BatchSummary::from(&AnyBatch::Current(*header));
        let written = segment
            .append(parts, &[summary], self.limits())
            .and_then(|()| note_abort(writer, segment, header, marker));
        if let Err(error) = written {
            if let Err(also) = segment.undo_append(start, header.base_offset, &self.gaps.load()) {
                self.disk().go_offline(&also);
            }
            return Err(error);
        }
        if let Some(txn) = writer.producers.apply(header, marker) {
            writer.producers.complete(&txn);
        }
        if header.is_transactional() {
            writer.verifications.note_written(header);
            self.publish_first_unstable(&writer.producers);
        }
        self.publish_end(segment, header.next_offset());
        Ok(())
    }

    /// The rules for producers. `Some` means that the batch was appended before.
    fn check_producer(
        &self,
        writer: &Writer,
        header: &BatchHeader,
        marker: Option<Marker>,
        origin: AppendOrigin,
    ) -> Result<Option<BatchMark>, ProducerError> {
        let is_verified = !self.config.load().transaction_verification
            || writer
                .verifications
                .is_guarded_by(header.producer_id, origin.guard());
        let first_time = writer.producers.check(header, marker, origin, is_verified)?;
        if first_time.is_none() && origin.is_client() {
            let entry = writer.producers.get(header.producer_id);
            let last_sequence = entry.map_or(header::NO_SEQUENCE, ProducerEntry::last_sequence);
            writer.verifications.check_sequence(header, last_sequence)?;
        }
        Ok(first_time)
    }

    fn check_open(&self) -> Result<(), AppendError> {
        if self.is_closed() {
            return Err(AppendError::Closed);
        }
        Ok(self.disk().check()?)
    }

    /// A batch of a later epoch begins that epoch. After [`Log::assign_epoch`] this finds nothing to do.
    fn note_epoch(&self, header: &BatchHeader) {
        if i64::from(header.leader_epoch) > self.latest_epoch.load(Ordering::Acquire) {
            self.assign_epoch(header.leader_epoch, header.base_offset);
        }
    }

    fn publish_end(&self, segment: &Arc<Segment>, offset: i64) {
        self.end.store(End {
            offset,
            segment_base: segment.base_offset(),
            position: segment.size_bytes(),
        });
    }

    fn appended(&self, header: &BatchHeader, last_offset: i64) -> AppendInfo {
        let log_append_time_ms = match header.timestamp_type() {
            TimestampType::LogAppendTime => header.max_timestamp,
            TimestampType::CreateTime => header::NO_TIMESTAMP,
        };
        let unflushed = last_offset + 1 - self.recovery_point();
        AppendInfo {
            first_offset: header.base_offset,
            last_offset,
            log_append_time_ms,
            log_start_offset: self.log_start_offset(),
            duplicate: false,
            flush_due: unflushed >= self.config.load().flush_messages,
        }
    }

    fn duplicate(&self, first_time: &BatchMark) -> AppendInfo {
        AppendInfo {
            first_offset: first_time.first_offset() + i64::from(planted::strikes(Bug::RetryMisplaced)),
            last_offset: first_time.last_offset,
            log_append_time_ms: first_time.timestamp_ms,
            log_start_offset: self.log_start_offset(),
            duplicate: true,
            // The first time may not have been synced yet, and this answer promises as much as that one.
            flush_due: first_time.last_offset >= self.recovery_point()
                && self.config.load().flush_messages < i64::MAX,
        }
    }

    fn nothing_appended(&self) -> AppendInfo {
        let end = self.log_end_offset();
        AppendInfo {
            first_offset: end,
            last_offset: end - 1,
            log_append_time_ms: header::NO_TIMESTAMP,
            log_start_offset: self.log_start_offset(),
            duplicate: false,
            flush_due: false,
        }
    }
}

/// Puts the transaction that a batch aborts into the transaction index.
fn note_abort(
    writer: &Writer,
    segment: &Segment,
    header: &BatchHeader,
    marker: Option<Marker>,
) -> Result<()> {
    match writer.producers.ended_by(header, marker) {
        Some(txn) if txn.aborted => segment.txn_index().append(&AbortedTxn {
            producer_id: txn.producer_id,
            first_offset: txn.first_offset,
            last_offset: txn.last_offset,
            last_stable_offset: writer.producers.last_stable_offset_after(&txn),
        }),
        _ => Ok(()),
    }
}

/// The marker in a control batch of a transaction; they are rare, so the two halves are joined to read it.
fn marker_of(batch: &ValidBatch) -> Result<Option<Marker>, BatchError> {
    if !batch.header.is_control() || !batch.header.has_producer_id() {
        return Ok(None);
    }
    let whole = [batch.header_bytes().as_slice(), &batch.body].concat();
    Ok(control::end_txn_of(&batch.header, &whole)?.map(to_marker))
}

pub(super) fn to_marker((kind, coordinator_epoch): (control::EndTxn, i32)) -> Marker {
    Marker {
        kind,
        coordinator_epoch,
    }
}

/// The headers of whole, valid batches. A part of a batch at the end, as a fetch may return it, is left out.
fn check_replicated(mut bytes: &[u8]) -> Result<Vec<BatchHeader>, BatchError> {
    let mut headers = Vec::new();
    while bytes.len() >= HEADER_BYTES {
        let header = BatchHeader::parse(bytes)?;
        let Some((batch, rest)) = bytes.split_at_checked(header.size_bytes()) else {
            break;
        };
        if !crate::batch::crc_is_valid(batch) {
            return Err(BatchError::BadCrc);
        }
        headers.push(header);
        bytes = rest;
    }
    Ok(headers)
}
