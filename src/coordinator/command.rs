//! What the group machine is asked and what it answers, in plain types: the API layer translates from and to requests.

use std::sync::Arc;

use bytes::Bytes;
use ottla_base::{ErrorCode, Uuid};

use crate::config::ConsumerGroupConfig;
use crate::consumer::topics::Topics;

mod consumer;

pub use consumer::*;

#[derive(Clone, Debug)]
pub enum Command {
    Join(JoinGroup),
    Sync(SyncGroup),
    Heartbeat(Heartbeat),
    Leave(LeaveGroup),
    Describe(Vec<String>),
    List(ListGroups),
    DeleteGroups(Vec<String>),
    CommitOffsets(CommitOffsets),
    FetchOffsets(FetchOffsets),
    DeleteOffsets(DeleteOffsets),
    /// Topics that are gone: their offsets go too.
    TopicsDeleted(Vec<(Uuid, String)>),
    /// Forget what has not been used for longer than the retention.
    ExpireOffsets,
    ConsumerHeartbeat(ConsumerHeartbeat),
    DescribeConsumerGroups(Vec<String>),
    /// Topics have changed: what consumer groups know of them from now on.
    SetTopics(Arc<Topics>),
    /// The broker's settings of consumer groups have changed. They hold for groups that have none of their own.
    SetConsumerConfig(Arc<ConsumerGroupConfig>),
    /// The settings of one consumer group; without any, the broker's count.
    SetGroupConfig(String, Option<ConsumerGroupConfig>),
}

