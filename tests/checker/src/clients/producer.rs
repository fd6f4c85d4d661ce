//! A producer, idempotent or transactional, as a client of one protocol generation speaks: from KIP-890 on the broker adds
//! partitions to transactions by itself and every end bumps the epoch; before it the client names them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest, ProduceRequest,
    ProducerId, TransactionalId, TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::StrBytes;

use crate::history::{Action, Outcome, Partition, Producer as Name, Send, TxnId, Value};

use super::link::Link;
use super::records::{self, Sender};
use super::shared::Shared;

/// Longer than any run leaves a transaction open: nothing is aborted behind a client's back.
const TRANSACTION_TIMEOUT_MS: i32 = 600_000;
const ALL_REPLICAS: i16 = -1;
/// On one node, which loses nothing with its process, it promises as much.
const LEADER: i16 = 1;
const PRODUCE_TIMEOUT_MS: i32 = 10_000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    Before890,
    Since890,
}

pub struct Producer {
    shared: Shared,
    link: Link,
    name: Name,
    transactional_id: Option<TransactionalId>,
    speaks: Speaks,
    producer_id: i64,
    epoch: i16,
    sequences: BTreeMap<Partition, i32>,
    added: BTreeSet<Partition>,
    /// Of the last transaction that has any.
    last_added: BTreeSet<Partition>,
    offsets_are_added: bool,
}

impl Producer {
    pub fn new(shared: &Shared, transactional_id: Option<StrBytes>, speaks: Speaks) -> Self {
        let id = u32::try_from(shared.number()).unwrap_or(u32::MAX);
        Self {
            shared: shared.clone(),
            link: Link::new(shared.clone()),
            name: Name { id, incarnation: 0 },
            transactional_id: transactional_id.map(TransactionalId),
            speaks,
            producer_id: -1,
            epoch: -1,
            sequences: BTreeMap::new(),
            added: BTreeSet::new(),
            last_added: BTreeSet::new(),
            offsets_are_added: false,
        }
    }

