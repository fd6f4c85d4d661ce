//! Exchanging segments for the one that the cleaner has made of them, so that a crash at any moment leaves either.
//!
//! ```text
//! <base>.log.cleaned   written and synced        the next start removes it
//! <base>.log.swap      ready                     the next start puts it in place of the old ones
//! <base>.log           the old ones are .deleted, the new one has its name
//! ```
//! Appends wait only for the renames of the last step. Readers wait for nothing: who holds the old segments goes on with
//! their files, which are opened beforehand, since soon other files will have their names.

#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use super::load::offsets_of;
use super::{Log, Writer};
use crate::cleaner::CleanError;
use crate::error::Result;
use crate::names::{CLEANED_SUFFIX, FileKind, SWAP_SUFFIX};
use crate::segment::{Indexes, Segment};
use crate::vfs::with_suffix;

/// The files of a segment in the order in which they are renamed. A replacement counts from the moment in which its `.log`
/// has the next name; until all have it, the start still finds one with the name before and knows what was going on.
const FILES: [FileKind; 4] = [
    FileKind::Log,
    FileKind::OffsetIndex,
    FileKind::TimeIndex,
    FileKind::TxnIndex,
];

impl Log {
    /// Puts the finished `.cleaned` files with the base of the first of `old` in the place of all of them.
    pub(crate) fn exchange_segments(&self, old: &[Arc<Segment>], now_ms: i64) -> Result<(), CleanError> {
        let Some(base_offset) = old.first().map(|first| first.base_offset()) else {
            return Ok(());
        };
        self.check_unchanged(old)?;
        self.rename_files(base_offset, CLEANED_SUFFIX, SWAP_SUFFIX)?;
        self.disk().sync_dir(&self.home.path())?;
        let writer = self.writer.lock();
        if let Err(changed) = self.check_unchanged(old) {
            self.remove_files(base_offset, SWAP_SUFFIX)?;
            return Err(changed);
        }
        let set_aside = self.swap(&writer, old, base_offset, now_ms)?;
        drop(writer);
        self.disk().sync_dir(&self.home.path())?;
        let due_ms = now_ms.saturating_add(self.config.load().file_delete_delay_ms);
        self.chores.unlink_later(self.disk(), set_aside, due_ms);
        Ok(())
    }

    /// Removes the producer snapshots before `offset`, where the log is about to be cleaned. One of them may know a
    /// transaction as open whose marker goes; whoever began with it would wait for that marker for ever. Those at and behind
    /// `offset` know all that was before.
    pub(crate) fn forget_snapshots_before(&self, offset: i64) -> Result<()> {
        let _writer = self.writer.lock();
        for old in offsets_of(&self.home, FileKind::Snapshot)?.range(..offset) {
            self.disk().remove(&self.home.file(FileKind::Snapshot, *old))?;
        }
        Ok(())
    }

    /// Returns the files that are to be unlinked.
    fn swap(
        &self,
        _writer: &Writer,
        old: &[Arc<Segment>],
        base_offset: i64,
        now_ms: i64,
    ) -> Result<Vec<std::path::PathBuf>> {
        let mut set_aside = Vec::new();
        for segment in old {
            segment.pin()?;
        }
        for segment in old {
            set_aside.extend(segment.set_aside(&FILES)?);
        }
        self.rename_files(base_offset, SWAP_SUFFIX, "")?;
        let indexes = Indexes::on_disk(&self.home, base_offset);
        let new = Arc::new(Segment::open(
            &self.home,
            base_offset,
            self.limits(),
            now_ms,
            indexes,
        ));
        let mut segments = self.segments.load().to_vec();
        if let Some(at) = position_of(&segments, old) {
            segments.splice(at..at + old.len(), [new]);
            self.segments.store(Arc::new(segments));
        }
        Ok(set_aside)
    }

    /// Retention, truncation or the end of the partition may have come between.
    pub(crate) fn check_unchanged(&self, old: &[Arc<Segment>]) -> Result<(), CleanError> {
        match self.is_closed() || position_of(&self.segments.load(), old).is_none() {
            true => Err(CleanError::Aborted),
            false => Ok(()),
        }
    }

    fn rename_files(&self, base_offset: i64, from: &str, to: &str) -> Result<()> {
        for kind in FILES {
            let plain = self.home.file(kind, base_offset);
            let old = with_suffix(&plain, from);
            if old.exists() {
                self.disk().rename(&old, &with_suffix(&plain, to))?;
            }
        }
        Ok(())
    }

    fn remove_files(&self, base_offset: i64, suffix: &str) -> Result<()> {
        for kind in FILES {
            self.disk()
                .remove(&with_suffix(&self.home.file(kind, base_offset), suffix))?;
        }
        Ok(())
    }
}

/// Where `old` stand in `segments`: all of them, one after the other, and never the last one, which is active.
fn position_of(segments: &[Arc<Segment>], old: &[Arc<Segment>]) -> Option<usize> {
    let first = old.first()?;
    let at = segments.iter().position(|segment| Arc::ptr_eq(segment, first))?;
    let found = segments.get(at..at + old.len())?;
    let is_same = found.iter().zip(old).all(|(a, b)| Arc::ptr_eq(a, b));
    (is_same && at + old.len() < segments.len()).then_some(at)
}
