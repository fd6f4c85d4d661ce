//! The group coordinator of this node: one shard per partition of `__consumer_offsets` that the node leads, and the way from
//! a group's name to its shard.
//!
//! It hears of the cluster as every room does (leaderships come and go, topics are deleted) and never asks. Between a
//! request and its shard there is a map and a queue, nothing else.

pub mod internal_topics;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ottla_base::config::Settings;
use ottla_base::{Clock, ErrorCode, Uuid};
use ottla_coordinator::{Command, GroupConfig, GroupShard, Machine, Reply};
use ottla_metadata::{Delta, Image};
use ottla_storage::batch::Codec;
use parking_lot::RwLock;
use tokio::runtime::Handle;
use tracing::debug;

use super::coordinator_loop::journal::PartitionJournal;
use super::coordinator_loop::{LoopOptions, ShardHandle};
use crate::replica::{Partition, ReplicaManager};
use internal_topics::{CONSUMER_OFFSETS, partition_for};

type Shard = ShardHandle<GroupShard>;

/// The settings that a coordinator lives with; none of them changes while it runs.
#[derive(Clone)]
pub struct GroupOptions {
    pub node_id: i32,
    pub groups: Arc<GroupConfig>,
    /// Partitions of `__consumer_offsets` as long as it is not there.
    pub partitions: i32,
    pub codec: Codec,
    pub commit_timeout: Duration,
    pub load_buffer_bytes: usize,
    pub expiry_interval: Duration,
}

impl GroupOptions {
    pub fn new(node_id: i32, config: &impl Settings) -> Self {
        const MINUTE_MS: i64 = 60 * 1000;
        let size = |key: &str| usize::try_from(config.i32(key)).unwrap_or(0);
        let millis = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        Self {
            node_id,
            groups: Arc::new(GroupConfig {
                min_session_timeout_ms: config.i32("group.min.session.timeout.ms"),
                max_session_timeout_ms: config.i32("group.max.session.timeout.ms"),
                initial_rebalance_delay_ms: config.i32("group.initial.rebalance.delay.ms"),
                max_size: size("group.max.size"),
                offset_metadata_max_chars: size("offset.metadata.max.bytes"),
                offsets_retention_ms: i64::from(config.i32("offsets.retention.minutes")) * MINUTE_MS,
                ..GroupConfig::default()
            }),
            partitions: config.i32("offsets.topic.num.partitions"),
            codec: codec(config.i32("offsets.topic.compression.codec")),
            commit_timeout: millis(config.i32("offsets.commit.timeout.ms").into()),
            load_buffer_bytes: size("offsets.load.buffer.size"),
            expiry_interval: millis(config.i64("offsets.retention.check.interval.ms")),
        }
    }
}

/// The codec behind the number that a batch has for it.
fn codec(number: i32) -> Codec {
    i16::try_from(number)
        .ok()
        .and_then(|number| Codec::from_attributes(number).ok())
        .unwrap_or(Codec::None)
}

pub struct GroupCoordinator {
    options: GroupOptions,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    /// As many as `__consumer_offsets` has.
    partitions: AtomicI32,
    shards: RwLock<BTreeMap<i32, LoadedShard>>,
}

struct LoadedShard {
    topic_id: Uuid,
    leader_epoch: i32,
    handle: Shard,
}

impl GroupCoordinator {
    /// Starts with no partition: they come with the first [`GroupCoordinator::apply`].
    pub fn new(options: GroupOptions, clock: Arc<dyn Clock>, runtime: Handle) -> Arc<Self> {
        let interval = options.expiry_interval;
        let coordinator = Arc::new(Self {
            partitions: AtomicI32::new(options.partitions),
            options,
            clock,
            runtime,
            shards: RwLock::default(),
        });
        coordinator
            .runtime
            .spawn(expire_regularly(Arc::downgrade(&coordinator), interval));
        coordinator
    }

    /// The partition of `__consumer_offsets` that a group belongs to.
    pub fn partition_for(&self, group_id: &str) -> i32 {
        partition_for(group_id, self.partitions.load(Ordering::Relaxed))
    }

