//! `leader-epoch-checkpoint`: at which offset each leader epoch of the partition began.
//!
//! Followers and consumers ask with it where their log parts from the leader's (KIP-101, KIP-320). Both epochs and
//! offsets strictly rise from entry to entry.
//!
//! Every batch carries its epoch, so recovery finds the epochs of all batches behind the recovery point in the batches
//! themselves. The file therefore need not know an epoch before the recovery point passes its first record
//! ([`EpochCache::persist`]): a broker that begins to lead thousands of partitions writes none of their files for it.

#![deny(clippy::indexing_slicing)]

use std::path::PathBuf;
use std::sync::Arc;

use crate::checkpoints;
use crate::error::Result;
use crate::home::Home;

pub const FILE_NAME: &str = "leader-epoch-checkpoint";

/// The first offset written in a leader epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    pub epoch: i32,
    pub start_offset: i64,
}

pub(crate) struct EpochCache {
    home: Arc<Home>,
    /// Shared with those who read it while a change waits for the disk.
    entries: Arc<Vec<EpochStart>>,
    /// So many of the first entries are in the file. It may hold others, which these contradict.
    persisted: usize,
}

impl EpochCache {
    /// Reads the file; an absent one is a cache without entries, a damaged one an error.
    pub fn load(home: Arc<Home>) -> Result<Self> {
        let path = home.path().join(FILE_NAME);
        let mut cache = Self {
            home,
            entries: Arc::default(),
            persisted: 0,
        };
        for [epoch, start_offset] in checkpoints::read_lines::<2>(&path)? {
            if let (Ok(epoch), Ok(start_offset)) = (epoch.parse(), start_offset.parse()) {
                cache.insert(EpochStart { epoch, start_offset });
            }
        }
        cache.persisted = cache.entries.len();
        Ok(cache)
    }

    pub fn latest(&self) -> Option<EpochStart> {
        self.entries.last().copied()
    }

    pub fn entries(&self) -> &Arc<Vec<EpochStart>> {
        &self.entries
    }

    /// Notes that `epoch` begins at `start_offset`. Entries that contradict it are dropped.
    pub fn assign(&mut self, epoch: i32, start_offset: i64) {
        self.insert(EpochStart { epoch, start_offset });
    }

    /// Whether the file knows every epoch that began before `offset`.
    pub fn is_persisted(&self, offset: i64) -> bool {
        let next = self.entries.get(self.persisted);
        next.is_none_or(|entry| entry.start_offset >= offset)
    }

    /// Makes the epochs that began before `offset` durable.
    pub fn persist(&mut self, offset: i64) -> Result<()> {
        match self.is_persisted(offset) {
            true => Ok(()),
            false => self.write(),
        }
    }

    /// As [`EpochCache::persist`], for a caller who syncs the whole disk next.
    pub fn persist_unsynced(&mut self, offset: i64) -> Result<()> {
        if !self.is_persisted(offset) {
            self.home
                .disk
                .replace_unsynced(&self.path(), self.text().as_bytes())?;
            self.persisted = self.entries.len();
        }
        Ok(())
    }

    /// Drops the epochs that began at or behind `offset`.
    pub fn truncate_from_end(&mut self, offset: i64) -> Result<()> {
        if self.drop_from_end(offset) {
            self.write()
        } else {
            Ok(())
        }
    }

    /// Drops the epochs that ended before `offset`; the one that `offset` lies in begins there from now on.
    pub fn truncate_from_start(&mut self, offset: i64) -> Result<()> {
        if self.drop_to_start(offset) {
            self.write()
        } else {
            Ok(())
        }
    }

    /// Drops what lies outside the log, in memory alone: the file follows with the next assignment, and until then every
    /// load would drop the same. A start with many logs is not the time to sync a file for each.
    pub fn confine(&mut self, log_start: i64, log_end: i64) {
        self.drop_from_end(log_end);
        self.drop_to_start(log_start);
    }

    fn drop_from_end(&mut self, offset: i64) -> bool {
        let before = self.entries.len();
        Arc::make_mut(&mut self.entries).retain(|entry| entry.start_offset < offset);
        self.persisted = self.persisted.min(self.entries.len());
        self.entries.len() < before
    }

    fn drop_to_start(&mut self, offset: i64) -> bool {
        let is_at_or_before = |entry: &EpochStart| entry.start_offset <= offset;
        let Some(floor) = self.entries.iter().rposition(is_at_or_before) else {
            return false;
        };
        let entries = Arc::make_mut(&mut self.entries);
        let dropped = entries.drain(..floor).count();
        self.persisted = self.persisted.saturating_sub(dropped);
        match entries.first_mut() {
            Some(first) if first.start_offset < offset => {
                first.start_offset = offset;
                true
            }
            _ => dropped > 0,
        }
    }

