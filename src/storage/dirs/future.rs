//! Moving a log to another log directory: a copy grows under a `-future` name and takes the log's place when it has caught
//! up.
//!
//! Never do two directories have the partition's plain name, which would be fatal at the next start. So for a moment none
//! has; a file in the copy says that it is whole, and the start finishes what a crash in that moment has interrupted.

use std::path::PathBuf;
use std::sync::Arc;

use ottla_base::{TopicPartition, Uuid};

use super::creation::make_durable_dir;
use super::{LogDir, LogDirs};
use crate::error::{Result, StorageError};
use crate::home::Home;
use crate::log::Log;
use crate::log::load::{Checkpointed, LogIdentity};
use crate::names::suffixed_dir_name;

/// A file that stands in a copy once it is whole. Apache Kafka passes over files that it does not know.
const WHOLE: &str = "move-complete";

impl LogDirs {
    pub fn future_logs(&self) -> Vec<Arc<Log>> {
        self.futures.read().values().cloned().collect()
    }

    pub fn future_log(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.futures.read().get(partition).cloned()
    }

    /// An empty log in the directory `dir`, to become a copy of `source`.
    pub fn create_future(&self, source: &Log, dir: Uuid, now_ms: i64) -> Result<Arc<Log>> {
        let unknown = || StorageError::Directory(format!("there is no log directory {dir}"));
        let dir = Arc::clone(self.dir(dir).ok_or_else(unknown)?);
        dir.disk().check()?;
        let partition = source.topic_partition();
        self.forget_predecessor(partition, &dir)?;
        let path = dir
            .path()
            .join(suffixed_dir_name(partition, Uuid::new_v4(), "future"));
        make_durable_dir(&dir, &path, source.topic_id())?;
        let home = Home::new(Arc::clone(dir.disk()), path);
        let identity = LogIdentity {
            topic_partition: partition.clone(),
            topic_id: source.topic_id(),
            dir_id: dir.id(),
        };
        let future = self.open_log(home, identity, source.config(), Checkpointed::NOTHING, now_ms)?;
        self.futures
            .write()
            .insert(partition.clone(), Arc::clone(&future));
        Ok(future)
    }

    /// Gives a move up. What was copied so far is unlinked.
    pub fn cancel_future(&self, future: &Arc<Log>, now_ms: i64) -> Result<()> {
        self.futures.write().remove(future.topic_partition());
        self.discard(future, now_ms)
    }

    /// Puts `future` in the place of `current`, whose files are unlinked later. Nothing may be appended to either meanwhile.
    pub fn promote_future(&self, future: &Arc<Log>, current: &Arc<Log>, now_ms: i64) -> Result<()> {
        let partition = future.topic_partition();
        future.flush()?;
        let disk = &future.home().disk;
        disk.replace(&future.path().join(WHOLE), b"whole\n")?;
        self.discard(current, now_ms)?;
        let from = future.path();
        let to = from
            .parent()
            .map(|dir| dir.join(partition.to_string()))
            .unwrap_or_default();
        future.home().rename(&to)?;
        disk.remove(&to.join(WHOLE))?;
        self.futures.write().remove(partition);
        self.enlist(future);
        Ok(())
    }

    /// What becomes of a copy that the start finds: it takes its place if it was about to, and returns under its new name;
    /// it goes if the log that it was to replace is there, since nobody copies on; else it is left alone.
    pub(super) fn settle_future(
        &self,
        dir: &LogDir,
        partition: &TopicPartition,
        path: PathBuf,
        now_ms: i64,
    ) -> Result<Option<PathBuf>> {
        let name = partition.to_string();
        tracing::warn!(path = %path.display(), "a move between log directories was interrupted");
        if self.dirs.iter().any(|dir| dir.path().join(&name).exists()) {
            self.chores.unlink_later(dir.disk(), vec![path], now_ms);
            return Ok(None);
        }
        if !path.join(WHOLE).exists() {
            return Ok(None);
        }
        let to = dir.path().join(&name);
        dir.disk().rename(&path, &to)?;
        dir.disk().sync_dir(dir.path())?;
        dir.disk().remove(&to.join(WHOLE))?;
        Ok(Some(to))
    }

    /// Renames a log's directory to `-delete` and puts it on the list of chores. Its checkpoints are not stale: the log that
    /// takes its place holds the same offsets.
    fn discard(&self, log: &Arc<Log>, now_ms: i64) -> Result<()> {
        log.close_for_appends();
        let from = log.path();
        let name = suffixed_dir_name(log.topic_partition(), Uuid::new_v4(), "delete");
        log.home()
            .rename(&from.parent().map(|dir| dir.join(name)).unwrap_or_default())?;
        let due_ms = now_ms.saturating_add(log.config().file_delete_delay_ms);
        self.chores
            .unlink_later(&log.home().disk, vec![log.path()], due_ms);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::dirs::{ClusterIdentity, LoadOptions, MetaProperties, new_directory_id};
    use crate::vfs::Disk;

    fn open(paths: &[PathBuf]) -> LogDirs {
        let dirs = LogDirs::open(paths, None).unwrap();
        dirs.load_all(&LoadOptions {
            threads_per_dir: 1,
            now_ms: 0,
            config_of: &|_| Arc::default(),
            is_stray: &|_, _| false,
            file_delete_delay_ms: 60_000,
        })
        .unwrap();
        dirs
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
        let dirs = entries.filter(|entry| entry.path().is_dir());
        dirs.map(|entry| entry.file_name().into_string().unwrap())
            .collect()
    }

    /// A crash at each step of a move, made by putting the directories as that step leaves them.
    #[test]
    fn a_crash_leaves_the_old_log_or_the_new_one() {
        let partition = TopicPartition::new("t", 0);
        for (is_whole, is_discarded, in_new_dir) in [
            (false, false, Some(false)),
            (true, false, Some(false)),
            (true, true, Some(true)),
            (false, true, None),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let paths = [folder.path().join("a"), folder.path().join("b")];
            for path in &paths {
                let identity = ClusterIdentity {
                    cluster_id: "c".to_owned(),
                    node_id: 1,
                };
                let meta = MetaProperties {
                    identity,
                    directory_id: new_directory_id(),
                };
                std::fs::create_dir(path).unwrap();
                meta.write(&Disk::new(path)).unwrap();
            }
            let dirs = open(&paths);
            let ids: Vec<_> = dirs.dirs().iter().map(|dir| dir.id()).collect();
            let log = dirs
                .create_log(&partition, Uuid::from_u128(7), Some(ids[0]), Arc::default(), 0)
                .unwrap();
            let future = dirs.create_future(&log, ids[1], 0).unwrap();
            if is_whole {
                std::fs::write(future.path().join(WHOLE), b"whole").unwrap();
            }
            if is_discarded {
                dirs.discard(&log, 0).unwrap();
            }
            drop((log, future, dirs));

            let found = open(&paths).get(&partition).map(|log| log.dir_id() == ids[1]);
            assert_eq!(found, in_new_dir, "{is_whole} {is_discarded}");
            if in_new_dir == Some(true) {
                assert_eq!(names(&paths[1]), ["t-0"]);
                assert!(!paths[1].join("t-0").join(WHOLE).exists());
            }
        }
    }
}
