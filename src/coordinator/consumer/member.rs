//! A member: who it is, what it subscribes to, and how far it has come towards its target assignment.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::assignment::{self, Owned};
use crate::records::{
    ClassicMemberMetadata, ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataValue,
    MemberKey, Record,
};

/// The epoch with which a member leaves.
pub const LEAVE_EPOCH: i32 = -1;
/// The epoch with which a static member leaves that means to come back.
pub const LEAVE_STATIC_EPOCH: i32 = -2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// Has all of its target assignment, or as much of it as there was when it got there.
    Stable,
    /// Has been told to give up partitions, and has not said that it did.
    UnrevokedPartitions,
    /// Waits for partitions that others still have.
    UnreleasedPartitions,
    /// Written by a release that knows more states.
    Unknown,
}

impl MemberState {
    fn from_code(code: i8) -> Self {
        match code {
            0 => Self::Stable,
            1 => Self::UnrevokedPartitions,
            2 => Self::UnreleasedPartitions,
            _ => Self::Unknown,
        }
    }

    fn code(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::UnrevokedPartitions => 1,
            Self::UnreleasedPartitions => 2,
            Self::Unknown => 127,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub id: Arc<str>,
    pub instance_id: Option<String>,
    pub rack_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub topics: BTreeSet<String>,
    pub regex: Option<String>,
    pub rebalance_timeout_ms: i32,
    pub assignor: Option<String>,
    /// Of members that speak the classic protocol.
    pub classic: Option<ClassicMemberMetadata>,
    pub epoch: i32,
    pub previous_epoch: i32,
    pub state: MemberState,
    pub assigned: Owned,
    pub pending_revocation: Owned,
}

impl Member {
    pub fn new(id: Arc<str>) -> Self {
        Self {
            id,
            instance_id: None,
            rack_id: None,
            client_id: String::new(),
            client_host: String::new(),
            topics: BTreeSet::new(),
            regex: Some(String::new()),
            rebalance_timeout_ms: -1,
            assignor: None,
            classic: None,
            epoch: 0,
            previous_epoch: -1,
            state: MemberState::Stable,
            assigned: Owned::new(),
            pending_revocation: Owned::new(),
        }
    }

    /// The regular expression it subscribes to; clients that have none send an empty one.
    pub fn regex(&self) -> Option<&str> {
        self.regex.as_deref().filter(|regex| !regex.is_empty())
    }

    pub fn classic_session_timeout_ms(&self) -> Option<i32> {
        self.classic.as_ref().map(|classic| classic.session_timeout_ms)
    }

    pub fn is_reconciled_to(&self, assignment_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == assignment_epoch
    }

    pub fn advance_to(&mut self, epoch: i32) {
        self.previous_epoch = self.epoch;
        self.epoch = epoch;
    }

    fn key(&self, group: &str) -> MemberKey {
        member_key(group, &self.id)
    }

    pub fn metadata_record(&self, group: &str) -> Record {
        let value = ConsumerGroupMemberMetadataValue {
            instance_id: self.instance_id.clone(),
            rack_id: self.rack_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            subscribed_topic_names: self.topics.iter().cloned().collect(),
            subscribed_topic_regex: self.regex.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            server_assignor: self.assignor.clone(),
            classic_member_metadata: self.classic.clone(),
        };
        Record::ConsumerGroupMemberMetadata(self.key(group), Some(value))
    }

    pub fn current_assignment_record(&self, group: &str) -> Record {
        let value = ConsumerGroupCurrentMemberAssignmentValue {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: self.state.code(),
            assigned_partitions: assignment::owned_to_record(&self.assigned),
            partitions_pending_revocation: assignment::owned_to_record(&self.pending_revocation),
        };
        Record::ConsumerGroupCurrentMemberAssignment(self.key(group), Some(value))
    }

    pub fn replay_metadata(&mut self, value: ConsumerGroupMemberMetadataValue) {
        self.instance_id = value.instance_id;
        self.rack_id = value.rack_id;
        self.client_id = value.client_id;
        self.client_host = value.client_host;
        self.topics = value.subscribed_topic_names.into_iter().collect();
        self.regex = value.subscribed_topic_regex;
        self.rebalance_timeout_ms = value.rebalance_timeout_ms;
        self.assignor = value.server_assignor;
        self.classic = value.classic_member_metadata;
    }

    /// Without a value the member is about to be removed, and owns nothing any more.
    pub fn replay_current_assignment(&mut self, value: Option<ConsumerGroupCurrentMemberAssignmentValue>) {
        let Some(value) = value else {
            self.epoch = LEAVE_EPOCH;
            self.previous_epoch = LEAVE_EPOCH;
            self.assigned.clear();
            self.pending_revocation.clear();
            return;
        };
        self.epoch = value.member_epoch;
        self.previous_epoch = value.previous_member_epoch;
        self.state = MemberState::from_code(value.state);
        self.assigned = assignment::owned_from_record(value.assigned_partitions, value.member_epoch);
        self.pending_revocation =
            assignment::owned_from_record(value.partitions_pending_revocation, value.member_epoch);
    }
}

pub fn member_key(group: &str, member: &str) -> MemberKey {
    MemberKey {
        group: group.to_owned(),
        member: member.to_owned(),
    }
}
