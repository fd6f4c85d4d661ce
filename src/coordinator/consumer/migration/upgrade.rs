//! A classic group with members becomes a consumer group, because a member of the consumer protocol joins it.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_base::ErrorCode;
use ottla_base::schema::SchemaError;

use super::MigrationPolicy;
use crate::classic::{ClassicGroup, ClassicMember};
use crate::command::Reply;
use crate::consumer::assignment::{self, Partitions};
use crate::consumer::group::ConsumerGroup;
use crate::consumer::member::Member;
use crate::consumer::metadata_hash;
use crate::consumer::topics::Topics;
use crate::consumer::turn::target_record;
use crate::consumer_protocol::{self, Assignment, Subscription};
use crate::machine::{Now, Token};
use crate::records::{ClassicMemberMetadata, ClassicProtocol, Record};
use crate::shard::GroupShard;

/// Assignors that come with the clients. What some of them keep beside an assignment (librdkafka's sticky ones do, and Apache
/// Kafka refuses to take such groups over) says no more than who has what.
const WELL_KNOWN_ASSIGNORS: &[&str] = &["range", "roundrobin", "sticky", "cooperative-sticky"];

/// The group as it goes on: in the epoch of its last generation, with what its members were assigned then.
pub(in crate::consumer) fn upgrade(
    classic: &ClassicGroup,
    policy: MigrationPolicy,
    max_size: usize,
    topics: &Topics,
) -> Result<ConsumerGroup, ErrorCode> {
    let refuse = |reason: &str| {
        tracing::info!(group = %classic.id, reason, "a classic group cannot become a consumer group");
        ErrorCode::GroupIdNotFound
    };
    if !policy.allows_upgrade() {
        return Err(refuse("the migration policy does not allow it"));
    }
    if !classic.uses_consumer_protocol() {
        return Err(refuse("its members are no consumers"));
    }
    if classic.members().len() > max_size {
        return Err(refuse("it has more members than a consumer group may have"));
    }
    // A group that has not had a generation yet has not chosen one.
    let protocol = classic.protocol.clone().or_else(|| classic.select_protocol());
    let protocol = protocol.ok_or_else(|| refuse("its members have no protocol in common"))?;
    let partitions = |topic| usize::try_from(topics.partition_count(topic)).unwrap_or_default();
    let mut group = ConsumerGroup::new(classic.id.clone());
    group.epoch = classic.generation;
    group.assignment_epoch = classic.generation;
    // What is assigned counts before what is only claimed.
    let mut members: Vec<&ClassicMember> = classic.members().collect();
    members.sort_by_key(|member| member.assignment.is_empty());
    for member in members {
        let member =
            converted(member, &protocol, &group, topics).map_err(|error| refuse(&error.to_string()))?;
        let target = assignment::partitions(&[&member.assigned]);
        group.targets.insert(member.id.clone(), target);
        group.insert(member);
    }
    // Where something is not assigned, no hash holds, so that the group moves on and assigns it.
    let names: BTreeSet<&str> = group.subscribed().collect();
    if group.owned_count()
        == topics
            .ids(names.iter().copied())
            .into_iter()
            .map(partitions)
            .sum()
    {
        group.metadata_hash = metadata_hash::of_topics(names, topics);
    }
    Ok(group)
}

