//! Transactions over the wire: committed, aborted, fenced, out of time, and carried on over restarts.

mod crash;
mod producer;

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::describe_transactions_response::TransactionState;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::RecordBatchDecoder;
use ottla_base::ErrorCode;
use producer::{Producer, Speaks};

use crate::client::{Client, PATIENCE};
use crate::node::Node;

const TOPIC: &str = "ledger";
const READ_COMMITTED: i8 = 1;

#[test]
fn what_is_committed_is_read_and_what_is_aborted_is_not() {
    let node = start(&[]);
    let mut producer = Producer::begin(&node, "tx", 60_000);
    producer.send(&["a", "b"]).expect("is taken");
    assert_eq!(committed(&node), Vec::<String>::new());
    assert_eq!(state(&node, "tx").transaction_state.as_str(), "Ongoing");
    producer.end(true).expect("commits");
    assert_eq!(committed(&node), ["a", "b"]);
    producer.send(&["never"]).expect("is taken");
    producer.end(false).expect("aborts");
    producer.send(&["c"]).expect("is taken");
    producer.end(true).expect("commits");
    assert_eq!(committed(&node), ["a", "b", "c"]);
    assert_eq!(producer.epoch, 3);
}

#[test]
fn clients_of_before_kip_890_name_their_partitions() {
    let node = start(&[]);
    let mut producer = Producer::begin(&node, "tx", 60_000);
    producer.version = Speaks::Before890;
    // The partition is in no transaction yet.
    assert_eq!(producer.send(&["lost"]), Err(ErrorCode::InvalidTxnState));
    for value in ["a", "b"] {
        producer.add().expect("is added");
        producer.send(&[value]).expect("is taken");
        producer.end(true).expect("commits");
        assert_eq!(producer.epoch, 0);
    }
    assert_eq!(committed(&node), ["a", "b"]);
}

#[test]
fn the_next_producer_fences_the_one_before() {
    let node = start(&[]);
    let mut zombie = Producer::begin(&node, "tx", 60_000);
    zombie.send(&["lost"]).expect("is taken");
    let mut next = Producer::begin(&node, "tx", 60_000);
    assert_eq!(next.producer_id, zombie.producer_id);
    assert_eq!(zombie.send(&["lost"]), Err(ErrorCode::InvalidProducerEpoch));
    assert_eq!(zombie.end(true), Err(ErrorCode::ProducerFenced));
    zombie.version = Speaks::Before890;
    assert_eq!(zombie.end(true), Err(ErrorCode::ProducerFenced));
    assert_eq!(zombie.add(), Err(ErrorCode::ProducerFenced));
    next.send(&["kept"]).expect("is taken");
    next.end(true).expect("commits");
    assert_eq!(committed(&node), ["kept"]);
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted() {
    let node = start(&[(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        "50",
    )]);
    let mut slow = Producer::begin(&node, "tx", 100);
    slow.send(&["late"]).expect("is taken");
    until(|| state(&node, "tx").transaction_state.as_str() == "CompleteAbort");
    assert_eq!(slow.end(true), Err(ErrorCode::InvalidTxnState));
    assert_eq!(slow.send(&["late"]), Err(ErrorCode::InvalidProducerEpoch));
    assert_eq!(committed(&node), Vec::<String>::new());
}

#[test]
fn an_open_transaction_goes_on_after_a_restart() {
    let mut node = start(&[]);
    let mut producer = Producer::begin(&node, "tx", 60_000);
    producer.send(&["before"]).expect("is taken");
    node.restart();
    producer.client = node.client();
    assert_eq!(committed(&node), Vec::<String>::new());
    producer.send(&["behind"]).expect("is taken");
    producer.end(true).expect("commits");
    assert_eq!(committed(&node), ["before", "behind"]);
}

/// A crash behind the decision: the coordinator finds it in its log, and writes the markers again.
#[test]
fn a_decided_transaction_is_completed_after_a_crash() {
    let mut node = start(&[("transaction.state.log.num.partitions", "1")]);
    let mut producer = Producer::begin(&node, "tx", 60_000);
    producer.send(&["kept"]).expect("is taken");
    producer.end(true).expect("commits");
    node.restart_after(|data| {
        let log = data.join("__transaction_state-0/00000000000000000000.log");
        forget_last_batch(&log);
        std::fs::remove_file(data.join(".kafka_cleanshutdown")).expect("the stop was clean");
    });
    producer.client = node.client();
    until(|| state(&node, "tx").transaction_state.as_str() == "CompleteCommit");
    assert_eq!(committed(&node), ["kept"]);
    producer.send(&["more"]).expect("is taken");
    producer.end(true).expect("commits");
    assert_eq!(committed(&node), ["kept", "more"]);
}

#[test]
fn the_end_may_be_asked_for_again() {
    let node = start(&[]);
    let mut producer = Producer::begin(&node, "tx", 60_000);
    producer.send(&["a"]).expect("is taken");
    let epoch = producer.epoch;
    producer.end(true).expect("commits");
    producer.epoch = epoch;
    producer.end(true).expect("is committed already");
    assert_eq!(producer.epoch, epoch + 1);
    producer.epoch = epoch;
    assert_eq!(producer.end(false), Err(ErrorCode::InvalidTxnState));
    assert_eq!(committed(&node), ["a"]);
}

fn start(settings: &[(&str, &str)]) -> Node {
    let small = [
        ("transaction.state.log.num.partitions", "3"),
        ("transaction.state.log.replication.factor", "1"),
        ("transaction.state.log.min.isr", "1"),
    ];
    let node = Node::start_with(&[&small[..], settings].concat());
    prepare(&node, 1);
    node
}

/// The topic, and those of the coordinators.
fn prepare(node: &Node, partitions: i32) {
    let topic = CreatableTopic::default()
        .with_name(topic_name())
        .with_num_partitions(partitions)
        .with_replication_factor(1);
    let mut client = node.client();
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(5000);
    assert_eq!(client.call(7, &request).topics[0].error_code, 0);
    for key_type in [0, 1] {
        let find = FindCoordinatorRequest::default()
            .with_key_type(key_type)
            .with_coordinator_keys(vec![StrBytes::from_static_str("any")]);
        assert_eq!(client.call(6, &find).coordinators[0].error_code, 0);
    }
}

fn state(node: &Node, transactional_id: &'static str) -> TransactionState {
    describe(&mut node.client(), &id(transactional_id))
}

fn describe(client: &mut Client, id: &TransactionalId) -> TransactionState {
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id.clone()]);
    client.call(0, &request).transaction_states[0].clone()
}

