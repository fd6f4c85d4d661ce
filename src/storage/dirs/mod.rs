//! The log directories of a process: who owns them, which logs lie in them, and what their checkpoints say.
//!
//! ```text
//! /data                         .lock  meta.properties  .kafka_cleanshutdown (while nobody runs)
//!   recovery-point-offset-checkpoint  replication-offset-checkpoint  log-start-offset-checkpoint
//!   topic-0/                    partition.metadata  leader-epoch-checkpoint  segments
//!   topic-1.<hex>-delete/       waits to be unlinked (-future, -stray: see names.rs)
//! ```
//! Life: [`LogDirs::open`] locks the directories and reads who they belong to; [`LogDirs::load_all`] takes the clean
//! shutdown markers away and loads every log; then logs are created and deleted one by one; [`LogDirs::close_cleanly`]
//! leaves everything as Apache Kafka leaves it.

mod checkpointing;
mod clean_shutdown;
mod closing;
mod creation;
mod dir;
mod future;
mod load_all;
mod lock;
mod meta_properties;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_base::{TopicPartition, Uuid};
use parking_lot::RwLock;

use crate::chores::Chores;
use crate::config::LogConfig;
use crate::error::{Result, StorageError};
use crate::log::Log;
use crate::names::{PartitionDirName, file_name, suffixed_dir_name};
use crate::vfs::Disk;

pub use clean_shutdown::CleanShutdown;
pub use dir::LogDir;
pub use load_all::{LoadOptions, Loaded};
pub use meta_properties::{ClusterIdentity, MetaProperties, new_directory_id};

type Logs = RwLock<HashMap<TopicPartition, Arc<Log>>>;

pub struct LogDirs {
    dirs: Vec<Arc<LogDir>>,
    logs: Arc<Logs>,
    /// Copies that are to take the place of logs in other directories.
    futures: RwLock<HashMap<TopicPartition, Arc<Log>>>,
    chores: Arc<Chores>,
}

impl LogDirs {
    /// Locks the directories and checks that they belong together, and to `identity` if it is given.
    pub fn open(paths: &[PathBuf], identity: Option<&ClusterIdentity>) -> Result<Self> {
        Self::open_on(paths, identity, |path| Disk::new(path))
    }

    /// As [`LogDirs::open`], on disks that a test has prepared.
    pub fn open_on(
        paths: &[PathBuf],
        identity: Option<&ClusterIdentity>,
        disk: impl Fn(&PathBuf) -> Disk,
    ) -> Result<Self> {
        let mut dirs: Vec<Arc<LogDir>> = Vec::new();
        let logs = Arc::<Logs>::default();
        for path in paths {
            let disk = disk(path);
            disk.on_exhausted(release_idle(&logs));
            dirs.push(Arc::new(LogDir::open(Arc::new(disk))?));
        }
        check_identities(&dirs, identity)?;
        Ok(Self {
            dirs,
            logs,
            futures: RwLock::default(),
            chores: Arc::default(),
        })
    }

    pub fn dirs(&self) -> &[Arc<LogDir>] {
        &self.dirs
    }

    pub fn dir(&self, id: Uuid) -> Option<&Arc<LogDir>> {
        self.dirs.iter().find(|dir| dir.id() == id)
    }

    /// Syncs and unlinks that wait to be done; the janitor works them off.
    pub fn chores(&self) -> &Arc<Chores> {
        &self.chores
    }

    pub fn get(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.logs.read().get(partition).cloned()
    }

    pub fn logs(&self) -> Vec<Arc<Log>> {
        self.logs.read().values().cloned().collect()
    }

    fn enlist(&self, log: &Arc<Log>) -> Option<Arc<Log>> {
        let other = self
            .logs
            .write()
            .insert(log.topic_partition().clone(), Arc::clone(log));
        self.count(log, 1);
        if let Some(other) = &other {
            self.count(other, -1);
        }
        other
    }

    fn delist(&self, partition: &TopicPartition) {
        if let Some(log) = self.logs.write().remove(partition) {
            self.count(&log, -1);
        }
    }

    fn count(&self, log: &Log, change: isize) {
        if let Some(dir) = self.dir(log.dir_id()) {
            dir.log_count.fetch_add(change, Ordering::Relaxed);
        }
    }

