//! Writing the checkpoints of the log dirs, each only when what it says has changed.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{LogDir, LogDirs};
use crate::checkpoints::{self, Offsets};
use crate::error::Result;
use crate::log::Log;

impl LogDirs {
    /// All checkpoints of a directory; nothing if it is offline.
    pub fn checkpoint(&self, dir: &LogDir) -> Result<()> {
        if dir.is_offline() {
            return Ok(());
        }
        let stale = std::mem::take(&mut *dir.stale.lock());
        let written = self.checkpoint_dir(dir);
        if written.is_err() {
            dir.stale.lock().extend(stale);
        }
        written
    }

    /// The high watermarks alone, which change with every append: `replica.high.watermark.checkpoint.interval.ms`.
    pub fn checkpoint_high_watermarks(&self, dir: &LogDir) -> Result<()> {
        match dir.is_offline() {
            true => Ok(()),
            false => self.write(dir, checkpoints::HIGH_WATERMARK, |log| Some(log.high_watermark())),
        }
    }

    /// The log starts alone: until they are written a crash undoes a DeleteRecords.
    pub fn checkpoint_log_starts(&self, dir: &LogDir) -> Result<()> {
        match dir.is_offline() {
            true => Ok(()),
            false => self.write(dir, checkpoints::LOG_START, log_start_inside_a_segment),
        }
    }

    /// How far the logs beside `log` are cleaned, and `log` itself.
    pub(crate) fn checkpoint_cleaned(&self, log: &Log) -> Result<()> {
        match self.dir(log.dir_id()) {
            Some(dir) => self.write(dir, checkpoints::CLEANER, Log::cleaned_to),
            None => Ok(()),
        }
    }

    pub(super) fn checkpoint_dir(&self, dir: &LogDir) -> Result<()> {
        self.write(dir, checkpoints::RECOVERY_POINT, |log| Some(log.recovery_point()))?;
        self.write(dir, checkpoints::HIGH_WATERMARK, |log| Some(log.high_watermark()))?;
        self.write(dir, checkpoints::CLEANER, Log::cleaned_to)?;
        self.write(dir, checkpoints::LOG_START, log_start_inside_a_segment)
    }

    fn write(&self, dir: &LogDir, name: &'static str, offset_of: impl Fn(&Log) -> Option<i64>) -> Result<()> {
        let mut offsets = Offsets::new();
        for log in self.logs().iter().filter(|log| log.dir_id() == dir.id()) {
            if let Some(offset) = offset_of(log) {
                offsets.insert(log.topic_partition().clone(), offset);
            }
        }
        let mut hasher = DefaultHasher::new();
        offsets.hash(&mut hasher);
        let content = (name, hasher.finish());
        let mut written = dir.written.lock();
        if written.contains(&content) {
            return Ok(());
        }
        checkpoints::write_offsets(dir.disk(), &dir.path().join(name), &offsets)?;
        written.retain(|(other, _)| *other != name);
        written.push(content);
        Ok(())
    }
}

/// A log start that the first segment's name does not say.
fn log_start_inside_a_segment(log: &Log) -> Option<i64> {
    let log_start = log.log_start_offset();
    let first_base = log.segments().first().map_or(0, |first| first.base_offset());
    (log_start > first_base).then_some(log_start)
}