impl Command {
    /// The group, of what members ask to be told where they stand: it depends on all that was asked before.
    pub(crate) fn member_group(&self) -> Option<&str> {
        match self {
            Self::Join(request) => Some(&request.group_id),
            Self::Sync(request) => Some(&request.group_id),
            Self::Heartbeat(request) => Some(&request.group_id),
            Self::Leave(request) => Some(&request.group_id),
            Self::ConsumerHeartbeat(request) => Some(&request.group_id),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Joined(Joined),
    Synced(Synced),
    Heartbeat(ErrorCode),
    Left(Vec<LeftMember>),
    Described(Vec<DescribedGroup>),
    Listed(Vec<ListedGroup>),
    DeletedGroups(Vec<(String, ErrorCode)>),
    /// Of commits and deletions: one error per partition.
    Offsets(Vec<TopicErrors>),
    FetchedOffsets(Vec<FetchedTopic>),
    ConsumerHeartbeat(ConsumerHeartbeatAnswer),
    DescribedConsumerGroups(Vec<DescribedConsumerGroup>),
    /// Of commands that nobody waits for.
    Done,
    Failed(ErrorCode),
}

#[derive(Clone, Debug)]
pub struct JoinGroup {
    pub group_id: String,
    /// Empty as long as the member has none.
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub protocol_type: String,
    /// In the member's order of preference.
    pub protocols: Vec<Protocol>,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    pub reason: Option<String>,
    /// From version 4 on a member asks for an id before it joins (KIP-394).
    pub requires_known_member_id: bool,
    /// From version 9 on a static leader can be told that its assignment still holds (KIP-814).
    pub supports_skipping_assignment: bool,
    /// What makes a new member id unique: the machine has no randomness of its own.
    pub fresh_id: Uuid,
}

/// An assignor's name, and what the member tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    pub name: String,
    pub metadata: Bytes,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Joined {
    pub error: ErrorCode,
    pub member_id: String,
    pub generation_id: i32,
    pub protocol_type: Option<String>,
    pub protocol_name: Option<String>,
    pub leader: String,
    pub skip_assignment: bool,
    /// Only for the leader.
    pub members: Vec<JoinedMember>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct JoinedMember {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub metadata: Bytes,
}

impl Joined {
    pub fn error(member_id: &str, error: ErrorCode) -> Self {
        Self {
            error,
            member_id: member_id.to_owned(),
            generation_id: -1,
            protocol_type: None,
            protocol_name: None,
            leader: String::new(),
            skip_assignment: false,
            members: Vec::new(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct SyncGroup {
    pub group_id: String,
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub generation_id: i32,
    pub protocol_type: Option<String>,
    pub protocol_name: Option<String>,
    /// Member id and what is assigned to it; only the leader sends any.
    pub assignments: Vec<(String, Bytes)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Synced {
    pub error: ErrorCode,
    pub protocol_type: Option<String>,
    pub protocol_name: Option<String>,
    pub assignment: Bytes,
}

impl Synced {
    pub fn error(error: ErrorCode) -> Self {
        Self {
            error,
            protocol_type: None,
            protocol_name: None,
            assignment: Bytes::new(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Heartbeat {
    pub group_id: String,
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub generation_id: i32,
}

#[derive(Clone, Debug)]
pub struct LeaveGroup {
    pub group_id: String,
    pub members: Vec<LeavingMember>,
}

#[derive(Clone, Debug)]
pub struct LeavingMember {
    /// Empty when an administrator removes a static member by its instance id.
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LeftMember {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub error: ErrorCode,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DescribedGroup {
    pub group_id: String,
    pub error: ErrorCode,
    /// Says of a group that is not there why it is not.
    pub message: Option<String>,
    pub state: &'static str,
    pub protocol_type: String,
    pub protocol_data: String,
    pub members: Vec<DescribedMember>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DescribedMember {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub metadata: Bytes,
    pub assignment: Bytes,
}

/// Empty filters let everything pass; they know neither upper nor lower case.
#[derive(Clone, Debug, Default)]
pub struct ListGroups {
    pub states: Vec<String>,
    pub types: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ListedGroup {
    pub group_id: String,
    pub protocol_type: String,
    pub state: &'static str,
    pub group_type: &'static str,
}

#[derive(Clone, Debug)]
pub struct CommitOffsets {
    pub group_id: String,
    pub member_id: String,
    pub group_instance_id: Option<String>,
    /// Negative outside of group management.
    pub generation_id: i32,
    /// From version 9 on an unknown group is called that, and not a wrong generation.
    pub knows_group_id_not_found: bool,
    /// Versions 2 to 4 may say how long the offsets are to be kept; -1 leaves it to the broker.
    pub retention_ms: i64,
    /// They count when the transaction commits that they are written in (TxnOffsetCommit).
    pub is_transactional: bool,
    pub topics: Vec<CommitTopic>,
}

#[derive(Clone, Debug)]
pub struct CommitTopic {
    /// Zero for clients that know topics by name.
    pub topic_id: Uuid,
    pub name: String,
    pub partitions: Vec<CommitPartition>,
}

#[derive(Clone, Debug)]
pub struct CommitPartition {
    pub partition: i32,
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TopicErrors {
    pub topic_id: Uuid,
    pub name: String,
    pub partitions: Vec<(i32, ErrorCode)>,
}

#[derive(Clone, Debug)]
pub struct FetchOffsets {
    pub group_id: String,
    /// All topics of the group if there are none.
    pub topics: Option<Vec<FetchTopic>>,
    /// Whether offsets that an open transaction may still change are an error.
    pub require_stable: bool,
    /// Members of consumer groups say who they are, as of which epoch; negative for others.
    pub member_id: Option<String>,
    pub member_epoch: i32,
}

#[derive(Clone, Debug)]
pub struct FetchTopic {
    pub topic_id: Uuid,
    pub name: String,
    pub partitions: Vec<i32>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FetchedTopic {
    pub topic_id: Uuid,
    pub name: String,
    pub partitions: Vec<FetchedOffset>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FetchedOffset {
    pub partition: i32,
    /// -1 where nothing is committed.
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: String,
    pub error: ErrorCode,
}

#[derive(Clone, Debug)]
pub struct DeleteOffsets {
    pub group_id: String,
    pub topics: Vec<(String, Vec<i32>)>,
}
