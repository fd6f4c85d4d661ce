//! `.index`: from an offset to a position in the segment, sparse.
//!
//! ```text
//! entry: i32 last offset of a batch - base offset | i32 position where that batch starts
//! ```
//! A lookup gives the largest entry at or below the wanted offset; the reader walks the batches from there.

#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use crate::entries::Entries;
use crate::error::{Result, StorageError};
use crate::home::Home;
use crate::names::FileKind;

pub const ENTRY_BYTES: usize = 8;

/// An entry: the batch that ends with `offset` starts at `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetPosition {
    pub offset: i64,
    pub position: u32,
}

pub struct OffsetIndex {
    entries: Entries<ENTRY_BYTES>,
    base_offset: i64,
}

impl OffsetIndex {
    pub(crate) fn new(home: Arc<Home>, base_offset: i64, bytes_max: usize, exists: bool) -> Self {
        Self {
            entries: Entries::new(home, FileKind::OffsetIndex, base_offset, bytes_max, exists),
            base_offset,
        }
    }

    pub(crate) fn entries(&self) -> &Entries<ENTRY_BYTES> {
        &self.entries
    }

    pub fn is_full(&self) -> bool {
        self.entries.count() >= self.entries.count_max()
    }

    pub(crate) fn append(&self, offset: i64, position: u32) -> Result<()> {
        let mut entry = [0; ENTRY_BYTES];
        let (delta, at) = entry.split_at_mut(4);
        delta.copy_from_slice(&relative(self.base_offset, offset, &self.entries)?.to_be_bytes());
        at.copy_from_slice(&position.to_be_bytes());
        self.entries.append(entry)
    }

    /// The largest entry at or below `target`, else the start of the segment.
    pub fn lookup(&self, target: i64) -> Result<OffsetPosition> {
        let split = self
            .entries
            .split_at(|entry| self.decode(entry).offset <= target)?;
        Ok(split.before.map_or(self.start(), |entry| self.decode(&entry)))
    }

    /// The first entry whose batch starts at or behind `position`: an upper bound for a read that ends there.
    pub fn first_at_or_after_position(&self, position: u64) -> Result<Option<OffsetPosition>> {
        let split = self
            .entries
            .split_at(|entry| u64::from(self.decode(entry).position) < position)?;
        Ok(split.after.map(|entry| self.decode(&entry)))
    }

    pub fn get(&self, index: usize) -> Result<Option<OffsetPosition>> {
        Ok(self.entries.get(index)?.map(|entry| self.decode(&entry)))
    }

    pub fn last(&self) -> Result<OffsetPosition> {
        Ok(self
            .entries
            .last()?
            .map_or(self.start(), |entry| self.decode(&entry)))
    }

    /// Drops the entries of batches that hold `offset` or a later one.
    pub(crate) fn truncate_to(&self, offset: i64) -> Result<()> {
        let kept = self
            .entries
            .split_at(|entry| self.decode(entry).offset < offset)?;
        self.entries.truncate(kept.count)
    }

    fn start(&self) -> OffsetPosition {
        OffsetPosition {
            offset: self.base_offset,
            position: 0,
        }
    }

    fn decode(&self, entry: &[u8; ENTRY_BYTES]) -> OffsetPosition {
        let [a, b, c, d, e, f, g, h] = *entry;
        OffsetPosition {
            offset: self.base_offset + i64::from(i32::from_be_bytes([a, b, c, d])),
            position: u32::from_be_bytes([e, f, g, h]),
        }
    }
}

/// `offset` as an index stores it. A segment is rolled before the difference outgrows 31 bits.
pub(crate) fn relative<const N: usize>(base_offset: i64, offset: i64, entries: &Entries<N>) -> Result<i32> {
    i32::try_from(offset - base_offset)
        .ok()
        .filter(|delta| *delta >= 0)
        .ok_or_else(|| {
            StorageError::corrupt(&entries.path(), format!("offset {offset} does not belong to it"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::Disk;
    use proptest::prelude::*;

    fn index(dir: &std::path::Path, base: i64) -> OffsetIndex {
        OffsetIndex::new(Home::new(Arc::new(Disk::new(dir)), dir), base, 8 * 1000, true)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn lookup_is_the_floor(steps in proptest::collection::vec(1i64..50, 0..200), probes in proptest::collection::vec(0i64..10_000, 20)) {
            let dir = tempfile::tempdir().unwrap();
            let index = index(dir.path(), 100);
            let mut offset = 100;
            let mut model = vec![];
            for (i, step) in steps.iter().enumerate() {
                offset += step;
                index.append(offset, i as u32 * 10).unwrap();
                model.push((offset, i as u32 * 10));
            }
            for probe in probes {
                let want = model.iter().rev().find(|(o, _)| *o <= probe).copied().unwrap_or((100, 0));
                let found = index.lookup(probe).unwrap();
                prop_assert_eq!((found.offset, found.position), want);
            }
        }
    }

    #[test]
    fn truncation_keeps_readers_of_the_old_file_alive() {
        let dir = tempfile::tempdir().unwrap();
        let index = index(dir.path(), 0);
        for i in 0..500 {
            index.append(i * 2, i as u32).unwrap();
        }
        assert_eq!(index.lookup(999).unwrap().offset, 998);
        index.truncate_to(100).unwrap();
        assert_eq!(index.last().unwrap().offset, 98);
        assert_eq!(std::fs::metadata(index.entries().path()).unwrap().len(), 50 * 8);
        index.append(120, 7).unwrap();
        assert_eq!(
            index.lookup(500).unwrap(),
            OffsetPosition {
                offset: 120,
                position: 7
            }
        );
    }

    #[test]
    fn the_bytes_are_kafkas() {
        let dir = tempfile::tempdir().unwrap();
        index(dir.path(), 1000).append(1003, 0x0102).unwrap();
        let bytes = std::fs::read(dir.path().join("00000000000000001000.index")).unwrap();
        assert_eq!(bytes, [0, 0, 0, 3, 0, 0, 1, 2]);
    }
}
