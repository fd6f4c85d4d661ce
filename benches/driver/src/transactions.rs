//! Transactional producers, each on a connection of its own, that do nothing but transactions: some batches, then the end, one
//! request after the other, in the protocol of KIP-890.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::Args;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    EndTxnRequest, FindCoordinatorRequest, InitProducerIdRequest, ProduceRequest, ProducerId, TopicName,
    TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use ottla_storage::batch::{BatchBuilder, BatchOptions};
use tokio::time::{Instant, sleep};

use crate::connection::Connection;
use crate::errors;
use crate::fill::{Random, now_ms, value};
use crate::histogram::Histogram;
use crate::process::{Cpu, Process, Work};

const FIND_COORDINATOR: i16 = 4;
const INIT_PRODUCER_ID: i16 = 5;
/// The first versions in which the broker adds partitions itself and the end of a transaction raises the epoch.
const PRODUCE: i16 = 12;
const END_TXN: i16 = 5;
const TIMEOUT_MS: i32 = 60_000;
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Args)]
pub struct TransactionOptions {
    /// The broker's process, whose CPU time is told of.
    #[arg(long)]
    pid: u32,
    #[arg(long)]
    bootstrap: String,
    /// A topic that exists.
    #[arg(long)]
    topic: String,
    /// Of the topic.
    #[arg(long, default_value_t = 1)]
    partitions: u64,
    #[arg(long, default_value_t = 1)]
    producers: u64,
    /// Of each producer.
    #[arg(long, default_value_t = 1000)]
    transactions: u64,
    /// Of each transaction, in as many partitions.
    #[arg(long, default_value_t = 1)]
    batches: u64,
    /// Of each batch.
    #[arg(long, default_value_t = 10)]
    records: usize,
    #[arg(long, default_value_t = 100)]
    record_bytes: usize,
    /// How many of a hundred transactions are aborted.
    #[arg(long, default_value_t = 0)]
    aborted_percent: u64,
    /// Before a request that came too early is sent again, as long as a coordinator loads or the transaction before is completed.
    #[arg(long, default_value_t = 20)]
    backoff_ms: u64,
}

struct Producer {
    connection: Connection,
    topic: TopicName,
    transactional_id: TransactionalId,
    producer_id: i64,
    epoch: i16,
    backoff: Duration,
}

/// How long whole transactions took, and their ends alone.
#[derive(Default)]
struct Latencies {
    whole: Histogram,
    ends: Histogram,
}

pub async fn run(options: TransactionOptions) -> Result<()> {
    let options = std::rc::Rc::new(options);
    let mut producers = Vec::new();
    for number in 0..options.producers {
        producers.push((number, Producer::begin(&options, number).await?));
    }
    let (meter, begun) = (Process::new(options.pid).begin()?, Instant::now());
    let running: Vec<_> = producers
        .into_iter()
        .map(|(number, producer)| {
            let options = options.clone();
            tokio::task::spawn_local(async move { producer.run(&options, number).await })
        })
        .collect();
    let mut all = Latencies::default();
    for producer in running {
        let done = producer.await??;
        all.whole.add(&done.whole);
        all.ends.add(&done.ends);
    }
    let elapsed = begun.elapsed();
    meter.end("transactions", Work::timed(all.whole))?;
    Work::timed(all.ends).print("ends", elapsed, Cpu::default(), None)
}

