//! When a snapshot is due, who writes it, and what goes once it is there.
//!
//! A snapshot is written on a thread of its own: the image is a clone that costs nothing and never changes, and the controller
//! must not wait for a disk that is busy with gigabytes of metadata.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use ottla_base::config::{BrokerConfig, Settings as _};
use ottla_metadata::{Image, Replay};
use tracing::{info, warn};

use crate::runtime::metadata_log::snapshot_file::{self, Head, Quorum, SnapshotId};
use crate::runtime::metadata_log::store::{Loaded, MetadataLog, MetadataLogError, control_voters};

/// How often old snapshots and segments are looked for.
pub(super) const CLEANING_INTERVAL_MS: i64 = 60_000;

pub(super) struct Snapshots {
    dir: PathBuf,
    limits: Limits,
    bytes_since: u64,
    last_ms: i64,
    last_timestamp_ms: i64,
    /// The newest snapshot's end.
    end_offset: i64,
    writing: Option<JoinHandle<()>>,
}

struct Limits {
    bytes_between: u64,
    interval_ms: i64,
    retention_bytes: i64,
    retention_ms: i64,
}

impl Snapshots {
    pub(super) fn new(config: &BrokerConfig, dir: &Path, loaded: &Loaded, now_ms: i64) -> Self {
        let bytes_between = config.i64("metadata.log.max.record.bytes.between.snapshots");
        Self {
            dir: dir.to_owned(),
            limits: Limits {
                bytes_between: u64::try_from(bytes_between).unwrap_or(u64::MAX),
                interval_ms: config.i64("metadata.log.max.snapshot.interval.ms"),
                retention_bytes: config.i64("metadata.max.retention.bytes"),
                retention_ms: config.i64("metadata.max.retention.ms"),
            },
            bytes_since: loaded.bytes_since_snapshot,
            last_ms: now_ms,
            last_timestamp_ms: loaded.last_timestamp_ms,
            end_offset: loaded.replay.image().offset + 1,
            writing: None,
        }
    }

    pub(super) fn note_append(&mut self, size_bytes: u64, now_ms: i64) {
        self.bytes_since += size_bytes;
        self.last_timestamp_ms = now_ms;
    }

    /// Begins a snapshot if one is due.
    pub(super) fn maintain(&mut self, log: &MetadataLog, replay: &Replay, now_ms: i64) {
        if self
            .writing
            .as_ref()
            .is_some_and(|writing| !writing.is_finished())
            || replay.in_transaction()
        {
            return;
        }
        let is_large = self.bytes_since >= self.limits.bytes_between;
        let is_old = self.limits.interval_ms > 0 && now_ms - self.last_ms >= self.limits.interval_ms;
        let image = replay.image();
        if !(is_large || is_old) || image.offset < self.end_offset {
            return;
        }
        // What a snapshot holds must be durable in the log too, or a crash could leave a snapshot ahead of it.
        if let Err(error) = log.commit() {
            warn!(%error, "no snapshot of the metadata: the log cannot be synced");
            return;
        }
        self.bytes_since = 0;
        self.last_ms = now_ms;
        self.end_offset = image.offset + 1;
        let (image, path, head) = (image.clone(), self.path_of(image), self.head(image, now_ms));
        let spawned = std::thread::Builder::new()
            .name("metadata-snapshot".into())
            .spawn(move || write(&image, &path, &head));
        match spawned {
            Ok(writing) => self.writing = Some(writing),
            Err(error) => warn!(%error, "no snapshot of the metadata: no thread"),
        }
    }

    /// Deletes the oldest snapshots while there are too many bytes or they are too old, and the log before the one that is kept.
    pub(super) fn clean(&self, log: &MetadataLog, now_ms: i64) {
        if let Err(error) = self.try_clean(log, now_ms) {
            warn!(%error, "old metadata could not be removed");
        }
    }

    /// Until the snapshot that is being written is there.
    pub(super) fn wait(&mut self) {
        if let Some(writing) = self.writing.take()
            && writing.join().is_err()
        {
            warn!("the thread that wrote a snapshot of the metadata died");
        }
    }

    fn try_clean(&self, log: &MetadataLog, now_ms: i64) -> Result<(), MetadataLogError> {
        let snapshots = log.snapshots()?;
        let size_of = |path: &PathBuf| fs::metadata(path).map_or(0, |meta| meta.len());
        let mut total: u64 = snapshots.iter().map(|(_, path)| size_of(path)).sum();
        total += log.log().size_bytes();
        let mut keep_from = None;
        for pair in snapshots.windows(2) {
            let [(_, oldest), (next, _)] = pair else { break };
            let is_large = self.limits.retention_bytes >= 0
                && i64::try_from(total).unwrap_or(i64::MAX) > self.limits.retention_bytes;
            let is_old =
                self.limits.retention_ms >= 0 && now_ms - modified_ms(oldest) > self.limits.retention_ms;
            if !is_large && !is_old {
                break;
            }
            total = total.saturating_sub(size_of(oldest));
            remove(oldest)?;
            keep_from = Some(next.end_offset);
        }
        if let Some(end_offset) = keep_from {
            if let Err(error) = log.log().delete_records_before(end_offset) {
                warn!(%error, "the metadata log could not be cut off behind its snapshot");
            }
            log.log().apply_retention(now_ms)?;
        }
        Ok(())
    }

