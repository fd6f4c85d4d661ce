//! JoinGroup: who is let in, under which id, and what that starts.

use std::sync::Arc;

use bytes::Bytes;
use ottla_base::ErrorCode;

use super::group::{State, Terms};
use super::member::Member;
use super::turn::Turn;
use crate::command::{JoinGroup, Joined};
use crate::machine::Token;

impl Turn<'_> {
    pub fn join(&mut self, request: JoinGroup, token: Token) {
        if !self.has_room_for(&request.member_id) {
            self.remove_member(&request.member_id);
            return self.reply_joined(token, Joined::error("", ErrorCode::GroupMaxSizeReached));
        }
        if !self.group.supports(&request.protocol_type, &request.protocols) {
            let error = Joined::error(&request.member_id, ErrorCode::InconsistentGroupProtocol);
            return self.reply_joined(token, error);
        }
        match request.member_id.is_empty() {
            true => self.join_new_member(request, token),
            false => self.join_existing_member(request, token),
        }
    }

    /// Who waits in the join phase is counted then, so that a group that is too large gets smaller by it; afterwards who is
    /// a member stays one.
    fn has_room_for(&self, member_id: &str) -> bool {
        let max_size = self.config.max_size;
        match self.group.state() {
            State::Empty => true,
            State::PreparingRebalance => {
                self.group.member(member_id).is_some_and(Member::is_awaiting_join)
                    || self.group.awaiting_join_count() < max_size
            }
            State::CompletingRebalance | State::Stable => {
                self.group.has_member(member_id) || self.group.members().len() < max_size
            }
        }
    }

    fn join_new_member(&mut self, request: JoinGroup, token: Token) {
        let prefix = request.group_instance_id.as_ref().unwrap_or(&request.client_id);
        let new_id: Arc<str> = format!("{prefix}-{}", request.fresh_id.hyphenated()).into();
        let Some(instance_id) = &request.group_instance_id else {
            return self.join_new_dynamic_member(request, new_id, token);
        };
        match self.group.static_member_id(instance_id).cloned() {
            Some(old_id) => self.replace_static_member(request, &old_id, new_id, token),
            None => self.add_member(request, new_id, token),
        }
    }

    /// A client that gives up before it has heard its id would leave a member behind that nobody is. So it is told the id
    /// first, and becomes a member when it comes back with it (KIP-394).
    fn join_new_dynamic_member(&mut self, request: JoinGroup, new_id: Arc<str>, token: Token) {
        if !request.requires_known_member_id {
            return self.add_member(request, new_id, token);
        }
        self.group.add_pending_member(new_id.clone());
        self.schedule_session(&new_id, request.session_timeout_ms);
        self.reply_joined(token, Joined::error(&new_id, ErrorCode::MemberIdRequired));
    }

    fn join_existing_member(&mut self, request: JoinGroup, token: Token) {
        let id: Arc<str> = request.member_id.as_str().into();
        if self.group.is_pending_member(&id) {
            // Ids are only ever given out in advance to dynamic members.
            return match request.group_instance_id {
                None => self.add_member(request, id, token),
                Some(_) => self.reply_joined(token, Joined::error("", ErrorCode::UnknownServerError)),
            };
        }
        if let Err(error) = self
            .group
            .validate_member(&id, request.group_instance_id.as_deref())
        {
            return self.reply_joined(token, Joined::error(&id, error));
        }
        let is_unchanged = self
            .group
            .member(&id)
            .is_some_and(|member| member.protocols == request.protocols);
        match self.group.state() {
            State::PreparingRebalance => self.update_member(&id, request, token),
            // The answer to an earlier request may have been lost: here it is again.
            State::CompletingRebalance if is_unchanged => {
                let joined = self.joined(&id, self.members_for(&id));
                self.reply_joined(token, joined);
            }
            // A leader that joins again has seen something change that only it can see, such as a topic's partitions.
            State::Stable if is_unchanged && !self.group.is_leader(&id) => {
                let joined = self.joined(&id, Vec::new());
                self.reply_joined(token, joined);
            }
            State::CompletingRebalance | State::Stable => self.update_member(&id, request, token),
            State::Empty => self.reply_joined(token, Joined::error(&id, ErrorCode::UnknownMemberId)),
        }
    }

    fn update_member(&mut self, id: &str, request: JoinGroup, token: Token) {
        let reason = reason("a member joins again", &request);
        self.set_terms(id, request.into(), token);
        self.rebalance_or_complete_join(&reason);
    }

    pub(super) fn set_terms(&mut self, id: &str, terms: Terms, token: Token) {
        if let Some(replaced) = self.group.update_member(id, terms, Some(token)) {
            // The client asked again, so it does not wait for this answer; its connection may.
            self.reply_joined(replaced, Joined::error(id, ErrorCode::RebalanceInProgress));
        }
    }

    fn add_member(&mut self, request: JoinGroup, id: Arc<str>, token: Token) {
        if self.group.is_in(State::PreparingRebalance) && self.group.is_initial_rebalance() {
            self.group.new_member_added = true;
        }
        let reason = reason("a new member joins", &request);
        let member = Member {
            id: id.clone(),
            instance_id: request.group_instance_id,
            client_id: request.client_id,
            client_host: request.client_host,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
            protocols: request.protocols,
            assignment: Bytes::new(),
            awaiting_join: Some(token),
            awaiting_sync: None,
            is_new: true,
        };
        self.group.add(member, &request.protocol_type);
        // It sends no heartbeats before it has joined, and we may not see its client go: so there is a limit of another kind.
        self.schedule_session(&id, self.config.new_member_join_timeout_ms);
        self.rebalance_or_complete_join(&reason);
    }
}

/// For the log: what happens, and why the client says it does it.
fn reason(what: &str, request: &JoinGroup) -> String {
    match request.reason.as_deref().filter(|reason| !reason.is_empty()) {
        Some(reason) => format!("{what}: {reason}"),
        None => what.to_owned(),
    }
}

impl From<JoinGroup> for Terms {
    fn from(request: JoinGroup) -> Self {
        Self {
            protocols: request.protocols,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
        }
    }
}
