//! How members go: by their own word, or because they were not heard of for too long. And the records of it, in the order in
//! which they can be replayed.

use std::collections::{BTreeMap, BTreeSet};

use ottla_base::ErrorCode;

use super::assignment;
use super::group::ConsumerGroup;
use super::member::{LEAVE_STATIC_EPOCH, Member, member_key};
use super::metadata_hash;
use super::regex::regex_key;
use super::topics::Topics;
use crate::command::{ConsumerHeartbeat, ConsumerHeartbeatAnswer};
use crate::records::{MemberKey, Record};

pub(super) enum Leaving<'a> {
    ForGood(&'a Member),
    /// A static member that means to come back.
    ForAWhile(&'a Member),
}

pub(super) fn leaving<'a>(
    group: &'a ConsumerGroup,
    request: &ConsumerHeartbeat,
) -> Result<Leaving<'a>, ErrorCode> {
    let Some(instance_id) = &request.instance_id else {
        let member = group.member(&request.member_id);
        return member.map(Leaving::ForGood).ok_or(ErrorCode::UnknownMemberId);
    };
    let member = group
        .static_member(instance_id)
        .ok_or(ErrorCode::UnknownMemberId)?;
    if *member.id != *request.member_id {
        return Err(ErrorCode::FencedInstanceId);
    }
    match request.member_epoch {
        LEAVE_STATIC_EPOCH => Ok(Leaving::ForAWhile(member)),
        _ => Ok(Leaving::ForGood(member)),
    }
}

/// What a static member keeps while it is away is as if it had had it from the beginning.
pub(super) fn away(member: &Member) -> Member {
    Member {
        epoch: LEAVE_STATIC_EPOCH,
        pending_revocation: assignment::Owned::new(),
        assigned: assignment::with_epoch(&member.assigned, 0),
        ..member.clone()
    }
}

pub(super) fn answer(request: &ConsumerHeartbeat) -> ConsumerHeartbeatAnswer {
    ConsumerHeartbeatAnswer {
        member_epoch: request.member_epoch,
        ..ConsumerHeartbeatAnswer::error(&request.member_id, ErrorCode::None)
    }
}

/// Removes members. The group moves on to another epoch, so that what they had goes to the others.
pub(super) fn remove(group: &ConsumerGroup, leaving: &[&Member], topics: &Topics) -> Vec<Record> {
    let mut records: Vec<Record> = leaving
        .iter()
        .flat_map(|member| member_tombstones(&group.id, &member.id))
        .collect();
    let mut regexes: BTreeMap<&str, usize> = BTreeMap::new();
    for regex in leaving.iter().filter_map(|member| member.regex()) {
        *regexes.entry(regex).or_default() += 1;
    }
    for (regex, count) in regexes {
        if group.count_regex(regex) == count {
            let key = regex_key(&group.id, regex);
            records.push(Record::ConsumerGroupRegularExpression(key, None));
        }
    }
    let is_leaving = |member: &&Member| leaving.iter().any(|leaving| leaving.id == member.id);
    let staying = group.members().filter(|member| !is_leaving(member));
    let names: BTreeSet<&str> = staying
        .flat_map(|member| group.subscribed_names(member))
        .collect();
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

/// A group cannot be removed before its members and its target assignment are. `replaced` is a member, and the one that takes
/// its place in the same batch.
pub(crate) fn group_tombstones(group: &ConsumerGroup, replaced: Option<(&str, &str)>) -> Vec<Record> {
    let current_id = |member: &Member| match replaced {
        Some((old, new)) if old == &*member.id => new.to_owned(),
        _ => member.id.to_string(),
    };
    let ids: Vec<String> = group.members().map(current_id).collect();
    let of_members = |tombstone: fn(MemberKey) -> Record| {
        let key = |id: &String| tombstone(member_key(&group.id, id));
        ids.iter().map(key).collect::<Vec<_>>()
    };
    let regexes = group
        .regexes
        .keys()
        .map(|regex| Record::ConsumerGroupRegularExpression(regex_key(&group.id, regex), None));
    let mut records = of_members(|key| Record::ConsumerGroupCurrentMemberAssignment(key, None));
    records.extend(of_members(|key| {
        Record::ConsumerGroupTargetAssignmentMember(key, None)
    }));
    records.push(Record::ConsumerGroupTargetAssignmentMetadata(group.key(), None));
    records.extend(of_members(|key| Record::ConsumerGroupMemberMetadata(key, None)));
    records.extend(regexes);
    records.push(Record::ConsumerGroupPartitionMetadata(group.key(), None));
    records.push(Record::ConsumerGroupMetadata(group.key(), None));
    records
}
