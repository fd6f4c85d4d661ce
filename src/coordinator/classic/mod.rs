//! Groups of the classic protocol: members join, a leader among them assigns, all of them sync.
//!
//! ```text
//!                 join                      all joined, or timeout             leader syncs, committed
//!   Empty ───────────────► PreparingRebalance ──────────────► CompletingRebalance ──────────────► Stable
//!     ▲                        │        ▲                             │                              │
//!     └── nobody is left ──────┘        └── join, leave, failure ─────┴──────────────────────────────┘
//! ```
//!
//! [`group`] holds the state and what is always true of it; [`turn`] moves it from phase to phase; one file per request says
//! who may ask for what.

mod describe;
pub(crate) mod group;
mod heartbeat;
mod join;
mod leave;
mod member;
mod record;
pub(crate) mod replace;
pub(crate) mod sync;
pub(crate) mod turn;

pub(crate) use group::{ClassicGroup, State};
pub(crate) use member::Member as ClassicMember;
