//! The transaction coordinator of this node: one shard per partition of `__transaction_state` that the node leads, and what
//! its machines cannot do themselves.
//!
//! Each shard has a [`worker`] beside it, which waits for the machine to want something: markers written into the
//! partitions of a transaction that is decided ([`markers`]), or a producer id. The result goes back as a command. Nothing is
//! remembered here: a shard that is loaded wants again what was not done. [`verifier`] answers partitions that ask about a
//! transaction before they append.

pub mod markers;
#[cfg(test)]
mod tests;
mod verifier;
mod worker;

use std::sync::atomic::{AtomicI16, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use ottla_base::config::Settings;
use ottla_base::{Clock, ErrorCode};
use ottla_coordinator::transaction::command::{EndTransaction, InitProducerId};
use ottla_coordinator::transaction::{Command, Reply, TransactionConfig, TransactionShard};
use ottla_metadata::features::TRANSACTION_VERSION;
use ottla_metadata::{Delta, Image};
use ottla_storage::batch::Codec;
use tokio::runtime::Handle;

use super::coordinator_loop::journal::PartitionJournal;
use super::coordinator_loop::shards::Shards;
use super::coordinator_loop::{LoopOptions, ShardHandle};
use super::group_coordinator::internal_topics::TRANSACTION_STATE;
use super::producer_ids::ProducerIds;
use crate::replica::{Partition, ReplicaManager};
use markers::MarkerSender;
use worker::Worker;

/// The settings that the coordinator lives with; none of them changes while it runs.
#[derive(Clone)]
pub struct TransactionOptions {
    pub node_id: i32,
    pub transactions: Arc<TransactionConfig>,
    /// Partitions of `__transaction_state` as long as it is not there.
    pub partitions: i32,
    pub commit_timeout: Duration,
    pub load_buffer_bytes: usize,
    pub expiry_interval: Duration,
}

impl TransactionOptions {
    pub fn new(node_id: i32, config: &impl Settings) -> Self {
        let millis = |key: &str| Duration::from_millis(u64::try_from(config.i32(key)).unwrap_or(0));
        let abort_interval = "transaction.abort.timed.out.transaction.cleanup.interval.ms";
        Self {
            node_id,
            transactions: Arc::new(TransactionConfig {
                max_timeout_ms: config.i32("transaction.max.timeout.ms"),
                id_expiration_ms: config.i32("transactional.id.expiration.ms").into(),
                abort_interval_ms: config.i32(abort_interval).into(),
                two_phase_commit: config.bool("transaction.two.phase.commit.enable"),
                patience_ms: config.i32("add.partitions.to.txn.retry.backoff.max.ms").into(),
                ..TransactionConfig::default()
            }),
            partitions: config.i32("transaction.state.log.num.partitions"),
            commit_timeout: millis("request.timeout.ms"),
            load_buffer_bytes: usize::try_from(config.i32("transaction.state.log.load.buffer.size"))
                .unwrap_or(0),
            expiry_interval: millis("transaction.remove.expired.transaction.cleanup.interval.ms"),
        }
    }
}

pub struct TransactionCoordinator {
    options: TransactionOptions,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    shards: Shards<TransactionShard>,
    producer_ids: Arc<ProducerIds>,
    markers: Arc<dyn MarkerSender>,
    /// The cluster that markers are sent to.
    image: Arc<ArcSwap<Image>>,
    /// The finalized level of `transaction.version`.
    version: AtomicI16,
}

impl TransactionCoordinator {
    /// Starts with no partition: they come with the first [`TransactionCoordinator::apply`].
    pub fn new(
        options: TransactionOptions,
        clock: Arc<dyn Clock>,
        runtime: Handle,
        producer_ids: Arc<ProducerIds>,
        markers: Arc<dyn MarkerSender>,
    ) -> Arc<Self> {
        let interval = options.expiry_interval;
        let coordinator = Arc::new(Self {
            shards: Shards::new(TRANSACTION_STATE, options.node_id, options.partitions),
            options,
            clock,
            runtime,
            producer_ids,
            markers,
            image: Arc::new(ArcSwap::from_pointee(Image::empty())),
            version: AtomicI16::new(0),
        });
        coordinator
            .runtime
            .spawn(expire_regularly(Arc::downgrade(&coordinator), interval));
        coordinator
    }

    pub async fn init_producer_id(&self, request: InitProducerId) -> Reply {
        // Said even by a node that does not coordinate the id.
        if let Err(error) = self.options.transactions.timeout_ms(&request) {
            return Reply::Failed(error);
        }
        let partition = self.shards.partition_for(&request.transactional_id);
        let command = |fresh_producer_id| {
            Command::InitProducerId(InitProducerId {
                fresh_producer_id,
                ..request.clone()
            })
        };
        self.ask_with_producer_id(partition, command).await
    }

    pub async fn end_transaction(&self, request: EndTransaction) -> Reply {
        if request.transactional_id.is_empty() {
            return Reply::Failed(ErrorCode::InvalidRequest);
        }
        let partition = self.shards.partition_for(&request.transactional_id);
        let command = |fresh_producer_id| {
            Command::EndTransaction(EndTransaction {
                fresh_producer_id,
                ..request.clone()
            })
        };
        self.ask_with_producer_id(partition, command).await
    }

    /// Asks without a new producer id, and again with one if it turns out to take one: that is rare, and ids are not wasted.
    async fn ask_with_producer_id(&self, partition: i32, command: impl Fn(Option<i64>) -> Command) -> Reply {
        match self.shards.submit(partition, command(None)).await {
            Reply::NeedsProducerId => {}
            reply => return reply,
        }
        match self.producer_ids.next().await {
            Ok(producer_id) => self.shards.submit(partition, command(Some(producer_id))).await,
            Err(error) => Reply::Failed(error),
        }
    }

    /// Hands a command to the shard of a transactional id; it is in the queue when this returns.
    pub fn submit(
        &self,
        transactional_id: &str,
        command: Command,
    ) -> impl Future<Output = Reply> + Send + use<> {
        if transactional_id.is_empty() {
            return futures::future::Either::Left(std::future::ready(Reply::Failed(
                ErrorCode::InvalidRequest,
            )));
        }
        let partition = self.shards.partition_for(transactional_id);
        futures::future::Either::Right(self.shards.submit(partition, command))
    }

    pub fn submit_to(&self, partition: i32, command: Command) -> impl Future<Output = Reply> + Send + use<> {
        self.shards.submit(partition, command)
    }

    /// The partitions that this node answers for, loaded or loading.
    pub fn led_partitions(&self) -> Vec<i32> {
        self.shards.led()
    }

    /// Hears of the cluster: leaderships come and go, and so do the protocols that may be spoken. Runs after the replicas
    /// have heard of the same change.
    pub fn apply(&self, image: &Arc<Image>, delta: &Delta, replicas: &ReplicaManager) {
        self.image.store(image.clone());
        let version = image.features.level(TRANSACTION_VERSION);
        if self.version.swap(version, Ordering::Relaxed) != version {
            self.shards
                .for_each(|shard| shard.notify(Command::SetVersion(version)));
        }
        self.shards
            .apply(image, delta, replicas, |partition, leader_epoch| {
                self.open(partition, leader_epoch, version)
            });
    }

    /// Lets go of all partitions: whoever waits is told to look for another coordinator.
    pub fn close(&self) {
        self.shards.close();
    }

    fn open(
        &self,
        partition: Arc<Partition>,
        leader_epoch: i32,
        version: i16,
    ) -> ShardHandle<TransactionShard> {
        let options = LoopOptions {
            name: partition.name().to_string().into(),
            clock: self.clock.clone(),
            codec: Codec::None,
            commit_timeout: self.options.commit_timeout,
            load_buffer_bytes: self.options.load_buffer_bytes,
        };
        let journal = PartitionJournal::new(partition, self.clock.clone(), self.runtime.clone());
        let machine = TransactionShard::new(self.options.transactions.clone(), leader_epoch, version);
        let handle = ShardHandle::open(machine, journal, options, &self.runtime);
        let worker = Worker {
            shard: handle.clone(),
            producer_ids: self.producer_ids.clone(),
            markers: self.markers.clone(),
            image: self.image.clone(),
        };
        self.runtime.spawn(worker.run());
        handle
    }
}

async fn expire_regularly(coordinator: Weak<TransactionCoordinator>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let Some(coordinator) = coordinator.upgrade() else {
            return;
        };
        coordinator
            .shards
            .for_each(|shard| shard.notify(Command::ExpireIds));
    }
}
