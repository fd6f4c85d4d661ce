//! Groups of the consumer protocol (KIP-848): the coordinator assigns, and members learn by heartbeat what to give up and take.
//!
//! Three epochs move one behind the other. What members subscribe to and what topics are there decide the **group epoch**;
//! the target assignment that was computed for it has the **assignment epoch**; each member follows at its own pace with its
//! **member epoch**. Reading order:
//!
//! - [`topics`]: what is known of topics here; `metadata_hash`: how a group notices that it changed.
//! - [`assignment`], [`member`], [`group`]: the state, each part as its record and back.
//! - [`assignor`]: the target assignment of a whole group.
//! - `reconcile`: one member's next step towards its target. A partition is revoked before somebody else is assigned it.
//! - `regex`: subscriptions by regular expression.
//! - `turn`: one step of a group on behalf of one member.
//! - `heartbeat`, `leave`: what members ask; `timers`: what happens when they do not.
//! - `shard`: how their groups live in the machine; `step`: how what they decide is written; `replay`: how it is read again.
//! - [`migration`]: members of the classic protocol in such groups, and groups that change from one protocol to the other.
//! - `commit`: who may commit and read offsets; `admin`: describe, delete.

mod admin;
pub(crate) mod assignment;
mod assignor;
mod commit;
pub(crate) mod group;
mod heartbeat;
mod leave;
pub(crate) mod member;
mod metadata_hash;
pub mod migration;
mod reconcile;
mod regex;
mod replay;
pub(crate) mod shard;
pub(crate) mod step;
mod timers;
pub mod topics;
mod turn;

pub use assignor::Assignor;
pub(crate) use group::ConsumerGroup;
pub(crate) use leave::group_tombstones;
pub use migration::MigrationPolicy;
pub(crate) use shard::ConsumerGroups;
pub(crate) use timers::TIMER_RETRY_MS;
