//! A partition as Apache Kafka 4.3.1 left it (tests/golden/storage/kafka-4.3.1-log): four segments, every codec, plain
//! and transactional producers, transactions that were committed, aborted, and one left open. Whatever way our log comes
//! to the same records, its files must be Kafka's, byte for byte
//! (but for the order of the producers in a snapshot).

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/storage/kafka-4.3.1-log")
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                std::fs::read(entry.path()).unwrap(),
            )
        })
        .collect()
}

/// The configuration that the topic had.
pub(super) fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 1 << 20,
        segment_ms: 3000,
        index_interval_bytes: 200,
        ..LogConfig::default()
    }
}

pub(super) fn copy(wanted: impl Fn(&str) -> bool) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files(&golden()).iter().filter(|(name, _)| wanted(name)) {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

/// Compares all but `partition.metadata`, which belongs to the log dirs.
fn assert_is_kafkas(dir: &Path) {
    let mut expected = files(&golden());
    expected.remove("partition.metadata");
    let mut found = files(dir);
    found.remove("partition.metadata");
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    for (name, bytes) in expected {
        if name.ends_with(".snapshot") {
            assert_eq!(producers(&found[&name]), producers(&bytes), "{name}");
        } else {
            assert_eq!(found[&name], bytes, "{name}");
        }
    }
}

/// A snapshot's producers by id: in Kafka's they stand in the order of a Java hash map, in ours they are sorted.
fn producers(snapshot: &[u8]) -> Vec<ProducerEntry> {
    let mut entries = crate::producer_state::decode_snapshot(snapshot).unwrap();
    entries.sort_unstable_by_key(|entry| entry.producer_id);
    entries
}

#[test]
fn trusted_files_stay_as_they_are() {
    let dir = copy(|_| true);
    let known = Checkpointed {
        clean_shutdown: true,
        high_watermark: 202,
        ..Checkpointed::NOTHING
    };
    let log = open(dir.path(), &Arc::new(config()), known);
    assert_eq!((log.log_end_offset(), log.last_stable_offset()), (202, 201));
    assert_eq!(log.active_producers().len(), 17);
    log.close().unwrap();
    assert_is_kafkas(dir.path());
}

#[test]
fn everything_but_the_batches_is_built_again() {
    let dir = copy(|name| name.ends_with(".log"));
    let log = open(dir.path(), &Arc::new(config()), Checkpointed::NOTHING);
    log.raise_high_watermark(202);
    let read = log.read(0, 1 << 20, ReadBound::LastStable, true).unwrap();
    assert_eq!(read.aborted.unwrap().len(), 1);
    log.close().unwrap();
    assert_is_kafkas(dir.path());
}

#[test]
fn the_same_batches_make_the_same_files() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), &Arc::new(config()), Checkpointed::NOTHING);
    for (name, bytes) in files(&golden()) {
        if name.ends_with(".log") {
            log.append_as_follower(&bytes, 0, 0).unwrap();
        }
    }
    log.raise_high_watermark(202);
    log.close().unwrap();
    assert_is_kafkas(dir.path());
}
