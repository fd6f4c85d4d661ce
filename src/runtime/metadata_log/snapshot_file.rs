//! Snapshots of the metadata log: `<end offset>-<epoch>.checkpoint`, and the `bootstrap.checkpoint` of a cluster to be.
//!
//! A snapshot is a file of batches with offsets of its own from 0 on: a control batch with the header (and, where the quorum
//! lives in the log, its version and voters), data batches, a control batch with the footer. It is written under another
//! name, synced, made read-only and renamed, so that a file with a snapshot's name is always whole.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ottla_metadata::{MetadataVersion, Record, RecordError};
use ottla_storage::batch::control::{ControlRecord, Voter, control_batch};
use ottla_storage::batch::{BatchOptions, HEADER_BYTES};
use thiserror::Error;

use super::batches::{BATCH_BYTES_MAX, Entry, MetadataBatchError, data_batch, decode_first};

/// Records of one data batch: enough to make the batch's header cheap, few enough to stay far below the largest batch.
const RECORDS_PER_BATCH: usize = 1024;
const PART_SUFFIX: &str = "part";

/// Where in the log a snapshot ends: it holds everything before `end_offset`, the last of it written in `epoch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId {
    pub end_offset: i64,
    pub epoch: i32,
}

/// The quorum as a snapshot's head names it, from `kraft.version` 1 on.
#[derive(Clone, Debug, PartialEq)]
pub struct Quorum {
    pub kraft_version: i16,
    pub voters: Vec<Voter>,
}

/// What a snapshot holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    pub quorum: Option<Quorum>,
    pub records: Vec<Record>,
    pub last_contained_log_timestamp: i64,
}

#[derive(Debug, Error)]
pub enum SnapshotError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: {source}")]
    Batch {
        path: PathBuf,
        source: MetadataBatchError,
    },
    #[error("{path}: {what}")]
    Shape { path: PathBuf, what: &'static str },
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl SnapshotId {
    pub fn file_name(self) -> String {
        format!("{:020}-{:010}.checkpoint", self.end_offset, self.epoch)
    }

    /// The id in a snapshot's file name; `None` for any other file.
    pub fn parse(file_name: &str) -> Option<Self> {
        let (end_offset, epoch) = file_name.strip_suffix(".checkpoint")?.split_once('-')?;
        if end_offset.len() != 20 || epoch.len() != 10 {
            return None;
        }
        Some(Self {
            end_offset: end_offset.parse().ok()?,
            epoch: epoch.parse().ok()?,
        })
    }
}

/// What goes before and around the records.
pub struct Head {
    /// Leader epoch of every batch in the file.
    pub epoch: i32,
    pub quorum: Option<Quorum>,
    pub last_contained_log_timestamp: i64,
    pub metadata_version: MetadataVersion,
    pub now_ms: i64,
}

/// Writes a snapshot to `path`, whole or not at all.
pub fn write(path: &Path, head: &Head, records: impl Iterator<Item = Record>) -> Result<(), SnapshotError> {
    let part = part_path(path);
    let io_error = |source| SnapshotError::Io {
        path: part.clone(),
        source,
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&part)
        .map_err(io_error)?;
    let mut writer = Writer {
        out: BufWriter::new(file),
        next_offset: 0,
        head,
    };
    writer.body(records).map_err(|error| match error {
        WriteError::Io(source) => io_error(source),
        WriteError::Record(error) => SnapshotError::Record(error),
    })?;
    let file = writer
        .out
        .into_inner()
        .map_err(|error| io_error(error.into_error()))?;
    publish(&file, &part, path).map_err(io_error)
}

/// Reads a snapshot and checks that it is whole.
pub fn read(path: &Path) -> Result<Snapshot, SnapshotError> {
    let bytes = fs::read(path).map_err(|source| SnapshotError::Io {
        path: path.to_owned(),
        source,
    })?;
    let shape = |what| SnapshotError::Shape {
        path: path.to_owned(),
        what,
    };
    let mut reader = Reader::default();
    let mut rest = bytes.as_slice();
    loop {
        let decoded = decode_first(rest);
        let decoded = decoded.map_err(|source| SnapshotError::Batch {
            path: path.to_owned(),
            source,
        })?;
        let Some((header, entries)) = decoded else { break };
        for entry in entries {
            reader.take(entry).map_err(shape)?;
        }
        rest = rest.get(header.size_bytes()..).unwrap_or_default();
    }
    match (reader.has_header, reader.has_footer) {
        (true, true) => Ok(reader.snapshot()),
        (false, _) => Err(shape("a snapshot without a header")),
        (true, false) => Err(shape("a snapshot without a footer: it is not whole")),
    }
}

enum WriteError {
    Io(io::Error),
    Record(RecordError),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

struct Writer<'a> {
    out: BufWriter<File>,
    next_offset: i64,
    head: &'a Head,
}

impl Writer<'_> {
    fn body(&mut self, records: impl Iterator<Item = Record>) -> Result<(), WriteError> {
        let last_contained_log_timestamp = self.head.last_contained_log_timestamp;
        let mut first = vec![ControlRecord::SnapshotHeader {
            last_contained_log_timestamp,
        }];
        if let Some(quorum) = &self.head.quorum {
            first.push(ControlRecord::KRaftVersion(quorum.kraft_version));
            first.push(ControlRecord::KRaftVoters(quorum.voters.clone()));
        }
        self.control(&first)?;
        let mut records = records.peekable();
        while records.peek().is_some() {
            let chunk: Vec<Record> = records.by_ref().take(RECORDS_PER_BATCH).collect();
            self.data(&chunk)?;
        }
        self.control(&[ControlRecord::SnapshotFooter])
    }

    fn control(&mut self, records: &[ControlRecord]) -> Result<(), WriteError> {
        let batch = control_batch(self.options(), self.head.now_ms, records);
        self.put(&batch, records.len())
    }

    /// Splits a chunk whose records are so large that they do not fit into one batch.
    fn data(&mut self, records: &[Record]) -> Result<(), WriteError> {
        let batch = data_batch(
            records,
            self.head.metadata_version,
            self.options(),
            self.head.now_ms,
        );
        let batch = batch.map_err(WriteError::Record)?;
        if batch.len() > BATCH_BYTES_MAX - HEADER_BYTES && records.len() > 1 {
            let (left, right) = records.split_at(records.len() / 2);
            self.data(left)?;
            return self.data(right);
        }
        self.put(&batch, records.len())
    }

    fn options(&self) -> BatchOptions {
        BatchOptions {
            leader_epoch: self.head.epoch,
            base_offset: self.next_offset,
            ..BatchOptions::default()
        }
    }

    fn put(&mut self, batch: &[u8], records: usize) -> Result<(), WriteError> {
        self.out.write_all(batch)?;
        self.next_offset += i64::try_from(records).map_err(io::Error::other)?;
        Ok(())
    }
}

