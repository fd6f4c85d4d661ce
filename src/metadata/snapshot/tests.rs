//! A snapshot rebuilds the image it was taken of.

use ottla_base::Uuid;

use crate::records::*;
use crate::{Image, Replay};

fn sample() -> Image {
    let mut records = nodes();
    records.extend(topics());
    records.extend(settings());
    records.extend(security());
    replayed(&records)
}

fn nodes() -> Vec<Record> {
    vec![
        FeatureLevelRecord {
            name: "group.version".into(),
            feature_level: 1,
        }
        .into(),
        FeatureLevelRecord {
            name: "metadata.version".into(),
            feature_level: 30,
        }
        .into(),
        RegisterBrokerRecord {
            broker_id: 1,
            log_dirs: vec![Uuid::from_u128(1 << 100)],
            cordoned_log_dirs: Some(vec![]),
            ..RegisterBrokerRecord::default()
        }
        .into(),
        BrokerRegistrationChangeRecord {
            broker_id: 1,
            fenced: -1,
            ..Default::default()
        }
        .into(),
        RegisterControllerRecord {
            controller_id: 1,
            ..Default::default()
        }
        .into(),
    ]
}

fn topics() -> Vec<Record> {
    let topic_id = Uuid::from_u128(77);
    vec![
        TopicRecord {
            name: "orders".into(),
            topic_id,
        }
        .into(),
        PartitionRecord {
            partition_id: 0,
            topic_id,
            replicas: vec![1],
            isr: vec![1],
            directories: vec![Uuid::from_u128(1 << 100)],
            leader: 1,
            leader_epoch: 0,
            partition_epoch: 0,
            ..Default::default()
        }
        .into(),
        PartitionChangeRecord {
            partition_id: 0,
            topic_id,
            isr: Some(vec![]),
            leader: -1,
            eligible_leader_replicas: Some(vec![1]),
            ..Default::default()
        }
        .into(),
    ]
}

fn settings() -> Vec<Record> {
    vec![
        config(2, "orders", "retention.ms", Some("5")),
        config(4, "", "min.insync.replicas", Some("1")),
        ClientQuotaRecord {
            entity: vec![QuotaEntityRecord {
                entity_type: "user".into(),
                entity_name: None,
            }],
            key: "producer_byte_rate".into(),
            value: 2.5,
            remove: false,
        }
        .into(),
        ProducerIdsRecord {
            broker_id: 1,
            broker_epoch: 5,
            next_producer_id: 1000,
        }
        .into(),
    ]
}

fn security() -> Vec<Record> {
    vec![
        AccessControlEntryRecord {
            id: Uuid::from_u128(9),
            host: "*".into(),
            ..Default::default()
        }
        .into(),
        UserScramCredentialRecord {
            name: "alice".into(),
            mechanism: 2,
            ..Default::default()
        }
        .into(),
        DelegationTokenRecord {
            token_id: "t".into(),
            ..Default::default()
        }
        .into(),
    ]
}

fn config(resource_type: i8, resource: &str, name: &str, value: Option<&str>) -> Record {
    ConfigRecord {
        resource_type,
        resource_name: resource.into(),
        name: name.into(),
        value: value.map(Into::into),
    }
    .into()
}

fn replayed(records: &[Record]) -> Image {
    let mut replay = Replay::new(Image::empty());
    for (offset, record) in (0i64..).zip(records) {
        replay.apply(record, offset, 1).unwrap();
    }
    replay.image().clone()
}

#[test]
fn an_image_is_rebuilt_from_its_records() {
    let image = sample();
    let records: Vec<Record> = image.records().collect();
    assert!(matches!(&records[0], Record::FeatureLevel(f) if f.name == "metadata.version"));
    let mut again = replayed(&records);
    again.offset = image.offset;
    assert_eq!(again, image);
}

#[test]
fn naming_a_leader_starts_an_epoch_and_every_change_counts() {
    let image = sample();
    let partition = image.partition("orders", 0).unwrap();
    assert_eq!(
        (
            partition.leader,
            partition.leader_epoch,
            partition.partition_epoch
        ),
        (-1, 1, 1)
    );
    assert_eq!(partition.elr, vec![1]);
}

#[test]
fn a_clone_is_a_moment_that_stays() {
    let before = sample();
    let mut replay = Replay::new(before.clone());
    let removed = RemoveTopicRecord {
        topic_id: Uuid::from_u128(77),
    };
    replay.apply(&removed.into(), 100, 1).unwrap();
    assert!(before.topics.by_name("orders").is_some());
    assert!(replay.image().topics.by_name("orders").is_none());
    assert_eq!(
        replay.image().configs.iter().count(),
        1,
        "a topic takes its configs with it"
    );
    assert!(
        replay
            .take_delta()
            .deleted_topics
            .contains_key(&Uuid::from_u128(77))
    );
}

#[test]
fn a_transaction_is_all_or_nothing() {
    let topic = |name: &str, id| -> Record {
        TopicRecord {
            name: name.into(),
            topic_id: Uuid::from_u128(id),
        }
        .into()
    };
    let mut replay = Replay::new(Image::empty());
    let mut offset = 0;
    let mut apply = |replay: &mut Replay, record: Record| {
        offset += 1;
        replay.apply(&record, offset, 1)
    };
    apply(&mut replay, BeginTransactionRecord::default().into()).unwrap();
    apply(&mut replay, topic("a", 1)).unwrap();
    assert!(replay.in_transaction() && replay.image().topics.is_empty());
    apply(&mut replay, AbortTransactionRecord::default().into()).unwrap();
    assert!(replay.image().topics.is_empty() && replay.take_delta().is_empty());
    apply(&mut replay, BeginTransactionRecord::default().into()).unwrap();
    apply(&mut replay, topic("a", 1)).unwrap();
    apply(&mut replay, EndTransactionRecord {}.into()).unwrap();
    assert!(replay.image().topics.by_name("a").is_some());
    assert_eq!(replay.image().offset, 6);
    assert!(apply(&mut replay, EndTransactionRecord {}.into()).is_err());
}
