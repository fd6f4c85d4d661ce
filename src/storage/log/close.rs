//! The clean stop of a log, in two halves: write what a clean stop leaves, then make it durable. Who stops thousands of logs
//! syncs the disk once between the halves of all of them; a sync of each file would take minutes.

use std::sync::atomic::Ordering;

use super::Log;
use crate::error::Result;

impl Log {
    /// Leaves the files as Apache Kafka leaves them on a clean stop, and takes no more appends. Blocks.
    pub fn close(&self) -> Result<()> {
        if self.seal()? {
            self.sync_sealed()?;
        }
        self.release();
        Ok(())
    }

    /// The first half: takes no more appends, and completes the files. Whether something waits to be synced.
    pub(crate) fn seal(&self) -> Result<bool> {
        self.close_for_appends();
        if self.is_deleted() || self.is_as_closed() {
            return Ok(false);
        }
        let mut writer = self.writer.lock();
        self.write_snapshot(&mut writer, self.log_end_offset())?;
        if let Some(active) = self.active() {
            active.seal()?;
        }
        Ok(true)
    }

    /// The second half for one log.
    pub(crate) fn sync_sealed(&self) -> Result<()> {
        let end = self.log_end_offset();
        if let Some(active) = self.active() {
            active.sync(true)?;
        }
        self.flush()?;
        self.epochs.lock().persist(end)?;
        self.sync_snapshot(end)?;
        self.home.anchor()?;
        self.disk().sync_dir(&self.home.path())
    }

    /// What the first half leaves to do when the disk will be synced as a whole.
    pub(crate) fn prepare_sync_of_all(&self) -> Result<()> {
        self.epochs.lock().persist_unsynced(self.log_end_offset())
    }

    /// The disk was synced as a whole, and nothing was appended since.
    pub(crate) fn note_sync_of_all(&self) {
        self.recovery_point
            .fetch_max(self.log_end_offset(), Ordering::AcqRel);
        self.home.note_anchored();
        self.release();
    }

    /// Whether the files are already as a clean stop leaves them: most logs of a large node have taken no record since
    /// the start, and need no sync for it.
    fn is_as_closed(&self) -> bool {
        let end = self.log_end_offset();
        self.home.is_anchored()
            && self.writer.lock().snapshot_offset >= end
            && self.recovery_point() >= end
            && self.epochs.lock().is_persisted(end)
            && self.active().is_some_and(|active| active.has_all_indexes())
    }
}
