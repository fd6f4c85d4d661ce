//! The shape that every coordinator has: a machine over a log.
//!
//! A machine is given a command and the time, and says which records to append, which answers are ready, and what is to
//! happen once the records are committed. It never appends, never waits and never asks for the time: a loop does all that
//! for it, one loop per partition of its topic. Loading is [`Machine::replay`] of the whole log.
//!
//! ```text
//! command ─► handle ─► Outcome { records ──► appended by the loop ──► committed ─► Then::Replay: replay, parked answers
//!                                replies ──► sent at once                          Then::Resume: the machine goes on
//!                                parked, then }                  └──► failed ────► parked get the error; Resume: undo
//! ```
//!
//! State that can be derived from the records changes when they are committed, so a failed append leaves no trace of it.
//! State that lives in memory only (who waits, which sessions run) may change at once; what has to be undone when its
//! record cannot be written is named by a [`Then::Resume`].

use ottla_base::ErrorCode;

use crate::records::{Encoded, RecordError};

/// Stands for a request that waits for its answer; the loop knows whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// The time, twice: timestamps in records follow the wall clock, timeouts must not jump when somebody sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    pub wall_ms: i64,
    pub uptime_ms: i64,
}

pub trait Machine: Sized + Send + 'static {
    type Command: Send + 'static;
    type Reply: Send + 'static;
    type Record: Send + 'static;
    /// What the machine has to go on with once an append has ended, well or badly.
    type Resume: Send + 'static;

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self::Record, RecordError>;
    fn encode(record: &Self::Record) -> Result<Encoded, RecordError>;
    /// The answer to any command that could not be carried out.
    fn failure(error: ErrorCode) -> Self::Reply;

    /// Whether the command must see everything committed that was appended before it, and be committed before anything
    /// that comes after it: what deletes has to know all that there is.
    fn is_exclusive(command: &Self::Command) -> bool;

    fn handle(&mut self, command: Self::Command, token: Token, now: Now) -> Outcome<Self>;

    /// The uptime at which [`Machine::expire`] wants to be called.
    fn next_deadline_ms(&self) -> Option<i64>;
    /// Handles one timer that is due, if there is one.
    fn expire(&mut self, now: Now) -> Option<Outcome<Self>>;

    /// Whether this value says all that earlier values of its key said, so that a load may leave those out. Tombstones are
    /// always replayed.
    fn replaces_earlier(key: &[u8], value: &[u8]) -> bool;

    /// A committed record; `producer_id` is -1 outside of transactions.
    fn replay(&mut self, offset: i64, producer_id: i64, record: Self::Record, now: Now);
    /// A committed marker that ends the producer's transaction.
    fn end_transaction(&mut self, producer_id: i64, committed: bool);

    fn resume(&mut self, resume: Self::Resume, appended: Result<(), ErrorCode>, now: Now) -> Outcome<Self>;

    /// The whole log has been replayed: timers start.
    fn loaded(&mut self, now: Now) -> Outcome<Self>;
    /// The partition is another broker's from now on: the answers for everybody who still waits.
    fn unloaded(&mut self) -> Vec<(Token, Self::Reply)>;
}

/// What a step of a machine leads to.
pub struct Outcome<M: Machine> {
    /// Appended together, in one batch; nothing is appended if they do not fit.
    pub records: Vec<M::Record>,
    /// Whether the records mean the same when they come in several batches.
    pub splittable: bool,
    /// Answers that need no record.
    pub replies: Vec<(Token, M::Reply)>,
    /// Answers that go out once the records are committed; if that fails, its error goes out instead.
    pub parked: Vec<(Token, M::Reply)>,
    pub then: Then<M>,
}

/// What happens when the records of an [`Outcome`] are committed.
pub enum Then<M: Machine> {
    /// They are replayed.
    Replay,
    /// Nothing: the state is as they say already.
    Nothing,
    /// The machine is told, whether it went well or not.
    Resume(M::Resume),
}

impl<M: Machine> Default for Outcome<M> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            splittable: false,
            replies: Vec::new(),
            parked: Vec::new(),
            then: Then::Nothing,
        }
    }
}

impl<M: Machine> Outcome<M> {
    /// An answer that needs no record.
    pub fn reply(token: Token, reply: M::Reply) -> Self {
        Self {
            replies: vec![(token, reply)],
            ..Self::default()
        }
    }

    /// Records that are replayed once committed, and the answer that follows; without records it goes out at once.
    pub fn write(records: Vec<M::Record>, token: Token, reply: M::Reply) -> Self {
        if records.is_empty() {
            return Self::reply(token, reply);
        }
        Self {
            records,
            parked: vec![(token, reply)],
            then: Then::Replay,
            ..Self::default()
        }
    }
}
