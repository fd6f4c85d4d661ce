//! What administrators see of a group.

use super::assignment::{self, Partitions};
use super::assignor::Assignor;
use super::group::ConsumerGroup;
use super::member::Member;
use super::topics::Topics;
use crate::command::{DescribedConsumerGroup, DescribedConsumerMember, DescribedTopic, ListedGroup};
use crate::consumer_protocol::PROTOCOL_TYPE;
use ottla_base::ErrorCode;

impl ConsumerGroup {
    pub fn listed(&self) -> ListedGroup {
        ListedGroup {
            group_id: self.id.to_string(),
            protocol_type: PROTOCOL_TYPE.to_owned(),
            state: self.state().name(),
            group_type: "consumer",
        }
    }

    pub fn described(&self, topics: &Topics, default_assignor: Assignor) -> DescribedConsumerGroup {
        DescribedConsumerGroup {
            group_id: self.id.to_string(),
            error: ErrorCode::None,
            state: self.state().name(),
            epoch: self.epoch,
            assignment_epoch: self.assignment_epoch,
            assignor: self
                .preferred_assignor(None)
                .unwrap_or(default_assignor.name())
                .to_owned(),
            members: self
                .members()
                .map(|member| self.described_member(member, topics))
                .collect(),
        }
    }

    fn described_member(&self, member: &Member, topics: &Topics) -> DescribedConsumerMember {
        let current = assignment::partitions(&[&member.assigned, &member.pending_revocation]);
        DescribedConsumerMember {
            member_id: member.id.to_string(),
            instance_id: member.instance_id.clone(),
            rack_id: member.rack_id.clone(),
            member_epoch: member.epoch,
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            topic_names: member.topics.iter().cloned().collect(),
            topic_regex: member.regex.clone(),
            assignment: named(current, topics),
            target_assignment: named(self.target(&member.id), topics),
            is_classic: member.classic.is_some(),
        }
    }
}

/// Topics that are gone have no name any more, and are left out.
fn named(partitions: Partitions, topics: &Topics) -> Vec<DescribedTopic> {
    let topic = |(topic_id, partitions): (ottla_base::Uuid, std::collections::BTreeSet<i32>)| {
        Some(DescribedTopic {
            topic_id,
            name: topics.by_id(topic_id)?.name.to_string(),
            partitions: partitions.into_iter().collect(),
        })
    };
    partitions.into_iter().filter_map(topic).collect()
}
