//! Commands and answers of groups of the consumer protocol.

use ottla_base::{ErrorCode, Uuid};

use crate::consumer::Assignor;
use crate::consumer::assignment::Partitions;

/// What is not there has not changed since the member said it last.
#[derive(Clone, Debug)]
pub struct ConsumerHeartbeat {
    pub group_id: String,
    /// Never empty: where the member has none yet, it has been given one.
    pub member_id: String,
    /// 0 to join, -1 to leave, -2 for a static member that leaves for a while.
    pub member_epoch: i32,
    pub instance_id: Option<String>,
    pub rack_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    /// -1 if it has not changed.
    pub rebalance_timeout_ms: i32,
    pub topic_names: Option<Vec<String>>,
    /// Empty for none.
    pub topic_regex: Option<String>,
    pub server_assignor: Option<String>,
    /// What the member has.
    pub owned: Option<Partitions>,
}

impl ConsumerHeartbeat {
    /// Whether the member says everything, as it does when it does not know what the coordinator has heard.
    pub fn is_full(&self) -> bool {
        self.rebalance_timeout_ms != -1
            && (self.topic_names.is_some() || self.topic_regex.is_some())
            && self.owned.is_some()
    }

    /// What can be said of a heartbeat without looking at the group.
    pub fn validate(&self, assignors: &[Assignor]) -> Result<(), ErrorCode> {
        let is_empty = |text: &Option<String>| text.as_deref() == Some("");
        let is_joining = self.member_epoch == 0;
        let joins_badly = self.rebalance_timeout_ms == -1
            || self.owned.as_ref().is_none_or(|owned| !owned.is_empty())
            || (self.topic_names.is_none() && self.topic_regex.is_none());
        let is_invalid = self.group_id.is_empty()
            || self.member_id.is_empty()
            || is_empty(&self.instance_id)
            || is_empty(&self.rack_id)
            || (is_joining && joins_badly)
            || (self.member_epoch == -2 && self.instance_id.is_none())
            || self.member_epoch < -2;
        if is_invalid {
            return Err(ErrorCode::InvalidRequest);
        }
        let is_supported = |name: &str| assignors.iter().any(|assignor| assignor.name() == name);
        match self.server_assignor.as_deref().is_none_or(is_supported) {
            true => Ok(()),
            false => Err(ErrorCode::UnsupportedAssignor),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerHeartbeatAnswer {
    pub error: ErrorCode,
    pub member_id: String,
    pub member_epoch: i32,
    pub heartbeat_interval_ms: i32,
    /// What the member is to have from now on, if that is to be said.
    pub assignment: Option<Partitions>,
}

impl ConsumerHeartbeatAnswer {
    pub fn error(member_id: &str, error: ErrorCode) -> Self {
        Self {
            error,
            member_id: member_id.to_owned(),
            member_epoch: 0,
            heartbeat_interval_ms: 0,
            assignment: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct DescribedConsumerGroup {
    pub group_id: String,
    pub error: ErrorCode,
    pub state: &'static str,
    pub epoch: i32,
    pub assignment_epoch: i32,
    pub assignor: String,
    pub members: Vec<DescribedConsumerMember>,
}

impl DescribedConsumerGroup {
    pub fn not_found(group_id: String) -> Self {
        Self {
            group_id,
            error: ErrorCode::GroupIdNotFound,
            state: "Dead",
            epoch: 0,
            assignment_epoch: 0,
            assignor: String::new(),
            members: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct DescribedConsumerMember {
    pub member_id: String,
    pub instance_id: Option<String>,
    pub rack_id: Option<String>,
    pub member_epoch: i32,
    pub client_id: String,
    pub client_host: String,
    pub topic_names: Vec<String>,
    pub topic_regex: Option<String>,
    pub assignment: Vec<DescribedTopic>,
    pub target_assignment: Vec<DescribedTopic>,
    pub is_classic: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DescribedTopic {
    pub topic_id: Uuid,
    pub name: String,
    pub partitions: Vec<i32>,
}
