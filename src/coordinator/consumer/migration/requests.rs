//! SyncGroup, Heartbeat and LeaveGroup to a consumer group.

use std::sync::Arc;

use bytes::Bytes;
use ottla_base::ErrorCode;

use crate::command::{Heartbeat, LeaveGroup, LeavingMember, LeftMember, Reply, SyncGroup, Synced};
use crate::consumer::assignment;
use crate::consumer::group::ConsumerGroup;
use crate::consumer::member::{Member, MemberState};
use crate::consumer::step::Step;
use crate::consumer_protocol::{self, Assignment, PROTOCOL_TYPE};
use crate::machine::{Now, Outcome, Token};
use crate::records::ClassicMemberMetadata;
use crate::shard::GroupShard;

impl GroupShard {
    /// The member fetches what its last join assigned.
    pub(crate) fn sync_consumer_group(
        &mut self,
        request: SyncGroup,
        token: Token,
        now: Now,
    ) -> Outcome<Self> {
        let synced = self.synced(request, now).unwrap_or_else(Synced::error);
        Outcome::reply(token, Reply::Synced(synced))
    }

    fn synced(&mut self, request: SyncGroup, now: Now) -> Result<Synced, ErrorCode> {
        let id: Arc<str> = request.group_id.as_str().into();
        let group = self.consumer.groups.get(&id).ok_or(ErrorCode::UnknownMemberId)?;
        let instance_id = request.group_instance_id.as_deref();
        let (member, classic) =
            classic_member(group, &request.member_id, instance_id, request.generation_id)?;
        let first = classic.supported_protocols.first();
        let differs = |asked: &Option<String>, is: Option<&str>| asked.is_some() && asked.as_deref() != is;
        let name = first.map(|protocol| protocol.name.as_str());
        if differs(&request.protocol_type, Some(PROTOCOL_TYPE)) || differs(&request.protocol_name, name) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        // A member that has something to give up has joined for that, and will again.
        if group.assignment_epoch > member.epoch && member.state != MemberState::UnrevokedPartitions {
            self.consumer.timers.join(&id, member, now);
            return Err(ErrorCode::RebalanceInProgress);
        }
        let metadata = first.map_or_else(Bytes::new, |protocol| protocol.metadata.clone());
        let assigned = Assignment::of(
            &assignment::partitions(&[&member.assigned]),
            &self.consumer.topics,
        );
        let assignment = consumer_protocol::version(&metadata)
            .and_then(|version| assigned.to_bytes(version))
            .map_err(|_| ErrorCode::UnknownServerError)?;
        self.consumer.timers.synced(&id, &member.id);
        self.consumer
            .timers
            .session(&id, &member.id, classic.session_timeout_ms, now);
        Ok(Synced {
            protocol_type: request.protocol_type,
            protocol_name: request.protocol_name,
            assignment,
            ..Synced::error(ErrorCode::None)
        })
    }

    /// Tells the member to join again where there is something for it to do.
    pub(crate) fn heartbeat_consumer_group(
        &mut self,
        request: &Heartbeat,
        now: Now,
    ) -> Result<(), ErrorCode> {
        let id: Arc<str> = request.group_id.as_str().into();
        let group = self.consumer.groups.get(&id).ok_or(ErrorCode::UnknownMemberId)?;
        let instance_id = request.group_instance_id.as_deref();
        let (member, classic) =
            classic_member(group, &request.member_id, instance_id, request.generation_id)?;
        self.consumer
            .timers
            .session(&id, &member.id, classic.session_timeout_ms, now);
        let must_join = member.epoch < group.assignment_epoch
            || match member.state {
                MemberState::UnrevokedPartitions => true,
                MemberState::UnreleasedPartitions => !group.waits_for_others(member),
                MemberState::Stable | MemberState::Unknown => false,
            };
        if !must_join {
            return Ok(());
        }
        self.consumer.timers.join(&id, member, now);
        Err(ErrorCode::RebalanceInProgress)
    }

    pub(crate) fn leave_consumer_group(
        &mut self,
        request: LeaveGroup,
        token: Token,
        now: Now,
    ) -> Outcome<Self> {
        let id: Arc<str> = request.group_id.as_str().into();
        let Some(group) = self.consumer.groups.get(&id) else {
            return Outcome::default();
        };
        let mut leaving: Vec<&Member> = Vec::new();
        let mut left = Vec::with_capacity(request.members.len());
        for asked in request.members {
            let found = leaving_member(group, &asked);
            left.push(LeftMember {
                member_id: asked.member_id,
                group_instance_id: asked.group_instance_id,
                error: found.err().unwrap_or(ErrorCode::None),
            });
            leaving.extend(found);
        }
        leaving.sort_by(|a, b| a.id.cmp(&b.id));
        leaving.dedup_by(|a, b| a.id == b.id);
        let step = match leaving.is_empty() {
            true => Step::default(),
            false => self.without(group, &leaving, now),
        };
        let reply = Some((token, Reply::Left(left)));
        self.take_step(id, Step { reply, ..step })
    }
}

/// An administrator names a static member by its instance alone.
fn leaving_member<'a>(group: &'a ConsumerGroup, asked: &LeavingMember) -> Result<&'a Member, ErrorCode> {
    match asked.group_instance_id.as_deref() {
        Some(instance_id) if asked.member_id.is_empty() => {
            group.static_member(instance_id).ok_or(ErrorCode::UnknownMemberId)
        }
        instance_id => member(group, &asked.member_id, instance_id),
    }
}

/// A member of the classic protocol, in the epoch that it says.
fn classic_member<'a>(
    group: &'a ConsumerGroup,
    member_id: &str,
    instance_id: Option<&str>,
    generation: i32,
) -> Result<(&'a Member, &'a ClassicMemberMetadata), ErrorCode> {
    let member = member(group, member_id, instance_id)?;
    let classic = member.classic.as_ref().ok_or(ErrorCode::UnknownMemberId)?;
    match generation == member.epoch {
        true => Ok((member, classic)),
        false => Err(ErrorCode::IllegalGeneration),
    }
}

fn member<'a>(
    group: &'a ConsumerGroup,
    member_id: &str,
    instance_id: Option<&str>,
) -> Result<&'a Member, ErrorCode> {
    let member = match instance_id {
        None => group.member(member_id),
        Some(instance_id) => group.static_member(instance_id),
    };
    match member.ok_or(ErrorCode::UnknownMemberId)? {
        member if *member.id == *member_id => Ok(member),
        _ => Err(ErrorCode::FencedInstanceId),
    }
}
