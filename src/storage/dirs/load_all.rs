//! Loading every log at start, with several threads per directory (`num.recovery.threads.per.data.dir`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_base::{TopicPartition, Uuid, ids};
use parking_lot::Mutex;

use super::{LogDir, LogDirs, clean_shutdown, creation, partition_dirs};
use crate::checkpoints::{self, Offsets};
use crate::config::LogConfig;
use crate::error::{Result, StorageError};
use crate::home::Home;
use crate::log::load::{Checkpointed, LogIdentity};
use crate::names::{PartitionDirName, suffixed_dir_name};
use crate::partition_metadata;

/// What loading needs to be told about partitions.
pub struct LoadOptions<'a> {
    pub threads_per_dir: usize,
    pub now_ms: i64,
    pub config_of: &'a (dyn Fn(&TopicPartition) -> Arc<LogConfig> + Sync),
    /// Whether the cluster knows a partition by this topic id (`None`: its directory names none). One that it does not
    /// know is set aside as `-stray`.
    pub is_stray: &'a (dyn Fn(&TopicPartition, Option<Uuid>) -> bool + Sync),
    /// How long deleted directories that were found wait to be unlinked.
    pub file_delete_delay_ms: i64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub logs: usize,
    pub strays: Vec<PathBuf>,
}

/// What the checkpoints of one directory say.
struct Known {
    clean_shutdown: bool,
    recovery_points: Offsets,
    log_starts: Offsets,
    high_watermarks: Offsets,
    cleaned_to: Offsets,
}

impl LogDirs {
    /// Takes the clean-shutdown markers away and loads the logs of all directories.
    pub fn load_all(&self, options: &LoadOptions<'_>) -> Result<Loaded> {
        let loaded = Mutex::new(Loaded::default());
        let outcomes: Vec<Result<()>> = std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .dirs
                .iter()
                .map(|dir| scope.spawn(|| self.load_dir(dir, options, &loaded)))
                .collect();
            threads.into_iter().map(join).collect()
        });
        outcomes.into_iter().collect::<Result<()>>()?;
        let mut loaded = loaded.into_inner();
        loaded.logs = self.logs.read().len();
        Ok(loaded)
    }

    fn load_dir(&self, dir: &Arc<LogDir>, options: &LoadOptions<'_>, loaded: &Mutex<Loaded>) -> Result<()> {
        let work = self.sort_out(dir, options)?;
        let known = Known::read(dir)?;
        clean_shutdown::remove(dir.disk())?;
        let queue = Mutex::new(work);
        let threads = options.threads_per_dir.max(1);
        let outcomes: Vec<Result<()>> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| self.work_off(dir, &queue, &known, options, loaded)))
                .collect();
            workers.into_iter().map(join).collect()
        });
        outcomes.into_iter().collect::<Result<()>>()?;
        dir.set_loaded();
        Ok(())
    }

    /// The directories to load. What waits for deletion is put on the list of chores.
    fn sort_out(&self, dir: &LogDir, options: &LoadOptions<'_>) -> Result<HashMap<TopicPartition, PathBuf>> {
        let mut current = HashMap::new();
        for (path, name) in partition_dirs(dir)? {
            match name {
                PartitionDirName::Current(partition) if &*partition.topic == ids::METADATA_TOPIC => {}
                PartitionDirName::Current(partition) => {
                    current.insert(partition, path);
                }
                PartitionDirName::Deleted(_) => {
                    let due_ms = options.now_ms.saturating_add(options.file_delete_delay_ms);
                    self.chores.unlink_later(dir.disk(), vec![path], due_ms);
                }
                PartitionDirName::Stray(_) => {
                    tracing::warn!(path = %path.display(), "a stray partition is not served");
                }
                PartitionDirName::Future(partition) => {
                    if let Some(path) = self.settle_future(dir, &partition, path, options.now_ms)? {
                        current.insert(partition, path);
                    }
                }
                PartitionDirName::Other => {}
            }
        }
        Ok(current)
    }

    fn work_off(
        &self,
        dir: &LogDir,
        queue: &Mutex<HashMap<TopicPartition, PathBuf>>,
        known: &Known,
        options: &LoadOptions<'_>,
        loaded: &Mutex<Loaded>,
    ) -> Result<()> {
        loop {
            let next = queue.lock().keys().next().cloned();
            let Some(partition) = next else { return Ok(()) };
            let Some(path) = queue.lock().remove(&partition) else {
                continue;
            };
            self.load_one(dir, partition, path, known, options, loaded)?;
        }
    }

    fn load_one(
        &self,
        dir: &LogDir,
        partition: TopicPartition,
        path: PathBuf,
        known: &Known,
        options: &LoadOptions<'_>,
        loaded: &Mutex<Loaded>,
    ) -> Result<()> {
        let topic_id = match partition_metadata::read(&path) {
            Ok(topic_id) => topic_id,
            Err(StorageError::Corrupt { .. }) => None,
            Err(error) => return Err(error),
        };
        let Some(topic_id) = topic_id.filter(|id| !(options.is_stray)(&partition, Some(*id))) else {
            return self.set_aside(dir, &partition, &path, topic_id, loaded);
        };
        let identity = LogIdentity {
            topic_partition: partition.clone(),
            topic_id,
            dir_id: dir.id(),
        };
        let home = Home::new(Arc::clone(dir.disk()), path.clone());
        let config = (options.config_of)(&partition);
        let log = self.open_log(home, identity, config, known.of(&partition), options.now_ms)?;
        if let Some(offset) = known.cleaned_to.get(&partition) {
            log.cleaning().set_cleaned_to(*offset);
        }
        match self.enlist(&log) {
            None => Ok(()),
            Some(other) => Err(StorageError::Directory(format!(
                "{partition} lies in two log directories: {} and {}",
                other.path().display(),
                path.display()
            ))),
        }
    }

    /// A directory that is not to be served: kept as a stray one, or removed if a crash interrupted its creation.
    fn set_aside(
        &self,
        dir: &LogDir,
        partition: &TopicPartition,
        path: &Path,
        topic_id: Option<Uuid>,
        loaded: &Mutex<Loaded>,
    ) -> Result<()> {
        if topic_id.is_none() && creation::is_unfinished(path)? {
            return dir.disk().remove_dir_all(path);
        }
        let name = suffixed_dir_name(partition, Uuid::new_v4(), "stray");
        let stray = dir.path().join(name);
        tracing::warn!(path = %path.display(), "the cluster does not know this partition: it is set aside");
        dir.disk().rename(path, &stray)?;
        dir.disk().sync_dir(dir.path())?;
        loaded.lock().strays.push(stray);
        Ok(())
    }
}

