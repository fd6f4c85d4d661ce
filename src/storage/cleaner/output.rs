//! The segment that a group of segments becomes: written beside them under names with `.cleaned`.

#![deny(clippy::indexing_slicing)]

use std::io::IoSlice;
use std::sync::Arc;

use super::CleanError;
use crate::batch::AnyBatch;
use crate::error::StorageError;
use crate::home::Home;
use crate::log::Log;
use crate::names::{CLEANED_SUFFIX, FileKind};
use crate::segment::{BatchSummary, Segment, SegmentLimits};
use crate::txn_index::AbortedTxn;

pub(super) struct Output {
    segment: Segment,
    limits: SegmentLimits,
    /// What is gathered for the next write, and the batches it consists of.
    buffer: Vec<u8>,
    batches: Vec<BatchSummary>,
    buffer_bytes: usize,
    bytes_written: u64,
}

impl Output {
    /// Begins anew: what an earlier cleaning has left under the same names goes first.
    pub fn create(log: &Log, base_offset: i64, buffer_bytes: usize, now_ms: i64) -> Result<Self, CleanError> {
        let home = log.home().beside(CLEANED_SUFFIX);
        remove_files(&home, base_offset)?;
        let limits = log.limits();
        Ok(Self {
            segment: Segment::create(&home, base_offset, limits, now_ms)?,
            limits,
            buffer: Vec::new(),
            batches: Vec::new(),
            buffer_bytes,
            bytes_written: 0,
        })
    }

    /// Adds a whole batch; returns how many bytes were written to the disk for it.
    pub fn push(&mut self, batch: &AnyBatch, bytes: &[u8]) -> Result<u64, CleanError> {
        self.buffer.extend_from_slice(bytes);
        self.batches.push(BatchSummary::from(batch));
        if self.buffer.len() < self.buffer_bytes {
            return Ok(0);
        }
        self.write()
    }

    pub fn push_aborted(&self, txn: &AbortedTxn) -> Result<(), CleanError> {
        Ok(self.segment.txn_index().append(txn)?)
    }

    pub fn bytes_written(&self) -> u64 {
        self.bytes_written
    }

    /// Completes the files and makes them durable. They are as old as the last of those they replace.
    pub fn finish(mut self, last: &Segment) -> Result<u64, CleanError> {
        self.write()?;
        self.segment.seal()?;
        self.segment.sync(true)?;
        let path = self.segment.log().path();
        let modified = last.log().path().metadata().and_then(|m| m.modified());
        let file = self.segment.open_log()?;
        modified
            .and_then(|modified| file.set_modified(modified))
            .map_err(StorageError::io("date", &path))?;
        Ok(self.bytes_written)
    }

    fn write(&mut self) -> Result<u64, CleanError> {
        if self.buffer.is_empty() {
            return Ok(0);
        }
        let written = self.buffer.len() as u64;
        let parts = &mut [IoSlice::new(&self.buffer)];
        self.segment.append(parts, &self.batches, self.limits)?;
        self.bytes_written += written;
        self.buffer.clear();
        self.batches.clear();
        Ok(written)
    }
}

/// Removes what there is of the files of an output.
pub(super) fn remove_files(home: &Arc<Home>, base_offset: i64) -> Result<(), StorageError> {
    for kind in FileKind::ALL {
        let path = home.file(kind, base_offset);
        if path.exists() {
            home.disk.remove(&path)?;
        }
    }
    Ok(())
}
