//! A transactional producer that does exactly what it is told, in the words of before or since KIP-890.
//!
//! What begins with `ask` is one try, whose error is the broker's; the others come again as long as the error is one that passes.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use ottla_base::ErrorCode;

use super::{describe, id, topic_name, until};
use crate::client::{Client, PATIENCE};
use crate::node::Node;

/// Errors that a producer takes as a reason to ask again.
const PASSING: [ErrorCode; 7] = [
    ErrorCode::ConcurrentTransactions,
    ErrorCode::CoordinatorLoadInProgress,
    ErrorCode::CoordinatorNotAvailable,
    ErrorCode::NotCoordinator,
    ErrorCode::NotEnoughReplicas,
    ErrorCode::NotLeaderOrFollower,
    ErrorCode::UnknownTopicOrPartition,
];

pub fn passes(error: ErrorCode) -> bool {
    PASSING.contains(&error)
}

pub struct Producer {
    pub client: Client,
    pub transactional_id: TransactionalId,
    pub producer_id: i64,
    pub epoch: i16,
    pub version: Speaks,
    timeout_ms: i32,
    /// The next of each partition.
    sequences: [i32; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    Before890,
    Since890,
}

impl Producer {
    /// One that has not begun yet.
    pub fn new(client: Client, transactional_id: &'static str, version: Speaks, timeout_ms: i32) -> Self {
        Self {
            client,
            transactional_id: id(transactional_id),
            producer_id: -1,
            epoch: -1,
            version,
            timeout_ms,
            sequences: [0; 2],
        }
    }

    /// Begins as clients do: as long as a transaction is being ended it asks again.
    pub fn begin(node: &Node, transactional_id: &'static str, timeout_ms: i32) -> Self {
        let mut producer = Self::new(node.client(), transactional_id, Speaks::Since890, timeout_ms);
        producer
            .patiently(Self::ask_to_begin)
            .expect("the transaction before ends");
        producer
    }

    pub fn add(&mut self) -> Result<(), ErrorCode> {
        self.patiently(|producer| producer.ask_to_add(0))
    }

    pub fn send(&mut self, values: &[&str]) -> Result<(), ErrorCode> {
        self.patiently(|producer| producer.ask_to_append(0, values))
    }

    pub fn end(&mut self, committed: bool) -> Result<(), ErrorCode> {
        self.patiently(|producer| producer.ask_to_end(committed))?;
        until(|| self.is_complete());
        Ok(())
    }

    pub fn ask_to_begin(&mut self) -> Result<(), ErrorCode> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.transactional_id.clone()))
            .with_transaction_timeout_ms(self.timeout_ms)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let version = match self.version {
            Speaks::Before890 => 4,
            Speaks::Since890 => 5,
        };
        let response = self.client.call(version, &request);
        check(response.error_code)?;
        (self.producer_id, self.epoch) = (response.producer_id.0, response.producer_epoch);
        self.sequences = [0; 2];
        Ok(())
    }

    pub fn ask_to_add(&mut self, partition: i32) -> Result<(), ErrorCode> {
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(topic_name())
            .with_partitions(vec![partition]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.transactional_id.clone())
            .with_v3_and_below_producer_id(ProducerId(self.producer_id))
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let response = self.client.call(3, &request);
        check(response.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code)
    }

    /// As its protocol has it: with the partition named before, or not.
    pub fn ask_to_send(&mut self, partition: i32, values: &[&str]) -> Result<(), ErrorCode> {
        if self.version == Speaks::Before890 {
            self.ask_to_add(partition)?;
        }
        self.ask_to_append(partition, values)
    }

    pub fn ask_to_append(&mut self, partition: i32, values: &[&str]) -> Result<(), ErrorCode> {
        let data = PartitionProduceData::default()
            .with_index(partition)
            .with_records(Some(self.batch(partition, values)));
        let data = TopicProduceData::default()
            .with_name(topic_name())
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(self.transactional_id.clone()))
            .with_acks(-1)
            .with_timeout_ms(5000)
            .with_topic_data(vec![data]);
        let version = match self.version {
            Speaks::Before890 => 10,
            Speaks::Since890 => 12,
        };
        let response = self.client.call(version, &request);
        check(response.responses[0].partition_responses[0].error_code)?;
        self.sequences[partition as usize] += values.len() as i32;
        Ok(())
    }

    /// The offset that a group has come to in partition 0.
    pub fn ask_to_move(&mut self, group: &'static str, offset: i64) -> Result<(), ErrorCode> {
        let group = GroupId(StrBytes::from_static_str(group));
        let version = match self.version {
            Speaks::Before890 => 3,
            Speaks::Since890 => 5,
        };
        if self.version == Speaks::Before890 {
            let request = AddOffsetsToTxnRequest::default()
                .with_transactional_id(self.transactional_id.clone())
                .with_producer_id(ProducerId(self.producer_id))
                .with_producer_epoch(self.epoch)
                .with_group_id(group.clone());
            check(self.client.call(3, &request).error_code)?;
        }
        let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(offset);
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(topic_name())
            .with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.transactional_id.clone())
            .with_group_id(group)
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_topics(vec![topic]);
        let response = self.client.call(version, &request);
        check(response.topics[0].partitions[0].error_code)
    }

    /// Answered with the decision; the partitions hear of it after that.
    pub fn ask_to_end(&mut self, committed: bool) -> Result<(), ErrorCode> {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.transactional_id.clone())
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_committed(committed);
        if self.version == Speaks::Before890 {
            return check(self.client.call(4, &request).error_code);
        }
        let response = self.client.call(5, &request);
        check(response.error_code)?;
        (self.producer_id, self.epoch) = (response.producer_id.0, response.producer_epoch);
        self.sequences = [0; 2];
        Ok(())
    }

    pub fn is_complete(&mut self) -> bool {
        let state = describe(&mut self.client, &self.transactional_id);
        state.transaction_state.starts_with("Complete")
    }

    /// What is still being ended or loaded passes; everything else is the answer.
    fn patiently(
        &mut self,
        mut ask: impl FnMut(&mut Self) -> Result<(), ErrorCode>,
    ) -> Result<(), ErrorCode> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match ask(self) {
                Err(error) if passes(error) && Instant::now() < deadline => sleep(Duration::from_millis(5)),
                answer => return answer,
            }
        }
    }

    fn batch(&self, partition: i32, values: &[&str]) -> Bytes {
        let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let now_ms = i64::try_from(since_epoch.as_millis()).unwrap();
        let record = |(offset, value): (i32, &&str)| Record {
            transactional: true,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            timestamp_type: TimestampType::Creation,
            offset: i64::from(offset),
            sequence: self.sequences[partition as usize] + offset,
            // As old as the markers are, or the log would begin a new segment with each of those.
            timestamp: now_ms,
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
}

fn check(code: i16) -> Result<(), ErrorCode> {
    match ErrorCode::from_code(code).expect("a known error") {
        ErrorCode::None => Ok(()),
        error => Err(error),
    }
}
