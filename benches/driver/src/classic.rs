//! A member of a classic group, as a consumer is one: JoinGroup, SyncGroup, Heartbeat, LeaveGroup. The leader assigns by range.

use std::time::Duration;

use anyhow::{Result, bail};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::consumer_protocol_assignment::TopicPartition;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, HeartbeatRequest, JoinGroupRequest,
    LeaveGroupRequest, SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use crate::board::Standing;
use crate::connection::Connection;
use crate::errors;
use crate::member::Place;

const JOIN_GROUP: i16 = 9;
const SYNC_GROUP: i16 = 5;
const HEARTBEAT: i16 = 4;
const LEAVE_GROUP: i16 = 5;
const SUBSCRIPTION: i16 = 3;
const ASSIGNMENT: i16 = 3;

const SESSION_TIMEOUT_MS: i32 = 45_000;
const REBALANCE_TIMEOUT_MS: i32 = 300_000;
/// Kafka's default `heartbeat.interval.ms`.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);

pub struct ClassicMember {
    pub member_id: StrBytes,
    pub generation: i32,
    pub assigned: Vec<i32>,
    subscription: Bytes,
}

impl ClassicMember {
    pub fn new(place: &Place) -> Result<Self> {
        let subscription = ConsumerProtocolSubscription::default().with_topics(vec![place.topic.clone()]);
        let mut bytes = BytesMut::new();
        bytes.put_i16(SUBSCRIPTION);
        subscription.encode(&mut bytes, SUBSCRIPTION)?;
        Ok(Self {
            member_id: StrBytes::new(),
            generation: -1,
            assigned: Vec::new(),
            subscription: bytes.freeze(),
        })
    }

    /// Joins until there is an assignment.
    pub async fn join(&mut self, connection: &mut Connection, place: &Place) -> Result<Standing> {
        loop {
            let protocol = JoinGroupRequestProtocol::default()
                .with_name(RANGE)
                .with_metadata(self.subscription.clone());
            let request = JoinGroupRequest::default()
                .with_group_id(place.group.clone())
                .with_session_timeout_ms(SESSION_TIMEOUT_MS)
                .with_rebalance_timeout_ms(REBALANCE_TIMEOUT_MS)
                .with_member_id(self.member_id.clone())
                .with_protocol_type(CONSUMER)
                .with_protocols(vec![protocol]);
            let joined = connection.call(JOIN_GROUP, &request).await?;
            match joined.error_code {
                errors::NONE => {}
                errors::MEMBER_ID_REQUIRED => {
                    self.member_id = joined.member_id;
                    continue;
                }
                other => {
                    self.recover(other).await?;
                    continue;
                }
            }
            self.generation = joined.generation_id;
            let assignments = match joined.leader == self.member_id {
                true => range(joined.members, place)?,
                false => Vec::new(),
            };
            let request = SyncGroupRequest::default()
                .with_group_id(place.group.clone())
                .with_generation_id(self.generation)
                .with_member_id(self.member_id.clone())
                .with_protocol_type(Some(CONSUMER))
                .with_protocol_name(Some(RANGE))
                .with_assignments(assignments);
            let mut synced = connection.call(SYNC_GROUP, &request).await?;
            if synced.error_code == errors::NONE {
                self.assigned = partitions_of(&mut synced.assignment)?;
                return Ok(self.standing());
            }
            self.recover(synced.error_code).await?;
        }
    }

    /// A heartbeat, and the rebalance that it may call for.
    pub async fn beat(&mut self, connection: &mut Connection, place: &Place) -> Result<Standing> {
        let request = HeartbeatRequest::default()
            .with_group_id(place.group.clone())
            .with_generation_id(self.generation)
            .with_member_id(self.member_id.clone());
        let error = connection.call(HEARTBEAT, &request).await?.error_code;
        if error == errors::NONE {
            return Ok(self.standing());
        }
        self.recover(error).await?;
        self.join(connection, place).await
    }

    pub async fn leave(&mut self, connection: &mut Connection, place: &Place) -> Result<()> {
        let member = MemberIdentity::default().with_member_id(std::mem::take(&mut self.member_id));
        let request = LeaveGroupRequest::default()
            .with_group_id(place.group.clone())
            .with_members(vec![member]);
        match connection.call(LEAVE_GROUP, &request).await?.error_code {
            errors::NONE => Ok(()),
            error => bail!("LeaveGroup: error {error}"),
        }
    }

    fn standing(&self) -> Standing {
        Standing {
            epoch: self.generation,
            partitions: self.assigned.len(),
        }
    }

    /// What a client does about an error before it joins again.
    async fn recover(&mut self, error: i16) -> Result<()> {
        match error {
            errors::REBALANCE_IN_PROGRESS | errors::ILLEGAL_GENERATION => {}
            errors::UNKNOWN_MEMBER_ID => self.member_id = StrBytes::new(),
            errors::COORDINATOR_LOAD_IN_PROGRESS
            | errors::COORDINATOR_NOT_AVAILABLE
            | errors::NOT_COORDINATOR => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            other => bail!("a member of a classic group was told error {other}"),
        }
        Ok(())
    }
}

const CONSUMER: StrBytes = StrBytes::from_static_str("consumer");
const RANGE: StrBytes = StrBytes::from_static_str("range");

/// The range assignor for one topic: in the order of the members' ids, as even as it goes.
fn range(
    mut members: Vec<JoinGroupResponseMember>,
    place: &Place,
) -> Result<Vec<SyncGroupRequestAssignment>> {
    members.sort_by(|a, b| a.member_id.cmp(&b.member_id));
    let count = i32::try_from(members.len())?;
    let (each, more) = (place.partitions / count, place.partitions % count);
    let mut next = 0;
    let mut assignments = Vec::with_capacity(members.len());
    for (index, member) in (0..).zip(members) {
        let end = next + each + i32::from(index < more);
        let topic = TopicPartition::default()
            .with_topic(TopicName(place.topic.clone()))
            .with_partitions((next..end).collect());
        let topics = if next < end { vec![topic] } else { Vec::new() };
        let assignment = ConsumerProtocolAssignment::default().with_assigned_partitions(topics);
        let mut bytes = BytesMut::new();
        bytes.put_i16(ASSIGNMENT);
        assignment.encode(&mut bytes, ASSIGNMENT)?;
        assignments.push(
            SyncGroupRequestAssignment::default()
                .with_member_id(member.member_id)
                .with_assignment(bytes.freeze()),
        );
        next = end;
    }
    Ok(assignments)
}

fn partitions_of(assignment: &mut Bytes) -> Result<Vec<i32>> {
    use bytes::Buf;
    if assignment.len() < 2 {
        return Ok(Vec::new());
    }
    let version = assignment.get_i16();
    let assignment = ConsumerProtocolAssignment::decode(assignment, version)?;
    let topics = assignment.assigned_partitions.into_iter();
    Ok(topics.flat_map(|topic| topic.partitions).collect())
}
