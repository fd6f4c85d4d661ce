//! What members of consumer groups have how long for, and what becomes of those that are late.

use std::sync::Arc;

use super::member::{Member, MemberState};
use super::shard::ConsumerGroups;
use crate::machine::{Now, Outcome};
use crate::shard::GroupShard;
use crate::timers::Timers;

/// How long a timer waits for records of its group that are on their way.
pub(crate) const TIMER_RETRY_MS: i64 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Wait {
    /// For any sign of life.
    Session,
    /// For a member to give up partitions.
    Revocation,
    /// For a member of the classic protocol that has been told to join again.
    Join,
    /// For a member of the classic protocol to fetch what it was assigned when it joined.
    Sync,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct TimerKey {
    wait: Wait,
    group: Arc<str>,
    member: Arc<str>,
}

/// The epoch that the member was in when it was told to give up partitions; the other timers hold in any epoch.
type InEpoch = Option<i32>;

#[derive(Debug, Default)]
pub(crate) struct MemberTimers {
    timers: Timers<TimerKey, InEpoch>,
}

impl MemberTimers {
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.timers.next_deadline_ms()
    }

    pub fn session(&mut self, group: &Arc<str>, member: &Arc<str>, timeout_ms: i32, now: Now) {
        self.schedule(Wait::Session, group, member, timeout_ms, now, None);
    }

    /// Members of the classic protocol give up partitions between a heartbeat and a join, and have a limit for that.
    pub fn revocation(&mut self, group: &Arc<str>, member: &Member, now: Now) {
        let has_to_revoke = member.state == MemberState::UnrevokedPartitions && member.classic.is_none();
        match has_to_revoke {
            true => self.schedule(
                Wait::Revocation,
                group,
                &member.id,
                member.rebalance_timeout_ms,
                now,
                Some(member.epoch),
            ),
            false => self.timers.cancel(&key(Wait::Revocation, group, &member.id)),
        }
    }

    /// From the first time on that the member was told so.
    pub fn join(&mut self, group: &Arc<str>, member: &Member, now: Now) {
        if !self.timers.is_scheduled(&key(Wait::Join, group, &member.id)) {
            self.schedule(
                Wait::Join,
                group,
                &member.id,
                member.rebalance_timeout_ms,
                now,
                None,
            );
        }
    }

    pub fn joined(&mut self, group: &Arc<str>, member: &Arc<str>) {
        self.timers.cancel(&key(Wait::Join, group, member));
    }

    pub fn sync(&mut self, group: &Arc<str>, member: &Member, now: Now) {
        self.schedule(
            Wait::Sync,
            group,
            &member.id,
            member.rebalance_timeout_ms,
            now,
            None,
        );
    }

    pub fn synced(&mut self, group: &Arc<str>, member: &Arc<str>) {
        self.timers.cancel(&key(Wait::Sync, group, member));
    }

    /// The member is gone.
    pub fn cancel_all(&mut self, group: &str, member: &str) {
        let (group, member): (Arc<str>, Arc<str>) = (group.into(), member.into());
        for wait in [Wait::Session, Wait::Revocation, Wait::Join, Wait::Sync] {
            self.timers.cancel(&key(wait, &group, &member));
        }
    }

    fn schedule(
        &mut self,
        wait: Wait,
        group: &Arc<str>,
        member: &Arc<str>,
        timeout_ms: i32,
        now: Now,
        epoch: InEpoch,
    ) {
        let at_ms = now.uptime_ms + i64::from(timeout_ms);
        self.timers.schedule(key(wait, group, member), at_ms, epoch);
    }
}

fn key(wait: Wait, group: &Arc<str>, member: &Arc<str>) -> TimerKey {
    TimerKey {
        wait,
        group: group.clone(),
        member: member.clone(),
    }
}

impl GroupShard {
    /// Handles one timer of a consumer group that is due.
    pub(crate) fn expire_consumer(&mut self, now: Now) -> Option<Outcome<Self>> {
        let (key, epoch) = self.consumer.timers.timers.pop_due(now.uptime_ms)?;
        let retry_at_ms = now.uptime_ms + TIMER_RETRY_MS;
        if self.consumer.is_writing(&key.group) {
            self.consumer.timers.timers.schedule(key, retry_at_ms, epoch);
            return Some(Outcome::default());
        }
        let Some(group) = self.consumer.groups.get(&key.group) else {
            return Some(Outcome::default());
        };
        let late = group
            .member(&key.member)
            .filter(|member| epoch.is_none_or(|epoch| member.epoch == epoch));
        let Some(member) = late else {
            return Some(Outcome::default());
        };
        let (id, waited_for) = (key.group.clone(), key.wait);
        tracing::info!(group = %id, member = %member.id, ?waited_for, "a member is late and is removed");
        let step = self.without(group, &[member], now);
        // If the records cannot be written, the member is as late as before.
        self.consumer.timers.timers.schedule(key, retry_at_ms, epoch);
        Some(self.take_step(id, step))
    }

    /// Sessions begin anew, and so does the time that members have to give up partitions. As long as nobody has said what
    /// topics there are, members cannot be heard here, and nobody is removed for being silent.
    pub(crate) fn load_consumer_groups(&mut self, now: Now) {
        if self.consumer.has_no_topics() {
            return;
        }
        let mut members = Vec::new();
        for (id, group) in &self.consumer.groups {
            let timeout_ms = self.consumer_config(id).session_timeout_ms;
            members.extend(
                group
                    .members()
                    .map(|member| (id.clone(), member.clone(), timeout_ms)),
            );
        }
        let ConsumerGroups { timers, .. } = &mut self.consumer;
        for (id, member, timeout_ms) in members {
            let timeout_ms = member.classic_session_timeout_ms().unwrap_or(timeout_ms);
            timers.session(&id, &member.id, timeout_ms, now);
            timers.revocation(&id, &member, now);
        }
    }
}
