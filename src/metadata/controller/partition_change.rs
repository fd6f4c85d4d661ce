//! The one place where a partition's state moves: every change of replicas, ISR, ELR or leader is built here.
//!
//! The order of the steps is the rule (KIP-455, KIP-841, KIP-966): finish a reassignment that can be finished, bring the ELR up
//! to date, elect, start a new leader epoch where one is needed, then note what differs from the partition as it is.

use std::collections::BTreeMap;

use ottla_base::Uuid;

use crate::image::topics::{NO_LEADER, NO_LEADER_CHANGE, RECOVERING};
use crate::image::{Broker, Image, Partition};
use crate::records::PartitionChangeRecord;

/// Whom an election may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Election {
    /// The first replica, if it is in sync; else the leader stays.
    Preferred,
    /// Any replica in sync, if the leader cannot stay.
    Online,
    /// Any replica that is alive, if none is in sync: what only others had is lost.
    Unclean,
}

/// A partition, and what is to become of it.
pub struct PartitionChange<'a> {
    image: &'a Image,
    partition: &'a Partition,
    topic_id: Uuid,
    partition_id: i32,
    /// The ISR size below which replicas that left count as eligible leaders.
    pub min_isr: usize,
    pub election: Election,
    pub isr: Vec<i32>,
    pub replicas: Vec<i32>,
    pub removing: Vec<i32>,
    pub adding: Vec<i32>,
    pub leader_recovery: i8,
    /// Replicas whose data cannot be trusted: they lose their place in the ELR too.
    pub unclean_shutdown: Option<i32>,
    /// A broker that must not lead, although the image still says it may.
    pub leaving: Option<i32>,
    directories: BTreeMap<i32, Uuid>,
    elr: Vec<i32>,
}

struct Elected {
    leader: i32,
    unclean: bool,
}

impl<'a> PartitionChange<'a> {
    pub fn new(image: &'a Image, topic_id: Uuid, partition_id: i32, partition: &'a Partition) -> Self {
        let directories = partition
            .replicas
            .iter()
            .copied()
            .zip(partition.directories.iter().copied());
        Self {
            image,
            partition,
            topic_id,
            partition_id,
            min_isr: 1,
            election: Election::Online,
            isr: partition.isr.clone(),
            replicas: partition.replicas.clone(),
            removing: partition.removing.clone(),
            adding: partition.adding.clone(),
            leader_recovery: partition.leader_recovery,
            unclean_shutdown: None,
            leaving: None,
            directories: directories.collect(),
            elr: partition.elr.clone(),
        }
    }

    pub fn set_directory(&mut self, broker_id: i32, directory: Uuid) {
        self.directories.insert(broker_id, directory);
    }

    /// The record of the change, or nothing if nothing changes.
    pub fn build(mut self) -> Option<PartitionChangeRecord> {
        let mut record = PartitionChangeRecord {
            partition_id: self.partition_id,
            topic_id: self.topic_id,
            ..PartitionChangeRecord::default()
        };
        let untouched = record.clone();
        self.complete_reassignment();
        self.update_elr();
        self.elect(&mut record);
        self.bump_epoch_if_replica_left(&mut record);
        self.note_elr(&mut record);
        self.note_isr(&mut record);
        self.bump_epoch_if_isr_shrank(&mut record);
        self.note_last_known_leader(&mut record);
        self.note_assignment(&mut record);
        if self.leader_recovery != self.partition.leader_recovery {
            record.leader_recovery_state = self.leader_recovery;
        }
        (record != untouched).then_some(record)
    }

    /// A reassignment is done when all replicas that are to stay are in sync.
    fn complete_reassignment(&mut self) {
        if self.adding.is_empty() && self.removing.is_empty() {
            return;
        }
        let stays = |id: &i32| !self.removing.contains(id);
        let replicas: Vec<i32> = self.replicas.iter().copied().filter(stays).collect();
        let isr: Vec<i32> = self.isr.iter().copied().filter(stays).collect();
        let in_sync = self.adding.iter().all(|id| isr.contains(id));
        if isr.is_empty() || replicas.is_empty() || !in_sync {
            return;
        }
        (self.replicas, self.isr) = (replicas, isr);
        self.removing.clear();
        self.adding.clear();
    }

    /// Whoever was in sync while the ISR falls below its minimum stays eligible: nothing can be committed without the minimum.
    fn update_elr(&mut self) {
        if !self.image.features.is_elr_enabled() || self.isr.len() >= self.min_isr {
            self.elr.clear();
            return;
        }
        let mut elr = self.elr.clone();
        elr.extend(&self.partition.isr);
        elr.sort_unstable();
        elr.dedup();
        elr.retain(|id| {
            !self.isr.contains(id) && self.replicas.contains(id) && Some(*id) != self.unclean_shutdown
        });
        self.elr = elr;
    }

    fn elect(&mut self, record: &mut PartitionChangeRecord) {
        let elected = match self.election {
            Election::Preferred => self.preferred_leader(),
            Election::Online | Election::Unclean => self.any_leader(),
        };
        if elected.leader == self.partition.leader {
            return;
        }
        record.leader = elected.leader;
        if self.elr.contains(&elected.leader) {
            self.isr = vec![elected.leader];
            self.elr.retain(|id| *id != elected.leader);
        }
        if elected.unclean {
            self.isr = vec![elected.leader];
            self.elr.clear();
            if self.partition.leader_recovery != RECOVERING {
                self.leader_recovery = RECOVERING;
            }
        }
    }

