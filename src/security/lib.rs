//! Who somebody is and what they may do. So far: what a server keeps of a password ([`scram`]).
//!
//! Pure: no socket, no clock, no source of randomness; whoever needs a salt brings it.

pub mod scram;
