//! The log against a model: a vector of records, and whatever a broker may do to a log between two looks at it.

mod damage;
mod faults;
mod golden;
mod hostile;
mod model;
mod power;
mod threads;
mod transactions;
mod txn_faults;
mod verification;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ottla_base::{TopicPartition, Uuid};

use super::load::{Checkpointed, LogIdentity, UnrecoveredLog};
use super::*;
use crate::batch::{self, BatchBuilder, BatchOptions, ValidBatch};
use crate::producer_state::AppendOrigin;
use crate::walk::Walk;

/// A log in a directory of its own, without log dirs around it.
struct Bench {
    dir: tempfile::TempDir,
    config: Arc<LogConfig>,
    log: Arc<Log>,
}

impl Bench {
    fn new(config: LogConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Arc::new(config);
        let log = open(dir.path(), &config, Checkpointed::NOTHING);
        Self { dir, config, log }
    }

    /// Stops the log as a broker does, and opens it again from its files.
    fn restart_cleanly(&mut self) {
        self.log.close().unwrap();
        let known = Checkpointed {
            clean_shutdown: true,
            ..self.known()
        };
        self.log = open(self.dir.path(), &self.config, known);
    }

    /// Opens the files again as if the process had been killed.
    fn restart_after_kill(&mut self) {
        self.log = open(self.dir.path(), &self.config, self.known());
    }

    fn known(&self) -> Checkpointed {
        Checkpointed {
            clean_shutdown: false,
            recovery_point: self.log.recovery_point(),
            log_start: self.log.log_start_offset(),
            high_watermark: self.log.high_watermark(),
        }
    }

    fn append(&self, timestamp: i64, values: &[&str]) -> AppendInfo {
        let info = self
            .log
            .append_as_leader(batch_of(timestamp, values), 0, AppendOrigin::Client, timestamp)
            .unwrap();
        self.log.raise_high_watermark(info.last_offset + 1);
        info
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }
}

fn open(dir: &Path, config: &Arc<LogConfig>, known: Checkpointed) -> Arc<Log> {
    let identity = LogIdentity {
        topic_partition: TopicPartition::new("t", 0),
        topic_id: Uuid::from_u128(7),
        dir_id: Uuid::from_u128(8),
    };
    let home = Home::new(Arc::new(Disk::new(dir)), dir);
    UnrecoveredLog::open(home, identity, Arc::clone(config), 0)
        .unwrap()
        .recover(known, Arc::default(), 0)
        .unwrap()
}

fn batch_of(timestamp: i64, values: &[&str]) -> ValidBatch {
    built(BatchOptions::default(), timestamp, values)
}

fn built(options: BatchOptions, timestamp: i64, values: &[&str]) -> ValidBatch {
    let mut builder = BatchBuilder::new(options);
    for value in values {
        builder.append(timestamp, None, Some(value.as_bytes()), &[]);
    }
    ValidBatch::trusted(&builder.build()).unwrap()
}

/// Small limits, so that a few records make many segments and index entries.
fn small() -> LogConfig {
    LogConfig {
        segment_bytes: 600,
        index_interval_bytes: 100,
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    }
}

/// All records from `offset` on, as (offset, value), read as a consumer reads.
fn read_from(log: &Log, offset: i64, max_bytes: usize, bound: ReadBound) -> Vec<(i64, String)> {
    let mut next = offset;
    let mut found = Vec::new();
    while let Some(slice) = log.read(next, max_bytes, bound, true).unwrap().slice {
        let mut bytes = vec![0; slice.len];
        std::os::unix::fs::FileExt::read_exact_at(&*slice.file, &mut bytes, slice.position).unwrap();
        let before = next;
        for record in records_in(&bytes) {
            if record.0 >= next {
                next = record.0 + 1;
                found.push(record);
            }
        }
        assert!(next > before, "a read must bring at least one whole batch");
    }
    found
}

fn records_in(bytes: &[u8]) -> Vec<(i64, String)> {
    let file = tempfile::tempfile().unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, bytes, 0).unwrap();
    let mut walk = Walk::batches(&file, 0, bytes.len() as u64);
    let mut found = Vec::new();
    while let Some(Ok((_, batch))) = walk.next_whole() {
        for record in batch::records(batch, 1 << 20).unwrap() {
            let record = record.unwrap();
            let value = record.value.unwrap_or(Bytes::new());
            found.push((record.offset, String::from_utf8_lossy(&value).into_owned()));
        }
    }
    found
}

