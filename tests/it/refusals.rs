//! What is refused, and how: each case is a request that Apache Kafka 4.3.1 was sent too, with the code that it answered.
//!
//! Two answers are better than Kafka's, which has a bare "unknown server error" (-1) for a codec that does not exist and for
//! records that do not decompress.

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, DeleteRecordsRequest, FetchRequest, ListOffsetsRequest, ProduceRequest,
    TopicName,
};
use kafka_protocol::protocol::StrBytes;
use ottla_base::{Clock, ErrorCode, SystemClock};
use ottla_storage::batch::{BatchBuilder, BatchHeader, BatchOptions, Codec, HEADER_BYTES};

use crate::client::Client;
use crate::node::Node;

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

fn create_topic(client: &mut Client, name: &str, configs: &[(&str, &str)]) {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let config = |(key, value): &(&str, &str)| {
        CreatableTopicConfig::default()
            .with_name(text(key))
            .with_value(Some(text(value)))
    };
    let topic = CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(1)
        .with_replication_factor(1)
        .with_configs(configs.iter().map(config).collect());
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(5000);
    assert_eq!(client.call(7, &request).topics[0].error_code, 0);
}

fn batch(codec: Codec, ages_ms: &[i64], key: Option<&[u8]>) -> Bytes {
    let now_ms = SystemClock.now_ms();
    let mut builder = BatchBuilder::new(BatchOptions {
        codec,
        ..BatchOptions::default()
    });
    for age_ms in ages_ms {
        builder.append(now_ms - age_ms, key, Some(b"some value"), &[]);
    }
    builder.build()
}

/// `batch` with its header changed and its checksum right.
fn changed(batch: &Bytes, change: impl FnOnce(&mut BatchHeader)) -> Bytes {
    let mut header = BatchHeader::parse(batch).unwrap();
    change(&mut header);
    header.crc = header.compute_crc(&batch[HEADER_BYTES..]);
    [header.encode().as_slice(), &batch[HEADER_BYTES..]]
        .concat()
        .into()
}

/// Error code, and the indexes of the records that are at fault.
fn produce(client: &mut Client, version: i16, topic: &str, acks: i16, records: Bytes) -> (i16, Vec<i32>) {
    let partition = PartitionProduceData::default()
        .with_index(0)
        .with_records(Some(records));
    let topic = TopicProduceData::default()
        .with_name(topic_name(topic))
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(5000)
        .with_topic_data(vec![topic]);
    let response = client.call(version, &request);
    let partition = &response.responses[0].partition_responses[0];
    if partition.error_code != 0 {
        assert_eq!((partition.base_offset, partition.log_append_time_ms), (-1, -1));
    }
    let records = partition.record_errors.iter().map(|error| error.batch_index);
    (partition.error_code, records.collect())
}

#[test]
fn batches_are_refused_for_kafkas_reasons() {
    let node = Node::start();
    let client = &mut node.client();
    create_topic(client, "plain", &[]);
    create_topic(client, "compact", &[("cleanup.policy", "compact")]);
    create_topic(client, "stamped", &[("message.timestamp.type", "LogAppendTime")]);
    let narrow = [
        ("max.message.bytes", "200"),
        ("message.timestamp.before.max.ms", "1000"),
    ];
    create_topic(client, "narrow", &narrow);
    let good = batch(Codec::None, &[0, 0], None);
    let mut flipped = good.to_vec();
    flipped[17] ^= 1;
    let mut old_magic = good.to_vec();
    old_magic[16] = 1;
    let twice: Bytes = [good.as_ref(), good.as_ref()].concat().into();
    let hour = -3_600_000;
    #[rustfmt::skip]
    let cases: Vec<(&str, Bytes, i16, Vec<i32>)> = vec![
        ("plain", good.clone(), 0, vec![]),
        ("nowhere", good.clone(), 3, vec![]),
        ("__consumer_offsets", good.clone(), 3, vec![]),
        ("plain", Bytes::new(), 87, vec![]),
        ("plain", twice, 87, vec![]),
        ("plain", old_magic.into(), 87, vec![]),
        ("plain", flipped.into(), 2, vec![]),
        ("plain", changed(&good, |h| h.base_offset = 5), 87, vec![]),
        ("plain", changed(&good, |h| h.record_count = 0), 87, vec![]),
        ("plain", changed(&good, |h| h.record_count = 3), 87, vec![]),
        ("plain", changed(&good, |h| (h.record_count, h.last_offset_delta) = (3, 2)), 87, vec![]),
        ("plain", changed(&good, |h| (h.record_count, h.last_offset_delta) = (1, 0)), 87, vec![]),
        ("plain", changed(&good, |h| h.attributes |= 0x20), 87, vec![]),
        ("plain", changed(&good, |h| h.producer_id = 4), 87, vec![]),
        ("plain", changed(&good, |h| h.attributes |= 0x10), 53, vec![]),
        ("plain", changed(&good, |h| h.attributes |= 5), 76, vec![]),
        ("plain", changed(&good, |h| h.attributes |= 1), 87, vec![]),
        ("plain", batch(Codec::Lz4, &[0, 3 * hour, 0, 9 * hour], None), 32, vec![1, 3]),
        ("compact", good.clone(), 87, vec![0, 1]),
        ("compact", batch(Codec::Zstd, &[0], Some(b"k")), 0, vec![]),
        ("stamped", good.clone(), 0, vec![]),
        ("stamped", changed(&good, |h| h.attributes |= 8), 32, vec![0, 1]),
        ("narrow", batch(Codec::None, &[0; 20], None), 10, vec![]),
        ("narrow", batch(Codec::None, &[5000], None), 32, vec![0]),
    ];
    for (i, (topic, records, code, at_fault)) in cases.into_iter().enumerate() {
        assert_eq!(
            produce(client, 9, topic, -1, records),
            (code, at_fault),
            "case {i}, topic {topic}"
        );
    }
    assert_eq!(
        produce(client, 9, "plain", 2, good).0,
        ErrorCode::InvalidRequiredAcks.code()
    );
    let zstd = batch(Codec::Zstd, &[0], None);
    assert_eq!(
        produce(client, 5, "plain", 1, zstd.clone()).0,
        ErrorCode::UnsupportedCompressionType.code()
    );
    assert_eq!(produce(client, 7, "plain", 1, zstd).0, 0);
}

