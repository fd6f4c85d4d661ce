//! Committed records of consumer groups: all that is known of a group comes from them, live and when a partition is loaded.

use std::sync::Arc;

use super::assignment;
use super::group::ConsumerGroup;
use super::regex::ResolvedRegex;
use super::shard::ConsumerGroups;
use crate::records::{ConsumerGroupCurrentMemberAssignmentValue, Record};

impl ConsumerGroups {
    /// Whether the record was one of a consumer group.
    pub fn replay(&mut self, record: Record) -> Result<(), Box<Record>> {
        match record {
            Record::ConsumerGroupMetadata(key, Some(value)) => {
                let group = self.group_mut(&key.group);
                group.epoch = value.epoch;
                group.metadata_hash = value.metadata_hash;
            }
            Record::ConsumerGroupMetadata(key, None) => {
                self.groups.remove(key.group.as_str());
            }
            Record::ConsumerGroupPartitionMetadata(key, value) => {
                self.change(&key.group, value.is_some(), |group| {
                    group.has_partition_metadata = value.is_some();
                });
            }
            Record::ConsumerGroupMemberMetadata(key, Some(value)) => {
                let group = self.group_mut(&key.group);
                group.update(&key.member, |member| member.replay_metadata(value));
            }
            Record::ConsumerGroupMemberMetadata(key, None) => {
                self.change(&key.group, false, |group| group.remove(&key.member));
                self.timers.cancel_all(&key.group, &key.member);
            }
            Record::ConsumerGroupTargetAssignmentMetadata(key, value) => {
                self.change(&key.group, value.is_some(), |group| {
                    let (epoch, at_ms) = value
                        .as_ref()
                        .map_or((-1, 0), |v| (v.assignment_epoch, v.assignment_timestamp));
                    group.assignment_epoch = epoch;
                    group.assigned_at_ms = at_ms;
                });
            }
            Record::ConsumerGroupTargetAssignmentMember(key, Some(value)) => {
                let target = assignment::from_record(value.topic_partitions);
                let group = self.group_mut(&key.group);
                group.targets.insert(key.member.as_str().into(), target);
            }
            Record::ConsumerGroupTargetAssignmentMember(key, None) => {
                self.change(&key.group, false, |group| {
                    group.targets.remove(key.member.as_str());
                });
            }
            Record::ConsumerGroupCurrentMemberAssignment(key, value) => {
                self.replay_current_assignment(&key.group, &key.member, value);
            }
            Record::ConsumerGroupRegularExpression(key, value) => {
                self.change(&key.group, value.is_some(), |group| {
                    let regex = key.regular_expression.clone();
                    match value.map(ResolvedRegex::from_record) {
                        Some(resolved) => group.regexes.insert(regex, resolved),
                        None => group.regexes.remove(&regex),
                    };
                });
            }
            other => return Err(Box::new(other)),
        }
        Ok(())
    }

    /// The tombstone of a member that is not there does not make one.
    fn replay_current_assignment(
        &mut self,
        group: &str,
        member: &str,
        value: Option<ConsumerGroupCurrentMemberAssignmentValue>,
    ) {
        let is_tombstone = value.is_none();
        self.change(group, !is_tombstone, |group| {
            if !is_tombstone || group.member(member).is_some() {
                group.update(member, |member| member.replay_current_assignment(value));
            }
        });
    }

    fn change(&mut self, group: &str, may_create: bool, change: impl FnOnce(&mut ConsumerGroup)) {
        if may_create {
            change(self.group_mut(group));
        } else if let Some(group) = self.groups.get_mut(group) {
            change(group);
        }
    }

    fn group_mut(&mut self, id: &str) -> &mut ConsumerGroup {
        let id: Arc<str> = id.into();
        self.groups
            .entry(id.clone())
            .or_insert_with(|| ConsumerGroup::new(id))
    }
}
