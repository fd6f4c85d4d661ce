//! The metadata log with what lies beside it: opened into an image, appended to, made durable, cut off behind snapshots.
//!
//! A record is committed when it is durable on a majority of the voters. Here the one voter is this node, so a commit is an
//! fsync: [`MetadataLog::commit`] comes before anybody is told.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_base::FileSlice;
use ottla_base::config::{BrokerConfig, Settings as _};
use ottla_metadata::image::{ImageError, Voter as ImageVoter};
use ottla_metadata::{Image, MetadataVersion, Record, RecordError, Replay};
use ottla_storage::batch::control::{ControlRecord, Voter, control_batch};
use ottla_storage::batch::{BatchError, BatchOptions, ValidBatch};
use ottla_storage::{AppendError, AppendOrigin, Log, LogConfig, ReadBound, ReadError, StorageError};
use thiserror::Error;

use super::batches::{BATCH_BYTES_MAX, Entry, MetadataBatchError, data_batch, decode_first};
use super::quorum_state::{QuorumState, QuorumStateError};
use super::snapshot_file::{self, SnapshotError, SnapshotId};

const READ_BYTES: usize = 1 << 20;

/// Why the metadata log cannot be read or written. Without it there is no node.
#[derive(Debug, Error)]
pub enum MetadataLogError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Batch(#[from] MetadataBatchError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    QuorumState(#[from] QuorumStateError),
    #[error(transparent)]
    Encode(#[from] RecordError),
    #[error("offset {offset}: {source}")]
    Apply { offset: i64, source: ImageError },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("the log begins at {log_start}, and no snapshot reaches that far: {dir}")]
    NoSnapshot { log_start: i64, dir: PathBuf },
    #[error("metadata from offset {from} on cannot be read")]
    Stuck { from: i64 },
}

impl From<BatchError> for MetadataLogError {
    fn from(error: BatchError) -> Self {
        Self::Batch(error.into())
    }
}

/// How the metadata log is kept: no age and no size removes a segment, only a snapshot that makes it superfluous.
pub fn log_config(config: &BrokerConfig) -> LogConfig {
    LogConfig {
        segment_bytes: config.i32("metadata.log.segment.bytes"),
        segment_ms: config.i64("metadata.log.segment.ms"),
        retention_ms: -1,
        retention_bytes: -1,
        cleanup_delete: false,
        max_message_bytes: i32::try_from(BATCH_BYTES_MAX).unwrap_or(i32::MAX),
        ..LogConfig::default()
    }
}

/// What a start found.
pub struct Loaded {
    pub replay: Replay,
    /// The highest epoch that the log, its snapshots or `quorum-state` know of.
    pub epoch: i32,
    /// The voters stand in the log itself, and not only in the snapshot that formatting left.
    pub has_voters_in_log: bool,
    pub last_timestamp_ms: i64,
    /// Bytes behind the newest snapshot.
    pub bytes_since_snapshot: u64,
}

/// The log of cluster metadata on this node's disk.
pub struct MetadataLog {
    log: Arc<Log>,
    dir: PathBuf,
}

impl MetadataLog {
    /// Reads the newest snapshot and the log behind it.
    pub fn open(log: Arc<Log>) -> Result<(Self, Loaded), MetadataLogError> {
        let dir = log.path();
        let this = Self { log, dir };
        let mut loaded = this.load_snapshot()?;
        let from = (loaded.replay.image().offset + 1).max(this.log.log_start_offset());
        this.replay_from(from, &mut loaded)?;
        if let Some(state) = QuorumState::read(&this.dir)? {
            loaded.epoch = loaded.epoch.max(state.leader_epoch);
        }
        Ok((this, loaded))
    }

    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Appends one batch; it is not committed yet. Returns the offset of its first record.
    pub fn append(
        &self,
        records: &[Record],
        version: MetadataVersion,
        epoch: i32,
        now_ms: i64,
    ) -> Result<Appended, MetadataLogError> {
        let batch = data_batch(records, version, BatchOptions::default(), now_ms)?;
        self.append_batch(&batch, epoch, now_ms)
    }

