//! One member's next step from what it owns to what it is to own: first it gives up what is not its any more, then it gets
//! what nobody else has.

use std::collections::BTreeSet;

use ottla_base::Uuid;

use super::assignment::{self, Owned, Partitions};
use super::group::ConsumerGroup;
use super::member::{Member, MemberState};

pub struct Reconciliation<'a> {
    pub group: &'a ConsumerGroup,
    pub target_epoch: i32,
    pub target: &'a Partitions,
    /// What the member subscribes to now; the target may be of before.
    pub subscribed: &'a BTreeSet<Uuid>,
    pub subscription_changed: bool,
    /// What the member says it has; nothing if it does not say.
    pub owned: Option<&'a Partitions>,
}

/// The member is in a state that this release does not know, and must begin again.
#[derive(Debug, PartialEq, Eq)]
pub struct MustRejoin;

impl Reconciliation<'_> {
    pub fn apply(&self, member: &mut Member) -> Result<(), MustRejoin> {
        if !self.subscription_changed && member.is_reconciled_to(self.target_epoch) {
            return Ok(());
        }
        match member.state {
            MemberState::Stable if member.epoch != self.target_epoch => self.advance(member, member.epoch),
            MemberState::Stable => self.drop_unsubscribed(member),
            MemberState::UnrevokedPartitions if self.still_has(&member.pending_revocation) => {
                self.drop_unsubscribed(member);
            }
            MemberState::UnrevokedPartitions | MemberState::UnreleasedPartitions => {
                self.advance(member, member.epoch);
            }
            MemberState::Unknown if self.owned.is_some_and(Partitions::is_empty) => {
                self.advance(member, self.target_epoch);
            }
            MemberState::Unknown => return Err(MustRejoin),
        }
        Ok(())
    }

    /// A member that does not say what it has may still have anything.
    fn still_has(&self, revoked: &Owned) -> bool {
        let Some(owned) = self.owned else { return true };
        owned.iter().any(|(topic, partitions)| {
            partitions
                .iter()
                .any(|partition| assignment::contains(revoked, *topic, *partition))
        })
    }

    /// Topics that a member does not subscribe to any more are revoked at once, before there is a new target.
    fn drop_unsubscribed(&self, member: &mut Member) {
        if !self.subscription_changed {
            return;
        }
        let (kept, dropped): (Owned, Owned) = member
            .assigned
            .clone()
            .into_iter()
            .partition(|(topic, _)| self.subscribed.contains(topic));
        if dropped.is_empty() {
            return;
        }
        let mut revoked = member.pending_revocation.clone();
        assignment::merge(&mut revoked, &dropped);
        member.assigned = kept;
        member.advance_to(member.epoch);
        if self.still_has(&revoked) {
            member.state = MemberState::UnrevokedPartitions;
            member.pending_revocation = revoked;
        }
    }

    /// The member stays in `epoch` while it has something to give up, and else comes to the target's.
    fn advance(&self, member: &mut Member, epoch: i32) {
        let is_target = |topic: Uuid, partition: i32| {
            let partitions = self.target.get(&topic);
            self.subscribed.contains(&topic)
                && partitions.is_some_and(|partitions| partitions.contains(&partition))
        };
        let (mut kept, mut revoked) = (Owned::new(), Owned::new());
        for (topic, partition, assigned_in) in assignment::iter(&member.assigned) {
            let part = if is_target(topic, partition) {
                &mut kept
            } else {
                &mut revoked
            };
            assignment::insert(part, topic, partition, assigned_in);
        }
        if !revoked.is_empty() && self.still_has(&revoked) {
            member.advance_to(epoch);
            member.state = MemberState::UnrevokedPartitions;
            member.assigned = kept;
            member.pending_revocation = revoked;
            return;
        }
        let is_complete = self.take_free(member, &mut kept);
        member.advance_to(self.target_epoch);
        member.state = match is_complete {
            true => MemberState::Stable,
            false => MemberState::UnreleasedPartitions,
        };
        member.assigned = kept;
        member.pending_revocation.clear();
    }

    /// Takes what nobody else has of the target; returns whether that was everything.
    fn take_free(&self, member: &Member, kept: &mut Owned) -> bool {
        let mut is_complete = true;
        let subscribed = self
            .target
            .iter()
            .filter(|(topic, _)| self.subscribed.contains(topic));
        for (topic, partitions) in subscribed {
            for partition in partitions {
                if assignment::contains(kept, *topic, *partition) {
                    continue;
                }
                let is_own = assignment::contains(&member.pending_revocation, *topic, *partition);
                if is_own || !self.group.is_owned(*topic, *partition) {
                    assignment::insert(kept, *topic, *partition, self.target_epoch);
                } else {
                    is_complete = false;
                }
            }
        }
        is_complete
    }
}
