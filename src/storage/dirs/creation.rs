//! Making logs. A create waits for no sync: topics are created with thousands of partitions, and the cluster's metadata,
//! which is durable, says that they are there. After a power cut a directory may be missing, or lack its topic id while it
//! has no records either; then it is made anew ([`super::load_all`]). Before anything in it is called durable it is
//! anchored: by a chore at once, or by the first flush.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_base::{TopicPartition, Uuid, ids};

use super::{LogDir, LogDirs};
use crate::config::LogConfig;
use crate::error::{Result, StorageError};
use crate::home::Home;
use crate::log::Log;
use crate::log::load::{Checkpointed, LogIdentity, UnrecoveredLog};
use crate::partition_metadata;

impl LogDirs {
    /// Makes an empty log in the directory `dir`, or in the one with the fewest logs.
    pub fn create_log(
        &self,
        partition: &TopicPartition,
        topic_id: Uuid,
        dir: Option<Uuid>,
        config: Arc<LogConfig>,
        now_ms: i64,
    ) -> Result<Arc<Log>> {
        let dir = self.choose_dir(dir)?;
        self.forget_predecessor(partition, &dir)?;
        let path = dir.path().join(partition.to_string());
        dir.disk().create_dir(&path)?;
        partition_metadata::write_unsynced(dir.disk(), &path, topic_id)?;
        let home = Home::unanchored(Arc::clone(dir.disk()), path);
        let identity = LogIdentity {
            topic_partition: partition.clone(),
            topic_id,
            dir_id: dir.id(),
        };
        let log = self.open_log(home, identity, config, Checkpointed::NOTHING, now_ms)?;
        self.enlist(&log);
        self.chores.anchor_later(&log);
        Ok(log)
    }

    /// A deleted log of that name leaves no checkpoint to a new one.
    pub(super) fn forget_predecessor(&self, partition: &TopicPartition, dir: &LogDir) -> Result<()> {
        let is_stale = dir.stale.lock().contains(partition);
        match is_stale {
            true => self.checkpoint(dir),
            false => Ok(()),
        }
    }

    /// The metadata log, which is always recovered whole and stands in no checkpoint. It is created when it is absent.
    pub fn open_metadata_log(&self, config: Arc<LogConfig>, now_ms: i64) -> Result<Arc<Log>> {
        let dir = self.choose_dir(self.dirs.first().map(|dir| dir.id()))?;
        let identity = LogIdentity {
            topic_partition: TopicPartition::new(ids::METADATA_TOPIC, 0),
            topic_id: ids::METADATA_TOPIC_ID,
            dir_id: dir.id(),
        };
        let path = dir.path().join(identity.topic_partition.to_string());
        dir.disk().create_dir(&path)?;
        if partition_metadata::read(&path)?.is_none() {
            make_durable_dir(&dir, &path, identity.topic_id)?;
        }
        let home = Home::new(Arc::clone(dir.disk()), path);
        self.open_log(home, identity, config, Checkpointed::NOTHING, now_ms)
    }

    pub(super) fn open_log(
        &self,
        home: Arc<Home>,
        identity: LogIdentity,
        config: Arc<LogConfig>,
        known: Checkpointed,
        now_ms: i64,
    ) -> Result<Arc<Log>> {
        UnrecoveredLog::open(home, identity, config, now_ms)?.recover(known, Arc::clone(&self.chores), now_ms)
    }

    fn choose_dir(&self, wanted: Option<Uuid>) -> Result<Arc<LogDir>> {
        if let Some(dir) = wanted.and_then(|id| self.dir(id)) {
            dir.disk().check()?;
            return Ok(Arc::clone(dir));
        }
        self.dirs
            .iter()
            .filter(|dir| !dir.disk().is_offline())
            .min_by_key(|dir| dir.log_count.load(Ordering::Relaxed))
            .cloned()
            .ok_or_else(|| StorageError::Directory("no log directory is online".to_owned()))
    }
}

/// For the few logs that are not made by the thousand.
pub(super) fn make_durable_dir(dir: &LogDir, path: &Path, topic_id: Uuid) -> Result<()> {
    dir.disk().create_dir(path)?;
    partition_metadata::write(dir.disk(), path, topic_id)?;
    dir.disk().sync_dir(dir.path())
}

/// Whether a directory without a topic id was left by a create that a crash interrupted: nothing was ever written there.
pub(super) fn is_unfinished(path: &Path) -> Result<bool> {
    let entries = std::fs::read_dir(path).map_err(StorageError::io("list", path))?;
    for entry in entries {
        let entry = entry.map_err(StorageError::io("list", path))?;
        let name = entry.file_name();
        let is_of_create = [
            FIRST_SEGMENT,
            partition_metadata::FILE_NAME,
            partition_metadata::TEMPORARY_NAME,
        ]
        .iter()
        .any(|known| name == *known);
        let metadata = entry
            .metadata()
            .map_err(StorageError::io("read", &entry.path()))?;
        let is_empty_log = name != FIRST_SEGMENT || metadata.len() == 0;
        if !is_of_create || !is_empty_log {
            return Ok(false);
        }
    }
    Ok(true)
}