#[derive(Debug, thiserror::Error)]
enum NotConvertible {
    #[error("a member's metadata cannot be read: {0}")]
    Malformed(#[from] SchemaError),
    #[error("its assignor keeps data in the assignments, which would be lost")]
    CustomAssignor,
    #[error("its leader assigned a partition to two members")]
    AssignedTwice,
}

fn converted(
    classic: &ClassicMember,
    protocol: &str,
    group: &ConsumerGroup,
    topics: &Topics,
) -> Result<Member, NotConvertible> {
    let (_, subscription) = consumer_protocol::decode::<Subscription>(&classic.metadata(protocol))?;
    let assigned = match classic.assignment.is_empty() {
        true => unassigned(&subscription, group, topics),
        false => assigned(&classic.assignment, protocol, group, topics)?,
    };
    Ok(Member {
        instance_id: classic.instance_id.clone(),
        rack_id: subscription.rack_id(),
        client_id: classic.client_id.clone(),
        client_host: classic.client_host.clone(),
        topics: subscription.topics.into_iter().collect(),
        rebalance_timeout_ms: classic.rebalance_timeout_ms,
        classic: Some(ClassicMemberMetadata {
            session_timeout_ms: classic.session_timeout_ms,
            supported_protocols: classic.protocols.iter().map(ClassicProtocol::from).collect(),
        }),
        epoch: group.epoch,
        previous_epoch: group.epoch,
        assigned: assignment::in_epoch(&assigned, group.epoch),
        ..Member::new(classic.id.clone())
    })
}

/// A consumer group could never be loaded again if two members had the same partition.
fn assigned(
    bytes: &[u8],
    protocol: &str,
    group: &ConsumerGroup,
    topics: &Topics,
) -> Result<Partitions, NotConvertible> {
    let (_, assignment) = consumer_protocol::decode::<Assignment>(bytes)?;
    let partitions = assignment.partitions(topics);
    let has_data = assignment.user_data.is_some_and(|data| !data.is_empty());
    if has_data && !WELL_KNOWN_ASSIGNORS.contains(&protocol) {
        return Err(NotConvertible::CustomAssignor);
    }
    let mut all = partitions
        .iter()
        .flat_map(|(topic, numbers)| numbers.iter().map(|number| (*topic, *number)));
    match all.any(|(topic, number)| group.is_owned(topic, number)) {
        true => Err(NotConvertible::AssignedTwice),
        false => Ok(partitions),
    }
}

/// The group is between two assignments: a member that gives partitions up one by one may still have what it said that it
/// has, unless somebody else was assigned that since.
fn unassigned(subscription: &Subscription, group: &ConsumerGroup, topics: &Topics) -> Partitions {
    let mut claimed = subscription.owned(topics);
    for (topic, numbers) in &mut claimed {
        numbers.retain(|number| !group.is_owned(*topic, *number));
    }
    claimed.retain(|_, numbers| !numbers.is_empty());
    claimed
}

impl ConsumerGroup {
    /// All that there is to say of a new group.
    pub fn creation_records(&self) -> Vec<Record> {
        let id = &self.id;
        let members = self.members().map(|member| member.metadata_record(id));
        let targets = self
            .members()
            .map(|member| target_record(id, &member.id, &self.target(&member.id)));
        let current = self.members().map(|member| member.current_assignment_record(id));
        members
            .chain([self.epoch_record(self.epoch, self.metadata_hash)])
            .chain(targets)
            .chain([self.target_metadata_record(self.assignment_epoch, self.assigned_at_ms)])
            .chain(current)
            .collect()
    }
}

impl GroupShard {
    /// Those who wait in the classic group are to join again, and the sessions of all go on, in both groups: should the records
    /// not be written, the group stays classic, and those who have been told and are never heard of again must not stay.
    pub(in crate::consumer) fn upgraded(
        &mut self,
        group: &ConsumerGroup,
        joining: &Arc<str>,
        now: Now,
    ) -> Vec<(Token, Reply)> {
        for member in group.members().filter(|member| member.id != *joining) {
            if let Some(timeout_ms) = member.classic_session_timeout_ms() {
                self.consumer
                    .timers
                    .session(&group.id, &member.id, timeout_ms, now);
            }
        }
        let outcome = self.with_group(&group.id, now, |turn| {
            turn.dismiss_all(ErrorCode::RebalanceInProgress);
            let ids: Vec<Arc<str>> = turn.group.members().map(|member| member.id.clone()).collect();
            ids.iter().for_each(|id| turn.reset_session(id));
        });
        outcome.unwrap_or_default().replies
    }
}
