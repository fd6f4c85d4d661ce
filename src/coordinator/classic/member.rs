//! One member of a classic group.

use std::sync::Arc;

use bytes::Bytes;

use crate::command::Protocol;
use crate::machine::Token;

/// One without an id is nobody: the default is there to be filled in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    pub id: Arc<str>,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    pub protocols: Vec<Protocol>,
    pub assignment: Bytes,
    /// The JoinGroup request that waits for the join phase to end. Set by the group only, which counts them.
    pub(crate) awaiting_join: Option<Token>,
    /// The SyncGroup request that waits for the leader's assignment.
    pub awaiting_sync: Option<Token>,
    /// Whether it has not been part of a finished join phase yet.
    pub is_new: bool,
}

impl Member {
    pub fn is_static(&self) -> bool {
        self.instance_id.is_some()
    }

    pub fn is_awaiting_join(&self) -> bool {
        self.awaiting_join.is_some()
    }

    /// Who waits for an answer of ours cannot be expected to send heartbeats. A new member can: its client may be gone
    /// without our having noticed, and its request has a timeout of its own.
    pub fn has_satisfied_heartbeat(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    /// What the member told the assignor of this name; nothing if it does not support it.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|candidate| candidate.name == protocol);
        found.map_or_else(Bytes::new, |protocol| protocol.metadata.clone())
    }
}