    pub fn append_control(
        &self,
        records: &[ControlRecord],
        epoch: i32,
        now_ms: i64,
    ) -> Result<Appended, MetadataLogError> {
        self.append_batch(
            &control_batch(BatchOptions::default(), now_ms, records),
            epoch,
            now_ms,
        )
    }

    /// Makes everything appended so far durable, and with that committed. Blocks.
    pub fn commit(&self) -> Result<(), MetadataLogError> {
        let end = self.log.log_end_offset();
        self.log.flush()?;
        self.log.raise_high_watermark(end);
        Ok(())
    }

    /// Commits without a sync: only for records that say nothing. Should the machine lose power, they are gone, and nobody can
    /// miss them, since the next leadership has another epoch.
    pub fn commit_in_memory(&self) {
        self.log.raise_high_watermark(self.log.log_end_offset());
    }

    pub fn write_quorum_state(&self, state: &QuorumState) -> Result<(), MetadataLogError> {
        Ok(state.write(&self.dir)?)
    }

    /// The snapshots in the directory, oldest first.
    pub fn snapshots(&self) -> Result<Vec<(SnapshotId, PathBuf)>, MetadataLogError> {
        list_snapshots(&self.dir)
    }

    /// Leaves the files as Kafka leaves them on a clean stop.
    pub fn close(&self) -> Result<(), MetadataLogError> {
        Ok(self.log.close()?)
    }

    fn append_batch(
        &self,
        batch: &bytes::Bytes,
        epoch: i32,
        now_ms: i64,
    ) -> Result<Appended, MetadataLogError> {
        let size_bytes = batch.len() as u64;
        let batch = ValidBatch::trusted(batch)?;
        let info = self
            .log
            .append_as_leader(batch, epoch, AppendOrigin::Raft, now_ms)?;
        Ok(Appended {
            first_offset: info.first_offset,
            size_bytes,
        })
    }

    fn load_snapshot(&self) -> Result<Loaded, MetadataLogError> {
        let mut loaded = Loaded {
            replay: Replay::new(Image::empty()),
            epoch: 0,
            has_voters_in_log: false,
            last_timestamp_ms: 0,
            bytes_since_snapshot: 0,
        };
        let log_start = self.log.log_start_offset();
        let newest = self.snapshots()?.pop();
        let reach = newest.as_ref().map_or(0, |(id, _)| id.end_offset);
        if reach < log_start {
            let dir = self.dir.clone();
            return Err(MetadataLogError::NoSnapshot { log_start, dir });
        }
        let Some((id, path)) = newest else {
            return Ok(loaded);
        };
        let snapshot = snapshot_file::read(&path)?;
        let offset = id.end_offset - 1;
        for record in &snapshot.records {
            apply(&mut loaded.replay, record, offset, id.epoch)?;
        }
        if let Some(quorum) = &snapshot.quorum {
            let image = loaded.replay.image_mut();
            image.features.kraft_version = quorum.kraft_version;
            image.voters = Arc::new(quorum.voters.iter().map(image_voter).collect());
        }
        loaded.replay.advance(offset, id.epoch);
        loaded.epoch = id.epoch;
        loaded.has_voters_in_log = id.end_offset > 0 && snapshot.quorum.is_some();
        loaded.last_timestamp_ms = snapshot.last_contained_log_timestamp;
        Ok(loaded)
    }

    fn replay_from(&self, mut offset: i64, loaded: &mut Loaded) -> Result<(), MetadataLogError> {
        while offset < self.log.log_end_offset() {
            let read = self.log.read(offset, READ_BYTES, ReadBound::LogEnd, true)?;
            let bytes = match &read.slice {
                Some(slice) => read_slice(slice, &self.dir)?,
                None => return Err(MetadataLogError::Stuck { from: offset }),
            };
            let from = offset;
            for_each_batch(&bytes, |header, entries, size_bytes| {
                // A snapshot can end inside the batches that the read begins with.
                for (at, entry) in (header.base_offset..).zip(entries) {
                    if at >= offset {
                        apply_entry(loaded, &entry, at, header.leader_epoch)?;
                    }
                }
                offset = offset.max(header.next_offset());
                loaded.epoch = loaded.epoch.max(header.leader_epoch);
                loaded.last_timestamp_ms = header.max_timestamp;
                loaded.bytes_since_snapshot += size_bytes as u64;
                Ok(())
            })?;
            if offset == from {
                return Err(MetadataLogError::Stuck { from });
            }
        }
        Ok(())
    }
}

