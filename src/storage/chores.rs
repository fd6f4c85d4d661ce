//! What a log leaves to be done later by somebody who may block: syncing new directories and rolled segments, unlinking
//! deleted files.
//!
//! The room has no threads of its own. It keeps the list; the runtime's janitor is woken when something is put on it and
//! works it off, disk by disk, so that one which hangs holds up no other.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::error::Result;
use crate::log::Log;
use crate::vfs::{Disk, SYNC_ALL_FROM};

/// Called when there is something to do.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
pub struct Chores {
    lists: Mutex<Lists>,
}

#[derive(Default)]
struct Lists {
    anchors: Vec<Weak<Log>>,
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

    pub(crate) fn anchor_later(&self, log: &Arc<Log>) {
        self.add(|lists| lists.anchors.push(Arc::downgrade(log)));
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

    /// When the next file of a disk is to be unlinked.
    pub fn next_unlink_ms(&self, disk: &Arc<Disk>) -> Option<i64> {
        let lists = self.lists.lock();
        let unlinks = lists
            .unlinks
            .iter()
            .filter(|unlink| Arc::ptr_eq(&unlink.disk, disk));
        unlinks.map(|unlink| unlink.due_ms).min()
    }

    /// Does all that is due on a disk, and waits for it.
    pub fn work_off(&self, disk: &Arc<Disk>, now_ms: i64) {
        let Due {
            anchors,
            flushes,
            unlinks,
        } = self.take_due(disk, now_ms);
        if let Err(error) = anchor(anchors) {
            tracing::error!(%error, "cannot sync new directories");
        }
        for log in flushes {
            if let Err(error) = log.flush_rolled() {
                tracing::error!(partition = %log.topic_partition(), %error, "cannot sync a rolled segment");
            }
            log.release_rolled();
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

    fn take_due(&self, disk: &Arc<Disk>, now_ms: i64) -> Due {
        let mut lists = self.lists.lock();
        let (unlinks, later) = std::mem::take(&mut lists.unlinks)
            .into_iter()
            .partition(|unlink| unlink.due_ms <= now_ms && Arc::ptr_eq(&unlink.disk, disk));
        lists.unlinks = later;
        Due {
            anchors: take_of(&mut lists.anchors, disk),
            flushes: take_of(&mut lists.flushes, disk),
            unlinks,
        }
    }
}

/// What is due on one disk.
struct Due {
    anchors: Vec<Arc<Log>>,
    flushes: Vec<Arc<Log>>,
    unlinks: Vec<Unlink>,
}

/// Takes the logs of a disk out of a list, and lets go of those that are gone.
fn take_of(list: &mut Vec<Weak<Log>>, disk: &Arc<Disk>) -> Vec<Arc<Log>> {
    let mut taken = Vec::new();
    list.retain(|log| match log.upgrade() {
        Some(log) if Arc::ptr_eq(&log.home().disk, disk) => {
            taken.push(log);
            false
        }
        other => other.is_some(),
    });
    taken
}

/// Makes new directories of a disk durable: one by one, or many by one sync of all that is on it.
fn anchor(mut logs: Vec<Arc<Log>>) -> Result<()> {
    logs.retain(|log| !log.home().is_anchored());
    match &*logs {
        [first, ..] if logs.len() >= SYNC_ALL_FROM => {
            first.home().disk.sync_all()?;
            logs.iter().for_each(|log| log.home().note_anchored());
        }
        _ => {
            for log in &logs {
                match log.home().anchor() {
                    // Deleted meanwhile.
                    Err(error) if error.is_not_found() => {}
                    other => other?,
                }
            }
        }
    }
    Ok(())
}
