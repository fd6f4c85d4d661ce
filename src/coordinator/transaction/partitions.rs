//! Partitions enter a transaction, which opens it; and are asked for by those that are to append to them.

use std::sync::Arc;

use ottla_base::ErrorCode;

use super::command::{AddPartitions, Reply};
use super::shard::{Entry, TransactionShard};
use super::state::State;
use crate::machine::{Now, Outcome, Token};

impl TransactionShard {
    /// A transaction often begins while the one before is still being completed, which takes a moment. Kafka sends such
    /// requests away, to come again; here they wait, for as long as Kafka's partitions go on asking.
    pub(super) fn add_partitions(&mut self, request: AddPartitions, token: Token, now: Now) -> Outcome<Self> {
        if let Err(error) = self.entry_of(&request) {
            return Outcome::reply(token, Reply::Failed(error));
        }
        let known = self.entries.get_key_value(request.transactional_id.as_str());
        let Some(id) = known.map(|(id, _)| id.clone()) else {
            return Outcome::default();
        };
        if let Some(entry) = self.entries.get_mut(&id)
            && entry.is_busy()
        {
            if entry.waiting.is_empty() {
                let until_ms = now.uptime_ms + self.config.patience_ms;
                self.patience.schedule(id, until_ms, ());
            }
            entry.waiting.push_back((token, request));
            return Outcome::default();
        }
        self.add_at_once(&request, token, now)
    }

    /// What an id was busy with has ended: those who waited go on, until one of them makes it busy again.
    pub(super) fn admit_waiting(&mut self, id: &Arc<str>, now: Now) -> Outcome<Self> {
        let mut replies = Vec::new();
        while let Some(entry) = self.entries.get_mut(id)
            && !entry.is_busy()
            && let Some((token, request)) = entry.waiting.pop_front()
        {
            if entry.waiting.is_empty() {
                self.patience.cancel(id);
            }
            let mut outcome = self.add_at_once(&request, token, now);
            replies.append(&mut outcome.replies);
            if !outcome.records.is_empty() {
                return Outcome { replies, ..outcome };
            }
        }
        Outcome {
            replies,
            ..Outcome::default()
        }
    }

    /// It has taken too long: they are to come again.
    pub(super) fn dismiss_waiting(&mut self, id: &Arc<str>) -> Outcome<Self> {
        let waiting = self
            .entries
            .get_mut(id)
            .map(|entry| std::mem::take(&mut entry.waiting));
        let again = Reply::Failed(ErrorCode::ConcurrentTransactions);
        let replies = waiting
            .into_iter()
            .flatten()
            .map(|(token, _)| (token, again.clone()));
        Outcome {
            replies: replies.collect(),
            ..Outcome::default()
        }
    }

    fn add_at_once(&mut self, request: &AddPartitions, token: Token, now: Now) -> Outcome<Self> {
        let entry = match self.entry_of(request) {
            Ok(entry) => entry,
            Err(error) => return Outcome::reply(token, Reply::Failed(error)),
        };
        if let Err(error) = check_producer(entry, request) {
            return Outcome::reply(token, Reply::Failed(error));
        }
        if entry.current.state == State::Ongoing && entry.current.contains(&request.partitions) {
            return Outcome::reply(token, Reply::Done);
        }
        let next = entry
            .current
            .with_partitions(&request.partitions, request.client_version, now.wall_ms);
        self.write(&request.transactional_id, next, Some((token, Reply::Done)))
    }

    /// What is being written is not waited for: the partition asks again when it appends.
    pub(super) fn verify_partitions(&self, request: &AddPartitions) -> Reply {
        let entry = match self.entry_of(request) {
            Ok(entry) => entry,
            Err(error) => return Reply::Failed(error),
        };
        if let Err(error) = check_producer(entry, request) {
            return Reply::Failed(error);
        }
        if entry.current.state.is_prepared() {
            return Reply::Failed(ErrorCode::ConcurrentTransactions);
        }
        let partitions = request
            .partitions
            .iter()
            .flat_map(|(topic, indexes)| indexes.iter().map(move |index| (topic, *index)));
        let verified = partitions.map(|(topic, index)| {
            let known = entry.current.partitions.get(topic);
            let error = match known.is_some_and(|known| known.contains(&index)) {
                true => ErrorCode::None,
                false => ErrorCode::TransactionAbortable,
            };
            (topic.clone(), index, error)
        });
        Reply::Verified(verified.collect())
    }

    fn entry_of(&self, request: &AddPartitions) -> Result<&Entry, ErrorCode> {
        if request.transactional_id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        self.entries
            .get(request.transactional_id.as_str())
            .ok_or(ErrorCode::InvalidProducerIdMapping)
    }
}

fn check_producer(entry: &Entry, request: &AddPartitions) -> Result<(), ErrorCode> {
    if entry.current.producer_id != request.producer_id {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    if entry.current.producer_epoch != request.producer_epoch {
        return Err(ErrorCode::ProducerFenced);
    }
    Ok(())
}
