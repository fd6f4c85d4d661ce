//! A group: its members, its epochs, and who owns which partition. All of it comes from records.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ottla_base::Uuid;

use super::assignment::{self, Owned, Partitions};
use super::member::Member;
use super::regex::ResolvedRegex;
use crate::command::Protocol;
use crate::records::{ConsumerGroupMetadataValue, GroupKey, Record, TargetAssignmentMetadataValue};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    Empty,
    /// The target assignment is older than the group.
    Assigning,
    /// Not all members have come to their target assignment.
    Reconciling,
    Stable,
}

impl GroupState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
        }
    }
}

#[derive(Debug)]
pub struct ConsumerGroup {
    pub id: Arc<str>,
    pub epoch: i32,
    pub metadata_hash: i64,
    pub assignment_epoch: i32,
    /// When the target assignment was computed; 0 if never, or by a release that did not write it down.
    pub assigned_at_ms: i64,
    /// Whether the log has a record of a kind that is only deleted any more.
    pub has_partition_metadata: bool,
    /// The version of the topics at which the hash was found to hold; kept in memory only.
    pub hash_checked_at: Option<i64>,
    pub targets: HashMap<Arc<str>, Partitions>,
    pub regexes: BTreeMap<String, ResolvedRegex>,
    members: BTreeMap<Arc<str>, Member>,
    /// Ids of members by instance id.
    static_members: HashMap<String, Arc<str>>,
    /// The epoch of whoever owns a partition: as long as it is there, nobody else may be given the partition.
    partition_epochs: HashMap<(Uuid, i32), i32>,
    /// How many members speak the classic protocol.
    classic_members: usize,
    /// How many of those know each assignor.
    classic_protocols: HashMap<String, usize>,
}

impl ConsumerGroup {
    /// A group begins in epoch 1, since 0 is that of members who have not joined: the first subscription makes it 2, and
    /// until then no record says so.
    pub fn new(id: Arc<str>) -> Self {
        Self {
            id,
            epoch: 1,
            metadata_hash: 0,
            assignment_epoch: 0,
            assigned_at_ms: 0,
            has_partition_metadata: false,
            hash_checked_at: None,
            targets: HashMap::new(),
            regexes: BTreeMap::new(),
            members: BTreeMap::new(),
            static_members: HashMap::new(),
            partition_epochs: HashMap::new(),
            classic_members: 0,
            classic_protocols: HashMap::new(),
        }
    }