    fn path_of(&self, image: &Image) -> PathBuf {
        let id = SnapshotId {
            end_offset: image.offset + 1,
            epoch: image.epoch,
        };
        self.dir.join(id.file_name())
    }

    fn head(&self, image: &Image, now_ms: i64) -> Head {
        let kraft_version = image.features.kraft_version;
        Head {
            epoch: image.epoch,
            quorum: (kraft_version > 0).then(|| Quorum {
                kraft_version,
                voters: control_voters(image),
            }),
            last_contained_log_timestamp: self.last_timestamp_ms,
            metadata_version: image.features.metadata_version(),
            now_ms,
        }
    }
}

fn write(image: &Image, path: &Path, head: &Head) {
    match snapshot_file::write(path, head, image.records()) {
        Ok(()) => info!(path = %path.display(), "a snapshot of the metadata was written"),
        Err(error) => warn!(%error, "a snapshot of the metadata could not be written"),
    }
}

/// Under a name that says so first, as Kafka does: a crash in between leaves nothing that looks like a snapshot.
fn remove(path: &Path) -> Result<(), MetadataLogError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".deleted");
    let deleted = path.with_file_name(name);
    let removed = fs::rename(path, &deleted).and_then(|()| fs::remove_file(&deleted));
    removed.map_err(|source| MetadataLogError::Io {
        path: path.to_owned(),
        source,
    })
}

fn modified_ms(path: &Path) -> i64 {
    let modified = fs::metadata(path).and_then(|meta| meta.modified());
    modified
        .ok()
        .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|age| i64::try_from(age.as_millis()).ok())
        .unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ottla_metadata::records::{FeatureLevelRecord, NoOpRecord};
    use ottla_metadata::{MetadataVersion, Record};
    use ottla_storage::dirs::{ClusterIdentity, MetaProperties, new_directory_id};
    use ottla_storage::vfs::Disk;
    use ottla_storage::{LogConfig, LogDirs};

    use super::*;

    const LIMITS: Limits = Limits {
        bytes_between: 1000,
        interval_ms: 0,
        retention_bytes: 6000,
        retention_ms: -1,
    };

    fn formatted(dir: &Path) {
        let meta = MetaProperties {
            identity: ClusterIdentity {
                cluster_id: "c".into(),
                node_id: 1,
            },
            directory_id: new_directory_id(),
        };
        meta.write(&Disk::new(dir)).unwrap();
    }

    fn open(dir: &Path) -> (LogDirs, MetadataLog, Loaded) {
        let dirs = LogDirs::open(&[dir.to_owned()], None).unwrap();
        let small = LogConfig {
            segment_bytes: 2000,
            retention_ms: -1,
            cleanup_delete: false,
            ..LogConfig::default()
        };
        let log = dirs.open_metadata_log(Arc::new(small), 0).unwrap();
        let (log, loaded) = MetadataLog::open(log).unwrap();
        (dirs, log, loaded)
    }

    #[test]
    fn old_snapshots_go_and_take_the_log_before_the_kept_one_with_them() {
        let dir = tempfile::tempdir().unwrap();
        formatted(dir.path());
        let (dirs, log, loaded) = open(dir.path());
        let mut snapshots = Snapshots {
            dir: log.dir().to_owned(),
            limits: LIMITS,
            bytes_since: 0,
            last_ms: 0,
            last_timestamp_ms: 0,
            end_offset: 0,
            writing: None,
        };
        let mut replay = loaded.replay;
        let mut append = |record: Record, snapshots: &mut Snapshots| {
            let appended = log
                .append(std::slice::from_ref(&record), MetadataVersion::LATEST, 1, 0)
                .unwrap();
            replay.apply(&record, appended.first_offset, 1).unwrap();
            snapshots.note_append(appended.size_bytes, 0);
            snapshots.maintain(&log, &replay, 0);
            snapshots.wait();
        };
        let name = "metadata.version".to_owned();
        append(
            FeatureLevelRecord {
                name,
                feature_level: 30,
            }
            .into(),
            &mut snapshots,
        );
        for _ in 0..200 {
            append(NoOpRecord {}.into(), &mut snapshots);
        }
        assert!(log.snapshots().unwrap().len() > 5);
        snapshots.clean(&log, 0);
        let kept = log.snapshots().unwrap();
        let oldest = kept.first().unwrap().0.end_offset;
        assert!(oldest > 0 && log.log().log_start_offset() == oldest);
        let before = replay.image().clone();
        drop((dirs, log));
        let (_dirs, _log, loaded) = open(dir.path());
        assert_eq!(*loaded.replay.image(), before);
    }
}