#[test]
fn what_is_appended_is_read_across_segments() {
    let bench = Bench::new(small());
    for i in 0..50 {
        bench.append(i, &[&format!("a{i}"), &format!("b{i}")]);
    }
    assert!(bench.log.segments().len() > 5);
    for offset in [0, 1, 37, 98, 99] {
        let found = read_from(&bench.log, offset, 300, ReadBound::HighWatermark);
        assert_eq!(found.first().unwrap().0, offset);
        assert_eq!(found.len() as i64, 100 - offset);
    }
    assert!(
        bench
            .log
            .read(100, 300, ReadBound::HighWatermark, true)
            .unwrap()
            .slice
            .is_none()
    );
    assert!(matches!(
        bench.log.read(101, 300, ReadBound::HighWatermark, true),
        Err(ReadError::OffsetOutOfRange { log_end: 100, .. })
    ));
}

#[test]
fn readers_stop_at_their_bound() {
    let bench = Bench::new(small());
    for i in 0..20 {
        let batch = batch_of(i, &["x"]);
        bench
            .log
            .append_as_leader(batch, 0, AppendOrigin::Client, i)
            .unwrap();
    }
    for watermark in 0..20 {
        bench.log.raise_high_watermark(watermark);
        let seen = read_from(&bench.log, 0, 10_000, ReadBound::HighWatermark);
        assert_eq!(seen.len() as i64, watermark);
        assert_eq!(read_from(&bench.log, 0, 10_000, ReadBound::LogEnd).len(), 20);
    }
    assert_eq!(bench.log.raise_high_watermark(1000), 20);
    assert_eq!(bench.log.raise_high_watermark(3), 20);
}

#[test]
fn a_batch_that_does_not_fit_comes_only_when_it_must() {
    let bench = Bench::new(small());
    bench.append(0, &["0123456789"]);
    let read = bench.log.read(0, 10, ReadBound::LogEnd, false).unwrap();
    assert!(read.slice.is_none() && read.first_batch_too_large);
    let read = bench.log.read(0, 10, ReadBound::LogEnd, true).unwrap();
    assert_eq!(read.slice.unwrap().len as u64, bench.log.size_bytes());
}

#[test]
fn times_are_found_to_the_record() {
    let mut bench = Bench::new(small());
    for i in 0..60i64 {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(i * 20, None, Some(b"a"), &[]);
        builder.append(i * 20 + 10, None, Some(b"b"), &[]);
        let batch = ValidBatch::trusted(&builder.build()).unwrap();
        bench
            .log
            .append_as_leader(batch, 3, AppendOrigin::Client, 0)
            .unwrap();
    }
    for _ in 0..2 {
        for wanted in 0..1200 {
            let found = bench.log.offset_for_timestamp(wanted).unwrap();
            let expected = (wanted <= 1190).then_some((wanted + 9) / 10);
            assert_eq!(found.map(|f| f.offset), expected, "{wanted}");
            assert!(found.is_none_or(|f| f.leader_epoch == 3 && f.timestamp == f.offset * 10));
        }
        assert_eq!(bench.log.max_timestamp_offset().unwrap().unwrap().offset, 119);
        bench.restart_cleanly();
    }
}

#[test]
fn an_empty_log_has_no_times() {
    let bench = Bench::new(small());
    assert_eq!(bench.log.offset_for_timestamp(0).unwrap(), None);
    assert_eq!(bench.log.max_timestamp_offset().unwrap(), None);
}

#[test]
fn a_segment_rolls_when_the_records_say_that_its_time_is_over() {
    let bench = Bench::new(LogConfig {
        segment_ms: 100,
        ..LogConfig::default()
    });
    for timestamp in [1000, 1100, 1101, 1150] {
        bench.append(timestamp, &["x"]);
    }
    let bases: Vec<i64> = bench.log.segments().iter().map(|s| s.base_offset()).collect();
    assert_eq!(bases, [0, 2]);
    assert!(bench.file("00000000000000000002.snapshot").exists());
    assert_eq!(
        std::fs::metadata(bench.file("00000000000000000000.timeindex"))
            .unwrap()
            .len(),
        12
    );
}

#[test]
fn old_segments_go_by_time_and_never_past_the_watermark() {
    let bench = Bench::new(LogConfig {
        retention_ms: 1000,
        ..small()
    });
    for i in 0..30 {
        bench.append(i * 100, &["0123456789"]);
    }
    let before = bench.log.segments().len();
    assert_eq!(bench.log.apply_retention(1000).unwrap(), 0);
    assert!(bench.log.apply_retention(2500).unwrap() > 0);
    let log_start = bench.log.log_start_offset();
    assert!(log_start > 0 && bench.log.segments().len() < before);
    assert_eq!(
        read_from(&bench.log, log_start, 999, ReadBound::LogEnd).len() as i64,
        30 - log_start
    );
    assert!(bench.file("00000000000000000000.log.deleted").exists());
    // In the end the last one goes too, and an empty one takes its place.
    assert!(bench.log.apply_retention(1_000_000).unwrap() > 0);
    assert_eq!((bench.log.log_start_offset(), bench.log.size_bytes()), (30, 0));
    assert_eq!(bench.log.apply_retention(2_000_000).unwrap(), 0);
    assert_eq!(bench.append(5_000_000, &["x"]).first_offset, 30);
}