    /// Who still believes to be this incarnation when the next has begun.
    pub fn ghost(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            link: Link::new(self.shared.clone()),
            transactional_id: self.transactional_id.clone(),
            sequences: self.sequences.clone(),
            added: self.last_added.clone(),
            last_added: BTreeSet::new(),
            ..*self
        }
    }

    /// A partition of its last transaction, if the client named any. A batch for it may have been on its way for long.
    pub fn haunts(&self) -> Option<Partition> {
        self.added.first().copied()
    }

    pub fn has_begun(&self) -> bool {
        self.producer_id >= 0
    }

    /// The next incarnation.
    pub async fn init(&mut self) -> Outcome {
        self.name.incarnation += 1;
        let request = InitProducerIdRequest::default()
            .with_transactional_id(self.transactional_id.clone())
            .with_transaction_timeout_ms(TRANSACTION_TIMEOUT_MS)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let version = self.version(4, 5);
        let called = self.shared.tick();
        let told = self.link.ask(version, &request, true, |it| it.error_code).await;
        if let Some(answer) = told.answer.filter(|_| told.outcome == Outcome::Ok) {
            (self.producer_id, self.epoch) = (answer.producer_id.0, answer.producer_epoch);
            self.sequences.clear();
            self.forget_partitions();
        }
        let producer = self.name;
        self.shared
            .record(called, Action::Init { producer }, told.outcome);
        told.outcome
    }

    pub async fn send(
        &mut self,
        txn: Option<TxnId>,
        partition: Partition,
        values: Vec<Value>,
        sources: Vec<Value>,
    ) -> Result<Outcome> {
        let called = self.shared.tick();
        let (outcome, offset) = if txn.is_some() && !self.add_partition(partition).await {
            // The batch itself has never left.
            (Outcome::Failed, None)
        } else {
            self.produce(partition, &values).await?
        };
        if outcome == Outcome::Ok {
            *self.sequences.entry(partition).or_default() += i32::try_from(values.len())?;
        }
        let send = Send {
            producer: self.name,
            txn,
            partition,
            values,
            sources,
            offset,
        };
        self.shared.record(called, Action::Send(send), outcome);
        Ok(outcome)
    }

    async fn produce(&mut self, partition: Partition, values: &[Value]) -> Result<(Outcome, Option<i64>)> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let sender = Sender {
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            is_transactional: self.transactional_id.is_some(),
        };
        let sequence = self.sequences.get(&partition).copied().unwrap_or(0);
        let batch = records::pack(sender, sequence, values, i64::try_from(since.as_millis())?)?;
        let (topic, number) = self.shared.place(partition);
        let data = PartitionProduceData::default()
            .with_index(number)
            .with_records(Some(batch));
        let acks = match self.transactional_id.is_none() && self.shared.below(2) == 0 {
            true => LEADER,
            false => ALL_REPLICAS,
        };
        let request = ProduceRequest::default()
            .with_transactional_id(self.transactional_id.clone())
            .with_acks(acks)
            .with_timeout_ms(PRODUCE_TIMEOUT_MS)
            .with_topic_data(vec![
                TopicProduceData::default()
                    .with_name(topic)
                    .with_partition_data(vec![data]),
            ]);
        let told = self
            .link
            .ask(self.version(11, 12), &request, self.tries_again(), |answer| {
                let partitions = answer.responses.iter().flat_map(|it| &it.partition_responses);
                partitions.map(|it| it.error_code).next().unwrap_or(-1)
            })
            .await;
        let answers = told.answer.iter().flat_map(|it| &it.responses);
        let offset = answers
            .flat_map(|it| &it.partition_responses)
            .map(|it| it.base_offset)
            .next();
        let is_told = told.outcome == Outcome::Ok && offset >= Some(0);
        Ok((told.outcome, offset.filter(|_| is_told)))
    }

    async fn add_partition(&mut self, partition: Partition) -> bool {
        if self.speaks == Speaks::Since890 || self.added.contains(&partition) {
            return true;
        }
        let (topic, number) = self.shared.place(partition);
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(topic)
            .with_partitions(vec![number]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.transactional_id.clone().unwrap_or_default())
            .with_v3_and_below_producer_id(ProducerId(self.producer_id))
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let told = self
            .link
            .ask(3, &request, true, |answer| {
                let topics = answer.results_by_topic_v3_and_below.iter();
                let errors = topics.flat_map(|it| &it.results_by_partition);
                errors.map(|it| it.partition_error_code).next().unwrap_or(-1)
            })
            .await;
        if told.outcome == Outcome::Ok {
            self.added.insert(partition);
        }
        told.outcome == Outcome::Ok
    }

    pub async fn commit_offset(&mut self, txn: TxnId, partition: Partition, offset: i64) -> Outcome {
        let called = self.shared.tick();
        let outcome = if self.add_offsets().await {
            self.send_offset(partition, offset).await
        } else {
            Outcome::Failed
        };
        let action = Action::CommitOffset {
            producer: self.name,
            txn,
            partition,
            offset,
        };
        self.shared.record(called, action, outcome);
        outcome
    }

    async fn add_offsets(&mut self) -> bool {
        if self.speaks == Speaks::Since890 || self.offsets_are_added {
            return true;
        }
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(self.transactional_id.clone().unwrap_or_default())
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_group_id(self.shared.group());
        let told = self.link.ask(3, &request, true, |it| it.error_code).await;
        self.offsets_are_added = told.outcome == Outcome::Ok;
        self.offsets_are_added
    }

    async fn send_offset(&mut self, partition: Partition, offset: i64) -> Outcome {
        let (topic, number) = self.shared.place(partition);
        let committed = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(number)
            .with_committed_offset(offset);
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(topic)
            .with_partitions(vec![committed]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.transactional_id.clone().unwrap_or_default())
            .with_group_id(self.shared.group())
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_generation_id(-1)
            .with_topics(vec![topic]);
        let told = self.link.ask(self.version(3, 5), &request, true, |answer| {
            let partitions = answer.topics.iter().flat_map(|it| &it.partitions);
            partitions.map(|it| it.error_code).next().unwrap_or(-1)
        });
        told.await.outcome
    }

    pub async fn end(&mut self, txn: TxnId, commit: bool) -> Outcome {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.transactional_id.clone().unwrap_or_default())
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_committed(commit);
        let (version, again) = (self.version(4, 5), self.tries_again());
        let called = self.shared.tick();
        let told = self.link.ask(version, &request, again, |it| it.error_code).await;
        if let Some(answer) = told.answer.filter(|_| told.outcome == Outcome::Ok) {
            if self.speaks == Speaks::Since890 {
                (self.producer_id, self.epoch) = (answer.producer_id.0, answer.producer_epoch);
                // A new epoch counts from the start.
                self.sequences.clear();
            }
            self.forget_partitions();
        }
        let action = Action::End {
            producer: self.name,
            txn,
            commit,
        };
        self.shared.record(called, action, told.outcome);
        told.outcome
    }

    fn forget_partitions(&mut self) {
        let added = std::mem::take(&mut self.added);
        if !added.is_empty() {
            self.last_added = added;
        }
        self.offsets_are_added = false;
    }

    /// Some clients lose patience, and leave it open what became of their request.
    fn tries_again(&self) -> bool {
        self.shared.below(3) > 0
    }

    fn version(&self, before_890: i16, since_890: i16) -> i16 {
        match self.speaks {
            Speaks::Before890 => before_890,
            Speaks::Since890 => since_890,
        }
    }
}
