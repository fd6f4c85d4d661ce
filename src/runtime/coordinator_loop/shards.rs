//! The shards of one coordinator: one per partition of its topic that this node leads, and the way from a key to its shard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use ottla_base::{ErrorCode, Uuid};
use ottla_coordinator::Machine;
use ottla_metadata::{Delta, Image};
use parking_lot::RwLock;
use tracing::debug;

use super::ShardHandle;
use crate::replica::{Partition, ReplicaManager};
use crate::runtime::group_coordinator::internal_topics::partition_for;

pub struct Shards<M: Machine> {
    topic: &'static str,
    node_id: i32,
    /// As many as the topic has, or will be made with.
    partitions: AtomicI32,
    shards: RwLock<BTreeMap<i32, Led<M>>>,
}

struct Led<M: Machine> {
    topic_id: Uuid,
    leader_epoch: i32,
    handle: ShardHandle<M>,
}

impl<M: Machine> Shards<M> {
    /// `partitions` is what the topic is made with, for as long as it is not there.
    pub fn new(topic: &'static str, node_id: i32, partitions: i32) -> Self {
        Self {
            topic,
            node_id,
            partitions: AtomicI32::new(partitions),
            shards: RwLock::default(),
        }
    }

    /// The partition that a key belongs to.
    pub fn partition_for(&self, key: &str) -> i32 {
        partition_for(key, self.partitions.load(Ordering::Relaxed))
    }

    /// The shard of a partition that this node answers for.
    pub fn get(&self, partition: i32) -> Option<ShardHandle<M>> {
        let shards = self.shards.read();
        shards.get(&partition).map(|shard| shard.handle.clone())
    }

    /// Hands a command to a shard; it is in the queue when this returns. The answer comes later.
    pub fn submit(
        &self,
        partition: i32,
        command: M::Command,
    ) -> impl Future<Output = M::Reply> + Send + use<M> {
        let answer = self.get(partition).map(|shard| shard.submit(command));
        async move {
            match answer {
                Some(answer) => answer.await,
                None => M::failure(ErrorCode::NotCoordinator),
            }
        }
    }

    /// The partitions that this node answers for, loaded or loading.
    pub fn led(&self) -> Vec<i32> {
        self.shards.read().keys().copied().collect()
    }

    pub fn for_each(&self, act: impl Fn(&ShardHandle<M>)) {
        self.shards.read().values().for_each(|shard| act(&shard.handle));
    }

    /// Opens what this node has come to lead, with its leader epoch, and lets go of what it does not lead any more.
    pub fn apply(
        &self,
        image: &Image,
        delta: &Delta,
        replicas: &ReplicaManager,
        open: impl Fn(Arc<Partition>, i32) -> ShardHandle<M>,
    ) {
        let deleted = &delta.deleted_topics;
        if deleted.values().any(|topic| *topic.name == *self.topic) {
            self.close();
        }
        let Some(topic) = image.topics.by_name(self.topic) else {
            return;
        };
        let Some(changed) = delta.topics.get(&topic.id) else {
            return;
        };
        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        self.partitions.store(count, Ordering::Relaxed);
        for index in &changed.partitions {
            let leads = topic
                .partitions
                .get(index)
                .filter(|state| state.leader == self.node_id);
            let local = leads.and_then(|_| replicas.by_name(self.topic, *index));
            match (leads, local) {
                (Some(state), Some(partition)) => {
                    let leader_epoch = state.leader_epoch;
                    self.lead(*index, topic.id, leader_epoch, || open(partition, leader_epoch));
                }
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

    fn lead(&self, index: i32, topic_id: Uuid, leader_epoch: i32, open: impl FnOnce() -> ShardHandle<M>) {
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
        debug!(
            topic = self.topic,
            index, leader_epoch, "coordinator begins to load"
        );
        let led = Led {
            topic_id,
            leader_epoch,
            handle: open(),
        };
        shards.insert(index, led);
    }

    fn resign(&self, index: i32) {
        if let Some(shard) = self.shards.write().remove(&index) {
            shard.handle.close();
        }
    }
}