impl Producer {
    async fn begin(options: &TransactionOptions, number: u64) -> Result<Self> {
        let id = StrBytes::from_string(format!("{}-{number}", options.topic));
        let mut producer = Self {
            connection: Connection::open(&options.bootstrap, "bench").await?,
            topic: TopicName(StrBytes::from_string(options.topic.clone())),
            transactional_id: TransactionalId(id.clone()),
            producer_id: -1,
            epoch: -1,
            backoff: Duration::from_millis(options.backoff_ms),
        };
        let find = FindCoordinatorRequest::default()
            .with_key_type(1)
            .with_coordinator_keys(vec![id]);
        let init = InitProducerIdRequest::default()
            .with_transactional_id(Some(producer.transactional_id.clone()))
            .with_transaction_timeout_ms(TIMEOUT_MS)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Makes the topic of the coordinator when it is asked for the first time.
            producer.connection.call(FIND_COORDINATOR, &find).await?;
            let answer = producer.connection.call(INIT_PRODUCER_ID, &init).await?;
            if answer.error_code == errors::NONE {
                (producer.producer_id, producer.epoch) = (answer.producer_id.0, answer.producer_epoch);
                return Ok(producer);
            }
            producer
                .wait(answer.error_code, deadline)
                .await
                .context("InitProducerId")?;
        }
    }

    async fn run(mut self, options: &TransactionOptions, number: u64) -> Result<Latencies> {
        let mut latencies = Latencies::default();
        let mut random = Random(number);
        for transaction in 0..options.transactions {
            let begun = Instant::now();
            for batch in 0..options.batches {
                let partition = (number + transaction * options.batches + batch) % options.partitions;
                let records = self.batch(options, &mut random);
                self.send(i32::try_from(partition)?, records).await?;
            }
            let ended = Instant::now();
            self.end(transaction % 100 >= options.aborted_percent).await?;
            latencies.ends.record(ended.elapsed());
            latencies.whole.record(begun.elapsed());
        }
        Ok(latencies)
    }

    /// Each partition gets one batch of a transaction at most, so every batch is the first of its epoch.
    fn batch(&self, options: &TransactionOptions, random: &mut Random) -> Bytes {
        let mut batch = BatchBuilder::new(BatchOptions {
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            base_sequence: 0,
            transactional: true,
            ..BatchOptions::default()
        });
        let now_ms = now_ms();
        for _ in 0..options.records {
            batch.append(now_ms, None, Some(&value(random, options.record_bytes)), &[]);
        }
        batch.build()
    }

    async fn send(&mut self, partition: i32, records: Bytes) -> Result<()> {
        let data = PartitionProduceData::default()
            .with_index(partition)
            .with_records(Some(records));
        let data = TopicProduceData::default()
            .with_name(self.topic.clone())
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(self.transactional_id.clone()))
            .with_acks(-1)
            .with_timeout_ms(TIMEOUT_MS)
            .with_topic_data(vec![data]);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.connection.call(PRODUCE, &request).await?;
            let told = answer
                .responses
                .iter()
                .flat_map(|topic| &topic.partition_responses);
            let error = told.map(|partition| partition.error_code).next();
            match error.context("an answer about nothing")? {
                errors::NONE => return Ok(()),
                error => self.wait(error, deadline).await.context("Produce")?,
            }
        }
    }

    async fn end(&mut self, committed: bool) -> Result<()> {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.transactional_id.clone())
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_committed(committed);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.connection.call(END_TXN, &request).await?;
            if answer.error_code == errors::NONE {
                (self.producer_id, self.epoch) = (answer.producer_id.0, answer.producer_epoch);
                return Ok(());
            }
            self.wait(answer.error_code, deadline).await.context("EndTxn")?;
        }
    }

    /// Waits a moment after an error that passes.
    async fn wait(&self, error: i16, deadline: Instant) -> Result<()> {
        let passes = matches!(
            error,
            errors::UNKNOWN_TOPIC_OR_PARTITION
                | errors::NOT_LEADER_OR_FOLLOWER
                | errors::COORDINATOR_LOAD_IN_PROGRESS
                | errors::COORDINATOR_NOT_AVAILABLE
                | errors::NOT_COORDINATOR
                | errors::NOT_ENOUGH_REPLICAS
                | errors::CONCURRENT_TRANSACTIONS
        );
        if !passes || Instant::now() > deadline {
            bail!("error {error}");
        }
        sleep(self.backoff).await;
        Ok(())
    }
}
