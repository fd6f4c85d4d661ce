//! The group coordinator of this node: one shard per partition of `__consumer_offsets` that the node leads, and the way from
//! a group's name to its shard.
//!
//! It hears of the cluster as every room does (leaderships come and go, topics change) and never asks. Between a request and
//! its shard there is a map and a queue, nothing else. `options`: what is set for groups; `known`: what shards of consumer
//! groups are told of the cluster.

pub mod internal_topics;
mod known;
mod options;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Weak};
use std::time::Duration;

use ottla_base::{Clock, ErrorCode, Uuid};
use ottla_coordinator::{Command, GroupConfig, GroupShard, Machine, Reply};
use ottla_metadata::{Delta, Image};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::coordinator_loop::journal::PartitionJournal;
use super::coordinator_loop::shards::Shards;
use super::coordinator_loop::{InTransaction, LoopOptions, ShardHandle};
use super::txn_markers::TxnMarker;
use crate::replica::{Partition, ReplicaManager};
use internal_topics::CONSUMER_OFFSETS;
use known::{Known, News};
pub use options::GroupOptions;

pub struct GroupCoordinator {
    options: GroupOptions,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    shards: Shards<GroupShard>,
    known: Mutex<Known>,
}

impl GroupCoordinator {
    /// Starts with no partition: they come with the first [`GroupCoordinator::apply`].
    pub fn new(options: GroupOptions, clock: Arc<dyn Clock>, runtime: Handle) -> Arc<Self> {
        let interval = options.expiry_interval;
        let coordinator = Arc::new(Self {
            shards: Shards::new(CONSUMER_OFFSETS, options.node_id, options.partitions),
            options,
            clock,
            runtime,
            known: Mutex::default(),
        });
        coordinator
            .runtime
            .spawn(expire_regularly(Arc::downgrade(&coordinator), interval));
        coordinator
    }

    pub fn options(&self) -> &GroupOptions {
        &self.options
    }

    /// The partition of `__consumer_offsets` that a group belongs to.
    pub fn partition_for(&self, group_id: &str) -> i32 {
        self.shards.partition_for(group_id)
    }

    /// Hands a command to the group's shard; it is in the queue when this returns. The answer comes later.
    pub fn submit(&self, group_id: &str, command: Command) -> impl Future<Output = Reply> + Send + use<> {
        self.submit_to(self.partition_for(group_id), command)
    }

    /// As [`Self::submit`], for a command that concerns several groups of one partition.
    pub fn submit_to(&self, partition: i32, command: Command) -> impl Future<Output = Reply> + Send + use<> {
        self.shards.submit(partition, command)
    }

    /// As [`Self::submit`], for what becomes part of a producer's transaction.
    pub fn submit_in(
        &self,
        group_id: &str,
        transaction: InTransaction,
        command: Command,
    ) -> impl Future<Output = Reply> + Send + use<> {
        let shard = self.shards.get(self.partition_for(group_id));
        let answer = shard.map(|shard| shard.submit_in(Some(transaction), command));
        async move {
            match answer {
                Some(answer) => answer.await,
                None => GroupShard::failure(ErrorCode::NotCoordinator),
            }
        }
    }

    /// Ends a producer's transaction in a partition: its pending offsets count from now on, or are dropped.
    pub fn end_transaction(
        &self,
        partition: i32,
        marker: TxnMarker,
    ) -> impl Future<Output = Result<(), ErrorCode>> + Send + use<> {
        let shard = self.shards.get(partition);
        let ended = shard.map(|shard| shard.end_transaction(marker));
        async move { ended.ok_or(ErrorCode::NotCoordinator)?.await }
    }

    /// The partitions that this node answers for, loaded or loading.
    pub fn led_partitions(&self) -> Vec<i32> {
        self.shards.led()
    }

    /// Loads what this node has come to lead, lets go of what it does not lead any more, forgets the offsets of topics that
    /// are gone, and tells consumer groups what topics there are and what is set for them. Runs after the replicas have heard
    /// of the same change.
    pub fn apply(&self, image: &Image, delta: &Delta, replicas: &ReplicaManager) {
        let deleted: Vec<(Uuid, String)> = delta
            .deleted_topics
            .values()
            .map(|topic| (topic.id, topic.name.to_string()))
            .collect();
        if !deleted.is_empty() {
            self.tell_all(&Command::TopicsDeleted(deleted));
        }
        let mut known = self.known.lock();
        self.spread(known.apply(image, delta, &replicas.config()));
        self.shards.apply(image, delta, replicas, |partition, _| {
            self.open(partition, &known)
        });
    }

    /// Lets go of all partitions: whoever waits is told to look for another coordinator.
    pub fn close(&self) {
        self.shards.close();
    }

    fn open(&self, partition: Arc<Partition>, known: &Known) -> ShardHandle<GroupShard> {
        let index = partition.name().partition;
        let options = LoopOptions {
            name: partition.name().to_string().into(),
            clock: self.clock.clone(),
            codec: self.options.codec,
            commit_timeout: self.options.commit_timeout,
            load_buffer_bytes: self.options.load_buffer_bytes,
        };
        let journal = PartitionJournal::new(partition, self.clock.clone(), self.runtime.clone());
        let config = GroupConfig {
            consumer: known.consumer.clone(),
            ..GroupConfig::clone(&self.options.groups)
        };
        let machine = GroupShard::new(Arc::new(config));
        let handle = ShardHandle::open(machine, journal, options, &self.runtime);
        // It is told before anybody else can reach it.
        for command in known.everything(|group| self.partition_for(group) == index) {
            handle.notify(command);
        }
        handle
    }

    fn spread(&self, news: News) {
        for command in &news.all {
            self.tell_all(command);
        }
        for (group, command) in news.groups {
            if let Some(shard) = self.shards.get(self.partition_for(&group)) {
                shard.notify(command);
            }
        }
    }

    fn tell_all(&self, command: &Command) {
        self.shards.for_each(|shard| shard.notify(command.clone()));
    }
}

async fn expire_regularly(coordinator: Weak<GroupCoordinator>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let Some(coordinator) = coordinator.upgrade() else {
            return;
        };
        coordinator.tell_all(&Command::ExpireOffsets);
    }
}
