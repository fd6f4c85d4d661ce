//! How members go: by their own word, or because they were not heard of for too long. And the records of it, in the order in
//! which they can be replayed.

use std::collections::BTreeSet;

use ottla_base::ErrorCode;

use super::assignment;
use super::group::ConsumerGroup;
use super::member::{LEAVE_STATIC_EPOCH, Member, member_key};
use super::metadata_hash;
use super::regex::regex_key;
use super::topics::Topics;
use crate::command::{ConsumerHeartbeat, ConsumerHeartbeatAnswer};
use crate::records::Record;

pub(super) fn leave(
    group: &ConsumerGroup,
    request: &ConsumerHeartbeat,
    topics: &Topics,
) -> Result<Vec<Record>, ErrorCode> {
    let Some(instance_id) = &request.instance_id else {
        let member = group
            .member(&request.member_id)
            .ok_or(ErrorCode::UnknownMemberId)?;
        return Ok(remove(group, member, topics));
    };
    let member = group
        .static_member(instance_id)
        .ok_or(ErrorCode::UnknownMemberId)?;
    if *member.id != *request.member_id {
        return Err(ErrorCode::FencedInstanceId);
    }
    if request.member_epoch != LEAVE_STATIC_EPOCH {
        return Ok(remove(group, member, topics));
    }
    let away = Member {
        epoch: LEAVE_STATIC_EPOCH,
        pending_revocation: assignment::Owned::new(),
        assigned: assignment::with_epoch(&member.assigned, 0),
        ..member.clone()
    };
    Ok(vec![away.current_assignment_record(&group.id)])
}

pub(super) fn answer(request: &ConsumerHeartbeat) -> ConsumerHeartbeatAnswer {
    ConsumerHeartbeatAnswer {
        member_epoch: request.member_epoch,
        ..ConsumerHeartbeatAnswer::error(&request.member_id, ErrorCode::None)
    }
}

/// Removes a member. The group moves on to another epoch, so that what it had goes to the others.
pub(super) fn remove(group: &ConsumerGroup, member: &Member, topics: &Topics) -> Vec<Record> {
    let mut records = member_tombstones(&group.id, &member.id);
    let last_regex = member.regex().filter(|regex| group.count_regex(regex) == 1);
    if let Some(regex) = last_regex {
        let key = regex_key(&group.id, regex);
        records.push(Record::ConsumerGroupRegularExpression(key, None));
    }
    let others = group.members().filter(|other| other.id != member.id);
    let names: BTreeSet<&str> = others.flat_map(|other| group.subscribed_names(other)).collect();
    let hash = metadata_hash::of_topics(names, topics);
    records.push(group.epoch_record(group.epoch.saturating_add(1), hash));
    records
}

/// A member cannot be removed before its assignments are.
pub(super) fn member_tombstones(group: &str, member: &str) -> Vec<Record> {
    vec![
        Record::ConsumerGroupCurrentMemberAssignment(member_key(group, member), None),
        Record::ConsumerGroupTargetAssignmentMember(member_key(group, member), None),
        Record::ConsumerGroupMemberMetadata(member_key(group, member), None),
    ]
}

/// A group cannot be removed before its members and its target assignment are.
pub(super) fn group_tombstones(group: &ConsumerGroup) -> Vec<Record> {
    let current = group
        .members()
        .map(|m| Record::ConsumerGroupCurrentMemberAssignment(member_key(&group.id, &m.id), None));
    let target = group
        .members()
        .map(|m| Record::ConsumerGroupTargetAssignmentMember(member_key(&group.id, &m.id), None));
    let metadata = group
        .members()
        .map(|m| Record::ConsumerGroupMemberMetadata(member_key(&group.id, &m.id), None));
    let regexes = group
        .regexes
        .keys()
        .map(|regex| Record::ConsumerGroupRegularExpression(regex_key(&group.id, regex), None));
    let last = [
        Record::ConsumerGroupPartitionMetadata(group.key(), None),
        Record::ConsumerGroupMetadata(group.key(), None),
    ];
    current
        .chain(target)
        .chain([Record::ConsumerGroupTargetAssignmentMetadata(group.key(), None)])
        .chain(metadata)
        .chain(regexes)
        .chain(last)
        .collect()
}
