//! A heartbeat: the member says what it wants and has, and is told its epoch and what it is to have.

use ottla_base::ErrorCode;

use super::assignment::{self, Owned, Partitions};
use super::member::{LEAVE_STATIC_EPOCH, Member};
use super::turn::Turn;
use crate::command::{ConsumerHeartbeat, ConsumerHeartbeatAnswer};
use crate::records::Record;

/// What a heartbeat leads to.
pub(super) struct Beat {
    pub records: Vec<Record>,
    pub answer: ConsumerHeartbeatAnswer,
    pub member: Member,
    /// Whether the member has a new assignment to act upon, so that its time for that begins or ends.
    pub reconciled: bool,
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
        let mut subscribed = self.subscribe(&member, updated)?;
        let before = subscribed.member.clone();
        self.assign(&mut subscribed, request.owned.as_ref())?;
        let updated = subscribed.member;
        let tells = request.member_epoch == 0 || request.is_full() || updated.assigned != member.assigned;
        let assignment = tells.then(|| assignment::partitions(&[&updated.assigned]));
        let answer = self.answer(&updated, assignment);
        Ok(Beat {
            records: self.records,
            answer,
            reconciled: updated != before,
            member: updated,
        })
    }

    /// The answer to a heartbeat by which nothing changes, as most are: it costs the same whatever the size of the group.
    pub fn quiet(&self, request: &ConsumerHeartbeat) -> Option<(&Member, ConsumerHeartbeatAnswer)> {
        let group = self.group;
        let member = group.member(&request.member_id)?;
        let group_is_quiet = group.assignment_epoch >= group.epoch
            && group.hash_checked_at == Some(self.topics.version())
            && !group.regexes.values().any(|resolved| self.is_due(resolved));
        let member_is_quiet = member.classic.is_none()
            && member.epoch > 0
            && member.epoch == request.member_epoch
            && member.is_reconciled_to(group.assignment_epoch);
        let is_quiet = group_is_quiet && member_is_quiet && says_nothing_new(member, request);
        is_quiet.then(|| (member, self.answer(member, None)))
    }

    fn answer(&self, member: &Member, assignment: Option<Partitions>) -> ConsumerHeartbeatAnswer {
        ConsumerHeartbeatAnswer {
            error: ErrorCode::None,
            member_id: member.id.to_string(),
            member_epoch: member.epoch,
            heartbeat_interval_ms: self.config.heartbeat_interval_ms,
            assignment,
        }
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
        // Nobody can say of the other protocol's member whether it still runs: the one that asks is believed.
        if existing.epoch != LEAVE_STATIC_EPOCH && existing.classic.is_none() {
            return Err(ErrorCode::UnreleasedInstanceId);
        }
        Ok(self.replace(existing, request.member_id.as_str().into()))
    }
}

fn says_nothing_new(member: &Member, request: &ConsumerHeartbeat) -> bool {
    let is_known = |said: &Option<String>, known: &Option<String>| said.is_none() || said == known;
    request.rebalance_timeout_ms == -1
        && request.topic_names.is_none()
        && request.topic_regex.is_none()
        && request.server_assignor.is_none()
        && request.instance_id == member.instance_id
        && is_known(&request.rack_id, &member.rack_id)
        && request.client_id == member.client_id
        && request.client_host == member.client_host
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
