//! How a step of a group is written. A step is decided by the committed state, so a group takes one step at a time: what
//! comes while its records are on their way waits for them. Other groups do not wait. If the records cannot be written,
//! nothing has happened.

use std::collections::VecDeque;
use std::sync::Arc;

use ottla_base::ErrorCode;

use super::migration::Downgraded;
use crate::command::{Command, Reply};
use crate::machine::{Now, Outcome, Then, Token};
use crate::records::Record;
use crate::shard::{GroupShard, Resume};

/// What a request of a group leads to.
#[derive(Default)]
pub(crate) struct Step {
    pub records: Vec<Record>,
    /// The answer, once the records are written.
    pub reply: Option<(Token, Reply)>,
    /// Answers for those who wait for something that will not come any more.
    pub dismissed: Vec<(Token, Reply)>,
    /// The classic group that takes the place of this one.
    pub becomes: Option<Downgraded>,
    /// What can only be done once the records are written.
    pub next: Option<(Command, Token)>,
}

/// A step whose records are on their way.
#[derive(Debug)]
pub struct Written {
    records: Vec<Record>,
    becomes: Option<Downgraded>,
    next: Option<(Command, Token)>,
}

impl GroupShard {
    pub(crate) fn take_step(&mut self, id: Arc<str>, step: Step) -> Outcome<Self> {
        let mut outcome = Outcome {
            replies: step.dismissed,
            ..Outcome::default()
        };
        if step.records.is_empty() {
            outcome.replies.extend(step.reply);
            return outcome;
        }
        self.consumer.writing.insert(id.clone(), VecDeque::new());
        let written = Written {
            records: step.records.clone(),
            becomes: step.becomes,
            next: step.next,
        };
        outcome.records = step.records;
        outcome.parked.extend(step.reply);
        outcome.then = Then::Resume(Resume::Consumer(id, Box::new(written)));
        outcome
    }

    /// Puts a request aside if its group is being written. Gives it back if it is not.
    pub(crate) fn defer(&mut self, command: Command, token: Token) -> Option<(Command, Token)> {
        let waiting = command
            .member_group()
            .and_then(|group| self.consumer.writing.get_mut(group));
        match waiting {
            Some(waiting) => {
                waiting.push_back((command, token));
                None
            }
            None => Some((command, token)),
        }
    }

    /// The records of a group are written, or could not be: those who waited for that are next.
    pub(crate) fn consumer_written(
        &mut self,
        id: &Arc<str>,
        written: Written,
        appended: Result<(), ErrorCode>,
        now: Now,
    ) -> Outcome<Self> {
        let waiting = self.consumer.writing.remove(id).unwrap_or_default();
        let mut outcome = Outcome::default();
        match appended {
            Ok(()) => {
                for record in written.records {
                    self.replay_group_record(record, now);
                }
                if let Some(downgraded) = written.becomes {
                    outcome = self.install(id, downgraded, now);
                }
                self.ready.extend(written.next);
            }
            Err(error) => {
                let refused = written.next.map(|(_, token)| (token, Reply::Failed(error)));
                outcome.replies.extend(refused);
            }
        }
        self.ready.extend(waiting);
        outcome
    }
}