    fn insert(&mut self, new: EpochStart) {
        if new.epoch < 0 || new.start_offset < 0 {
            return;
        }
        // An epoch that is known already keeps its earlier start.
        if let Some(last) = self.entries.last()
            && last.epoch == new.epoch
            && last.start_offset <= new.start_offset
        {
            return;
        }
        let entries = Arc::make_mut(&mut self.entries);
        entries.retain(|entry| entry.epoch < new.epoch && entry.start_offset < new.start_offset);
        self.persisted = self.persisted.min(entries.len());
        entries.push(new);
    }

    fn write(&mut self) -> Result<()> {
        self.home.disk.replace(&self.path(), self.text().as_bytes())?;
        self.persisted = self.entries.len();
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.home.path().join(FILE_NAME)
    }

    fn text(&self) -> String {
        let entries = self.entries.iter();
        checkpoints::render(entries.map(|entry| format!("{} {}", entry.epoch, entry.start_offset)))
    }
}

/// The largest epoch at or below `epoch` and the offset at which it ended; `None` when that is not known.
pub(crate) fn end_offset_for(entries: &[EpochStart], epoch: i32, log_end_offset: i64) -> Option<(i32, i64)> {
    let latest = entries.last()?;
    if epoch == latest.epoch {
        return Some((epoch, log_end_offset));
    }
    let next = entries.iter().find(|entry| entry.epoch > epoch)?;
    let floor = entries.iter().rev().find(|entry| entry.epoch <= epoch);
    Some((floor.map_or(epoch, |entry| entry.epoch), next.start_offset))
}

/// The epoch in which `offset` was written.
pub(crate) fn epoch_of(entries: &[EpochStart], offset: i64) -> Option<i32> {
    let entry = entries.iter().rev().find(|entry| entry.start_offset <= offset);
    entry.map(|entry| entry.epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::Disk;

    fn cache(dir: &std::path::Path) -> EpochCache {
        EpochCache::load(Home::new(Arc::new(Disk::new(dir)), dir)).unwrap()
    }

    fn with(dir: &std::path::Path, entries: &[(i32, i64)]) -> EpochCache {
        let mut cache = cache(dir);
        for (epoch, start) in entries {
            cache.assign(*epoch, *start);
        }
        cache.persist(i64::MAX).unwrap();
        cache
    }

    fn pairs(cache: &EpochCache) -> Vec<(i32, i64)> {
        cache.entries.iter().map(|e| (e.epoch, e.start_offset)).collect()
    }

    #[test]
    fn the_file_is_kafkas_and_survives() {
        let dir = tempfile::tempdir().unwrap();
        with(dir.path(), &[(0, 0), (2, 10), (2, 15), (5, 20)]);
        let text = std::fs::read_to_string(dir.path().join(FILE_NAME)).unwrap();
        assert_eq!(text, "0\n3\n0 0\n2 10\n5 20\n");
        assert_eq!(pairs(&cache(dir.path())), [(0, 0), (2, 10), (5, 20)]);
    }

    #[test]
    fn the_file_waits_until_an_epoch_has_records() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = with(dir.path(), &[(0, 0)]);
        cache.assign(3, 10);
        cache.persist(10).unwrap();
        assert_eq!(text_of_file(dir.path()), "0\n1\n0 0\n");
        assert!(cache.is_persisted(10) && !cache.is_persisted(11));
        cache.persist(11).unwrap();
        assert_eq!(text_of_file(dir.path()), "0\n2\n0 0\n3 10\n");
        // An entry that takes the place of one in the file is not in the file.
        cache.assign(4, 10);
        assert!(!cache.is_persisted(11));
        cache.persist(11).unwrap();
        assert_eq!(text_of_file(dir.path()), "0\n2\n0 0\n4 10\n");
    }

    #[test]
    fn an_epoch_without_records_is_replaced_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            pairs(&with(dir.path(), &[(0, 0), (1, 10), (2, 10)])),
            [(0, 0), (2, 10)]
        );
    }

    #[test]
    fn end_offsets_answer_as_kip_101_asks() {
        let dir = tempfile::tempdir().unwrap();
        let cache = with(dir.path(), &[(1, 0), (3, 10), (5, 20)]);
        let end = |epoch| end_offset_for(cache.entries(), epoch, 30);
        assert_eq!(end(5), Some((5, 30)));
        assert_eq!(end(4), Some((3, 20)));
        assert_eq!(end(3), Some((3, 20)));
        assert_eq!(end(2), Some((1, 10)));
        assert_eq!(end(0), Some((0, 0)));
        assert_eq!(end(6), None);
        assert_eq!(epoch_of(cache.entries(), 15), Some(3));
    }

    #[test]
    fn truncation_keeps_the_floor_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = with(dir.path(), &[(0, 0), (2, 10), (5, 20)]);
        cache.truncate_from_start(15).unwrap();
        assert_eq!(pairs(&cache), [(2, 15), (5, 20)]);
        cache.truncate_from_end(20).unwrap();
        assert_eq!(pairs(&cache), [(2, 15)]);
        assert_eq!(text_of_file(dir.path()), "0\n1\n2 15\n");
    }

    fn text_of_file(dir: &std::path::Path) -> String {
        std::fs::read_to_string(dir.join(FILE_NAME)).unwrap()
    }
}