impl Known {
    fn read(dir: &LogDir) -> Result<Self> {
        Ok(Self {
            clean_shutdown: dir.was_clean_shutdown(),
            recovery_points: read_or_nothing(dir.path(), checkpoints::RECOVERY_POINT)?,
            log_starts: read_or_nothing(dir.path(), checkpoints::LOG_START)?,
            high_watermarks: read_or_nothing(dir.path(), checkpoints::HIGH_WATERMARK)?,
            cleaned_to: read_or_nothing(dir.path(), checkpoints::CLEANER)?,
        })
    }

    fn of(&self, partition: &TopicPartition) -> Checkpointed {
        let offset = |offsets: &Offsets| offsets.get(partition).copied().unwrap_or(0);
        Checkpointed {
            clean_shutdown: self.clean_shutdown,
            recovery_point: offset(&self.recovery_points),
            log_start: offset(&self.log_starts),
            high_watermark: offset(&self.high_watermarks),
        }
    }
}

/// A damaged checkpoint says nothing, which is always safe: more is recovered, less is hidden.
fn read_or_nothing(dir: &Path, name: &str) -> Result<Offsets> {
    match checkpoints::read_offsets(&dir.join(name)) {
        Err(error @ StorageError::Corrupt { .. }) => {
            tracing::warn!(%error, "a checkpoint is ignored");
            Ok(Offsets::new())
        }
        other => other,
    }
}

pub(super) fn join<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| {
        Err(StorageError::Directory(
            "a thread that loads or closes logs has failed".to_owned(),
        ))
    })
}