#[test]
fn surplus_bytes_go_oldest_first() {
    let bench = Bench::new(LogConfig {
        retention_bytes: 1500,
        ..small()
    });
    for i in 0..60 {
        bench.append(i, &["0123456789"]);
    }
    bench.log.apply_retention(60).unwrap();
    let size = bench.log.size_bytes();
    assert!((1500..1500 + 600).contains(&size), "{size}");
}

#[test]
fn deleted_records_are_gone_for_readers_at_once() {
    let mut bench = Bench::new(small());
    for i in 0..30 {
        bench.append(i, &["0123456789"]);
    }
    assert!(bench.log.delete_records_before(31).is_err());
    assert_eq!(bench.log.delete_records_before(17).unwrap(), 17);
    assert_eq!(bench.log.delete_records_before(3).unwrap(), 17);
    assert!(bench.log.read(16, 10, ReadBound::LogEnd, true).is_err());
    bench.restart_cleanly();
    assert_eq!(bench.log.log_start_offset(), 17);
    bench.log.set_config(Arc::new(LogConfig {
        cleanup_delete: false,
        ..small()
    }));
    assert!(bench.log.apply_retention(0).unwrap() > 0);
    assert!(bench.log.segments().first().unwrap().base_offset() <= 17);
    assert_eq!(bench.log.delete_records_before(-1).unwrap(), 30);
}

#[test]
fn a_follower_takes_what_the_leader_has() {
    let (leader, follower) = (Bench::new(small()), Bench::new(small()));
    for i in 0..40 {
        leader.append(i, &["0123456789", "x"]);
    }
    while follower.log.log_end_offset() < 80 {
        let from = follower.log.log_end_offset();
        let slice = leader
            .log
            .read(from, 250, ReadBound::LogEnd, true)
            .unwrap()
            .slice
            .unwrap();
        let mut bytes = vec![0; slice.len];
        std::os::unix::fs::FileExt::read_exact_at(&*slice.file, &mut bytes, slice.position).unwrap();
        follower.log.append_as_follower(&bytes, 0, 0).unwrap();
    }
    let read = |bench: &Bench| read_from(&bench.log, 0, 999, ReadBound::LogEnd);
    assert_eq!(read(&leader), read(&follower));
    follower.log.truncate_to(31).unwrap();
    assert_eq!(follower.log.log_end_offset(), 30);
    assert_eq!(
        read(&follower).len(),
        30,
        "the batch that holds offset 31 is cut as a whole"
    );
    follower.log.truncate_fully_and_start_at(500).unwrap();
    assert_eq!(
        (follower.log.log_start_offset(), follower.log.log_end_offset()),
        (500, 500)
    );
    assert_eq!(follower.append(0, &["x"]).first_offset, 500);
}

#[test]
fn leader_epochs_follow_the_batches() {
    let mut bench = Bench::new(small());
    bench.log.assign_epoch(1, 0);
    for epoch in [1, 1, 4, 4] {
        let batch = batch_of(0, &["x"]);
        bench
            .log
            .append_as_leader(batch, epoch, AppendOrigin::Client, 0)
            .unwrap();
    }
    assert_eq!(bench.log.end_offset_for_epoch(1), Some((1, 2)));
    let in_batches_only = !bench.file("leader-epoch-checkpoint").exists();
    assert!(in_batches_only, "the file is written with the first flush");
    bench.restart_after_kill();
    assert_eq!(bench.log.latest_epoch(), Some(4));
    assert_eq!(bench.log.end_offset_for_epoch(4), Some((4, 4)));
    assert_eq!(bench.log.epoch_of(1), Some(1));
}

#[test]
fn durable_mode_says_when_a_flush_is_due() {
    let bench = Bench::new(LogConfig {
        flush_messages: 3,
        ..small()
    });
    assert!(!bench.append(0, &["x", "x"]).flush_due);
    assert!(bench.append(0, &["x"]).flush_due);
    bench.log.flush().unwrap();
    assert_eq!(bench.log.recovery_point(), 3);
    assert!(!bench.append(0, &["x"]).flush_due);
}
