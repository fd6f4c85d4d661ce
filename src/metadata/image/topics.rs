//! Topics and the state of their partitions.

use std::sync::Arc;

use imbl::OrdMap;
use ottla_base::Uuid;
use ottla_base::ids::DIRECTORY_MIGRATING;

use super::ImageError;
use crate::delta::Delta;
use crate::features::MetadataVersion;
use crate::records::{
    ClearElrRecord, PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord,
};

/// "No leader" in a partition.
pub const NO_LEADER: i32 = -1;
/// "The leader stays" in a change.
pub const NO_LEADER_CHANGE: i32 = -2;
/// The leader's log is the partition's log.
pub const RECOVERED: i8 = 0;
/// The leader was elected uncleanly and has still to say that it is ready.
pub const RECOVERING: i8 = 1;

/// All topics, by id and by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Topics {
    by_id: OrdMap<Uuid, Arc<Topic>>,
    ids: OrdMap<Arc<str>, Uuid>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    pub name: Arc<str>,
    pub id: Uuid,
    pub partitions: OrdMap<i32, Arc<Partition>>,
}

/// Where a partition's replicas are and which of them may be believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// The first one is the preferred leader.
    pub replicas: Vec<i32>,
    /// The log dir of each replica, in the order of `replicas`.
    pub directories: Vec<Uuid>,
    pub isr: Vec<i32>,
    pub removing: Vec<i32>,
    pub adding: Vec<i32>,
    /// Replicas outside the ISR that are known to hold everything committed (KIP-966).
    pub elr: Vec<i32>,
    /// Who was last in the ELR, for when ISR and ELR are empty.
    pub last_known_elr: Vec<i32>,
    pub leader: i32,
    pub leader_recovery: i8,
    pub leader_epoch: i32,
    pub partition_epoch: i32,
}

impl Topics {
    pub fn by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    pub fn by_name(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_id.get(self.ids.get(name)?)
    }

    /// All topics in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.ids.iter().filter_map(|(_, id)| self.by_id.get(id))
    }

    /// Topics from this name on, in the order of their names.
    pub fn from(&self, name: &str) -> impl Iterator<Item = &Arc<Topic>> {
        let range = (std::ops::Bound::Included(name), std::ops::Bound::Unbounded);
        self.ids
            .range::<_, str>(range)
            .filter_map(|(_, id)| self.by_id.get(id))
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(super) fn create(&mut self, record: &TopicRecord, delta: &mut Delta) -> Result<(), ImageError> {
        if self.ids.contains_key(record.name.as_str()) || self.by_id.contains_key(&record.topic_id) {
            return Err(ImageError::DuplicateTopic(record.name.clone()));
        }
        let name: Arc<str> = record.name.as_str().into();
        let topic = Topic {
            name: Arc::clone(&name),
            id: record.topic_id,
            partitions: OrdMap::new(),
        };
        self.ids.insert(name, record.topic_id);
        self.by_id.insert(record.topic_id, Arc::new(topic));
        delta.topic_created(record.topic_id);
        Ok(())
    }

    /// Removes the topic and says what it was called.
    pub(super) fn remove(
        &mut self,
        record: &RemoveTopicRecord,
        delta: &mut Delta,
    ) -> Result<Arc<str>, ImageError> {
        let topic = self
            .by_id
            .remove(&record.topic_id)
            .ok_or(ImageError::UnknownTopic {
                record: "RemoveTopicRecord",
                topic_id: record.topic_id,
            })?;
        self.ids.remove(&topic.name);
        let name = Arc::clone(&topic.name);
        delta.topic_deleted(topic);
        Ok(name)
    }

    pub(super) fn put_partition(
        &mut self,
        record: &PartitionRecord,
        delta: &mut Delta,
    ) -> Result<(), ImageError> {
        let topic = self.topic_mut(record.topic_id, "PartitionRecord")?;
        let partition = Arc::new(Partition::from(record));
        topic.partitions.insert(record.partition_id, partition);
        delta.partition_changed(record.topic_id, record.partition_id);
        Ok(())
    }

    pub(super) fn change_partition(
        &mut self,
        record: &PartitionChangeRecord,
        delta: &mut Delta,
    ) -> Result<(), ImageError> {
        let topic = self.topic_mut(record.topic_id, "PartitionChangeRecord")?;
        let name = Arc::clone(&topic.name);
        let partition =
            topic
                .partitions
                .get_mut(&record.partition_id)
                .ok_or_else(|| ImageError::UnknownPartition {
                    record: "PartitionChangeRecord",
                    topic: name.to_string(),
                    partition: record.partition_id,
                })?;
        Arc::make_mut(partition).change(record);
        delta.partition_changed(record.topic_id, record.partition_id);
        Ok(())
    }

    pub(super) fn clear_elr(&mut self, record: &ClearElrRecord, delta: &mut Delta) -> Result<(), ImageError> {
        if record.topic_name.is_empty() {
            let ids: Vec<Uuid> = self.by_id.keys().copied().collect();
            for id in ids {
                self.clear_elr_of(id, delta)?;
            }
            return Ok(());
        }
        match self.ids.get(record.topic_name.as_str()) {
            Some(id) => self.clear_elr_of(*id, delta),
            // The record can stand before its topic's deletion in another order than it was meant; there is nothing to clear.
            None => Ok(()),
        }
    }

    fn clear_elr_of(&mut self, id: Uuid, delta: &mut Delta) -> Result<(), ImageError> {
        let topic = self.topic_mut(id, "ClearElrRecord")?;
        let with_elr: Vec<i32> = topic
            .partitions
            .iter()
            .filter(|(_, p)| !p.elr.is_empty() || !p.last_known_elr.is_empty())
            .map(|(index, _)| *index)
            .collect();
        for index in with_elr {
            if let Some(partition) = topic.partitions.get_mut(&index) {
                let partition = Arc::make_mut(partition);
                partition.elr.clear();
                partition.last_known_elr.clear();
                delta.partition_changed(id, index);
            }
        }
        Ok(())
    }

    fn topic_mut(&mut self, topic_id: Uuid, record: &'static str) -> Result<&mut Topic, ImageError> {
        self.by_id
            .get_mut(&topic_id)
            .map(Arc::make_mut)
            .ok_or(ImageError::UnknownTopic { record, topic_id })
    }
}

