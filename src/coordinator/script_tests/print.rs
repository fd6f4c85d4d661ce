//! Answers, records and states in one line each. Member ids are shortened: `a-00000000-0000-0000-0000-000000000001` is `a#1`.

pub mod consumer;

use ottla_base::ErrorCode;

use crate::GroupShard;
use crate::command::*;
use crate::consumer_protocol::{self, Assignment};
use crate::records::Record;

pub fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Joined(joined) => self::joined(joined),
        Reply::Synced(synced) if synced.error != ErrorCode::None => synced.error.to_string(),
        Reply::Synced(synced) => format!(
            "synced {} {}/{}",
            assignment(&synced.assignment),
            or_none(&synced.protocol_type),
            or_none(&synced.protocol_name)
        ),
        Reply::Heartbeat(error) => error.to_string(),
        Reply::Left(members) => {
            let member = |m: &LeftMember| {
                format!(
                    "{}{} {}",
                    short_id(&m.member_id),
                    instance(&m.group_instance_id),
                    m.error
                )
            };
            join(members, member)
        }
        Reply::Described(groups) => join(groups, described),
        Reply::Listed(groups) => {
            let mut groups: Vec<String> = groups
                .iter()
                .map(|g| {
                    format!(
                        "{} {:?} {} {}",
                        g.group_id, g.protocol_type, g.state, g.group_type
                    )
                })
                .collect();
            groups.sort();
            groups.join(", ")
        }
        Reply::DeletedGroups(groups) => join(groups, |(id, error)| format!("{id} {error}")),
        Reply::Offsets(topics) => join(topics, |topic| {
            let partitions = join(&topic.partitions, |(partition, error)| {
                format!("{partition} {error}")
            });
            format!("{}-{partitions}", topic.name)
        }),
        Reply::FetchedOffsets(topics) => join(topics, |topic| {
            let partition = |p: &FetchedOffset| match p.error {
                ErrorCode::None => format!(
                    "{}={} {:?} epoch {}",
                    p.partition, p.offset, p.metadata, p.leader_epoch
                ),
                error => format!("{} {error}", p.partition),
            };
            format!("{}-{}", topic.name, join(&topic.partitions, partition))
        }),
        Reply::ConsumerHeartbeat(answer) => consumer::answer(answer),
        Reply::DescribedConsumerGroups(groups) => join(groups, consumer::described),
        Reply::Done => "done".to_owned(),
        Reply::Failed(error) => format!("failed {error}"),
    }
}

fn joined(joined: &Joined) -> String {
    if joined.error != ErrorCode::None {
        return format!("{} id={:?}", joined.error, short_id(&joined.member_id));
    }
    let members = join(&joined.members, |m| {
        format!("{}{}", short_id(&m.member_id), instance(&m.group_instance_id))
    });
    format!(
        "joined {} gen {} leader {} {}/{}{}{}",
        short_id(&joined.member_id),
        joined.generation_id,
        short_id(&joined.leader),
        or_none(&joined.protocol_type),
        or_none(&joined.protocol_name),
        if joined.members.is_empty() {
            String::new()
        } else {
            format!(" members [{members}]")
        },
        if joined.skip_assignment {
            " skips assignment"
        } else {
            ""
        },
    )
}

fn described(group: &DescribedGroup) -> String {
    let member = |m: &DescribedMember| {
        let id = short_id(&m.member_id);
        let assigned = assignment(&m.assignment);
        format!(
            "{id}{} {}{} +{}B {assigned}",
            instance(&m.group_instance_id),
            m.client_id,
            m.client_host,
            m.metadata.len()
        )
    };
    format!(
        "{} {}{} {} {:?}/{:?} [{}]",
        group.group_id,
        group.error,
        group
            .message
            .as_ref()
            .map_or_else(String::new, |text| format!(" {text:?}")),
        group.state,
        group.protocol_type,
        group.protocol_data,
        join(&group.members, member)
    )
}

pub fn record(record: &Record) -> String {
    match record {
        Record::GroupMetadata(key, None) => format!("- group {}", key.group),
        Record::GroupMetadata(key, Some(value)) => format!(
            "+ group {} = gen {} {:?}/{} leader {} at {} [{}]",
            key.group,
            value.generation,
            value.protocol_type,
            or_none(&value.protocol),
            value
                .leader
                .as_deref()
                .map_or_else(|| "none".to_owned(), short_id),
            value.current_state_timestamp,
            join(&value.members, |member| format!(
                "{}{} {}",
                short_id(&member.member_id),
                instance(&member.group_instance_id),
                assignment(&member.assignment)
            ))
        ),
        Record::OffsetCommit(key, None) => format!("- offset {} {}-{}", key.group, key.topic, key.partition),
        Record::OffsetCommit(key, Some(value)) => {
            let expiry = match value.expire_timestamp {
                -1 => String::new(),
                at => format!(" expires {at}"),
            };
            format!(
                "+ offset {} {}-{} = {} epoch {} {:?} at {}{expiry}{}",
                key.group,
                key.topic,
                key.partition,
                value.offset,
                value.leader_epoch,
                value.metadata,
                value.commit_timestamp,
                if value.topic_id.is_nil() {
                    String::new()
                } else {
                    format!(" topic #{}", value.topic_id.as_u128())
                },
            )
        }
        other => consumer::record(other),
    }
}

pub fn state(shard: &GroupShard, id: &str) -> String {
    let Some(group) = shard.groups.get(id) else {
        return format!("{id}: no group");
    };
    let members: Vec<String> = group.members().map(|member| short_id(&member.id)).collect();
    format!(
        "{id}: {} gen {} leader {} [{}]",
        group.state().name(),
        group.generation,
        group
            .leader
            .as_deref()
            .map_or_else(|| "none".to_owned(), short_id),
        members.join(" ")
    )
}

pub fn short_id(id: &str) -> String {
    match id.split_once("-00000000-0000-0000-0000-") {
        Some((prefix, number)) => format!("{prefix}#{}", u64::from_str_radix(number, 16).expect("hex")),
        // Classic members of consumer groups are given ids of another form.
        None => match ottla_base::ids::uuid_from_string(id) {
            Some(number) if id.len() == 22 => format!("#{}", number.as_u128()),
            _ => id.to_owned(),
        },
    }
}

pub fn long_id(short: &str) -> String {
    match short.split_once('#') {
        Some((prefix, number)) => {
            let number: u64 = number.parse().expect("a number");
            format!("{prefix}-00000000-0000-0000-0000-{number:012x}")
        }
        None => short.to_owned(),
    }
}

/// `[t:0,1] v1` if it can be read, else as it is.
fn assignment(bytes: &[u8]) -> String {
    let Ok((version, assignment)) = consumer_protocol::decode::<Assignment>(bytes) else {
        return format!("{:?}", String::from_utf8_lossy(bytes));
    };
    let topics = assignment.assigned_partitions.iter().map(|topic| {
        let numbers: Vec<String> = topic.partitions.iter().map(i32::to_string).collect();
        format!("{}:{}", topic.topic, numbers.join(","))
    });
    format!("[{}] v{version}", topics.collect::<Vec<_>>().join(" "))
}

fn instance(instance_id: &Option<String>) -> String {
    instance_id
        .as_ref()
        .map_or_else(String::new, |id| format!("({id})"))
}

fn or_none(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or("none")
}

fn join<T>(items: &[T], print: impl Fn(&T) -> String) -> String {
    items.iter().map(print).collect::<Vec<_>>().join(", ")
}
