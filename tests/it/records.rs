//! Records in and out, in every version of the protocol, and still there after a restart.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, FetchRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest,
    TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use uuid::Uuid;

use crate::client::Client;
use crate::node::Node;

const TOPIC_IDS_FROM: i16 = 13;

pub struct Topic {
    pub name: TopicName,
    pub id: Uuid,
}

pub fn create_topic(client: &mut Client, name: &str) -> Topic {
    let name = TopicName(StrBytes::from_string(name.to_owned()));
    let topic = CreatableTopic::default()
        .with_name(name.clone())
        .with_num_partitions(1)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(5000);
    let response = client.call(7, &request);
    let created = &response.topics[0];
    assert_eq!(created.error_code, 0, "{:?}", created.error_message);
    Topic {
        name,
        id: created.topic_id,
    }
}

pub fn batch(values: &[&str]) -> Bytes {
    let record = |(offset, value): (i64, &&str)| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset,
        // The encoder begins a new batch where sequences do not follow one another; only the first one is written.
        sequence: -1 + offset as i32,
        timestamp: 1_700_000_000_000 + offset,
        key: None,
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: Default::default(),
    };
    let records: Vec<Record> = (0..).zip(values).map(record).collect();
    let options = RecordEncodeOptions {
        version: 2,
        compression: Compression::None,
    };
    let mut out = BytesMut::new();
    RecordBatchEncoder::encode(&mut out, &records, &options).unwrap();
    out.freeze()
}

pub fn produce_request(topic: &Topic, version: i16, acks: i16, records: Bytes) -> ProduceRequest {
    let partition = PartitionProduceData::default()
        .with_index(0)
        .with_records(Some(records));
    let data = TopicProduceData::default().with_partition_data(vec![partition]);
    let data = match version {
        TOPIC_IDS_FROM.. => data.with_topic_id(topic.id),
        _ => data.with_name(topic.name.clone()),
    };
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(5000)
        .with_topic_data(vec![data])
}

fn produce(client: &mut Client, topic: &Topic, version: i16, values: &[&str]) -> PartitionProduceResponse {
    let response = client.call(version, &produce_request(topic, version, -1, batch(values)));
    response.responses[0].partition_responses[0].clone()
}

pub fn fetch_request(topic: &Topic, version: i16, offset: i64, max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(0)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let topics = FetchTopic::default().with_partitions(vec![partition]);
    let topics = match version {
        TOPIC_IDS_FROM.. => topics.with_topic_id(topic.id),
        _ => topics.with_topic(topic.name.clone()),
    };
    let request = FetchRequest::default()
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topics]);
    if version < 15 {
        request.with_replica_id(BrokerId(-1))
    } else {
        request
    }
}

fn fetch(client: &mut Client, topic: &Topic, version: i16, offset: i64) -> PartitionData {
    let response = client.call(version, &fetch_request(topic, version, offset, 100));
    assert_eq!(response.error_code, 0);
    response.responses[0].partitions[0].clone()
}

pub fn values(partition: &PartitionData) -> Vec<String> {
    let mut records = partition.records.clone().unwrap_or_default();
    let batches = RecordBatchDecoder::decode_all(&mut records).unwrap();
    let text = |record: &Record| String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap();
    batches
        .iter()
        .flat_map(|batch| batch.records.iter().map(text))
        .collect()
}

fn end_offset(client: &mut Client, topic: &Topic, version: i16) -> i64 {
    let response = client.call(version, &end_offset_request(topic));
    response.topics[0].partitions[0].offset
}

fn end_offset_request(topic: &Topic) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default()
        .with_partition_index(0)
        .with_timestamp(-1);
    let topics = ListOffsetsTopic::default()
        .with_name(topic.name.clone())
        .with_partitions(vec![partition]);
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![topics])
}

