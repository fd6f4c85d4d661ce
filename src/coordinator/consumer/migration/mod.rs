//! Groups whose members change from one protocol to the other while the group goes on.
//!
//! ```text
//!                  a member of the consumer protocol joins
//!   classic group ────────────────────────────────────────► consumer group, some members still classic
//!                 ◄────────────────────────────────────────
//!                  only members of the classic protocol are left
//! ```
//!
//! The conversion is one batch of records: tombstones of the one group, then the other. Generations and epochs go on where
//! the other left off, so that members see a rebalance and no more. While both kinds of members are in a group, it is a
//! consumer group, and the classic ones are served here: they are told by heartbeats to join again, a join is their
//! heartbeat of the other protocol, and a sync fetches what that assigned.

mod downgrade;
mod join;
mod requests;
mod upgrade;

pub(crate) use downgrade::Downgraded;
pub(super) use downgrade::{downgrade, only_classic_without};
pub(super) use upgrade::upgrade;

/// `group.consumer.migration.policy`: what may become of groups with members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MigrationPolicy {
    Disabled,
    Upgrade,
    Downgrade,
    #[default]
    Bidirectional,
}

impl MigrationPolicy {
    /// Of a setting's value, which knows neither upper nor lower case.
    pub fn by_name(name: &str) -> Option<Self> {
        let all = [
            ("disabled", Self::Disabled),
            ("upgrade", Self::Upgrade),
            ("downgrade", Self::Downgrade),
            ("bidirectional", Self::Bidirectional),
        ];
        let found = all
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, policy)| policy)
    }

    pub fn allows_upgrade(self) -> bool {
        matches!(self, Self::Upgrade | Self::Bidirectional)
    }

    pub fn allows_downgrade(self) -> bool {
        matches!(self, Self::Downgrade | Self::Bidirectional)
    }
}
