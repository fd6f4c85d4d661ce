//! `.txnindex`: the aborted transactions whose abort marker lies in the segment.
//!
//! ```text
//! entry: i16 version 0 | i64 producer id | i64 first offset | i64 last offset (the marker) | i64 last stable offset
//! ```
//! The file appears with the first abort. Readers at READ_COMMITTED are told of every transaction that overlaps what
//! they were given; the last stable offset of an entry says when later segments cannot hold another.

#![deny(clippy::indexing_slicing)]

use std::io::IoSlice;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Result, StorageError};
use crate::home::{Home, LazyFile};
use crate::names::FileKind;

pub const ENTRY_BYTES: usize = 34;
const VERSION: i16 = 0;
/// A fetch reads as many entries at a time while it collects.
const ENTRIES_PER_READ: u64 = 64;

/// A transaction that was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTxn {
    pub producer_id: i64,
    pub first_offset: i64,
    pub last_offset: i64,
    pub last_stable_offset: i64,
}

impl AbortedTxn {
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut out = [0; ENTRY_BYTES];
        let (version, fields) = out.split_at_mut(2);
        version.copy_from_slice(&VERSION.to_be_bytes());
        let values = [
            self.producer_id,
            self.first_offset,
            self.last_offset,
            self.last_stable_offset,
        ];
        for (to, value) in fields.chunks_exact_mut(8).zip(values) {
            to.copy_from_slice(&value.to_be_bytes());
        }
        out
    }

    pub fn decode(entry: &[u8; ENTRY_BYTES]) -> Result<Self, &'static str> {
        let (version, fields) = entry.split_at(2);
        if version != VERSION.to_be_bytes() {
            return Err("an entry has an unknown version");
        }
        let mut values = fields.chunks_exact(8).map(|field| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(field);
            i64::from_be_bytes(bytes)
        });
        let mut next = || values.next().unwrap_or(-1);
        Ok(Self {
            producer_id: next(),
            first_offset: next(),
            last_offset: next(),
            last_stable_offset: next(),
        })
    }
}

pub struct TxnIndex {
    file: LazyFile,
    size_bytes: AtomicU64,
}

impl TxnIndex {
    pub(crate) fn new(home: Arc<Home>, base_offset: i64, exists: bool) -> Self {
        let file = LazyFile::new(home, FileKind::TxnIndex, base_offset);
        let size_bytes = if exists { file.size_on_disk() } else { 0 };
        Self {
            file,
            size_bytes: AtomicU64::new(size_bytes),
        }
    }

    pub(crate) fn file(&self) -> &LazyFile {
        &self.file
    }

    pub fn is_empty(&self) -> bool {
        self.size_bytes.load(Ordering::Acquire) == 0
    }

    pub(crate) fn append(&self, txn: &AbortedTxn) -> Result<()> {
        let size = self.size_bytes.load(Ordering::Acquire);
        let file = self.file.open_or_create()?;
        let entry = txn.encode();
        let path = || self.file.path();
        let parts = &mut [IoSlice::new(&entry)];
        self.file.home.disk.write_at(&file, &path, size, parts)?;
        self.size_bytes
            .store(size + ENTRY_BYTES as u64, Ordering::Release);
        Ok(())
    }

    /// Every entry, in the order of their markers. An error when the file is not whole.
    pub fn entries(&self) -> Result<Vec<AbortedTxn>> {
        let size = self.size_bytes.load(Ordering::Acquire);
        if !size.is_multiple_of(ENTRY_BYTES as u64) {
            let what = "its size is not a multiple of an entry's";
            return Err(StorageError::corrupt(&self.file.path(), what));
        }
        self.read(0, size / ENTRY_BYTES as u64)
    }

