//! `.timeindex`: from a timestamp to an offset, sparse.
//!
//! ```text
//! entry: i64 largest timestamp so far | i32 last offset of the batch that holds it - base offset
//! ```
//! Timestamps strictly rise from entry to entry, so the last entry is the segment's largest timestamp once the segment
//! has been rolled or closed.

#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use crate::entries::Entries;
use crate::error::Result;
use crate::home::Home;
use crate::names::FileKind;
use crate::offset_index::relative;

pub const ENTRY_BYTES: usize = 12;

/// An entry: no batch up to the one that ends with `offset` has a larger timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    pub timestamp: i64,
    pub offset: i64,
}

pub struct TimeIndex {
    entries: Entries<ENTRY_BYTES>,
    base_offset: i64,
}

impl TimeIndex {
    pub(crate) fn new(home: Arc<Home>, base_offset: i64, bytes_max: usize, exists: bool) -> Self {
        Self {
            entries: Entries::new(home, FileKind::TimeIndex, base_offset, bytes_max, exists),
            base_offset,
        }
    }

    pub(crate) fn entries(&self) -> &Entries<ENTRY_BYTES> {
        &self.entries
    }

    /// One slot is kept for the entry that closing the segment writes.
    pub fn is_full(&self) -> bool {
        self.entries.count() + 1 >= self.entries.count_max()
    }

    /// Adds an entry when `timestamp` is larger than all before it.
    pub(crate) fn maybe_append(&self, timestamp: i64, offset: i64) -> Result<()> {
        if timestamp <= self.last()?.timestamp {
            return Ok(());
        }
        let mut entry = [0; ENTRY_BYTES];
        let (time, delta) = entry.split_at_mut(8);
        time.copy_from_slice(&timestamp.to_be_bytes());
        delta.copy_from_slice(&relative(self.base_offset, offset, &self.entries)?.to_be_bytes());
        self.entries.append(entry)
    }

    /// The largest entry at or below `target`; (−1, base offset) when there is none.
    pub fn lookup(&self, target: i64) -> Result<TimestampOffset> {
        let split = self
            .entries
            .split_at(|entry| self.decode(entry).timestamp <= target)?;
        Ok(split.before.map_or(self.none(), |entry| self.decode(&entry)))
    }

    pub fn get(&self, index: usize) -> Result<Option<TimestampOffset>> {
        Ok(self.entries.get(index)?.map(|entry| self.decode(&entry)))
    }

    pub fn last(&self) -> Result<TimestampOffset> {
        Ok(self
            .entries
            .last()?
            .map_or(self.none(), |entry| self.decode(&entry)))
    }

    pub(crate) fn truncate_to(&self, offset: i64) -> Result<()> {
        let kept = self
            .entries
            .split_at(|entry| self.decode(entry).offset < offset)?;
        self.entries.truncate(kept.count)
    }

    fn none(&self) -> TimestampOffset {
        TimestampOffset {
            timestamp: -1,
            offset: self.base_offset,
        }
    }

    fn decode(&self, entry: &[u8; ENTRY_BYTES]) -> TimestampOffset {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *entry;
        TimestampOffset {
            timestamp: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
            offset: self.base_offset + i64::from(i32::from_be_bytes([i, j, k, l])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::Disk;

    #[test]
    fn only_larger_timestamps_are_entered() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(Arc::new(Disk::new(dir.path())), dir.path());
        let index = TimeIndex::new(home, 10, 1200, false);
        for (timestamp, offset) in [(100, 11), (100, 12), (90, 13), (150, 14)] {
            index.maybe_append(timestamp, offset).unwrap();
        }
        let at = |t| index.lookup(t).unwrap().offset;
        assert_eq!((at(99), at(100), at(149), at(1000)), (10, 11, 11, 14));
        assert_eq!(index.lookup(50).unwrap().timestamp, -1);
        let bytes = std::fs::read(dir.path().join("00000000000000000010.timeindex")).unwrap();
        assert_eq!(
            bytes,
            [
                0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 150, 0, 0, 0, 4
            ]
        );
        index.truncate_to(14).unwrap();
        assert_eq!(index.last().unwrap().timestamp, 100);
    }
}
