//! A static member that comes back without its member id takes the place of the one it was (KIP-345).

use std::sync::Arc;

use ottla_base::ErrorCode;

use super::group::{State, Terms};
use super::turn::Turn;
use crate::command::{JoinGroup, Joined};
use crate::machine::Token;
use crate::shard::Resume;

/// What the members of a stable group do not get to see: a member's id has changed, and the record that says so is being
/// written.
#[derive(Clone, Debug)]
pub struct Replacement {
    pub(super) old_id: Arc<str>,
    pub(super) new_id: Arc<str>,
    pub(super) old_terms: Terms,
    pub(super) old_leader: Option<Arc<str>>,
    pub(super) supports_skipping_assignment: bool,
}

impl Turn<'_> {
    pub(super) fn replace_static_member(
        &mut self,
        request: JoinGroup,
        old_id: &Arc<str>,
        new_id: Arc<str>,
        token: Token,
    ) {
        let old_leader = self.group.leader.clone();
        let supports_skipping_assignment = request.supports_skipping_assignment;
        let Some(old) = self.group.replace_static_member(old_id, new_id.clone()) else {
            return;
        };
        self.dismiss(&old, old_id, ErrorCode::FencedInstanceId);
        self.reset_session(&new_id);
        let old_terms = Terms {
            protocols: old.protocols,
            rebalance_timeout_ms: old.rebalance_timeout_ms,
            session_timeout_ms: old.session_timeout_ms,
        };
        self.set_terms(&new_id, request.into(), token);
        match self.group.state() {
            State::Stable if self.group.select_protocol() == self.group.protocol => {
                // Nothing changes for the others, so there is no rebalance; but the new id has to be written down.
                let record = self.group.metadata_record(|member| member.assignment.clone());
                let replacement = Replacement {
                    old_id: old_id.clone(),
                    new_id,
                    old_terms,
                    old_leader,
                    supports_skipping_assignment,
                };
                self.resume_with(record, Resume::Replaced(self.group.id.clone(), replacement));
            }
            State::Stable => {
                self.rebalance_or_complete_join("a static member came back and the protocol changes")
            }
            // The leader may have assigned to the old id already.
            State::CompletingRebalance => self.prepare_rebalance("a static member came back"),
            State::PreparingRebalance => self.maybe_complete_join(),
            State::Empty => {}
        }
    }

    pub fn replaced(&mut self, replacement: Replacement, appended: Result<(), ErrorCode>) {
        let Some(token) = self.group.take_awaiting_join(&replacement.new_id) else {
            return;
        };
        let id = replacement.new_id.clone();
        let joined = match appended {
            Err(error) => self.undo_replacement(replacement, error),
            // Clients that cannot be told to skip the assignment must not think that they lead: they would assign.
            Ok(()) if !replacement.supports_skipping_assignment => {
                let leader = replacement.old_leader.as_deref().unwrap_or_default().to_owned();
                Joined {
                    leader,
                    ..self.joined(&id, Vec::new())
                }
            }
            Ok(()) => {
                let skip_assignment = self.group.is_leader(&id);
                Joined {
                    skip_assignment,
                    ..self.joined(&id, self.members_for(&id))
                }
            }
        };
        self.reply_joined(token, joined);
    }

    fn undo_replacement(&mut self, replacement: Replacement, error: ErrorCode) -> Joined {
        let Replacement {
            old_id,
            new_id,
            old_terms,
            old_leader,
            ..
        } = replacement;
        self.group.update_member(&new_id, old_terms, None);
        self.group.replace_static_member(&new_id, old_id.clone());
        self.reset_session(&old_id);
        Joined {
            error,
            leader: old_leader.as_deref().unwrap_or_default().to_owned(),
            ..self.joined("", Vec::new())
        }
    }
}