#[test]
fn producers_out_of_step_are_told_so() {
    let node = Node::start();
    let client = &mut node.client();
    create_topic(client, "steps", &[]);
    let good = batch(Codec::None, &[0], None);
    // (epoch, sequence) in order: the answer.
    for (epoch, sequence, code) in [
        (0, 0, 0),
        (0, 1, 0),
        (0, 1, 0),
        (0, 0, 0),
        (0, 5, 45),
        (1, 0, 0),
        (0, 1, 47),
        (1, 3, 45),
        (1, 1, 0),
        (1, 0, 0),
    ] {
        let step = changed(&good, |h| {
            (h.producer_id, h.producer_epoch, h.base_sequence) = (77, epoch, sequence)
        });
        assert_eq!(
            produce(client, 9, "steps", -1, step).0,
            code,
            "epoch {epoch}, sequence {sequence}"
        );
    }
}

#[test]
fn fetches_are_refused_for_kafkas_reasons() {
    let node = Node::start();
    let client = &mut node.client();
    create_topic(client, "read", &[]);
    assert_eq!(
        produce(client, 9, "read", -1, batch(Codec::None, &[0, 0], None)).0,
        0
    );
    // (partition, offset, current leader epoch, last epoch): the answer.
    for (partition, offset, leader_epoch, last_epoch, code) in [
        (0, 0, -1, -1, 0),
        (0, 2, -1, -1, 0),
        (0, 3, -1, -1, 1),
        (0, -5, -1, -1, 1),
        (9, 0, -1, -1, 3),
        (0, 0, 0, -1, 0),
        (0, 0, 5, -1, 75),
        (0, 1, -1, 0, 0),
        (0, 1, -1, 1, 1),
        (0, -1, -1, 0, 1),
    ] {
        let wanted = FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(offset)
            .with_current_leader_epoch(leader_epoch)
            .with_last_fetched_epoch(last_epoch)
            .with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default()
            .with_topic(topic_name("read"))
            .with_partitions(vec![wanted]);
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_session_epoch(-1)
            .with_max_bytes(1 << 20)
            .with_topics(vec![topic]);
        let response = client.call(12, &request);
        let answer = &response.responses[0].partitions[0];
        assert_eq!(
            answer.error_code, code,
            "{partition} {offset} {leader_epoch} {last_epoch}"
        );
        assert_eq!(answer.high_watermark, if code == 0 { 2 } else { -1 });
    }
}

#[test]
fn records_are_deleted_and_offsets_follow() {
    let node = Node::start();
    let client = &mut node.client();
    create_topic(client, "trimmed", &[]);
    create_topic(client, "compact", &[("cleanup.policy", "compact")]);
    for _ in 0..3 {
        assert_eq!(
            produce(client, 9, "trimmed", -1, batch(Codec::Gzip, &[0, 0], None)).0,
            0
        );
    }
    for (topic, partition, offset, expected) in [
        ("trimmed", 0, -5, (1, -1)),
        ("trimmed", 0, 99, (1, -1)),
        ("trimmed", 0, 3, (0, 3)),
        ("trimmed", 0, 2, (0, 3)),
        ("trimmed", 5, 0, (3, -1)),
        ("nowhere", 0, 0, (3, -1)),
        ("compact", 0, 0, (44, -1)),
    ] {
        let wanted = DeleteRecordsPartition::default()
            .with_partition_index(partition)
            .with_offset(offset);
        let topics = DeleteRecordsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![wanted]);
        let request = DeleteRecordsRequest::default()
            .with_timeout_ms(5000)
            .with_topics(vec![topics]);
        let response = client.call(2, &request);
        let answer = &response.topics[0].partitions[0];
        assert_eq!(
            (answer.error_code, answer.low_watermark),
            expected,
            "{topic} {partition} {offset}"
        );
    }
    // (time, version): error and offset.
    for (timestamp, version, expected) in [
        (-2, 1, (0, 3)),
        (-1, 5, (0, 6)),
        (-3, 6, (35, -1)),
        (-4, 8, (0, 3)),
        (-5, 9, (0, -1)),
        (-7, 10, (35, -1)),
        (0, 7, (0, 3)),
        (i64::MAX, 7, (0, -1)),
    ] {
        let wanted = ListOffsetsPartition::default()
            .with_partition_index(0)
            .with_timestamp(timestamp);
        let topics = ListOffsetsTopic::default()
            .with_name(topic_name("trimmed"))
            .with_partitions(vec![wanted]);
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(vec![topics]);
        let response = client.call(version, &request);
        let answer = &response.topics[0].partitions[0];
        assert_eq!(
            (answer.error_code, answer.offset),
            expected,
            "{timestamp} in version {version}"
        );
    }
}
