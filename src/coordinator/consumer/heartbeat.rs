//! A heartbeat: the member says what it wants and has, and is told its epoch and what it is to have.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_base::ErrorCode;

use super::assignment::{self, Owned, Partitions};
use super::assignor::{Assignor, MemberSpec, Members};
use super::group::ConsumerGroup;
use super::member::{LEAVE_STATIC_EPOCH, Member, member_key};
use super::metadata_hash;
use super::reconcile::Reconciliation;
use super::regex::{ResolvedRegex, regex_key, resolve};
use super::topics::Topics;
use crate::command::{ConsumerHeartbeat, ConsumerHeartbeatAnswer};
use crate::config::ConsumerGroupConfig;
use crate::records::{Record, TargetAssignmentMemberValue};

/// Expressions are not looked at again for new topics more often than this; fixed in Kafka.
const REGEX_REFRESH_MIN_INTERVAL_MS: i64 = 10_000;

/// What a heartbeat leads to.
pub(super) struct Beat {
    pub records: Vec<Record>,
    pub answer: ConsumerHeartbeatAnswer,
    pub member: Member,
    /// Whether the member has a new assignment to act upon, so that its time for that begins or ends.
    pub reconciled: bool,
}

/// One heartbeat of a member that is in the group or joins it: nothing changes but by the records.
pub(super) struct Turn<'a> {
    pub group: &'a ConsumerGroup,
    pub topics: &'a Topics,
    pub config: &'a ConsumerGroupConfig,
    pub now_ms: i64,
    pub records: Vec<Record>,
}

/// What a change of the subscription means for the group.
#[derive(Clone, Copy, Default)]
struct SubscriptionChange {
    has_changed: bool,
    bumps_epoch: bool,
}

