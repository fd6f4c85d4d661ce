//! What clients of a life were told, and what readers must see after that.

use std::collections::BTreeMap;

use super::Step::{self, Begin, End, Fenced, Move, Send, TimeOut};
use super::{ABORT, COMMIT, Who};

/// How a transaction ended, as far as its producer was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Open,
    /// It was asked to commit, and nobody has heard the answer.
    InDoubt,
    Committed,
    Aborted,
}

/// All that was sent, in that order, each with the number of its transaction.
#[derive(Default)]
pub struct History {
    outcomes: Vec<Outcome>,
    open: BTreeMap<&'static str, usize>,
    sent: Vec<(usize, i32, String)>,
    moved: Vec<(usize, &'static str, i64)>,
}

/// What readers of committed data see.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub values: BTreeMap<i32, Vec<String>>,
    pub offsets: BTreeMap<&'static str, i64>,
}

impl History {
    /// The open transaction of an id, which begins with the first thing that is done in it.
    fn transaction(&mut self, id: &'static str) -> usize {
        *self.open.entry(id).or_insert_with(|| {
            self.outcomes.push(Outcome::Open);
            self.outcomes.len() - 1
        })
    }

    fn end(&mut self, id: &'static str, outcome: Outcome) {
        if let Some(number) = self.open.remove(id) {
            self.outcomes[number] = outcome;
        }
    }

    /// What was answered, in the words of the model.
    pub fn note(&mut self, step: Step) {
        match step {
            Begin(who) | TimeOut(who) => self.end(who.id(), Outcome::Aborted),
            Send(who, partition, value) => {
                let number = self.transaction(who.id());
                self.sent.push((number, partition, value.to_owned()));
            }
            Move(who, offset) => {
                let number = self.transaction(who.id());
                self.moved.push((number, who.id(), offset));
            }
            End(who, COMMIT) => self.end(who.id(), Outcome::Committed),
            End(who, ABORT) => self.end(who.id(), Outcome::Aborted),
            Fenced(_) => {}
        }
    }

    /// What was under way when the process died. Whose commit it was, if nobody can know what has become of it.
    pub fn note_lost(&mut self, step: Step) -> Option<Who> {
        let End(who, COMMIT) = step else { return None };
        self.open.get(who.id())?;
        self.end(who.id(), Outcome::InDoubt);
        Some(who)
    }

    pub fn seen(&self, doubts: Outcome) -> Seen {
        let is_committed = |number: usize| match self.outcomes[number] {
            Outcome::InDoubt => doubts == Outcome::Committed,
            outcome => outcome == Outcome::Committed,
        };
        let mut seen = Seen::default();
        for (_, partition, value) in self.sent.iter().filter(|sent| is_committed(sent.0)) {
            seen.values.entry(*partition).or_default().push(value.clone());
        }
        let moved = self.moved.iter().filter(|moved| is_committed(moved.0));
        seen.offsets
            .extend(moved.map(|(_, group, offset)| (*group, *offset)));
        seen
    }
}
