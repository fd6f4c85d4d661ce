//! What clients asked of a broker, what they were told, and whether the two can be true of one log.
//!
//! Reading order: [`history`] (operations with their outcomes and times), [`notation`] (the same as text, one line each),
//! [`judge`] (the rules, pure), [`connection`] and [`clients`] (who makes a history). The judge shares no code with the
//! broker, records and protocol included: it must not share its mistakes. `docs/checker.md` says how it is run, and what it was
//! tried on.

pub mod clients;
pub mod connection;
pub mod history;
pub mod judge;
pub mod notation;