/// What a consumer with read_committed sees, by the list of aborted transactions that it is given.
fn committed(node: &Node) -> Vec<String> {
    visible(&fetch(&mut node.client(), 0))
}

fn fetch(client: &mut Client, partition: i32) -> PartitionData {
    let partition = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(0)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(topic_name())
        .with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_bytes(1 << 20)
        .with_isolation_level(READ_COMMITTED)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    let response = client.call(12, &request);
    let partition = &response.responses[0].partitions[0];
    assert_eq!(partition.error_code, 0);
    partition.clone()
}

fn visible(partition: &PartitionData) -> Vec<String> {
    let mut bytes = partition.records.clone().unwrap_or_default();
    let batches = RecordBatchDecoder::decode_all(&mut bytes).unwrap();
    let mut aborted = partition.aborted_transactions.clone().unwrap_or_default();
    let mut values = Vec::new();
    for record in batches.iter().flat_map(|batch| &batch.records) {
        let ends = |transaction: &fetch_response::AbortedTransaction| {
            transaction.producer_id.0 == record.producer_id && transaction.first_offset <= record.offset
        };
        let hidden = aborted.iter().position(ends);
        match (record.control, hidden) {
            (true, Some(ended)) => drop(aborted.remove(ended)),
            (true, None) | (false, Some(_)) => {}
            (false, None) => values.push(String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap()),
        }
    }
    values
}

/// Cuts the last batch off a log, as if its write had never reached the disk.
fn forget_last_batch(log: &Path) {
    const PREFIX_BYTES: usize = 12;
    let bytes = std::fs::read(log).unwrap();
    let mut last = 0;
    let mut position = 0;
    while position + PREFIX_BYTES <= bytes.len() {
        let length = i32::from_be_bytes(bytes[position + 8..position + PREFIX_BYTES].try_into().unwrap());
        last = position;
        position += PREFIX_BYTES + length as usize;
    }
    assert_eq!(position, bytes.len(), "whole batches");
    std::fs::write(log, &bytes[..last]).unwrap();
}

fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "it never comes");
        sleep(Duration::from_millis(10));
    }
}

fn id(transactional_id: &'static str) -> TransactionalId {
    TransactionalId(StrBytes::from_static_str(transactional_id))
}

fn topic_name() -> TopicName {
    TopicName(StrBytes::from_static_str(TOPIC))
}