    /// The log of a partition, if there is one and it belongs to the topic with this id.
    pub fn load(
        &self,
        partition: &TopicPartition,
        topic_id: Uuid,
        config: &Arc<LogConfig>,
    ) -> Option<Arc<Log>> {
        let log = self.get(partition).filter(|log| log.topic_id() == topic_id)?;
        log.set_config(Arc::clone(config));
        Some(log)
    }

    /// Refuses a metadata log that lies elsewhere than in `expected`, e.g. because `log.dirs` has another order now: an
    /// empty one would be begun, and every partition set aside as unknown to it.
    pub fn check_metadata_location(&self, expected: &Path) -> Result<()> {
        let name = TopicPartition::new(ottla_base::ids::METADATA_TOPIC, 0).to_string();
        let is_elsewhere = |dir: &&Arc<LogDir>| dir.path() != expected && dir.path().join(&name).exists();
        match self.dirs.iter().find(is_elsewhere) {
            None => Ok(()),
            Some(dir) => Err(StorageError::Directory(format!(
                "{name} lies in {}, but metadata.log.dir (or the first of log.dirs) is {}",
                dir.path().display(),
                expected.display()
            ))),
        }
    }

    /// Takes a log out of service at once; its files are unlinked after `file.delete.delay.ms`.
    pub fn delete_log(&self, log: &Arc<Log>, now_ms: i64) -> Result<()> {
        self.retire(log, "delete")?;
        let due_ms = now_ms.saturating_add(log.config().file_delete_delay_ms);
        self.chores
            .unlink_later(&log.home().disk, vec![log.path()], due_ms);
        Ok(())
    }

    /// Sets the log of a partition that the cluster does not know aside. It is kept, and never deleted by itself.
    pub fn set_stray(&self, log: &Arc<Log>) -> Result<()> {
        self.retire(log, "stray")
    }

    fn retire(&self, log: &Arc<Log>, suffix: &str) -> Result<()> {
        let partition = log.topic_partition();
        log.close_for_appends();
        self.delist(partition);
        // It may have been moved here. Only now: checkpoints that are being written name what is on the list.
        for dir in &self.dirs {
            dir.stale.lock().insert(partition.clone());
        }
        let from = log.path();
        let name = suffixed_dir_name(partition, Uuid::new_v4(), suffix);
        let to = from.parent().map(|parent| parent.join(name)).unwrap_or_default();
        log.home().rename(&to)
    }
}

/// What the process does when it may open no more files: it closes those of all logs that nobody writes to just now.
fn release_idle(logs: &Arc<Logs>) -> impl Fn() + Send + Sync + use<> {
    let logs = Arc::downgrade(logs);
    move || {
        // A thread that changes the list opens no files, but it may wait for one that does.
        if let Some(logs) = logs.upgrade()
            && let Some(logs) = logs.try_read()
        {
            tracing::debug!(
                logs = logs.len(),
                "no more open files: closing those that can be opened again"
            );
            logs.values().for_each(|log| log.release_if_idle());
        }
    }
}

fn check_identities(dirs: &[Arc<LogDir>], identity: Option<&ClusterIdentity>) -> Result<()> {
    let mut ids = HashSet::new();
    for dir in dirs {
        if !ids.insert(dir.id()) {
            let what = format!(
                "{}: another log dir has the same directory.id",
                dir.path().display()
            );
            return Err(StorageError::Directory(what));
        }
    }
    let first = dirs.first().map(|dir| dir.identity().clone());
    let Some(wanted) = identity.cloned().or(first) else {
        return Err(StorageError::Directory("there is no log directory".to_owned()));
    };
    for dir in dirs {
        let found = dir.identity();
        if *found != wanted {
            return Err(StorageError::Directory(format!(
                "{} belongs to node {} of cluster {}, not to node {} of cluster {}",
                dir.path().display(),
                found.node_id,
                found.cluster_id,
                wanted.node_id,
                wanted.cluster_id
            )));
        }
    }
    Ok(())
}

/// The sub-directories of a log dir. One that is no partition's is fatal, as it is to Apache Kafka.
fn partition_dirs(dir: &LogDir) -> Result<Vec<(PathBuf, PartitionDirName)>> {
    let entries = std::fs::read_dir(dir.path()).map_err(StorageError::io("list", dir.path()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(StorageError::io("list", dir.path()))?.path();
        if !path.is_dir() {
            continue;
        }
        let Some(name) = PartitionDirName::parse(file_name(&path)) else {
            return Err(StorageError::Directory(format!(
                "{} is not in the form of topic-partition: it does not belong in a log directory",
                path.display()
            )));
        };
        found.push((path, name));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
