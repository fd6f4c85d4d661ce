//! A consumer group becomes a classic group, because nobody who speaks the consumer protocol is left in it.

use std::sync::Arc;

use bytes::Bytes;
use ottla_base::schema::SchemaError;

use crate::classic::{ClassicGroup, ClassicMember};
use crate::command::Protocol;
use crate::consumer::assignment;
use crate::consumer::group::ConsumerGroup;
use crate::consumer::leave;
use crate::consumer::member::Member;
use crate::consumer::step::Step;
use crate::consumer::topics::Topics;
use crate::consumer_protocol::{self, Assignment};
use crate::machine::{Now, Outcome};
use crate::shard::GroupShard;

/// A classic group whose record is on its way.
#[derive(Debug)]
pub(crate) struct Downgraded {
    group: ClassicGroup,
    /// Why its members have to join again, if they have to.
    rebalance: Option<&'static str>,
}

/// Whether those who stay are all of the classic protocol, and not more than a classic group may have.
pub(in crate::consumer) fn only_classic_without(
    group: &ConsumerGroup,
    leaving: &[&Member],
    max_size: usize,
) -> bool {
    let classic = leaving.iter().filter(|member| member.classic.is_some()).count();
    let staying = group.members().len().saturating_sub(leaving.len());
    let staying_classic = group.classic_members().saturating_sub(classic);
    staying > 0 && staying_classic == staying && staying <= max_size
}

/// The step by which the group goes on as a classic one, without some members. None if what the others said when they joined
/// cannot be read.
pub(in crate::consumer) fn downgrade(
    group: &ConsumerGroup,
    leaving: &[&Member],
    topics: &Topics,
    now: Now,
) -> Option<Step> {
    let is_leaving = |member: &&Member| leaving.iter().any(|leaving| leaving.id == member.id);
    let staying: Vec<&Member> = group.members().filter(|member| !is_leaving(member)).collect();
    let rebalance = Some("the last member of the consumer protocol has left");
    step(group, &staying, None, rebalance, topics, now).ok()
}

/// The step by which a group goes on as a classic one because a classic member has taken the place of the last one of the
/// other protocol. The records that put it there come first.
pub(super) fn downgrade_with(
    group: &ConsumerGroup,
    old: &Member,
    new: &Member,
    has_stale_target: bool,
    topics: &Topics,
    now: Now,
) -> Result<Step, SchemaError> {
    let others = group.members().filter(|member| member.id != old.id);
    let members: Vec<&Member> = others.chain([new]).collect();
    let is_unfinished = |member: &&Member| !member.is_reconciled_to(group.assignment_epoch);
    let must_rebalance = has_stale_target || members.iter().any(is_unfinished);
    let rebalance = must_rebalance.then_some("the assignment of the consumer group was not complete");
    step(group, &members, Some((&old.id, &new.id)), rebalance, topics, now)
}

/// What the members have becomes their assignment, and not what they were to have: somebody else may still have that. So the
/// group is only complete if all have come to their target; else they have to join again. A coordinator that takes over in
/// between sees by the missing leader that they have to.
fn step(
    group: &ConsumerGroup,
    members: &[&Member],
    replaced: Option<(&str, &str)>,
    rebalance: Option<&'static str>,
    topics: &Topics,
    now: Now,
) -> Result<Step, SchemaError> {
    let converted = members.iter().copied().map(converted).collect();
    let mut classic = ClassicGroup::of_consumers(group.id.clone(), group.epoch, converted, now.wall_ms);
    let protocol = classic.protocol.clone().unwrap_or_default();
    for member in members {
        if let Some(classic) = classic.member_mut(&member.id) {
            let version = consumer_protocol::version(&classic.metadata(&protocol))?;
            let has = assignment::partitions(&[&member.assigned, &member.pending_revocation]);
            classic.assignment = Assignment::of(&has, topics).to_bytes(version)?;
        }
    }
    let mut records = leave::group_tombstones(group, replaced);
    let leader = classic.leader.take_if(|_| rebalance.is_some());
    records.push(classic.metadata_record(|member| member.assignment.clone()));
    classic.leader = leader.or(classic.leader);
    Ok(Step {
        records,
        becomes: Some(Downgraded {
            group: classic,
            rebalance,
        }),
        ..Step::default()
    })
}

fn converted(member: &Member) -> ClassicMember {
    let classic = member.classic.clone().unwrap_or_default();
    let protocol = |protocol: crate::records::ClassicProtocol| Protocol {
        name: protocol.name,
        metadata: protocol.metadata,
    };
    ClassicMember {
        id: member.id.clone(),
        instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        session_timeout_ms: classic.session_timeout_ms,
        protocols: classic.supported_protocols.into_iter().map(protocol).collect(),
        assignment: Bytes::new(),
        ..ClassicMember::default()
    }
}

impl GroupShard {
    /// The records are written: the classic group is there, with more than its record says.
    pub(in crate::consumer) fn install(
        &mut self,
        id: &Arc<str>,
        downgraded: Downgraded,
        now: Now,
    ) -> Outcome<Self> {
        self.groups.insert(id.clone(), downgraded.group);
        let outcome = self.with_group(id, now, |turn| {
            let members: Vec<Arc<str>> = turn.group.members().map(|member| member.id.clone()).collect();
            members.iter().for_each(|member| turn.reset_session(member));
            if let Some(reason) = downgraded.rebalance {
                turn.prepare_rebalance(reason);
            }
        });
        outcome.unwrap_or_default()
    }
}
