//! Log dirs from format to clean stop, and what they refuse.

use super::*;
use crate::batch::{BatchBuilder, BatchOptions, ValidBatch};
use crate::producer_state::AppendOrigin;

fn format(dir: &Path, node_id: i32) {
    let meta = MetaProperties {
        identity: ClusterIdentity {
            cluster_id: "c".to_owned(),
            node_id,
        },
        directory_id: meta_properties::new_directory_id(),
    };
    meta.write(&Disk::new(dir)).unwrap();
}

fn open(paths: &[&Path]) -> Result<LogDirs> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    LogDirs::open(&paths, None)
}

fn load(dirs: &LogDirs, is_stray: bool) -> Result<Loaded> {
    dirs.load_all(&LoadOptions {
        threads_per_dir: 2,
        now_ms: 0,
        config_of: &|_| Arc::default(),
        is_stray: &|_, _| is_stray,
        file_delete_delay_ms: 60_000,
    })
}

fn append(log: &Log, count: usize) {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for _ in 0..count {
        builder.append(0, None, Some(b"x"), &[]);
    }
    let batch = ValidBatch::trusted(&builder.build()).unwrap();
    let info = log.append_as_leader(batch, 0, AppendOrigin::Client, 0).unwrap();
    log.raise_high_watermark(info.last_offset + 1);
}

fn partition(n: i32) -> TopicPartition {
    TopicPartition::new("t", n)
}

const TOPIC_ID: Uuid = Uuid::from_u128(77);

#[test]
fn logs_survive_a_clean_stop_and_a_kill() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    format(a.path(), 1);
    format(b.path(), 1);
    let dirs = open(&[a.path(), b.path()]).unwrap();
    load(&dirs, false).unwrap();
    for n in 0..6 {
        let log = dirs
            .create_log(&partition(n), TOPIC_ID, None, Arc::default(), 0)
            .unwrap();
        append(&log, n as usize + 1);
    }
    let in_a = dirs
        .logs()
        .iter()
        .filter(|log| log.dir_id() == dirs.dirs()[0].id())
        .count();
    assert_eq!(in_a, 3, "logs are spread evenly");
    dirs.close_cleanly(362).unwrap();
    let marker = std::fs::read_to_string(a.path().join(".kafka_cleanshutdown")).unwrap();
    assert_eq!(marker, "{\"version\":0,\"brokerEpoch\":362}");
    assert!(!a.path().join(".lock").exists());
    assert!(
        !a.path().join("log-start-offset-checkpoint").exists()
            || std::fs::read_to_string(a.path().join("log-start-offset-checkpoint")).unwrap() == "0\n0\n"
    );

    for was_clean in [true, false] {
        let dirs = open(&[a.path(), b.path()]).unwrap();
        assert!(
            dirs.dirs()
                .iter()
                .all(|dir| dir.was_clean_shutdown() == was_clean)
        );
        assert_eq!(load(&dirs, false).unwrap().logs, 6);
        assert!(!a.path().join(".kafka_cleanshutdown").exists());
        for n in 0..6 {
            let log = dirs.load(&partition(n), TOPIC_ID, &Arc::default()).unwrap();
            assert_eq!(
                (log.log_end_offset(), log.high_watermark()),
                (i64::from(n) + 1, i64::from(n) + 1)
            );
        }
        assert!(
            dirs.load(&partition(0), Uuid::from_u128(5), &Arc::default())
                .is_none()
        );
    }
}

#[test]
fn a_log_start_that_was_written_survives_a_kill() {
    let a = tempfile::tempdir().unwrap();
    format(a.path(), 1);
    let dirs = open(&[a.path()]).unwrap();
    load(&dirs, false).unwrap();
    let log = dirs
        .create_log(&partition(0), TOPIC_ID, None, Arc::default(), 0)
        .unwrap();
    append(&log, 10);
    log.delete_records_before(5).unwrap();
    dirs.checkpoint_log_starts(&dirs.dirs()[0]).unwrap();
    drop((log, dirs));
    let dirs = open(&[a.path()]).unwrap();
    load(&dirs, false).unwrap();
    assert_eq!(dirs.get(&partition(0)).unwrap().log_start_offset(), 5);
}

