//! JoinGroup to a consumer group: a member of the classic protocol says what it wants and has, and is told its epoch. What it
//! is assigned it fetches by SyncGroup.

use std::sync::Arc;

use ottla_base::ErrorCode;
use ottla_base::ids::uuid_to_string;

use super::{MigrationPolicy, downgrade};
use crate::classic::ClassicGroup;
use crate::command::{Command, JoinGroup, Joined, Protocol, Reply};
use crate::consumer::group::ConsumerGroup;
use crate::consumer::leave;
use crate::consumer::member::Member;
use crate::consumer::step::Step;
use crate::consumer::turn::Turn;
use crate::consumer_protocol::{self, PROTOCOL_TYPE, Subscription};
use crate::machine::{Now, Outcome, Token};
use crate::records::{ClassicMemberMetadata, ClassicProtocol};
use crate::shard::GroupShard;

impl GroupShard {
    pub(crate) fn join_consumer_group(
        &mut self,
        request: JoinGroup,
        token: Token,
        now: Now,
    ) -> Outcome<Self> {
        let id: Arc<str> = request.group_id.as_str().into();
        let is_empty = |group: &ConsumerGroup| group.members().len() == 0;
        if self.consumer.groups.get(&id).is_some_and(is_empty) {
            return self.make_classic(id, request, token, now);
        }
        let (step, joined) = match self.join_with_consumers(&id, &request, now) {
            Ok(joined) => joined,
            Err(error) => (Step::default(), Joined::error(&request.member_id, error)),
        };
        let reply = Some((token, Reply::Joined(joined)));
        self.take_step(id, Step { reply, ..step })
    }

    /// A consumer group without members gives way to a classic one, and that is what is joined then.
    fn make_classic(&mut self, id: Arc<str>, request: JoinGroup, token: Token, now: Now) -> Outcome<Self> {
        let Some(group) = self.consumer.groups.get(&id) else {
            return Outcome::default();
        };
        let classic = ClassicGroup::new(id.clone(), now.wall_ms);
        let error = match request.member_id.is_empty() {
            false => ErrorCode::UnknownMemberId,
            true if !classic.supports(&request.protocol_type, &request.protocols) => {
                ErrorCode::InconsistentGroupProtocol
            }
            true => ErrorCode::None,
        };
        if error != ErrorCode::None {
            return Outcome::reply(token, Reply::Joined(Joined::error(&request.member_id, error)));
        }
        let mut records = leave::group_tombstones(group, None);
        records.push(classic.creation_record());
        let step = Step {
            records,
            next: Some((Command::Join(request), token)),
            ..Step::default()
        };
        self.take_step(id, step)
    }

    fn join_with_consumers(
        &mut self,
        id: &Arc<str>,
        request: &JoinGroup,
        now: Now,
    ) -> Result<(Step, Joined), ErrorCode> {
        let config = self.consumer_config(id);
        let group = self.consumer.groups.get(id).ok_or(ErrorCode::UnknownMemberId)?;
        let member_id = member_id(request);
        self.admit_classic(group, request, &member_id, config.max_size)?;
        let needs_id = request.member_id.is_empty() && request.group_instance_id.is_none();
        if needs_id && request.requires_known_member_id {
            let joined = Joined::error(&member_id, ErrorCode::MemberIdRequired);
            return Ok((Step::default(), joined));
        }
        let (name, subscription) = subscription(&request.protocols)?;
        let mut turn = Turn {
            group,
            topics: &self.consumer.topics,
            config: &config,
            now_ms: now.wall_ms,
            records: Vec::new(),
        };
        let instance_id = request.group_instance_id.as_deref();
        let known = instance_id.and_then(|instance_id| group.static_member(instance_id));
        let before = classic_member(&mut turn, request, known, member_id)?;
        let mut subscribed = turn.subscribe(&before, updated(&before, request, &subscription))?;
        let owned = subscription.owned(turn.topics);
        let downgrades = known.filter(|known| self.replaces_last_consumer(group, known));
        let mut step = Step::default();
        if let Some(old) = downgrades {
            let has_stale_target = group.assignment_epoch < subscribed.epoch;
            if !has_stale_target {
                turn.assign_as_is(&mut subscribed, Some(&owned))?;
            }
            let new = &subscribed.member;
            step = downgrade::downgrade_with(group, old, new, has_stale_target, turn.topics, now)
                .map_err(|_| ErrorCode::UnknownServerError)?;
            // From here on the generation is the group's, and what the member's was does not matter any more.
            subscribed.member.epoch = group.epoch;
        } else {
            turn.assign(&mut subscribed, Some(&owned))?;
        }
        let mut records = turn.records;
        let member = subscribed.member;
        self.hash_checked(id, &records);
        self.consumer.timers.joined(id, &member.id);
        if step.becomes.is_none() {
            let timeout_ms = request.session_timeout_ms;
            self.consumer.timers.session(id, &member.id, timeout_ms, now);
            self.consumer.timers.sync(id, &member, now);
        }
        records.append(&mut step.records);
        Ok((Step { records, ..step }, joined(&member, name)))
    }

