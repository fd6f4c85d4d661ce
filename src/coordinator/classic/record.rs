//! A classic group as its record, and the other way round.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use ottla_base::schema::{Reader, Schema, SchemaError};

use super::group::{ClassicGroup, State};
use super::member::Member;
use crate::command::Protocol;
use crate::consumer_protocol::{PROTOCOL_TYPE, Subscription};
use crate::records::{GroupKey, GroupMetadataValue, MemberMetadata, Record};

impl ClassicGroup {
    pub fn metadata_record(&self, assignment: impl Fn(&Member) -> Bytes) -> Record {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let member = |member: &Member| MemberMetadata {
            member_id: member.id.to_string(),
            group_instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout: member.rebalance_timeout_ms,
            session_timeout: member.session_timeout_ms,
            subscription: member.metadata(protocol),
            assignment: assignment(member),
        };
        let value = GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.as_deref().map(str::to_owned),
            current_state_timestamp: self.state_since_ms.unwrap_or(-1),
            members: self.members().map(member).collect(),
        };
        Record::GroupMetadata(
            GroupKey {
                group: self.id.to_string(),
            },
            Some(value),
        )
    }

    /// What is written when a group comes to be. Whoever joined already is not in it: a group has no members on disk before
    /// they have an assignment.
    pub fn creation_record(&self) -> Record {
        let value = GroupMetadataValue {
            current_state_timestamp: self.state_since_ms.unwrap_or(-1),
            ..GroupMetadataValue::default()
        };
        Record::GroupMetadata(
            GroupKey {
                group: self.id.to_string(),
            },
            Some(value),
        )
    }

    /// The group as it was when the record was written; with members it is stable.
    pub fn from_record(id: Arc<str>, value: GroupMetadataValue, now_ms: i64) -> Self {
        let mut group = Self::new(id, now_ms);
        let protocol = value.protocol.clone().unwrap_or_default();
        for member in value.members {
            group.add(loaded_member(member, &protocol), &value.protocol_type);
        }
        group.state = if group.members().len() == 0 {
            State::Empty
        } else {
            State::Stable
        };
        group.generation = value.generation;
        group.protocol_type = Some(value.protocol_type).filter(|name| !name.is_empty());
        group.protocol = value.protocol;
        match value.leader {
            Some(leader) => group.leader = Some(leader.into()),
            // Members without a leader were a consumer group, and have not had an assignment as a classic one.
            None => group.is_unassigned = group.is_in(State::Stable),
        }
        group.state_since_ms = Some(value.current_state_timestamp).filter(|timestamp| *timestamp != -1);
        group.subscribed_topics = group.parse_subscribed_topics();
        group
    }

    /// A group that was a consumer group until now: stable, in the generation that was its epoch.
    pub fn of_consumers(id: Arc<str>, generation: i32, members: Vec<Member>, now_ms: i64) -> Self {
        let mut group = Self::new(id, now_ms);
        for member in members {
            group.add(member, PROTOCOL_TYPE);
        }
        group.state = State::Stable;
        group.generation = generation;
        group.protocol = group.select_protocol();
        group.subscribed_topics = group.parse_subscribed_topics();
        group
    }

    /// The next generation: of the members if there are any, else of nobody.
    pub fn init_next_generation(&mut self, now_ms: i64) {
        self.generation += 1;
        let is_empty = self.members().len() == 0;
        self.protocol = if is_empty { None } else { self.select_protocol() };
        self.subscribed_topics = self.parse_subscribed_topics();
        let state = if is_empty {
            State::Empty
        } else {
            State::CompletingRebalance
        };
        self.transition_to(state, now_ms);
        self.pending_sync.clear();
    }

    fn parse_subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if !self.uses_consumer_protocol() {
            return None;
        }
        if self.members().len() == 0 {
            return Some(BTreeSet::new());
        }
        let protocol = self.protocol.as_deref()?;
        let mut topics = BTreeSet::new();
        for member in self.members() {
            topics.extend(subscribed_topics(&member.metadata(protocol)).ok()?);
        }
        Some(topics)
    }
}

fn loaded_member(member: MemberMetadata, protocol: &str) -> Member {
    let rebalance_timeout_ms = match member.rebalance_timeout {
        -1 => member.session_timeout,
        timeout_ms => timeout_ms,
    };
    Member {
        id: member.member_id.into(),
        instance_id: member.group_instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        rebalance_timeout_ms,
        session_timeout_ms: member.session_timeout,
        protocols: vec![Protocol {
            name: protocol.to_owned(),
            metadata: member.subscription,
        }],
        assignment: member.assignment,
        awaiting_join: None,
        awaiting_sync: None,
        is_new: false,
    }
}

/// All versions begin with the topics, so whatever follows them does not matter here.
fn subscribed_topics(metadata: &[u8]) -> Result<Vec<String>, SchemaError> {
    let mut reader = Reader::new(metadata);
    let _version = reader.i16()?;
    Ok(Subscription::decode(&mut reader, 0)?.topics)
}
