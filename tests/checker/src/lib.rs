//! What clients asked of a broker, what they were told, and whether the two can be true of one log.
//!
//! Reading order: [`history`] (operations with their outcomes and times), [`notation`] (the same as text, one line each),
//! [`judge`] (the rules, pure). The judge shares no code with the broker: it must not share its mistakes.

pub mod history;
pub mod judge;
pub mod notation;