#[test]
fn every_version_of_produce_and_fetch_speaks_of_the_same_records() {
    let node = Node::start();
    let mut client = node.client();
    let topic = create_topic(&mut client, "versions");
    let mut expected = Vec::new();
    for version in 3..=13 {
        let base_offset = expected.len() as i64;
        let (first, second) = (format!("{version}-a"), format!("{version}-b"));
        let response = produce(&mut client, &topic, version, &[&first, &second]);
        assert_eq!(
            (response.error_code, response.base_offset),
            (0, base_offset),
            "produce {version}"
        );
        expected.extend([first, second]);
    }
    for version in 4..=18 {
        let partition = fetch(&mut client, &topic, version, 0);
        assert_eq!(
            (partition.error_code, partition.high_watermark),
            (0, 22),
            "fetch {version}"
        );
        assert_eq!(values(&partition), expected, "fetch {version}");
    }
    for version in 1..=10 {
        assert_eq!(
            end_offset(&mut client, &topic, version),
            22,
            "list offsets {version}"
        );
    }
}

#[test]
fn a_request_sees_what_the_one_before_it_did() {
    let node = Node::start();
    let mut client = node.client();
    let name = TopicName(StrBytes::from_static_str("in-a-row"));
    let topic = CreatableTopic::default()
        .with_name(name.clone())
        .with_num_partitions(1)
        .with_replication_factor(1);
    let create = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(5000);
    let wanted = MetadataRequestTopic::default().with_name(Some(name.clone()));
    let describe = MetadataRequest::default().with_topics(Some(vec![wanted]));
    let topic = Topic {
        name,
        id: Uuid::nil(),
    };
    let [created, described, produced, listed] = client.together(|client| {
        [
            client.send(7, &create),
            client.send(9, &describe),
            client.send(9, &produce_request(&topic, 9, -1, batch(&["one"]))),
            client.send(7, &end_offset_request(&topic)),
        ]
    });
    assert_eq!(
        client.receive::<CreateTopicsRequest>(7, created).topics[0].error_code,
        0
    );
    assert_eq!(
        client.receive::<MetadataRequest>(9, described).topics[0].error_code,
        0
    );
    let partition = &client.receive::<ProduceRequest>(9, produced).responses[0].partition_responses[0];
    assert_eq!((partition.error_code, partition.base_offset), (0, 0));
    assert_eq!(
        client.receive::<ListOffsetsRequest>(7, listed).topics[0].partitions[0].offset,
        1
    );
}

#[test]
fn records_outlive_a_restart() {
    let mut node = Node::start();
    let topic = create_topic(&mut node.client(), "kept");
    for round in 0..3 {
        let response = produce(&mut node.client(), &topic, 12, &["one", "two"]);
        assert_eq!((response.error_code, response.base_offset), (0, round * 2));
        node.restart();
        let partition = fetch(&mut node.client(), &topic, 13, 0);
        assert_eq!(
            (partition.error_code, partition.high_watermark),
            (0, (round + 1) * 2)
        );
        assert_eq!(values(&partition), ["one", "two"].repeat((round + 1) as usize));
    }
}

#[test]
fn a_fetch_waits_for_the_record_that_comes() {
    let node = Node::start();
    let topic = create_topic(&mut node.client(), "awaited");
    let mut consumer = node.client();
    let waiting = consumer.send(16, &fetch_request(&topic, 16, 0, 15_000));
    let response = produce(&mut node.client(), &topic, 9, &["there"]);
    assert_eq!(response.error_code, 0);
    let response = consumer.receive::<FetchRequest>(16, waiting);
    assert_eq!(values(&response.responses[0].partitions[0]), ["there"]);
}

#[test]
fn a_produce_without_acks_is_not_answered_but_done() {
    let node = Node::start();
    let mut client = node.client();
    let topic = create_topic(&mut client, "silent");
    for i in 0..10 {
        client.send(9, &produce_request(&topic, 9, 0, batch(&[&format!("{i}")])));
    }
    // The next answer on the wire is the one to this request, which was started after the ten.
    assert_eq!(end_offset(&mut client, &topic, 7), 10);
    // A failure has no other way to be told than the end of the connection.
    let nowhere = Topic {
        name: TopicName(StrBytes::from_static_str("nowhere")),
        id: Uuid::nil(),
    };
    client.send(9, &produce_request(&nowhere, 9, 0, batch(&["lost"])));
    assert!(client.is_closed());
}