const FIRST_SEGMENT: &str = "00000000000000000000.log";

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use parking_lot::Mutex;

    use super::*;
    use crate::batch::{BatchBuilder, BatchOptions, ValidBatch};
    use crate::dirs::{ClusterIdentity, LoadOptions, MetaProperties, new_directory_id};
    use crate::producer_state::AppendOrigin;
    use crate::vfs::{Disk, DiskOp, Faults};

    const TOPIC_ID: Uuid = Uuid::from_u128(77);

    /// What was synced, by name.
    #[derive(Default)]
    struct Synced(Mutex<Vec<String>>);

    impl Faults for Synced {
        fn before(&self, op: DiskOp, path: &Path) -> io::Result<()> {
            if matches!(op, DiskOp::Sync | DiskOp::SyncDir | DiskOp::SyncAll) {
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                self.0.lock().push(if op == DiskOp::SyncAll {
                    "all".to_owned()
                } else {
                    name
                });
            }
            Ok(())
        }
    }

    fn open(dir: &Path, synced: &Arc<Synced>) -> LogDirs {
        if !dir.join("meta.properties").exists() {
            let identity = ClusterIdentity {
                cluster_id: "c".to_owned(),
                node_id: 1,
            };
            let meta = MetaProperties {
                identity,
                directory_id: new_directory_id(),
            };
            meta.write(&Disk::new(dir)).unwrap();
        }
        let with_faults = |path: &PathBuf| Disk::with_faults(path, synced.clone());
        let dirs = LogDirs::open_on(&[dir.to_path_buf()], None, with_faults).unwrap();
        dirs.load_all(&LoadOptions {
            threads_per_dir: 1,
            now_ms: 0,
            config_of: &|_| Arc::default(),
            is_stray: &|_, topic_id| topic_id != Some(TOPIC_ID),
            file_delete_delay_ms: 60_000,
        })
        .unwrap();
        dirs
    }

    fn partition(n: i32) -> TopicPartition {
        TopicPartition::new("t", n)
    }

    fn create(dirs: &LogDirs, n: i32) -> Arc<Log> {
        dirs.create_log(&partition(n), TOPIC_ID, None, Arc::default(), 0)
            .unwrap()
    }

    fn append(log: &Log) {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(0, None, Some(b"x"), &[]);
        let batch = ValidBatch::trusted(&builder.build()).unwrap();
        log.append_as_leader(batch, 0, AppendOrigin::Client, 0).unwrap();
    }

    /// The root of the log dir is a temporary directory with a name that no other has.
    fn taken(synced: &Synced, root: &Path) -> Vec<String> {
        let root = root
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut names = std::mem::take(&mut *synced.0.lock());
        names
            .iter_mut()
            .filter(|name| **name == root)
            .for_each(|name| *name = "root".to_owned());
        names
    }

    #[test]
    fn a_directory_is_anchored_by_a_chore_or_before_anything_in_it_is_durable() {
        let (a, synced) = (tempfile::tempdir().unwrap(), Arc::new(Synced::default()));
        let dirs = open(a.path(), &synced);
        taken(&synced, a.path());
        let log = create(&dirs, 0);
        assert!(taken(&synced, a.path()).is_empty(), "a create waits for no sync");
        append(&log);
        log.flush().unwrap();
        let names = taken(&synced, a.path());
        for name in ["partition.metadata", "t-0", "root"] {
            assert!(
                names.iter().any(|synced| synced == name),
                "{name} among {names:?}"
            );
        }
        dirs.chores().work_off(dirs.dirs()[0].disk(), 0);
        assert!(taken(&synced, a.path()).is_empty(), "it is anchored already");

        create(&dirs, 1);
        dirs.chores().work_off(dirs.dirs()[0].disk(), 0);
        assert_eq!(taken(&synced, a.path()), ["partition.metadata", "t-1", "root"]);
        (2..100).for_each(|n| drop(create(&dirs, n)));
        dirs.chores().work_off(dirs.dirs()[0].disk(), 0);
        assert_eq!(taken(&synced, a.path()), ["all"]);
    }

    #[test]
    fn many_logs_are_stopped_with_one_sync() {
        let (a, synced) = (tempfile::tempdir().unwrap(), Arc::new(Synced::default()));
        let dirs = open(a.path(), &synced);
        (0..40).for_each(|n| append(&create(&dirs, n)));
        dirs.dirs()[0].set_loaded();
        taken(&synced, a.path());
        dirs.close_cleanly(5).unwrap();
        let names = taken(&synced, a.path());
        assert_eq!(names[0], "all");
        assert!(!names.iter().any(|name| name.starts_with("t-")), "{names:?}");
        let dirs = open(a.path(), &synced);
        assert!(dirs.dirs()[0].was_clean_shutdown());
        for log in dirs.logs() {
            assert_eq!((log.log_end_offset(), log.latest_epoch()), (1, Some(0)));
        }
    }

    #[test]
    fn a_create_that_a_crash_interrupted_leaves_nothing() {
        let (a, synced) = (tempfile::tempdir().unwrap(), Arc::new(Synced::default()));
        drop(open(a.path(), &synced));
        let [nothing, torn, with_records] = ["t-0", "t-1", "t-2"].map(|name| a.path().join(name));
        for dir in [&nothing, &torn, &with_records] {
            std::fs::create_dir(dir).unwrap();
            std::fs::write(dir.join(FIRST_SEGMENT), "").unwrap();
        }
        std::fs::write(torn.join(partition_metadata::FILE_NAME), "").unwrap();
        std::fs::write(with_records.join(FIRST_SEGMENT), "records").unwrap();
        let dirs = open(a.path(), &synced);
        assert!(dirs.logs().is_empty());
        assert!(!nothing.exists() && !torn.exists());
        let strays = std::fs::read_dir(a.path()).unwrap();
        let is_stray = |entry: io::Result<std::fs::DirEntry>| {
            entry.unwrap().file_name().to_string_lossy().ends_with("-stray")
        };
        assert_eq!(
            strays.filter_map(|entry| is_stray(entry).then_some(())).count(),
            1
        );
    }
}
