//! Committed offsets and classic groups: types 0, 1 and 2.

use bytes::Bytes;
use ottla_base::{Uuid, record_schema};

record_schema! {
    /// The key of everything that a group has once.
    pub struct GroupKey: versions 0..=0 {
        group: String;
    }

    pub struct OffsetCommitKey: versions 0..=0 {
        group: String;
        topic: String;
        partition: i32;
    }

    pub struct LegacyOffsetCommitValue: versions 0..=0 {
        offset: i64;
        metadata: String;
        commit_timestamp: i64;
    }

    pub struct OffsetCommitValue: versions 0..=4, flexible 4.. {
        offset: i64;
        leader_epoch: i32 = -1, versions 3..;
        metadata: String;
        commit_timestamp: i64;
        /// -1: kept as long as the group's retention says.
        expire_timestamp: i64 = -1, versions 1..=1;
        /// Zero for commits of clients that know topics by name only, within transactions, and of older releases.
        topic_id: Uuid, versions 4.., tag 0;
    }

    pub struct GroupMetadataValue: versions 0..=4, flexible 4.. {
        /// Empty for a group that never had members.
        protocol_type: String;
        generation: i32;
        protocol: Option<String>;
        leader: Option<String>;
        current_state_timestamp: i64 = -1, versions 2..;
        members: Vec<MemberMetadata>;
    }

    pub struct MemberMetadata {
        member_id: String;
        group_instance_id: Option<String>, versions 3..;
        client_id: String;
        client_host: String;
        /// -1: as long as the session timeout.
        rebalance_timeout: i32 = -1, versions 1..;
        session_timeout: i32;
        subscription: Bytes;
        assignment: Bytes;
    }
}

impl OffsetCommitValue {
    /// Only version 1 has room for an explicit expiry.
    pub(super) fn written_version(&self) -> i16 {
        match self.expire_timestamp {
            -1 => 4,
            _ => 1,
        }
    }
}

impl From<LegacyOffsetCommitValue> for OffsetCommitValue {
    fn from(legacy: LegacyOffsetCommitValue) -> Self {
        Self {
            offset: legacy.offset,
            metadata: legacy.metadata,
            commit_timestamp: legacy.commit_timestamp,
            ..Self::default()
        }
    }
}
