//! Records against bytes that Apache Kafka wrote, and against themselves.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use ottla_base::Uuid;

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[track_caller]
fn check(hex: &str, record: impl Into<Record>) {
    let (bytes, record) = (unhex(hex), record.into());
    assert_eq!(Record::decode(&bytes), Ok(record.clone()));
    assert_eq!(record.encode(MetadataVersion::LATEST).unwrap()[..], bytes[..]);
}

/// Values of records in files that Apache Kafka 4.3.1 wrote.
#[test]
fn kafkas_bytes_go_both_ways() {
    check("01 14 00 00", NoOpRecord {});
    check(
        "01 0c 00 11 6d657461646174612e76657273696f6e 001e 00",
        FeatureLevelRecord {
            name: "metadata.version".into(),
            feature_level: 30,
        },
    );
    check(
        "01 0b 00 06616c696365 01 1a 6c733667306e706e6b7a75736e6f7335776b61787530726276
         21 ebd75dbd6714f53e2f5f6fffce9feb5388227aafac39135607b87dd7d8f5ee45
         21 133479ff8a6d431fd36ec6270ffdb17ca147fedf108dee59f3c386ce24892dbc 00001000 00",
        UserScramCredentialRecord {
            name: "alice".into(),
            mechanism: 1,
            salt: Bytes::from_static(b"ls6g0npnkzusnos5wkaxu0rbv"),
            stored_key: unhex("ebd75dbd6714f53e2f5f6fffce9feb5388227aafac39135607b87dd7d8f5ee45").into(),
            server_key: unhex("133479ff8a6d431fd36ec6270ffdb17ca147fedf108dee59f3c386ce24892dbc").into(),
            iterations: 4096,
        },
    );
}

#[test]
fn what_is_not_known_is_refused() {
    let refused = |bytes: &[u8]| Record::decode(bytes).unwrap_err();
    assert_eq!(refused(&[2, 20, 0, 0]), RecordError::UnknownFrame(2));
    assert_eq!(refused(&[1, 6, 0, 0]), RecordError::UnknownType(6));
    assert_eq!(refused(&[1, 29, 0, 0]), RecordError::UnknownType(29));
    assert_eq!(refused(&[]), RecordError::Frame(SchemaError::Truncated));
    let body = |source| RecordError::Body {
        kind: "NoOpRecord",
        source,
    };
    assert_eq!(refused(&[1, 20, 0, 0, 9]), body(SchemaError::LeftOver(1)));
    let unknown = SchemaError::UnsupportedVersion {
        name: "NoOpRecord",
        version: 1,
    };
    assert_eq!(refused(&[1, 20, 1, 0]), body(unknown));
}

/// Old metadata versions must not see fields that they do not know.
#[test]
fn the_metadata_version_chooses_the_record_version() {
    let change = Record::from(PartitionChangeRecord {
        leader: 3,
        directories: Some(vec![Uuid::from_u128(7)]),
        eligible_leader_replicas: Some(vec![1]),
        ..PartitionChangeRecord::default()
    });
    for (level, version, size_bytes) in [
        (7, 0, 30),
        (16, 0, 30),
        (17, 1, 49),
        (22, 1, 49),
        (23, 2, 56),
        (30, 2, 56),
    ] {
        let bytes = change.encode(MetadataVersion(level)).unwrap();
        assert_eq!(
            (bytes[2], bytes.len()),
            (version, size_bytes),
            "metadata.version {level}"
        );
    }
    let broker = Record::from(RegisterBrokerRecord::default());
    for (level, version) in [(7, 1), (8, 2), (17, 3), (29, 3), (30, 4)] {
        assert_eq!(broker.encode(MetadataVersion(level)).unwrap()[2], version);
    }
}

fn ids() -> impl Strategy<Value = Vec<i32>> {
    vec(0i32..9, 0..5)
}

prop_compose! {
    fn change()(isr in option::of(ids()), leader in -2i32..5, replicas in option::of(ids()), removing in option::of(ids()),
        state in -1i8..=1, directories in option::of(vec(any::<u128>(), 0..3)), elr in option::of(ids()), last in option::of(ids()),
        partition_id: i32, topic: u128) -> PartitionChangeRecord {
        PartitionChangeRecord {
            partition_id, topic_id: Uuid::from_u128(topic), isr, leader, replicas, removing_replicas: removing.clone(),
            adding_replicas: removing, leader_recovery_state: state,
            directories: directories.map(|d| d.into_iter().map(Uuid::from_u128).collect()),
            eligible_leader_replicas: elr, last_known_elr: last,
        }
    }
}

proptest! {
    #[test]
    fn changes_come_back_as_they_went(record in change()) {
        let record = Record::from(record);
        prop_assert_eq!(Record::decode(&record.encode(MetadataVersion::LATEST).unwrap()), Ok(record));
    }

    #[test]
    fn settings_come_back_as_they_went(kind: i8, name in ".{0,20}", value in option::of(".{0,50}"), number: i64) {
        for record in [
            Record::from(ConfigRecord { resource_type: kind, resource_name: name.clone(), name: name.clone(), value: value.clone() }),
            Record::from(ProducerIdsRecord { broker_id: 1, broker_epoch: number, next_producer_id: number }),
            Record::from(ClientQuotaRecord {
                entity: vec![QuotaEntityRecord { entity_type: name, entity_name: value }],
                key: "k".into(), value: number as f64, remove: number < 0,
            }),
        ] {
            prop_assert_eq!(Record::decode(&record.encode(MetadataVersion::LATEST).unwrap()), Ok(record));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(kind in 0u8..30, version in 0u8..6, rest in vec(any::<u8>(), 0..200)) {
        let _ = Record::decode(&[&[1, kind, version], rest.as_slice()].concat());
        let _ = Record::decode(&rest);
    }
}