impl Partition {
    pub fn has_leader(&self) -> bool {
        self.leader != NO_LEADER
    }

    pub fn preferred_leader(&self) -> i32 {
        self.replicas.first().copied().unwrap_or(NO_LEADER)
    }

    pub fn is_reassigning(&self) -> bool {
        !self.removing.is_empty() || !self.adding.is_empty()
    }

    /// The dir in which the broker keeps its replica.
    pub fn directory_of(&self, broker_id: i32) -> Option<Uuid> {
        let at = self.replicas.iter().position(|id| *id == broker_id)?;
        self.directories.get(at).copied()
    }

    /// Every change starts a new partition epoch, and naming a leader starts a new leader epoch.
    pub fn change(&mut self, record: &PartitionChangeRecord) {
        let keep = |to: &mut Vec<i32>, from: &Option<Vec<i32>>| {
            if let Some(from) = from {
                to.clone_from(from);
            }
        };
        keep(&mut self.isr, &record.isr);
        keep(&mut self.replicas, &record.replicas);
        keep(&mut self.removing, &record.removing_replicas);
        keep(&mut self.adding, &record.adding_replicas);
        keep(&mut self.elr, &record.eligible_leader_replicas);
        keep(&mut self.last_known_elr, &record.last_known_elr);
        if let Some(directories) = &record.directories {
            self.directories.clone_from(directories);
        }
        self.directories.resize(self.replicas.len(), DIRECTORY_MIGRATING);
        if record.leader_recovery_state != -1 {
            self.leader_recovery = record.leader_recovery_state;
        }
        if record.leader != NO_LEADER_CHANGE {
            self.leader = record.leader;
            self.leader_epoch = self.leader_epoch.saturating_add(1);
        }
        self.partition_epoch = self.partition_epoch.saturating_add(1);
    }

    pub fn to_record(&self, topic_id: Uuid, partition_id: i32, version: MetadataVersion) -> PartitionRecord {
        let elr = |ids: &[i32]| (version.has_elr() && !ids.is_empty()).then(|| ids.to_vec());
        PartitionRecord {
            partition_id,
            topic_id,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            removing_replicas: self.removing.clone(),
            adding_replicas: self.adding.clone(),
            leader: self.leader,
            leader_recovery_state: self.leader_recovery,
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: self.directories.clone(),
            eligible_leader_replicas: elr(&self.elr),
            last_known_elr: elr(&self.last_known_elr),
        }
    }
}

impl From<&PartitionRecord> for Partition {
    fn from(record: &PartitionRecord) -> Self {
        let mut directories = record.directories.clone();
        directories.resize(record.replicas.len(), DIRECTORY_MIGRATING);
        Self {
            replicas: record.replicas.clone(),
            directories,
            isr: record.isr.clone(),
            removing: record.removing_replicas.clone(),
            adding: record.adding_replicas.clone(),
            elr: record.eligible_leader_replicas.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
            leader: record.leader,
            leader_recovery: record.leader_recovery_state,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
        }
    }
}