#[derive(Default)]
struct Reader {
    has_header: bool,
    has_footer: bool,
    last_contained_log_timestamp: i64,
    kraft_version: Option<i16>,
    voters: Option<Vec<Voter>>,
    records: Vec<Record>,
}

impl Reader {
    fn take(&mut self, entry: Entry) -> Result<(), &'static str> {
        if self.has_footer {
            return Err("something follows the footer");
        }
        match entry {
            Entry::Control(ControlRecord::SnapshotHeader {
                last_contained_log_timestamp,
            }) => {
                self.has_header = true;
                self.last_contained_log_timestamp = last_contained_log_timestamp;
            }
            _ if !self.has_header => return Err("something stands before the header"),
            Entry::Control(ControlRecord::SnapshotFooter) => self.has_footer = true,
            Entry::Control(ControlRecord::KRaftVersion(version)) => self.kraft_version = Some(version),
            Entry::Control(ControlRecord::KRaftVoters(voters)) => self.voters = Some(voters),
            Entry::Control(_) => return Err("a control record that no snapshot has"),
            Entry::Record(record) => self.records.push(record),
        }
        Ok(())
    }

    fn snapshot(self) -> Snapshot {
        let quorum = match (self.kraft_version, self.voters) {
            (None, None) => None,
            (version, voters) => Some(Quorum {
                kraft_version: version.unwrap_or(0),
                voters: voters.unwrap_or_default(),
            }),
        };
        Snapshot {
            quorum,
            records: self.records,
            last_contained_log_timestamp: self.last_contained_log_timestamp,
        }
    }
}

fn part_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(PART_SUFFIX);
    path.with_file_name(name)
}

/// Kafka makes snapshots read-only: nobody changes them, they are only replaced by later ones.
fn publish(file: &File, part: &Path, path: &Path) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o400))?;
    file.sync_all()?;
    fs::rename(part, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden/kafka-4.3.1-metadata")
            .join(name)
    }

    #[test]
    fn what_kafka_wrote_is_read_and_written_back_to_the_byte() {
        for id in [
            "00000000000000000000-0000000000.checkpoint",
            "bootstrap.checkpoint",
        ] {
            let snapshot = read(&golden(id)).unwrap();
            let bytes = fs::read(golden(id)).unwrap();
            let dir = tempfile::tempdir().unwrap();
            let copy = dir.path().join(id);
            let head = Head {
                epoch: 0,
                quorum: snapshot.quorum.clone(),
                last_contained_log_timestamp: snapshot.last_contained_log_timestamp,
                metadata_version: MetadataVersion::LATEST,
                now_ms: 0,
            };
            write(&copy, &head, snapshot.records.clone().into_iter()).unwrap();
            assert_eq!(fs::read(&copy).unwrap().len(), bytes.len(), "{id}");
            assert_eq!(read(&copy).unwrap(), snapshot, "{id}");
        }
    }

    #[test]
    fn a_snapshot_that_lost_its_end_is_refused() {
        let bytes = fs::read(golden("bootstrap.checkpoint")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bootstrap.checkpoint");
        for len in 0..bytes.len() {
            fs::write(&path, &bytes[..len]).unwrap();
            assert!(read(&path).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn names_go_both_ways() {
        let id = SnapshotId {
            end_offset: 49,
            epoch: 1,
        };
        assert_eq!(SnapshotId::parse(&id.file_name()), Some(id));
        for other in [
            "bootstrap.checkpoint",
            "x-1.checkpoint",
            "00000000000000000049-0000000001.checkpoint.part",
        ] {
            assert_eq!(SnapshotId::parse(other), None);
        }
    }
}
