//! What the workers of a run share: the clock of ticks, the history, values that are given out once, and chance.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use kafka_protocol::messages::{GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use crate::history::{Action, History, Operation, Outcome, Partition};

use super::run::Options;

pub const INPUTS: Partition = 3;
pub const OUTPUTS: Partition = 3;

#[derive(Clone)]
pub struct Shared(Rc<Inner>);

struct Inner {
    bootstrap: String,
    /// Topics of one run, told from those of another by this.
    name: String,
    until: Instant,
    last_answer_by: Instant,
    ticks: Cell<u64>,
    numbers: Cell<u64>,
    random: Cell<u64>,
    history: RefCell<History>,
}

impl Shared {
    pub fn new(options: &Options) -> Self {
        let until = Instant::now() + Duration::from_secs(options.seconds);
        Self(Rc::new(Inner {
            bootstrap: options.bootstrap.clone(),
            name: options.name.clone(),
            until,
            last_answer_by: until + Duration::from_secs(options.patience),
            ticks: Cell::new(0),
            numbers: Cell::new(0),
            random: Cell::new(options.seed),
            history: RefCell::default(),
        }))
    }

    pub fn bootstrap(&self) -> &str {
        &self.0.bootstrap
    }

    /// Workers begin nothing new after this.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.0.until
    }

    /// Until then the broker, which is not killed any more, must have ended everything and told it.
    pub fn last_answer_by(&self) -> Instant {
        self.0.last_answer_by
    }

    pub fn tick(&self) -> u64 {
        next(&self.0.ticks)
    }

    /// For values, transactions and producers: never the same twice.
    pub fn number(&self) -> u64 {
        next(&self.0.numbers)
    }

    /// Numbers that look random and are the same for the same seed (splitmix64).
    pub fn below(&self, limit: u64) -> u64 {
        let state = self.0.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.random.set(state);
        let bits = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % limit.max(1)
    }

    pub fn record(&self, called: u64, action: Action, outcome: Outcome) {
        let done = self.tick();
        self.0.history.borrow_mut().operations.push(Operation {
            called,
            done,
            action,
            outcome,
        });
    }

    pub fn into_history(self) -> History {
        self.0.history.take()
    }

    pub fn group(&self) -> GroupId {
        GroupId(self.text("group"))
    }

    pub fn text(&self, suffix: &str) -> StrBytes {
        StrBytes::from_string(format!("{}-{suffix}", self.0.name))
    }

    /// The topic of a partition and its number there.
    pub fn place(&self, partition: Partition) -> (TopicName, i32) {
        let (topic, number) = match partition.checked_sub(INPUTS) {
            None => ("in", partition),
            Some(number) => ("out", number),
        };
        (TopicName(self.text(topic)), number.cast_signed())
    }
}

fn next(counter: &Cell<u64>) -> u64 {
    counter.set(counter.get() + 1);
    counter.get()
}