    fn admit_classic(
        &self,
        group: &ConsumerGroup,
        request: &JoinGroup,
        member_id: &str,
        max_size: usize,
    ) -> Result<(), ErrorCode> {
        if self.config.consumer_migration == MigrationPolicy::Disabled {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        if group.members().len() >= max_size && group.member(member_id).is_none() {
            return Err(ErrorCode::GroupMaxSizeReached);
        }
        match request.protocol_type == PROTOCOL_TYPE && group.supports_classic(&request.protocols) {
            true => Ok(()),
            false => Err(ErrorCode::InconsistentGroupProtocol),
        }
    }

    /// Whether a classic member in the place of this one makes the group a classic one.
    fn replaces_last_consumer(&self, group: &ConsumerGroup, old: &Member) -> bool {
        old.classic.is_none()
            && group.classic_members() + 1 == group.members().len()
            && group.members().len() <= self.config.max_size
            && self.config.consumer_migration.allows_downgrade()
    }
}

/// Members of consumer groups have ids of this form, whatever they speak.
fn member_id(request: &JoinGroup) -> Arc<str> {
    match request.member_id.is_empty() {
        true => uuid_to_string(request.fresh_id).into(),
        false => request.member_id.as_str().into(),
    }
}

/// All assignors are told the same but for their own data, so any will do. The first is the one that the member will be
/// told to use.
fn subscription(protocols: &[Protocol]) -> Result<(String, Subscription), ErrorCode> {
    let first = protocols.first().ok_or(ErrorCode::InconsistentGroupProtocol)?;
    let decoded = consumer_protocol::decode::<Subscription>(&first.metadata);
    let (_, subscription) = decoded.map_err(|_| ErrorCode::UnknownServerError)?;
    Ok((first.name.clone(), subscription))
}

/// The member as it was before this join. A static one that does not know its id takes the place of the one that it was.
fn classic_member(
    turn: &mut Turn<'_>,
    request: &JoinGroup,
    known: Option<&Member>,
    member_id: Arc<str>,
) -> Result<Member, ErrorCode> {
    let is_new = request.group_instance_id.is_none() || request.member_id.is_empty();
    match known {
        Some(known) if request.member_id.is_empty() => Ok(turn.replace(known, member_id)),
        Some(known) if known.id != member_id => Err(ErrorCode::FencedInstanceId),
        Some(known) => Ok(known.clone()),
        None if is_new => {
            let member = turn.group.member(&member_id).cloned();
            Ok(member.unwrap_or_else(|| Member::new(member_id)))
        }
        None => Err(ErrorCode::UnknownMemberId),
    }
}

fn updated(before: &Member, request: &JoinGroup, subscription: &Subscription) -> Member {
    let known = before.clone();
    Member {
        instance_id: request.group_instance_id.clone().or(known.instance_id),
        rack_id: subscription.rack_id().or(known.rack_id),
        client_id: request.client_id.clone(),
        client_host: request.client_host.clone(),
        topics: subscription.topics.iter().cloned().collect(),
        // Clients of this protocol resolve expressions themselves.
        regex: Some(String::new()),
        rebalance_timeout_ms: match request.rebalance_timeout_ms {
            -1 => known.rebalance_timeout_ms,
            timeout_ms => timeout_ms,
        },
        classic: Some(ClassicMemberMetadata {
            session_timeout_ms: request.session_timeout_ms,
            supported_protocols: request.protocols.iter().map(ClassicProtocol::from).collect(),
        }),
        ..known
    }
}

/// Nobody leads: the coordinator assigns.
fn joined(member: &Member, protocol: String) -> Joined {
    Joined {
        generation_id: member.epoch,
        protocol_type: Some(PROTOCOL_TYPE.to_owned()),
        protocol_name: Some(protocol),
        ..Joined::error(&member.id, ErrorCode::None)
    }
}

impl From<&Protocol> for ClassicProtocol {
    fn from(protocol: &Protocol) -> Self {
        Self {
            name: protocol.name.clone(),
            metadata: protocol.metadata.clone(),
        }
    }
}
