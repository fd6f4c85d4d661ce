//! Compaction against a model: what a reader of committed data would build of a log before a cleaning, it must build of it
//! afterwards, however the cleaning went.

mod model;
mod rules;
mod swap;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ottla_base::{TopicPartition, Uuid};

use super::*;
use crate::LogConfig;
use crate::batch::control::{self, EndTxn};
use crate::batch::{self, AnyBatch, BatchBuilder, BatchHeader, BatchOptions, Record, ValidBatch};
use crate::home::Home;
use crate::log::load::{Checkpointed, LogIdentity, UnrecoveredLog};
use crate::log::{AppendError, AppendInfo, ReadBound};
use crate::producer_state::AppendOrigin;
use crate::vfs::Disk;
use crate::walk::Walk;

const MEMORY: CleanerMemory = CleanerMemory {
    dedupe_buffer_bytes: 1 << 20,
    load_factor: 0.9,
    io_buffer_bytes: 1024,
};

struct AtOnce;

impl Pace for AtOnce {
    fn moved(&self, _: u64) -> bool {
        true
    }
}

fn compacted() -> LogConfig {
    LogConfig {
        segment_bytes: 700,
        index_interval_bytes: 100,
        cleanup_compact: true,
        cleanup_delete: false,
        file_delete_delay_ms: 0,
        delete_retention_ms: 1000,
        min_cleanable_dirty_ratio: 0.0,
        transaction_verification: false,
        ..LogConfig::default()
    }
}

struct Bench {
    dir: tempfile::TempDir,
    config: Arc<LogConfig>,
    log: Arc<Log>,
}

impl Bench {
    fn new(config: LogConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Arc::new(config);
        let log = open(Disk::new(dir.path()), &config, Checkpointed::NOTHING).unwrap();
        Self { dir, config, log }
    }

    fn reopen(&mut self, clean_shutdown: bool) {
        let known = Checkpointed {
            clean_shutdown,
            recovery_point: self.log.recovery_point(),
            log_start: self.log.log_start_offset(),
            high_watermark: self.log.high_watermark(),
        };
        let cleaned_to = self.log.cleaned_to();
        if clean_shutdown {
            self.log.close().unwrap();
        }
        self.log = open(Disk::new(self.dir.path()), &self.config, known).unwrap();
        self.log.raise_high_watermark(self.log.log_end_offset());
        if let Some(offset) = cleaned_to {
            self.log.cleaning().set_cleaned_to(offset);
        }
    }

    fn put(&self, key: &str, value: Option<&str>) -> AppendInfo {
        self.append(BatchOptions::default(), &[(key, value)]).unwrap()
    }

    fn append(
        &self,
        options: BatchOptions,
        records: &[(&str, Option<&str>)],
    ) -> Result<AppendInfo, AppendError> {
        append(&self.log, options, records)
    }

    fn clean(&self, now_ms: i64) -> Option<Cleaned> {
        let cleanable = Cleanable::of(&self.log, now_ms).unwrap();
        cleanable
            .is_due(&self.config)
            .then(|| self.log.clean(&cleanable, &MEMORY, &AtOnce, now_ms).unwrap())
    }

    /// The active segment is never cleaned: gives way to the next one.
    fn roll(&self) {
        let big = "x".repeat(500);
        self.put("filler", Some(&big));
        self.put("filler", Some(&big));
    }

    fn files(&self) -> Vec<String> {
        files(self.dir.path())
    }
}

fn append(
    log: &Log,
    options: BatchOptions,
    records: &[(&str, Option<&str>)],
) -> Result<AppendInfo, AppendError> {
    let mut builder = BatchBuilder::new(options);
    for (key, value) in records {
        builder.append(100, Some(key.as_bytes()), value.map(str::as_bytes), &[]);
    }
    let batch = ValidBatch::trusted(&builder.build()).unwrap();
    let info = log.append_as_leader(batch, 0, AppendOrigin::Client, 100)?;
    log.raise_high_watermark(log.log_end_offset());
    Ok(info)
}

fn end_txn(log: &Log, kind: EndTxn, producer_id: i64, epoch: i16) {
    let marker = control::end_txn_marker(kind, producer_id, epoch, 3, 100);
    let origin = AppendOrigin::TxnMarker {
        transaction_version: 2,
    };
    log.append_as_leader(ValidBatch::trusted(&marker).unwrap(), 0, origin, 100)
        .unwrap();
    log.raise_high_watermark(log.log_end_offset());
}

fn txn(producer_id: i64, epoch: i16, sequence: i32) -> BatchOptions {
    BatchOptions {
        producer_id,
        producer_epoch: epoch,
        base_sequence: sequence,
        transactional: true,
        ..BatchOptions::default()
    }
}

fn open(disk: Disk, config: &Arc<LogConfig>, known: Checkpointed) -> Result<Arc<Log>, StorageError> {
    let identity = LogIdentity {
        topic_partition: TopicPartition::new("t", 0),
        topic_id: Uuid::from_u128(7),
        dir_id: Uuid::from_u128(8),
    };
    let path = disk.root().to_path_buf();
    let home = Home::new(Arc::new(disk), path);
    UnrecoveredLog::open(home, identity, Arc::clone(config), 0)?.recover(known, Arc::default(), 0)
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Every batch in the files, read as a consumer reads, with the records that committed readers would see.
fn batches(log: &Log) -> Vec<(BatchHeader, Vec<Record>)> {
    let mut found = Vec::new();
    let mut next = log.log_start_offset();
    loop {
        let read = log.read(next, 1 << 20, ReadBound::LastStable, true).unwrap();
        let Some(slice) = read.slice else { return found };
        let mut aborted = read.aborted.unwrap();
        let end = slice.position + slice.len as u64;
        let mut walk = Walk::batches(&slice.file, slice.position, end);
        let before = next;
        while let Some(Ok((placed, bytes))) = walk.next_whole() {
            let AnyBatch::Current(header) = placed.batch else {
                panic!("an old batch")
            };
            next = header.next_offset();
            let is_of = |range: &crate::log::AbortedRange| {
                range.producer_id == header.producer_id && range.first_offset <= header.base_offset
            };
            if header.is_control() {
                let is_abort = control::end_txn_of(&header, bytes)
                    .unwrap()
                    .is_some_and(|(kind, _)| kind == EndTxn::Abort);
                if is_abort && let Some(at) = aborted.iter().position(is_of) {
                    aborted.remove(at);
                }
            }
            let is_hidden = header.is_control() || (header.is_transactional() && aborted.iter().any(is_of));
            let records = match is_hidden {
                true => Vec::new(),
                false => batch::records(bytes, 1 << 20)
                    .unwrap()
                    .collect::<Result<_, _>>()
                    .unwrap(),
            };
            found.push((header, records));
        }
        assert!(next > before);
    }
}

type Latest = BTreeMap<String, (i64, Option<String>)>;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The table that a reader of committed data builds: of each key the last value, and where it stood.
fn latest(log: &Log) -> Latest {
    let mut table = Latest::new();
    for (_, records) in batches(log) {
        for record in records {
            let key = text(&record.key.unwrap());
            table.insert(key, (record.offset, record.value.map(|value| text(&value))));
        }
    }
    table
}

/// The table without what is deleted: a tombstone may go or stay.
fn alive(log: &Log) -> Latest {
    let mut table = latest(log);
    table.retain(|_, (_, value)| value.is_some());
    table
}

fn count_of(log: &Log, key: &str) -> usize {
    let records = batches(log).into_iter().flat_map(|(_, records)| records);
    records
        .filter(|record| record.key.as_deref() == Some(key.as_bytes()))
        .count()
}
