//! Consumer groups in one line each. Topics are known by the number that their id is: `1:0,1` is partitions 0 and 1 of topic 1.

use ottla_base::{ErrorCode, Uuid};

use super::{instance, join, or_none, short_id};
use crate::GroupShard;
use crate::command::*;
use crate::consumer::assignment::{self, Owned, Partitions};
use crate::consumer::member::Member;
use crate::records::*;

pub fn answer(answer: &ConsumerHeartbeatAnswer) -> String {
    if answer.error != ErrorCode::None {
        return answer.error.to_string();
    }
    let assignment = answer
        .assignment
        .as_ref()
        .map_or_else(String::new, |assignment| format!(" [{}]", partitions(assignment)));
    format!("epoch {}{assignment}", answer.member_epoch)
}

pub fn described(group: &DescribedConsumerGroup) -> String {
    let topics = |topics: &[DescribedTopic]| {
        join(topics, |topic| {
            format!("{}:{}", topic.name, numbers(&topic.partitions))
        })
    };
    let member = |member: &DescribedConsumerMember| {
        format!(
            "{}{}{} epoch {} {} has [{}] target [{}]",
            short_id(&member.member_id),
            if member.is_classic { " (classic)" } else { "" },
            instance(&member.instance_id),
            member.member_epoch,
            subscription(&member.topic_names, &member.topic_regex),
            topics(&member.assignment),
            topics(&member.target_assignment),
        )
    };
    format!(
        "{} {} {} epoch {}/{} {} [{}]",
        group.group_id,
        group.error,
        group.state,
        group.epoch,
        group.assignment_epoch,
        group.assignor,
        join(&group.members, member)
    )
}

pub fn state(shard: &GroupShard, id: &str) -> String {
    let Some(group) = shard.consumer.groups.get(id) else {
        return format!("{id}: no consumer group");
    };
    let member = |member: &Member| {
        format!(
            "{}{} {} {:?} [{}]{}",
            short_id(&member.id),
            if member.classic.is_some() {
                " (classic)"
            } else {
                ""
            },
            member.epoch,
            member.state,
            owned(&member.assigned),
            match member.pending_revocation.is_empty() {
                true => String::new(),
                false => format!(" revoking [{}]", owned(&member.pending_revocation)),
            }
        )
    };
    let members: Vec<String> = group.members().map(member).collect();
    format!(
        "{id}: {} epoch {}/{} {}",
        group.state().name(),
        group.epoch,
        group.assignment_epoch,
        members.join("; ")
    )
}

pub fn record(record: &Record) -> String {
    match record {
        Record::ConsumerGroupMetadata(key, Some(value)) => format!(
            "+ epoch {} = {} hash {}",
            key.group,
            value.epoch,
            if value.metadata_hash == 0 { "none" } else { "some" }
        ),
        Record::ConsumerGroupMemberMetadata(key, Some(value)) => format!(
            "+ member {} {}{} = {} timeout {} assignor {}{}",
            key.group,
            short_id(&key.member),
            instance(&value.instance_id),
            subscription(&value.subscribed_topic_names, &value.subscribed_topic_regex),
            value.rebalance_timeout_ms,
            or_none(&value.server_assignor),
            value
                .classic_member_metadata
                .as_ref()
                .map_or_else(String::new, classic),
        ),
        Record::ConsumerGroupTargetAssignmentMetadata(key, Some(value)) => {
            format!(
                "+ target-epoch {} = {} at {}",
                key.group, value.assignment_epoch, value.assignment_timestamp
            )
        }
        Record::ConsumerGroupTargetAssignmentMember(key, Some(value)) => format!(
            "+ target {} {} = [{}]",
            key.group,
            short_id(&key.member),
            partitions(&assignment::from_record(value.topic_partitions.clone()))
        ),
        Record::ConsumerGroupCurrentMemberAssignment(key, Some(value)) => {
            let print = |topics: &[AssignedPartitions]| {
                owned(&assignment::owned_from_record(
                    topics.to_vec(),
                    value.member_epoch,
                ))
            };
            format!(
                "+ current {} {} = {}<{} state {} [{}] revoking [{}]",
                key.group,
                short_id(&key.member),
                value.previous_member_epoch,
                value.member_epoch,
                value.state,
                print(&value.assigned_partitions),
                print(&value.partitions_pending_revocation),
            )
        }
        Record::ConsumerGroupRegularExpression(key, Some(value)) => format!(
            "+ regex {} {} = {} version {}",
            key.group,
            key.regular_expression,
            value.topics.join(","),
            value.version
        ),
        tombstone => self::tombstone(tombstone),
    }
}

fn classic(member: &ClassicMemberMetadata) -> String {
    let names = join(&member.supported_protocols, |protocol| protocol.name.clone());
    format!(" classic {names} session {}", member.session_timeout_ms)
}

fn tombstone(record: &Record) -> String {
    match record {
        Record::ConsumerGroupMetadata(key, _) => format!("- epoch {}", key.group),
        Record::ConsumerGroupPartitionMetadata(key, _) => format!("- partition-metadata {}", key.group),
        Record::ConsumerGroupMemberMetadata(key, _) => {
            format!("- member {} {}", key.group, short_id(&key.member))
        }
        Record::ConsumerGroupTargetAssignmentMetadata(key, _) => format!("- target-epoch {}", key.group),
        Record::ConsumerGroupTargetAssignmentMember(key, _) => {
            format!("- target {} {}", key.group, short_id(&key.member))
        }
        Record::ConsumerGroupCurrentMemberAssignment(key, _) => {
            format!("- current {} {}", key.group, short_id(&key.member))
        }
        Record::ConsumerGroupRegularExpression(key, _) => {
            format!("- regex {} {}", key.group, key.regular_expression)
        }
        other => format!("{other:?}"),
    }
}

fn subscription(names: &[String], regex: &Option<String>) -> String {
    match regex.as_deref() {
        None | Some("") => names.join(","),
        Some(regex) => format!("{}~{regex}", names.join(",")),
    }
}

fn partitions(partitions: &Partitions) -> String {
    let topic = |(id, partitions): (&Uuid, &std::collections::BTreeSet<i32>)| {
        let all: Vec<i32> = partitions.iter().copied().collect();
        format!("{}:{}", id.as_u128(), numbers(&all))
    };
    partitions.iter().map(topic).collect::<Vec<_>>().join(" ")
}

/// `1:0@3` is partition 0 of topic 1, assigned in epoch 3.
fn owned(owned: &Owned) -> String {
    let one = |(id, partition, epoch): (Uuid, i32, i32)| format!("{}:{partition}@{epoch}", id.as_u128());
    assignment::iter(owned).map(one).collect::<Vec<_>>().join(" ")
}

fn numbers(numbers: &[i32]) -> String {
    numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}
