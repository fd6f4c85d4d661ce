//! The versions that kafka-protocol lacks, against bytes written by an independent codec from Kafka's own JSON schemas.

use bytes::Bytes;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{ListOffsetsRequest, TopicName};
use ottla_base::Uuid;

use super::describe_log_dirs::{DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic};
use super::*;
use crate::wire::{decode, encode};

fn bytes(hex: &str) -> Bytes {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn topic_id() -> Uuid {
    Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10)
}

#[test]
fn offset_commit_10_names_topics_by_id() {
    let body = bytes(
        "0267 00000005 026d 0269 02 0102030405060708090a0b0c0d0e0f10 03 00000003 000000000000002a 00000007 036d64 00
         00000004 0000000000000001 ffffffff 00 00 00 00",
    );
    let request: OffsetCommitRequest = decode(8, 10, body).unwrap();
    assert_eq!((&*request.group_id.0, &*request.member_id), ("g", "m"));
    assert_eq!(request.generation_id_or_member_epoch, 5);
    assert_eq!(request.group_instance_id.as_deref(), Some("i"));
    let [topic] = &request.topics[..] else {
        panic!("{request:?}")
    };
    assert_eq!((topic.topic_id, &**topic.name), (topic_id(), ""));
    let [first, second] = &topic.partitions[..] else {
        panic!("{topic:?}")
    };
    assert_eq!(
        (
            first.partition_index,
            first.committed_offset,
            first.committed_leader_epoch
        ),
        (3, 42, 7)
    );
    assert_eq!(first.committed_metadata.as_deref(), Some("md"));
    assert_eq!((second.partition_index, second.committed_leader_epoch), (4, -1));
    assert_eq!(second.committed_metadata, None);
}

#[test]
fn offset_commit_9_names_topics_by_name() {
    let body = bytes("0267 00000005 026d 00 02 0274 02 00000003 000000000000002a 00000007 036d64 00 00 00");
    let request: OffsetCommitRequest = decode(8, 9, body).unwrap();
    let [topic] = &request.topics[..] else {
        panic!("{request:?}")
    };
    assert_eq!((topic.topic_id, &**topic.name), (Uuid::nil(), "t"));
}

#[test]
fn offset_fetch_10_names_topics_by_id() {
    let body = bytes(
        "03 0267 026d 00000002 02 0102030405060708090a0b0c0d0e0f10 03 00000000 00000001 00 00
         0268 00 ffffffff 00 00 01 00",
    );
    let request: OffsetFetchRequest = decode(9, 10, body).unwrap();
    assert!(request.require_stable);
    let [some, all] = &request.groups[..] else {
        panic!("{request:?}")
    };
    assert_eq!(
        (&*some.group_id.0, some.member_id.as_deref(), some.member_epoch),
        ("g", Some("m"), 2)
    );
    let topic = &some.topics.as_ref().unwrap()[0];
    assert_eq!(
        (topic.topic_id, &topic.partition_indexes[..]),
        (topic_id(), &[0, 1][..])
    );
    assert_eq!(
        (&*all.group_id.0, all.member_id.as_deref(), all.topics.as_ref()),
        ("h", None, None)
    );
}

#[test]
fn list_offsets_11_looks_like_10() {
    let body = bytes("ffffffff 01 02 0274 02 00000001 00000002 fffffffffffffffa 00 00 00007530 00");
    let request: ListOffsetsRequest = decode(2, 11, body).unwrap();
    let partition = ListOffsetsPartition::default()
        .with_partition_index(1)
        .with_current_leader_epoch(2)
        .with_timestamp(-6);
    let topic = ListOffsetsTopic::default()
        .with_name(TopicName(StrBytes::from_static_str("t")))
        .with_partitions(vec![partition]);
    assert_eq!((request.topics, request.timeout_ms), (vec![topic], 30_000));
}

#[test]
fn describe_log_dirs_5_says_what_is_cordoned() {
    let response = DescribeLogDirsResponse {
        throttle_time_ms: 1,
        error_code: 2,
        results: vec![DescribeLogDirsResult {
            error_code: 3,
            log_dir: "/d".into(),
            topics: vec![DescribeLogDirsTopic {
                name: "t".into(),
                partitions: vec![DescribeLogDirsPartition {
                    partition_index: 4,
                    partition_size: 5,
                    offset_lag: 6,
                    is_future_key: true,
                }],
            }],
            total_bytes: 7,
            usable_bytes: 8,
            is_cordoned: true,
        }],
    };
    let vectors = [
        (
            1,
            "00000001 00000001 0003 00022f64 00000001 000174 00000001 00000004 0000000000000005 0000000000000006 01",
        ),
        (
            5,
            "00000001 0002 02 0003 032f64 02 0274 02 00000004 0000000000000005 0000000000000006 01 00 00
             0000000000000007 0000000000000008 01 00 00",
        ),
    ];
    for (version, expected) in vectors {
        let body = encode(35, version, response.clone()).unwrap();
        let [super::super::Chunk::Bytes(encoded)] = body.chunks() else {
            panic!("{body:?}")
        };
        assert_eq!(encoded, &bytes(expected), "version {version}");
    }
}
