//! One step of a group on behalf of one member: what the member is to be from now on decides the group's epoch, that decides
//! the target assignment, and towards that the member goes. Nothing changes but by the records that this leads to.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_base::ErrorCode;

use super::assignment::{self, Partitions};
use super::assignor::{Assignor, MemberSpec, Members};
use super::group::ConsumerGroup;
use super::leave;
use super::member::{Member, member_key};
use super::metadata_hash;
use super::reconcile::Reconciliation;
use super::regex::{RegexView, ResolvedRegex, regex_key, resolve};
use super::topics::Topics;
use crate::config::ConsumerGroupConfig;
use crate::records::{Record, TargetAssignmentMemberValue};

/// Expressions are not looked at again for new topics more often than this; fixed in Kafka.
const REGEX_REFRESH_MIN_INTERVAL_MS: i64 = 10_000;

pub(super) struct Turn<'a> {
    pub group: &'a ConsumerGroup,
    pub topics: &'a Topics,
    pub config: &'a ConsumerGroupConfig,
    pub now_ms: i64,
    pub records: Vec<Record>,
}

/// A member whose subscription is settled: what is left is to assign.
pub(super) struct Subscribed<'a> {
    pub member: Member,
    /// The group's from now on.
    pub epoch: i32,
    has_changed: bool,
    regexes: RegexView<'a>,
}

impl<'a> Turn<'a> {
    /// Takes over what a member says of itself; `before` is the member as it is known.
    pub fn subscribe(&mut self, before: &Member, member: Member) -> Result<Subscribed<'a>, ErrorCode> {
        if member != *before {
            self.records.push(member.metadata_record(&self.group.id));
        }
        let mut regexes = RegexView::new(self.group);
        let has_changed = before.topics != member.topics || before.regex() != member.regex();
        self.update_regexes(before, &member, &mut regexes)?;
        let has_new_topics = self.refresh_regexes(&mut regexes)?;
        let epoch = self.update_epoch(&member, has_changed || has_new_topics, &regexes);
        Ok(Subscribed {
            member,
            epoch,
            has_changed,
            regexes,
        })
    }

    /// Brings the member one step closer to its target, which is computed anew if it has to be. `owned` is what the member
    /// says that it has, if it says so.
    pub fn assign(
        &mut self,
        subscribed: &mut Subscribed<'_>,
        owned: Option<&Partitions>,
    ) -> Result<(), ErrorCode> {
        let (target_epoch, target) = self.update_target(subscribed)?;
        self.reconcile(subscribed, target_epoch, &target, owned)
    }

    /// Brings the member one step closer to the target that there is.
    pub fn assign_as_is(
        &mut self,
        subscribed: &mut Subscribed<'_>,
        owned: Option<&Partitions>,
    ) -> Result<(), ErrorCode> {
        let target = self.previous_target(&subscribed.member);
        self.reconcile(subscribed, self.group.assignment_epoch, &target, owned)
    }

    /// A static member that comes back takes the place of the one that it was, with all that it had.
    pub fn replace(&mut self, old: &Member, new_id: Arc<str>) -> Member {
        let member = Member {
            id: new_id,
            epoch: 0,
            previous_epoch: 0,
            ..old.clone()
        };
        let id = &self.group.id;
        self.records.extend(leave::member_tombstones(id, &old.id));
        self.records.push(member.metadata_record(id));
        let target = self.group.target(&old.id);
        self.records.push(target_record(id, &member.id, &target));
        self.records.push(member.current_assignment_record(id));
        member
    }

    fn reconcile(
        &mut self,
        subscribed: &mut Subscribed<'_>,
        target_epoch: i32,
        target: &Partitions,
        owned: Option<&Partitions>,
    ) -> Result<(), ErrorCode> {
        let before = subscribed.member.clone();
        Reconciliation {
            group: self.group,
            target_epoch,
            target,
            subscribed: &self.topics.ids(subscribed.regexes.subscribed_names(&before)),
            subscription_changed: subscribed.has_changed,
            owned,
        }
        .apply(&mut subscribed.member)
        .map_err(|_| ErrorCode::FencedMemberEpoch)?;
        if subscribed.member != before {
            let record = subscribed.member.current_assignment_record(&self.group.id);
            self.records.push(record);
        }
        Ok(())
    }

    /// Forgets the expression that nobody subscribes to any more, and resolves the one that is new.
    fn update_regexes(
        &mut self,
        old: &Member,
        new: &Member,
        regexes: &mut RegexView<'_>,
    ) -> Result<(), ErrorCode> {
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
        Ok(())
    }

    /// Returns whether any expression stands for other topics now.
    fn refresh_regexes(&mut self, regexes: &mut RegexView<'_>) -> Result<bool, ErrorCode> {
        let due: Vec<String> = regexes
            .iter()
            .filter(|(_, resolved)| self.is_due(resolved))
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

    /// Whether the expression may stand for other topics by now, and was not looked at just before.
    pub fn is_due(&self, resolved: &ResolvedRegex) -> bool {
        let age_ms = self.now_ms.saturating_sub(resolved.timestamp_ms);
        (resolved.version < self.topics.version() && age_ms >= REGEX_REFRESH_MIN_INTERVAL_MS)
            || age_ms > i64::from(self.config.regex_refresh_interval_ms)
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
    fn update_target(&mut self, subscribed: &Subscribed<'_>) -> Result<(i32, Partitions), ErrorCode> {
        let Subscribed {
            member: updated,
            epoch,
            regexes,
            ..
        } = subscribed;
        let (group, epoch) = (self.group, *epoch);
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

/// The member itself as it was, or the one that had its instance id.
fn is_replaced_by(member: &Member, updated: &Member) -> bool {
    member.id == updated.id || (member.instance_id.is_some() && member.instance_id == updated.instance_id)
}

pub(super) fn target_record(group: &str, member: &str, target: &Partitions) -> Record {
    let value = TargetAssignmentMemberValue {
        topic_partitions: assignment::to_record(target),
    };
    Record::ConsumerGroupTargetAssignmentMember(member_key(group, member), Some(value))
}