    /// Hands a command to the group's shard; it is in the queue when this returns. The answer comes later.
    pub fn submit(&self, group_id: &str, command: Command) -> impl Future<Output = Reply> + Send + use<> {
        self.submit_to(self.partition_for(group_id), command)
    }

    /// As [`Self::submit`], for a command that concerns several groups of one partition.
    pub fn submit_to(&self, partition: i32, command: Command) -> impl Future<Output = Reply> + Send + use<> {
        let shard = self
            .shards
            .read()
            .get(&partition)
            .map(|shard| shard.handle.clone());
        let answer = shard.map(|shard| shard.submit(command));
        async move {
            match answer {
                Some(answer) => answer.await,
                None => GroupShard::failure(ErrorCode::NotCoordinator),
            }
        }
    }

    /// The partitions that this node answers for, loaded or loading.
    pub fn led_partitions(&self) -> Vec<i32> {
        self.shards.read().keys().copied().collect()
    }

    /// Loads what this node has come to lead, lets go of what it does not lead any more, and forgets the offsets of topics
    /// that are gone. Runs after the replicas have heard of the same change.
    pub fn apply(&self, image: &Image, delta: &Delta, replicas: &ReplicaManager) {
        if delta
            .deleted_topics
            .values()
            .any(|topic| *topic.name == *CONSUMER_OFFSETS)
        {
            self.close();
        }
        let deleted: Vec<(Uuid, String)> = delta
            .deleted_topics
            .values()
            .map(|topic| (topic.id, topic.name.to_string()))
            .collect();
        if !deleted.is_empty() {
            self.tell_all(&Command::TopicsDeleted(deleted));
        }
        let Some(topic) = image.topics.by_name(CONSUMER_OFFSETS) else {
            return;
        };
        let Some(changed) = delta.topics.get(&topic.id) else {
            return;
        };
        self.partitions.store(
            i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
            Ordering::Relaxed,
        );
        for index in &changed.partitions {
            let leads = topic
                .partitions
                .get(index)
                .filter(|state| state.leader == self.options.node_id);
            let local = leads.and_then(|_| replicas.by_name(CONSUMER_OFFSETS, *index));
            match (leads, local) {
                (Some(state), Some(partition)) => self.lead(topic.id, *index, state.leader_epoch, partition),
                _ => self.resign(*index),
            }
        }
    }

    /// Lets go of all partitions: whoever waits is told to look for another coordinator.
    pub fn close(&self) {
        for shard in std::mem::take(&mut *self.shards.write()).into_values() {
            shard.handle.close();
        }
    }

    fn lead(&self, topic_id: Uuid, index: i32, leader_epoch: i32, partition: Arc<Partition>) {
        let mut shards = self.shards.write();
        if let Some(shard) = shards.get_mut(&index) {
            let is_stale = leader_epoch < shard.leader_epoch;
            if shard.topic_id == topic_id && (is_stale || !shard.handle.is_closed()) {
                // Nobody else has led it in between, so what is loaded still holds.
                shard.leader_epoch = shard.leader_epoch.max(leader_epoch);
                return;
            }
            shard.handle.close();
        }
        debug!(partition = %partition.name(), leader_epoch, "coordinator begins to load");
        let options = LoopOptions {
            name: partition.name().to_string().into(),
            clock: self.clock.clone(),
            codec: self.options.codec,
            commit_timeout: self.options.commit_timeout,
            load_buffer_bytes: self.options.load_buffer_bytes,
        };
        let journal = PartitionJournal::new(partition, self.clock.clone(), self.runtime.clone());
        let machine = GroupShard::new(self.options.groups.clone());
        let handle = ShardHandle::open(machine, journal, options, &self.runtime);
        shards.insert(
            index,
            LoadedShard {
                topic_id,
                leader_epoch,
                handle,
            },
        );
    }

    fn resign(&self, index: i32) {
        if let Some(shard) = self.shards.write().remove(&index) {
            shard.handle.close();
        }
    }

    fn tell_all(&self, command: &Command) {
        for shard in self.shards.read().values() {
            shard.handle.notify(command.clone());
        }
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