impl Turn<'_> {
    pub fn heartbeat(mut self, request: &ConsumerHeartbeat) -> Result<Beat, ErrorCode> {
        let group = self.group;
        let is_full = group.members().len() >= self.config.max_size;
        if is_full && group.member(&request.member_id).is_none() {
            return Err(ErrorCode::GroupMaxSizeReached);
        }
        let member = match &request.instance_id {
            None => self.dynamic_member(request)?,
            Some(instance_id) => self.static_member(request, instance_id)?,
        };
        let mut updated = member.clone();
        apply_request(&mut updated, request);
        if updated != member {
            self.records.push(updated.metadata_record(&group.id));
        }
        let mut regexes = RegexView::new(group);
        let mut change = self.update_subscription(&member, &updated, &mut regexes)?;
        // Epoch 0 is that of members who have not joined: no group is in it.
        change.bumps_epoch |= group.epoch == 0;
        let epoch = self.update_epoch(&updated, change.bumps_epoch, &regexes);
        let (target_epoch, target) = self.update_target(epoch, &updated, &regexes)?;
        let before = updated.clone();
        Reconciliation {
            group,
            target_epoch,
            target: &target,
            subscribed: &self.topics.ids(regexes.subscribed_names(&updated)),
            subscription_changed: change.has_changed,
            owned: request.owned.as_ref(),
        }
        .apply(&mut updated)
        .map_err(|_| ErrorCode::FencedMemberEpoch)?;
        let reconciled = updated != before;
        if reconciled {
            self.records.push(updated.current_assignment_record(&group.id));
        }
        let tells = request.member_epoch == 0 || request.is_full() || updated.assigned != member.assigned;
        let answer = ConsumerHeartbeatAnswer {
            error: ErrorCode::None,
            member_id: request.member_id.clone(),
            member_epoch: updated.epoch,
            heartbeat_interval_ms: self.config.heartbeat_interval_ms,
            assignment: tells.then(|| assignment::partitions(&[&updated.assigned])),
        };
        Ok(Beat {
            records: self.records,
            answer,
            member: updated,
            reconciled,
        })
    }

    fn dynamic_member(&self, request: &ConsumerHeartbeat) -> Result<Member, ErrorCode> {
        match self.group.member(&request.member_id) {
            Some(member) => {
                validate_epoch(member, request)?;
                Ok(member.clone())
            }
            None if request.member_epoch == 0 => Ok(Member::new(request.member_id.as_str().into())),
            None => Err(ErrorCode::UnknownMemberId),
        }
    }

    /// A static member that comes back takes the place of the one that went away, with all that it had.
    fn static_member(&mut self, request: &ConsumerHeartbeat, instance_id: &str) -> Result<Member, ErrorCode> {
        let existing = self.group.static_member(instance_id);
        if request.member_epoch != 0 {
            let member = existing.ok_or(ErrorCode::UnknownMemberId)?;
            if *member.id != *request.member_id {
                return Err(ErrorCode::FencedInstanceId);
            }
            validate_epoch(member, request)?;
            return Ok(member.clone());
        }
        let Some(existing) = existing else {
            let known = self.group.member(&request.member_id).cloned();
            return Ok(known.unwrap_or_else(|| Member::new(request.member_id.as_str().into())));
        };
        if existing.epoch != LEAVE_STATIC_EPOCH {
            return Err(ErrorCode::UnreleasedInstanceId);
        }
        let member = Member {
            id: request.member_id.as_str().into(),
            epoch: 0,
            previous_epoch: 0,
            ..existing.clone()
        };
        let id = &self.group.id;
        self.records
            .extend(super::leave::member_tombstones(id, &existing.id));
        self.records.push(member.metadata_record(id));
        let target = self.group.target(&existing.id);
        self.records.push(target_record(id, &member.id, &target));
        self.records.push(member.current_assignment_record(id));
        Ok(member)
    }

    /// Resolves expressions that are new, or that may match topics that are new.
    fn update_subscription(
        &mut self,
        old: &Member,
        new: &Member,
        regexes: &mut RegexView<'_>,
    ) -> Result<SubscriptionChange, ErrorCode> {
        let mut change = SubscriptionChange {
            has_changed: old.topics != new.topics || old.regex() != new.regex(),
            bumps_epoch: old.topics != new.topics || old.regex() != new.regex(),
        };
        if old.regex() != new.regex()
            && let Some(left) = old.regex()
            && self.group.count_regex(left) == 1
        {
            let key = regex_key(&self.group.id, left);
            self.records
                .push(Record::ConsumerGroupRegularExpression(key, None));
            regexes.remove(left);
        }
        let is_unresolved = new.regex().filter(|regex| regexes.get(regex).is_none());
        if let Some(regex) = is_unresolved {
            let resolved = resolve(regex, self.topics, self.now_ms)?;
            self.records.push(resolved.record(&self.group.id, regex));
            regexes.set(regex.to_owned(), resolved);
        }
        change.bumps_epoch |= self.refresh_regexes(regexes)?;
        Ok(change)
    }

    /// Returns whether any expression stands for other topics now.
    fn refresh_regexes(&mut self, regexes: &mut RegexView<'_>) -> Result<bool, ErrorCode> {
        let is_due = |resolved: &ResolvedRegex| {
            let age_ms = self.now_ms.saturating_sub(resolved.timestamp_ms);
            (resolved.version < self.topics.version() && age_ms >= REGEX_REFRESH_MIN_INTERVAL_MS)
                || age_ms > i64::from(self.config.regex_refresh_interval_ms)
        };
        let due: Vec<String> = regexes
            .iter()
            .filter(|(_, resolved)| is_due(resolved))
            .map(|(regex, _)| regex.to_owned())
            .collect();
        let mut has_changed = false;
        for regex in due {
            let resolved = resolve(&regex, self.topics, self.now_ms)?;
            has_changed |= regexes
                .get(&regex)
                .is_none_or(|old| old.topics != resolved.topics);
            self.records.push(resolved.record(&self.group.id, &regex));
            regexes.set(regex, resolved);
        }
        Ok(has_changed)
    }

    /// The group's epoch after this heartbeat.
    fn update_epoch(&mut self, updated: &Member, bumps: bool, regexes: &RegexView<'_>) -> i32 {
        let group = self.group;
        if !bumps && group.hash_checked_at == Some(self.topics.version()) {
            return group.epoch;
        }
        let others = group.members().filter(|member| !is_replaced_by(member, updated));
        let names: BTreeSet<&str> = others
            .chain([updated])
            .flat_map(|member| regexes.subscribed_names(member))
            .collect();
        let hash = metadata_hash::of_topics(names, self.topics);
        if !bumps && hash == group.metadata_hash {
            return group.epoch;
        }
        let epoch = group.epoch.saturating_add(1);
        self.records.push(group.epoch_record(epoch, hash));
        if group.has_partition_metadata {
            let key = group.key();
            self.records
                .push(Record::ConsumerGroupPartitionMetadata(key, None));
        }
        epoch
    }

    /// The target of the member and the epoch of it, computed anew if the group has moved on and it was not just done.
    fn update_target(
        &mut self,
        epoch: i32,
        updated: &Member,
        regexes: &RegexView<'_>,
    ) -> Result<(i32, Partitions), ErrorCode> {
        let group = self.group;
        let interval_ms = i64::from(self.config.assignment_interval_ms);
        let is_too_early = group.assigned_at_ms != 0 && self.now_ms < group.assigned_at_ms + interval_ms;
        if group.assignment_epoch >= epoch || is_too_early {
            return Ok((group.assignment_epoch, self.previous_target(updated)));
        }
        let assignor = match group.preferred_assignor(Some(updated)) {
            None => self.config.default_assignor,
            Some(name) => Assignor::by_name(name).ok_or(ErrorCode::UnknownServerError)?,
        };
        let spec = |member: &Member, target: Partitions| MemberSpec {
            instance_id: member.instance_id.clone(),
            subscribed: self.topics.ids(regexes.subscribed_names(member)),
            target,
        };
        let mut members: Members = group
            .members()
            .filter(|member| !is_replaced_by(member, updated))
            .map(|member| (member.id.clone(), spec(member, group.target(&member.id))))
            .collect();
        members.insert(updated.id.clone(), spec(updated, self.previous_target(updated)));
        let assignment = assignor.assign(&members, self.topics);
        for (id, target) in &assignment {
            if group.targets.get(id) != Some(target) {
                self.records.push(target_record(&group.id, id, target));
            }
        }
        self.records
            .push(group.target_metadata_record(epoch, self.now_ms));
        Ok((epoch, assignment.get(&updated.id).cloned().unwrap_or_default()))
    }

    /// Of the member whose place it takes, if it takes one.
    fn previous_target(&self, member: &Member) -> Partitions {
        let replaced = member
            .instance_id
            .as_deref()
            .and_then(|instance_id| self.group.static_member(instance_id));
        let id: &Arc<str> = replaced.map_or(&member.id, |replaced| &replaced.id);
        self.group.target(id)
    }
}