/// Where an appended batch begins, and what it weighs.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    pub first_offset: i64,
    pub size_bytes: u64,
}

/// What a control record tells the image: the quorum, where it lives in the log.
pub fn apply_control(image: &mut Image, record: &ControlRecord) -> bool {
    match record {
        ControlRecord::KRaftVersion(version) => {
            image.features.kraft_version = *version;
            false
        }
        ControlRecord::KRaftVoters(voters) => {
            image.voters = Arc::new(voters.iter().map(image_voter).collect());
            true
        }
        _ => false,
    }
}

/// The voters as control records name them.
pub fn control_voters(image: &Image) -> Vec<Voter> {
    let endpoint =
        |(name, host, port): &(String, String, u16)| ottla_storage::batch::control::VoterEndpoint {
            name: name.clone(),
            host: host.clone(),
            port: *port,
        };
    let voter = |voter: &ImageVoter| Voter {
        id: voter.id,
        directory_id: voter.directory_id,
        endpoints: voter.endpoints.iter().map(endpoint).collect(),
        kraft_version_min: voter.kraft_versions.0,
        kraft_version_max: voter.kraft_versions.1,
    };
    image.voters.iter().map(voter).collect()
}

pub fn list_snapshots(dir: &Path) -> Result<Vec<(SnapshotId, PathBuf)>, MetadataLogError> {
    let io_error = |source| MetadataLogError::Io {
        path: dir.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_error)? {
        let entry = entry.map_err(io_error)?;
        if let Some(id) = entry.file_name().to_str().and_then(SnapshotId::parse) {
            found.push((id, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

fn apply_entry(loaded: &mut Loaded, entry: &Entry, offset: i64, epoch: i32) -> Result<(), MetadataLogError> {
    match entry {
        Entry::Record(record) => apply(&mut loaded.replay, record, offset, epoch),
        Entry::Control(record) => {
            loaded.has_voters_in_log |= apply_control(loaded.replay.image_mut(), record);
            loaded.replay.advance(offset, epoch);
            Ok(())
        }
    }
}

fn apply(replay: &mut Replay, record: &Record, offset: i64, epoch: i32) -> Result<(), MetadataLogError> {
    replay
        .apply(record, offset, epoch)
        .map_err(|source| MetadataLogError::Apply { offset, source })
}

fn image_voter(voter: &Voter) -> ImageVoter {
    let endpoints = voter.endpoints.iter();
    ImageVoter {
        id: voter.id,
        directory_id: voter.directory_id,
        endpoints: endpoints
            .map(|e| (e.name.clone(), e.host.clone(), e.port))
            .collect(),
        kraft_versions: (voter.kraft_version_min, voter.kraft_version_max),
    }
}

fn for_each_batch(
    bytes: &[u8],
    mut f: impl FnMut(&ottla_storage::batch::BatchHeader, Vec<Entry>, usize) -> Result<(), MetadataLogError>,
) -> Result<(), MetadataLogError> {
    let mut rest = bytes;
    loop {
        match decode_first(rest) {
            Ok(Some((header, entries))) => {
                f(&header, entries, header.size_bytes())?;
                rest = rest.get(header.size_bytes()..).unwrap_or_default();
            }
            Ok(None) => return Ok(()),
            // The read was cut in the middle of a batch: it comes whole with the next one.
            Err(MetadataBatchError::Batch(BatchError::Truncated)) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn read_slice(slice: &FileSlice, dir: &Path) -> Result<Vec<u8>, MetadataLogError> {
    // A read returns at most what was asked for, or one whole batch.
    let mut bytes = vec![0; slice.len.min(READ_BYTES.max(BATCH_BYTES_MAX))];
    slice
        .file
        .read_exact_at(&mut bytes, slice.position)
        .map_err(|source| MetadataLogError::Io {
            path: dir.to_owned(),
            source,
        })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
