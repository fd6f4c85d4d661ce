//! A metadata log and a snapshot that Apache Kafka 4.3.1 wrote: two lives of a node with topics, configs, quotas, ACLs, SCRAM
//! users and a deleted topic. What is read must be what Kafka's own snapshot says, and must be written back to the byte.

use std::fs;

use ottla_storage::LogDirs;
use ottla_storage::batch::{BatchHeader, records};
use ottla_storage::dirs::{ClusterIdentity, MetaProperties, new_directory_id};
use ottla_storage::vfs::Disk;

use super::*;

const LOG: &str = "00000000000000000000.log";
const SNAPSHOT: &str = "00000000000000000049-0000000001.checkpoint";

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/kafka-4.3.1-metadata")
        .join(name)
}

/// The image after all records before `end_offset`.
fn replayed(end_offset: i64) -> Image {
    let bytes = fs::read(golden(LOG)).unwrap();
    let mut replay = Replay::new(Image::empty());
    for_each_batch(&bytes, |header, entries, _| {
        for (offset, entry) in (header.base_offset..end_offset).zip(entries) {
            match entry {
                Entry::Record(record) => replay.apply(&record, offset, header.leader_epoch).unwrap(),
                Entry::Control(record) => {
                    apply_control(replay.image_mut(), &record);
                    replay.advance(offset, header.leader_epoch);
                }
            }
        }
        Ok(())
    })
    .unwrap();
    assert!(!replay.in_transaction());
    replay.image().clone()
}

#[test]
fn every_record_is_written_back_as_kafka_wrote_it() {
    let bytes = fs::read(golden(LOG)).unwrap();
    let mut rest = bytes.as_slice();
    let mut kinds = std::collections::BTreeSet::new();
    while !rest.is_empty() {
        let header = BatchHeader::parse(rest).unwrap();
        let (batch, behind) = rest.split_at(header.size_bytes());
        rest = behind;
        if header.is_control() {
            continue;
        }
        let options = BatchOptions {
            base_offset: header.base_offset,
            leader_epoch: header.leader_epoch,
            ..BatchOptions::default()
        };
        let values = records(batch, BATCH_BYTES_MAX).unwrap();
        let decoded: Vec<Record> = values
            .map(|record| Record::decode(record.unwrap().value.as_deref().unwrap()).unwrap())
            .collect();
        kinds.extend(decoded.iter().map(Record::type_code));
        let again = data_batch(&decoded, MetadataVersion::LATEST, options, header.base_timestamp);
        assert_eq!(
            again.unwrap()[..],
            *batch,
            "the batch at offset {}",
            header.base_offset
        );
    }
    assert!(kinds.len() >= 15, "{kinds:?}");
}

#[test]
fn the_log_adds_up_to_kafkas_snapshot() {
    let image = replayed(49);
    let snapshot = snapshot_file::read(&golden(SNAPSHOT)).unwrap();
    let mut replay = Replay::new(Image::empty());
    for record in &snapshot.records {
        replay.apply(record, 48, 1).unwrap();
    }
    assert_eq!(image.records().count(), snapshot.records.len());
    let mut theirs = replay.image().clone();
    (theirs.voters, theirs.features.kraft_version) = (Arc::clone(&image.voters), 1);
    assert_eq!(image, theirs);
    let quorum = snapshot.quorum.unwrap();
    assert_eq!(quorum.kraft_version, image.features.kraft_version);
    assert_eq!(quorum.voters, control_voters(&image));
}

#[test]
fn a_log_is_opened_from_its_newest_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let identity = ClusterIdentity {
        cluster_id: "AAECAwQFBgcICQoLDA0ODw".into(),
        node_id: 1,
    };
    let meta = MetaProperties {
        identity,
        directory_id: new_directory_id(),
    };
    meta.write(&Disk::new(dir.path())).unwrap();
    let inner = dir.path().join("__cluster_metadata-0");
    fs::create_dir(&inner).unwrap();
    for name in [LOG, SNAPSHOT] {
        fs::copy(golden(name), inner.join(name)).unwrap();
    }
    let dirs = LogDirs::open(&[dir.path().to_owned()], None).unwrap();
    let log = dirs.open_metadata_log(Arc::default(), 0).unwrap();
    let (log, loaded) = MetadataLog::open(log).unwrap();
    assert_eq!(log.log().log_end_offset(), 88);
    assert_eq!((loaded.epoch, loaded.has_voters_in_log), (2, true));
    assert_eq!(*loaded.replay.image(), replayed(88));
    let partition = loaded.replay.image().partition("fix-a", 0).unwrap();
    assert_eq!(
        (partition.leader, partition.leader_epoch, &partition.elr),
        (-1, 3, &vec![1])
    );
    // Without a snapshot the whole log must be there.
    fs::remove_file(inner.join(SNAPSHOT)).unwrap();
    log.log().raise_high_watermark(88);
    log.log().delete_records_before(40).unwrap();
    let refused = MetadataLog::open(Arc::clone(log.log())).err().unwrap();
    assert!(matches!(
        refused,
        MetadataLogError::NoSnapshot { log_start: 40, .. }
    ));
}
