//! A `__transaction_state` partition that Apache Kafka 4.3.1 wrote, by the script of
//! `compat/protocol/check_transaction_coordinator.py`: every record is read, and would be written again
//! byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use bytes::Bytes;
use ottla_coordinator::transaction::TransactionShard;
use ottla_coordinator::transaction::shard::StateRecord;
use ottla_coordinator::transaction::state::State;
use ottla_coordinator::{Machine, records};
use ottla_storage::batch::{AnyBatch, Record, records_shared};

fn golden_records() -> Vec<Record> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/coordinator/kafka-4.3.1-transaction-state.log"
    );
    let mut bytes = Bytes::from(fs::read(path).unwrap());
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let size = AnyBatch::parse(&bytes).unwrap().size_bytes();
        let batch = bytes.split_to(size);
        all.extend(records_shared(&batch, 1 << 20).unwrap().map(Result::unwrap));
    }
    all
}

#[test]
fn kafkas_records_would_be_written_again_byte_for_byte() {
    let records = golden_records();
    assert!(records.len() > 50, "{}", records.len());
    for record in records {
        let (key, value) = (record.key.unwrap(), record.value.unwrap());
        let read = TransactionShard::decode(&key, Some(&value)).unwrap();
        let value_version = records::value_version(&value).unwrap();
        let written = TransactionShard::encode(&StateRecord {
            value_version,
            ..read.clone()
        });
        let written = written.unwrap();
        let again = TransactionShard::decode(&written.key, written.value.as_deref()).unwrap();
        assert_eq!((&written.key, again), (&key, read.clone()));
        // Partitions are a set, and Kafka writes them in the order of its hashes.
        let partitions = &read.transaction.unwrap().partitions;
        let written = written.value.unwrap();
        if partitions.values().map(BTreeSet::len).sum::<usize>() <= 1 {
            assert_eq!(written, value, "{}", record.offset);
        }
        assert_eq!(written.len(), value.len());
    }
}

#[test]
fn what_kafka_left_is_known() {
    let mut last: BTreeMap<String, (State, i16)> = BTreeMap::new();
    for record in golden_records() {
        let read = TransactionShard::decode(&record.key.unwrap(), record.value.as_deref()).unwrap();
        let transaction = read.transaction.unwrap();
        let state = (transaction.state, transaction.client_version);
        last.insert(read.transactional_id.to_string(), state);
    }
    let of = |id: &str| last.get(id).copied();
    assert_eq!(of("open"), Some((State::Ongoing, 0)));
    assert_eq!(of("empty"), Some((State::Empty, 0)));
    assert_eq!(of("e"), Some((State::CompleteCommit, 2)));
    assert_eq!(of("a"), Some((State::CompleteAbort, 0)));
}
