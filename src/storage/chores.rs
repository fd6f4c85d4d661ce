//! What a log leaves to be done later by somebody who may block: syncing rolled segments, unlinking deleted files.
//!
//! The room has no threads of its own. It keeps the list; the runtime's janitor is woken when something is put on it and
//! works it off.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::log::Log;
use crate::vfs::Disk;

/// Called when there is something to do.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
pub struct Chores {
    lists: Mutex<Lists>,
}

#[derive(Default)]
struct Lists {
    flushes: Vec<Weak<Log>>,
    unlinks: Vec<Unlink>,
    wake: Option<Wake>,
}

struct Unlink {
    due_ms: i64,
    path: PathBuf,
    disk: Arc<Disk>,
}

impl Chores {
    /// Names whom to wake.
    pub fn set_wake(&self, wake: Wake) {
        self.lists.lock().wake = Some(wake);
    }

    pub(crate) fn flush_later(&self, log: Weak<Log>) {
        self.add(|lists| lists.flushes.push(log));
    }

    pub(crate) fn unlink_later(&self, disk: &Arc<Disk>, paths: Vec<PathBuf>, due_ms: i64) {
        if paths.is_empty() {
            return;
        }
        self.add(|lists| {
            lists.unlinks.extend(paths.into_iter().map(|path| Unlink {
                due_ms,
                path,
                disk: Arc::clone(disk),
            }));
        });
    }

    /// When the next file is to be unlinked.
    pub fn next_unlink_ms(&self) -> Option<i64> {
        self.lists.lock().unlinks.iter().map(|unlink| unlink.due_ms).min()
    }

    /// Does all that is due. Blocks on the disk.
    pub fn work_off(&self, now_ms: i64) {
        let (flushes, unlinks) = self.take_due(now_ms);
        for log in flushes.iter().filter_map(Weak::upgrade) {
            if let Err(error) = log.flush_rolled() {
                tracing::error!(partition = %log.topic_partition(), %error, "cannot sync a rolled segment");
            }
        }
        for unlink in unlinks {
            let removed = if unlink.path.is_dir() {
                unlink.disk.remove_dir_all(&unlink.path)
            } else {
                unlink.disk.remove(&unlink.path)
            };
            if let Err(error) = removed {
                tracing::warn!(path = %unlink.path.display(), %error, "cannot unlink a deleted file");
            }
        }
    }

    fn add(&self, put: impl FnOnce(&mut Lists)) {
        let wake = {
            let mut lists = self.lists.lock();
            put(&mut lists);
            lists.wake.clone()
        };
        if let Some(wake) = wake {
            wake();
        }
    }

    fn take_due(&self, now_ms: i64) -> (Vec<Weak<Log>>, Vec<Unlink>) {
        let mut lists = self.lists.lock();
        let flushes = std::mem::take(&mut lists.flushes);
        let (due, later) = std::mem::take(&mut lists.unlinks)
            .into_iter()
            .partition(|unlink| unlink.due_ms <= now_ms);
        lists.unlinks = later;
        (flushes, due)
    }
}