    fn preferred_leader(&self) -> Elected {
        let preferred = self.replicas.first().copied().unwrap_or(NO_LEADER);
        if self.may_lead(preferred) {
            return clean(preferred);
        }
        if self.may_lead(self.partition.leader) {
            return clean(self.partition.leader);
        }
        self.first_in_sync()
            .or_else(|| self.last_known_leader())
            .unwrap_or(clean(NO_LEADER))
    }

    fn any_leader(&self) -> Elected {
        if self.may_lead(self.partition.leader) {
            return clean(self.partition.leader);
        }
        let unclean = || {
            let alive = self.replicas.iter().find(|id| self.is_alive(**id));
            alive
                .filter(|_| self.election == Election::Unclean)
                .map(|id| unclean(*id))
        };
        self.first_in_sync()
            .or_else(|| self.last_known_leader())
            .or_else(unclean)
            .unwrap_or(clean(NO_LEADER))
    }

    fn first_in_sync(&self) -> Option<Elected> {
        self.replicas
            .iter()
            .copied()
            .find(|id| self.may_lead(*id))
            .map(clean)
    }

    /// With nobody left in ISR and ELR, the last leader may come back alone: it has most of what there was.
    fn last_known_leader(&self) -> Option<Elected> {
        match self.partition.last_known_elr.as_slice() {
            [last] if self.image.features.is_elr_enabled() && self.elr.is_empty() && self.isr.is_empty() => {
                // It may have been a replica of a reassignment that was cancelled since.
                let may_return = self.replicas.contains(last) && self.is_alive(*last);
                may_return.then_some(unclean(*last))
            }
            _ => None,
        }
    }

    fn may_lead(&self, id: i32) -> bool {
        let is_eligible = self.isr.contains(&id) || (self.isr.is_empty() && self.elr.contains(&id));
        is_eligible && self.is_alive(id)
    }

    /// Registered, not fenced, not shutting down, and the replica's dir is online.
    fn is_alive(&self, id: i32) -> bool {
        if self.leaving == Some(id) {
            return false;
        }
        let directory = self.directories.get(&id).copied();
        let has_directory = |broker: &Broker| directory.is_none_or(|dir| broker.has_online_directory(dir));
        self.image
            .active_broker(id)
            .is_some_and(|broker| has_directory(broker))
    }

    /// A broker that is no replica any more must not believe that it still leads or follows.
    fn bump_epoch_if_replica_left(&self, record: &mut PartitionChangeRecord) {
        let left = self
            .partition
            .replicas
            .iter()
            .any(|id| !self.replicas.contains(id));
        if record.leader == NO_LEADER_CHANGE && left {
            record.leader = self.partition.leader;
        }
    }

    /// Before 3.6 brokers relied on a new epoch when the ISR shrank (KAFKA-15021).
    fn bump_epoch_if_isr_shrank(&self, record: &mut PartitionChangeRecord) {
        let version = self.image.features.metadata_version();
        if record.leader != NO_LEADER_CHANGE || !version.isr_shrink_bumps_leader_epoch() {
            return;
        }
        let shrank = |isr: &Vec<i32>| self.partition.isr.iter().any(|id| !isr.contains(id));
        if record.isr.as_ref().is_some_and(shrank) {
            record.leader = self.partition.leader;
        }
    }

    fn note_elr(&self, record: &mut PartitionChangeRecord) {
        if self.elr != self.partition.elr {
            record.eligible_leader_replicas = Some(self.elr.clone());
        }
    }

    /// Without ELR the ISR is never emptied: its last member is the only one that can become leader again.
    fn note_isr(&self, record: &mut PartitionChangeRecord) {
        let may_be_set = !self.isr.is_empty() || self.image.features.is_elr_enabled();
        if may_be_set && self.isr != self.partition.isr {
            record.isr = Some(self.isr.clone());
        }
    }

    fn note_last_known_leader(&self, record: &mut PartitionChangeRecord) {
        if !self.image.features.is_elr_enabled() {
            return;
        }
        let before = self.partition.leader;
        let known = &self.partition.last_known_elr;
        let leads_on = record.leader >= 0 || (before != NO_LEADER && record.leader != NO_LEADER);
        if record.isr.as_ref().is_some_and(Vec::is_empty)
            && self.replicas.contains(&before)
            && known.as_slice() != [before]
        {
            record.last_known_elr = Some(vec![before]);
        } else if leads_on && !known.is_empty() {
            record.last_known_elr = Some(Vec::new());
        }
    }

    fn note_assignment(&self, record: &mut PartitionChangeRecord) {
        if self.image.features.metadata_version().has_directories() {
            let directories: Vec<Uuid> = self.replicas.iter().map(|id| self.directory_of(*id)).collect();
            if directories != self.partition.directories {
                record.directories = Some(directories);
            }
        }
        let changed = |to: &Vec<i32>, from: &Vec<i32>| (to != from).then(|| to.clone());
        record.replicas = changed(&self.replicas, &self.partition.replicas);
        record.removing_replicas = changed(&self.removing, &self.partition.removing);
        record.adding_replicas = changed(&self.adding, &self.partition.adding);
    }

    fn directory_of(&self, id: i32) -> Uuid {
        self.directories
            .get(&id)
            .copied()
            .unwrap_or_else(|| super::placement::directory_for(self.image, id))
    }
}

fn clean(leader: i32) -> Elected {
    Elected {
        leader,
        unclean: false,
    }
}

fn unclean(leader: i32) -> Elected {
    Elected {
        leader,
        unclean: true,
    }
}

#[cfg(test)]
#[path = "partition_change_tests.rs"]
mod tests;