    pub fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.values()
    }

    pub fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    pub fn static_member(&self, instance_id: &str) -> Option<&Member> {
        self.member(self.static_members.get(instance_id)?)
    }

    pub fn state(&self) -> GroupState {
        if self.members.is_empty() {
            GroupState::Empty
        } else if self.epoch > self.assignment_epoch {
            GroupState::Assigning
        } else if self.all_reconciled() {
            GroupState::Stable
        } else {
            GroupState::Reconciling
        }
    }

    fn all_reconciled(&self) -> bool {
        self.members()
            .all(|member| member.is_reconciled_to(self.assignment_epoch))
    }

    pub fn target(&self, member: &str) -> Partitions {
        self.targets.get(member).cloned().unwrap_or_default()
    }

    pub fn is_owned(&self, topic: Uuid, partition: i32) -> bool {
        self.partition_epochs.contains_key(&(topic, partition))
    }

    pub fn classic_members(&self) -> usize {
        self.classic_members
    }

    /// Whether one of these is known to all members of the classic protocol.
    pub fn supports_classic(&self, protocols: &[Protocol]) -> bool {
        let count = |protocol: &Protocol| self.classic_protocols.get(&protocol.name);
        protocols
            .iter()
            .any(|protocol| count(protocol).copied().unwrap_or_default() == self.classic_members)
    }

    /// Whether others still have something that the member is to have.
    pub fn waits_for_others(&self, member: &Member) -> bool {
        let target = self.targets.get(&member.id).into_iter().flatten();
        let mut missing = target
            .flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)))
            .filter(|(topic, partition)| !assignment::contains(&member.assigned, *topic, *partition));
        missing.any(|(topic, partition)| self.is_owned(topic, partition))
    }

    /// What all members subscribe to; a topic may come more than once.
    pub fn subscribed(&self) -> impl Iterator<Item = &str> {
        self.members().flat_map(|member| self.subscribed_names(member))
    }

    pub fn owned_count(&self) -> usize {
        self.partition_epochs.len()
    }

    /// By name, and by regular expression as far as that is resolved.
    pub fn subscribed_names<'a>(&'a self, member: &'a Member) -> impl Iterator<Item = &'a str> {
        let resolved = member.regex().and_then(|regex| self.regexes.get(regex));
        let by_regex = resolved.into_iter().flat_map(|resolved| &resolved.topics);
        member.topics.iter().chain(by_regex).map(String::as_str)
    }

    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        self.members()
            .any(|member| self.subscribed_names(member).any(|name| name == topic))
    }

    pub fn count_regex(&self, regex: &str) -> usize {
        self.members()
            .filter(|member| member.regex() == Some(regex))
            .count()
    }

    /// The assignor that most members prefer, with `changed` in the place of what is known of it.
    pub fn preferred_assignor<'a>(&'a self, changed: Option<&'a Member>) -> Option<&'a str> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        let others = self
            .members()
            .filter(|member| changed.is_none_or(|changed| changed.id != member.id));
        for assignor in others.chain(changed).filter_map(|m| m.assignor.as_deref()) {
            *votes.entry(assignor).or_default() += 1;
        }
        let most = votes.values().max().copied()?;
        votes
            .into_iter()
            .find(|(_, count)| *count == most)
            .map(|(name, _)| name)
    }

    pub fn key(&self) -> GroupKey {
        GroupKey {
            group: self.id.to_string(),
        }
    }

    pub fn epoch_record(&self, epoch: i32, metadata_hash: i64) -> Record {
        let value = ConsumerGroupMetadataValue { epoch, metadata_hash };
        Record::ConsumerGroupMetadata(self.key(), Some(value))
    }

    pub fn target_metadata_record(&self, assignment_epoch: i32, assignment_timestamp: i64) -> Record {
        let value = TargetAssignmentMetadataValue {
            assignment_epoch,
            assignment_timestamp,
        };
        Record::ConsumerGroupTargetAssignmentMetadata(self.key(), Some(value))
    }

    /// Changes a member, or adds it, and keeps what is derived from members in step.
    pub fn update(&mut self, id: &str, change: impl FnOnce(&mut Member)) {
        let id: Arc<str> = id.into();
        let mut member = match self.members.remove(&id) {
            Some(member) => {
                self.forget(&member);
                member
            }
            None => Member::new(id.clone()),
        };
        change(&mut member);
        self.insert(member);
    }

    /// Adds a member that is not there.
    pub fn insert(&mut self, member: Member) {
        let id = member.id.clone();
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), id.clone());
        }
        self.claim(&member.assigned, member.epoch);
        self.claim(&member.pending_revocation, member.epoch);
        self.count_classic(&member, true);
        self.members.insert(id, member);
    }

    pub fn remove(&mut self, id: &str) {
        if let Some(member) = self.members.remove(id) {
            self.forget(&member);
        }
    }

    /// The instance id may be another member's already.
    fn forget(&mut self, member: &Member) {
        if let Some(instance_id) = &member.instance_id
            && self.static_members.get(instance_id) == Some(&member.id)
        {
            self.static_members.remove(instance_id);
        }
        self.release(&member.assigned, member.epoch);
        self.release(&member.pending_revocation, member.epoch);
        self.count_classic(member, false);
    }

    fn count_classic(&mut self, member: &Member, is_added: bool) {
        let Some(classic) = &member.classic else { return };
        let step = |count: usize| match is_added {
            true => count + 1,
            false => count.saturating_sub(1),
        };
        self.classic_members = step(self.classic_members);
        for protocol in &classic.supported_protocols {
            let count = self.classic_protocols.get(&protocol.name).copied();
            match step(count.unwrap_or_default()) {
                0 => self.classic_protocols.remove(&protocol.name),
                count => self.classic_protocols.insert(protocol.name.clone(), count),
            };
        }
    }

    fn claim(&mut self, owned: &Owned, epoch: i32) {
        for (topic, partition, _) in assignment::iter(owned) {
            let owner = self.partition_epochs.entry((topic, partition)).or_insert(epoch);
            *owner = epoch.max(*owner);
        }
    }

    /// In a compacted log the next owner may come before the last one lets go: then the partition is the next one's.
    fn release(&mut self, owned: &Owned, epoch: i32) {
        for (topic, partition, _) in assignment::iter(owned) {
            if self.partition_epochs.get(&(topic, partition)) == Some(&epoch) {
                self.partition_epochs.remove(&(topic, partition));
            }
        }
    }
}