#[test]
fn a_metadata_log_in_another_directory_is_refused() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    format(a.path(), 1);
    format(b.path(), 1);
    let dirs = open(&[a.path(), b.path()]).unwrap();
    dirs.open_metadata_log(Arc::default(), 0).unwrap();
    dirs.check_metadata_location(a.path()).unwrap();
    let error = dirs.check_metadata_location(b.path()).unwrap_err().to_string();
    assert!(error.contains(&a.path().display().to_string()), "{error}");
}

#[test]
fn a_deleted_partition_leaves_nothing_to_its_successor() {
    let a = tempfile::tempdir().unwrap();
    format(a.path(), 1);
    let dirs = open(&[a.path()]).unwrap();
    load(&dirs, false).unwrap();
    let log = dirs
        .create_log(&partition(0), TOPIC_ID, None, Arc::default(), 0)
        .unwrap();
    append(&log, 10);
    log.flush().unwrap();
    log.delete_records_before(5).unwrap();
    dirs.checkpoint(&dirs.dirs()[0]).unwrap();
    dirs.delete_log(&log, 0).unwrap();
    assert!(
        log.append_as_leader(
            ValidBatch::trusted(&{
                let mut builder = BatchBuilder::new(BatchOptions::default());
                builder.append(0, None, None, &[]);
                builder.build()
            })
            .unwrap(),
            0,
            AppendOrigin::Client,
            0
        )
        .is_err()
    );
    let successor = dirs
        .create_log(&partition(0), Uuid::from_u128(78), None, Arc::default(), 0)
        .unwrap();
    append(&successor, 2);
    let marker_of = |name: &str| std::fs::read_to_string(a.path().join(name)).unwrap();
    assert_eq!(marker_of("recovery-point-offset-checkpoint"), "0\n0\n");
    assert_eq!(marker_of("log-start-offset-checkpoint"), "0\n0\n");
    let count = || {
        std::fs::read_dir(a.path())
            .unwrap()
            .filter(|e| e.as_ref().unwrap().path().is_dir())
            .count()
    };
    assert_eq!(count(), 2);
    dirs.chores().work_off(dirs.dirs()[0].disk(), 59_999);
    assert_eq!(count(), 2);
    assert_eq!(dirs.chores().next_unlink_ms(dirs.dirs()[0].disk()), Some(60_000));
    dirs.chores().work_off(dirs.dirs()[0].disk(), 60_000);
    assert_eq!(count(), 1);
}

#[test]
fn what_kafka_refuses_is_refused() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert!(open(&[a.path()]).is_err(), "not formatted");
    format(a.path(), 1);
    format(b.path(), 2);
    assert!(open(&[a.path(), b.path()]).is_err(), "of two nodes");
    std::fs::create_dir(a.path().join("foreign")).unwrap();
    let dirs = open(&[a.path()]).unwrap();
    assert!(load(&dirs, false).is_err(), "a foreign directory");
}

#[test]
fn one_partition_in_two_directories_is_fatal() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [a.path(), b.path()] {
        format(dir, 1);
        std::fs::create_dir(dir.join("t-0")).unwrap();
        crate::partition_metadata::write(&Disk::new(dir), &dir.join("t-0"), TOPIC_ID).unwrap();
    }
    assert!(load(&open(&[a.path(), b.path()]).unwrap(), false).is_err());
}

#[test]
fn strays_are_set_aside_and_not_deleted() {
    let a = tempfile::tempdir().unwrap();
    format(a.path(), 1);
    std::fs::create_dir(a.path().join("t-0")).unwrap();
    std::fs::write(a.path().join("t-0/00000000000000000000.log"), "a record").unwrap();
    let dirs = open(&[a.path()]).unwrap();
    let loaded = load(&dirs, true).unwrap();
    assert_eq!((loaded.logs, loaded.strays.len()), (0, 1));
    assert!(file_name(&loaded.strays[0]).ends_with("-stray"));
    assert!(loaded.strays[0].exists());
}

#[test]
fn the_metadata_log_is_apart_from_the_others() {
    let a = tempfile::tempdir().unwrap();
    format(a.path(), 1);
    for expected in 0..3 {
        let dirs = open(&[a.path()]).unwrap();
        load(&dirs, false).unwrap();
        let log = dirs.open_metadata_log(Arc::default(), 0).unwrap();
        assert_eq!(log.log_end_offset(), expected);
        append(&log, 1);
        assert!(dirs.logs().is_empty());
    }
    let text = std::fs::read_to_string(a.path().join("__cluster_metadata-0/partition.metadata")).unwrap();
    assert_eq!(text, "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ");
}