/// The expressions of a group, with what a heartbeat changes in them.
struct RegexView<'a> {
    group: &'a ConsumerGroup,
    changed: std::collections::BTreeMap<String, Option<ResolvedRegex>>,
}

impl<'a> RegexView<'a> {
    fn new(group: &'a ConsumerGroup) -> Self {
        Self {
            group,
            changed: std::collections::BTreeMap::new(),
        }
    }

    fn get(&self, regex: &str) -> Option<&ResolvedRegex> {
        match self.changed.get(regex) {
            Some(changed) => changed.as_ref(),
            None => self.group.regexes.get(regex),
        }
    }

    fn set(&mut self, regex: String, resolved: ResolvedRegex) {
        self.changed.insert(regex, Some(resolved));
    }

    fn remove(&mut self, regex: &str) {
        self.changed.insert(regex.to_owned(), None);
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &ResolvedRegex)> {
        let unchanged = self
            .group
            .regexes
            .iter()
            .filter(|(regex, _)| !self.changed.contains_key(*regex));
        let changed = self
            .changed
            .iter()
            .filter_map(|(regex, resolved)| Some((regex, resolved.as_ref()?)));
        unchanged
            .chain(changed)
            .map(|(regex, resolved)| (regex.as_str(), resolved))
    }

    fn subscribed_names<'b>(&'b self, member: &'b Member) -> impl Iterator<Item = &'b str> {
        let resolved = member.regex().and_then(|regex| self.get(regex));
        let by_regex = resolved.into_iter().flat_map(|resolved| &resolved.topics);
        member.topics.iter().chain(by_regex).map(String::as_str)
    }
}

/// The member itself as it was, or the one that had its instance id.
fn is_replaced_by(member: &Member, updated: &Member) -> bool {
    member.id == updated.id || (member.instance_id.is_some() && member.instance_id == updated.instance_id)
}

/// What the request leaves out stays as it is.
fn apply_request(member: &mut Member, request: &ConsumerHeartbeat) {
    let replace = |field: &mut Option<String>, value: &Option<String>| {
        if value.is_some() {
            field.clone_from(value);
        }
    };
    replace(&mut member.instance_id, &request.instance_id);
    replace(&mut member.rack_id, &request.rack_id);
    replace(&mut member.assignor, &request.server_assignor);
    replace(&mut member.regex, &request.topic_regex);
    if request.rebalance_timeout_ms != -1 {
        member.rebalance_timeout_ms = request.rebalance_timeout_ms;
    }
    if let Some(topics) = &request.topic_names {
        member.topics = topics.iter().cloned().collect();
    }
    member.client_id.clone_from(&request.client_id);
    member.client_host.clone_from(&request.client_host);
    member.classic = None;
}

/// The member may not have heard of its last step: then it is one behind, and has no more than it should.
fn validate_epoch(member: &Member, request: &ConsumerHeartbeat) -> Result<(), ErrorCode> {
    let received = request.member_epoch;
    let missed_answer = || {
        received == member.previous_epoch
            && request
                .owned
                .as_ref()
                .is_some_and(|owned| is_subset(owned, &member.assigned))
    };
    match received {
        0 => Ok(()),
        _ if received == member.epoch => Ok(()),
        _ if received < member.epoch && missed_answer() => Ok(()),
        _ => Err(ErrorCode::FencedMemberEpoch),
    }
}

fn is_subset(partitions: &Partitions, owned: &Owned) -> bool {
    partitions.iter().all(|(topic, partitions)| {
        partitions
            .iter()
            .all(|partition| assignment::contains(owned, *topic, *partition))
    })
}

fn target_record(group: &str, member: &str, target: &Partitions) -> Record {
    let value = TargetAssignmentMemberValue {
        topic_partitions: assignment::to_record(target),
    };
    Record::ConsumerGroupTargetAssignmentMember(member_key(group, member), Some(value))
}
