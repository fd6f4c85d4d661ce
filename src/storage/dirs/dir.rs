//! One log directory.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

use ottla_base::{TopicPartition, Uuid};
use parking_lot::Mutex;

use super::clean_shutdown::{self, CleanShutdown};
use super::lock::DirLock;
use super::meta_properties::{ClusterIdentity, MetaProperties};
use crate::error::Result;
use crate::vfs::Disk;

pub struct LogDir {
    id: Uuid,
    identity: ClusterIdentity,
    disk: Arc<Disk>,
    clean_shutdown: Option<CleanShutdown>,
    loaded: AtomicBool,
    lock: Mutex<Option<DirLock>>,
    /// What each checkpoint file held when it was last written, so that an idle broker writes none.
    pub(super) written: Mutex<Vec<(&'static str, u64)>>,
    /// How many logs lie here: the next one goes where there are fewest.
    pub(super) log_count: AtomicIsize,
    /// Partitions that were deleted since the checkpoints here were written: a new log of that name must not inherit theirs.
    pub(super) stale: Mutex<HashSet<TopicPartition>>,
}

impl LogDir {
    pub(super) fn open(disk: Arc<Disk>) -> Result<Self> {
        disk.create_dir(disk.root())?;
        let lock = DirLock::acquire(&disk)?;
        let meta = MetaProperties::read_or_complete(&disk)?;
        Ok(Self {
            id: meta.directory_id,
            identity: meta.identity,
            clean_shutdown: clean_shutdown::read(disk.root())?,
            disk,
            loaded: AtomicBool::new(false),
            lock: Mutex::new(Some(lock)),
            written: Mutex::default(),
            log_count: AtomicIsize::new(0),
            stale: Mutex::default(),
        })
    }

    /// `directory.id`.
    pub fn id(&self) -> Uuid {
        self.id
    }

    pub fn path(&self) -> &Path {
        self.disk.root()
    }

    pub fn identity(&self) -> &ClusterIdentity {
        &self.identity
    }

    pub fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    pub fn is_offline(&self) -> bool {
        self.disk.is_offline()
    }

    pub fn was_clean_shutdown(&self) -> bool {
        self.clean_shutdown.is_some()
    }

    /// The broker epoch with which the last clean stop was registered; −1 when it is not known.
    pub fn broker_epoch(&self) -> i64 {
        self.clean_shutdown.map_or(-1, |marker| marker.broker_epoch)
    }

    pub fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    pub(super) fn set_loaded(&self) {
        self.loaded.store(true, Ordering::Release);
    }

    pub(super) fn unlock(&self) {
        if let Some(lock) = self.lock.lock().take() {
            lock.release();
        }
    }
}
