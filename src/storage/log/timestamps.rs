//! From a time to an offset, exact to the record: ListOffsets.

#![deny(clippy::indexing_slicing)]

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use ottla_base::limits::DECOMPRESSED_BATCH_BYTES_MAX;

use super::Log;
use super::read::look_twice;
use crate::batch;
use crate::error::{Result, StorageError};
use crate::segment::Segment;
use crate::walk::Placed;

/// A record, by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundTimestamp {
    pub offset: i64,
    pub timestamp: i64,
    /// −1 for records of the older formats.
    pub leader_epoch: i32,
}

impl Log {
    /// The first record that is not older than `timestamp`.
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<FoundTimestamp>> {
        look_twice(|| self.find_timestamp(timestamp), StorageError::is_not_found)
    }

    /// The first record with the largest timestamp of the log.
    pub fn max_timestamp_offset(&self) -> Result<Option<FoundTimestamp>> {
        look_twice(|| self.find_max_timestamp(), StorageError::is_not_found)
    }

    fn find_timestamp(&self, timestamp: i64) -> Result<Option<FoundTimestamp>> {
        let log_start = self.log_start_offset();
        for segment in self.segments.load_full().iter() {
            if segment.newest_ms()? < timestamp {
                continue;
            }
            let found = self.first_in(segment, timestamp, log_start)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn find_max_timestamp(&self) -> Result<Option<FoundTimestamp>> {
        let mut newest: Option<(i64, Arc<Segment>)> = None;
        for segment in self.segments.load_full().iter() {
            let timestamp = segment.largest_timestamp()?.timestamp;
            if newest.as_ref().is_none_or(|(largest, _)| timestamp > *largest) {
                newest = Some((timestamp, Arc::clone(segment)));
            }
        }
        match newest {
            Some((timestamp, segment)) if timestamp >= 0 => {
                self.first_in(&segment, timestamp, self.log_start_offset())
            }
            _ => Ok(None),
        }
    }

    fn first_in(
        &self,
        segment: &Arc<Segment>,
        timestamp: i64,
        log_start: i64,
    ) -> Result<Option<FoundTimestamp>> {
        // An entry below the wanted time says that all batches up to its offset are older. One with exactly this time
        // does not: the batch that it names may hold the record.
        let floor = segment.time_index().lookup(timestamp - 1)?;
        let start = segment.offset_index().lookup(floor.offset.max(log_start))?;
        let file = segment.open_log()?;
        let gaps = self.gaps.load();
        let mut walk = segment.walk_headers(&file, u64::from(start.position), segment.size_bytes(), &gaps);
        while let Some(placed) = walk.next_header() {
            let placed = placed.map_err(|error| segment.walk_failed(error))?;
            if placed.batch.max_timestamp() < timestamp || placed.batch.last_offset() < log_start {
                continue;
            }
            let found = record_at(segment, &file, &placed, timestamp, log_start)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

fn record_at(
    segment: &Segment,
    file: &std::fs::File,
    placed: &Placed,
    timestamp: i64,
    log_start: i64,
) -> Result<Option<FoundTimestamp>> {
    let path = segment.log().path();
    let mut bytes = vec![0; placed.batch.size_bytes()];
    file.read_exact_at(&mut bytes, placed.position)
        .map_err(StorageError::io("read", &path))?;
    let damaged = |error: batch::BatchError| StorageError::corrupt(&path, error.to_string());
    for record in batch::records(&bytes, DECOMPRESSED_BATCH_BYTES_MAX).map_err(damaged)? {
        let record = record.map_err(damaged)?;
        if record.timestamp >= timestamp && record.offset >= log_start {
            return Ok(Some(FoundTimestamp {
                offset: record.offset,
                timestamp: record.timestamp,
                leader_epoch: placed.batch.leader_epoch(),
            }));
        }
    }
    Ok(None)
}