    /// So many entries from the one at `first` on.
    fn read(&self, first: u64, count: u64) -> Result<Vec<AbortedTxn>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let path = self.file.path();
        let damaged = |what: &str| StorageError::corrupt(&path, what);
        let size = usize::try_from(count * ENTRY_BYTES as u64).map_err(|_| damaged("it is too large"))?;
        let mut bytes = vec![0; size];
        self.file
            .open()?
            .read_exact_at(&mut bytes, first * ENTRY_BYTES as u64)
            .map_err(StorageError::io("read", &path))?;
        let (entries, _) = bytes.as_chunks::<ENTRY_BYTES>();
        entries
            .iter()
            .map(|entry| AbortedTxn::decode(entry).map_err(damaged))
            .collect()
    }

    /// The first entry whose marker is at or behind `offset`. Markers rise from entry to entry.
    fn first_ending_at_or_behind(&self, offset: i64, count: u64) -> Result<u64> {
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            let is_before = self
                .read(middle, 1)?
                .first()
                .is_some_and(|txn| txn.last_offset < offset);
            match is_before {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }

    /// Adds to `found` the transactions that overlap `[from, upper)`. True when no later segment can hold another.
    pub fn collect(&self, from: i64, upper: i64, found: &mut Vec<AbortedTxn>) -> Result<bool> {
        let count = self.size_bytes.load(Ordering::Acquire) / ENTRY_BYTES as u64;
        // What ended before `from` has its stable offset there too, so it says nothing of what is behind.
        let mut next = self.first_ending_at_or_behind(from, count)?;
        while next < count {
            let entries = self.read(next, ENTRIES_PER_READ.min(count - next))?;
            next += ENTRIES_PER_READ;
            for txn in entries {
                if txn.last_offset >= from && txn.first_offset < upper {
                    found.push(txn);
                }
                if txn.last_stable_offset >= upper {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Checks what a trusted file must fulfil: whole entries whose markers rise and lie in the segment.
    pub fn sanity_check(&self) -> Result<()> {
        let mut last = i64::MIN;
        for txn in self.entries()? {
            if txn.last_offset < self.file.base_offset || txn.last_offset <= last {
                let what = format!("the abort at offset {} is out of order", txn.last_offset);
                return Err(StorageError::corrupt(&self.file.path(), what));
            }
            last = txn.last_offset;
        }
        Ok(())
    }

    /// Drops the aborts at or behind `offset`.
    pub(crate) fn truncate_to(&self, offset: i64) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let kept = self
            .entries()?
            .iter()
            .filter(|txn| txn.last_offset < offset)
            .count();
        self.set_size((kept * ENTRY_BYTES) as u64)
    }

    /// Empties the file before it is built again.
    pub(crate) fn reset(&self) -> Result<()> {
        if self.file.exists() {
            self.set_size(0)
        } else {
            Ok(())
        }
    }

    fn set_size(&self, size: u64) -> Result<()> {
        let file = self.file.open()?;
        self.size_bytes.store(size, Ordering::Release);
        self.file.home.disk.truncate(&file, &self.file.path(), size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::Disk;

    fn txn(producer_id: i64, first_offset: i64, last_offset: i64, last_stable_offset: i64) -> AbortedTxn {
        AbortedTxn {
            producer_id,
            first_offset,
            last_offset,
            last_stable_offset,
        }
    }

    fn index(dir: &std::path::Path) -> TxnIndex {
        TxnIndex::new(Home::new(Arc::new(Disk::new(dir)), dir), 0, true)
    }

    #[test]
    fn the_bytes_are_kafkas() {
        let golden = include_bytes!("../../tests/golden/storage/txnindex.bin");
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (txn(8, 1, 6, 0), txn(7, 8, 9, 10));
        let written = index(dir.path());
        written.append(&one).unwrap();
        written.append(&two).unwrap();
        assert_eq!(std::fs::read(written.file().path()).unwrap(), golden);
        assert_eq!(index(dir.path()).entries().unwrap(), [one, two]);
    }

    #[test]
    fn collects_what_overlaps_and_knows_when_to_stop() {
        let dir = tempfile::tempdir().unwrap();
        let index = index(dir.path());
        for entry in [txn(1, 0, 9, 10), txn(2, 12, 20, 15), txn(3, 15, 30, 31)] {
            index.append(&entry).unwrap();
        }
        let ids = |from, upper| {
            let mut found = vec![];
            let done = index.collect(from, upper, &mut found).unwrap();
            (found.iter().map(|t| t.producer_id).collect::<Vec<_>>(), done)
        };
        assert_eq!(ids(0, 10), (vec![1], true));
        assert_eq!(ids(10, 14), (vec![2], true));
        assert_eq!(ids(5, 40), (vec![1, 2, 3], false));
        index.truncate_to(30).unwrap();
        assert_eq!(ids(5, 40), (vec![1, 2], false));
    }

    #[test]
    fn what_is_collected_from_a_long_index_is_what_a_look_at_every_entry_finds() {
        let dir = tempfile::tempdir().unwrap();
        let index = index(dir.path());
        let all: Vec<AbortedTxn> = (0..300i64)
            .map(|n| txn(n, n * 10 - n % 7 * 5, n * 10 + 9, n * 10 - n % 5 * 8))
            .collect();
        all.iter().for_each(|entry| index.append(entry).unwrap());
        for from in (0..3020).step_by(7) {
            for upper in [from + 1, from + 33, from + 900, 4000] {
                let mut found = vec![];
                let is_done = index.collect(from, upper, &mut found).unwrap();
                let stop = all.iter().position(|txn| txn.last_stable_offset >= upper);
                let seen = &all[..stop.map_or(all.len(), |at| at + 1)];
                let overlaps = |txn: &&AbortedTxn| txn.last_offset >= from && txn.first_offset < upper;
                let expected: Vec<AbortedTxn> = seen.iter().filter(overlaps).copied().collect();
                assert_eq!((found, is_done), (expected, stop.is_some()), "{from} {upper}");
            }
        }
    }

    #[test]
    fn a_torn_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("00000000000000000000.txnindex"), [0; 40]).unwrap();
        assert!(index(dir.path()).sanity_check().is_err());
    }
}
