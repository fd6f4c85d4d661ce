//! A transaction is decided: by its producer, by the next producer with the same transactional id, or by its time.

use std::sync::Arc;

use ottla_base::ErrorCode;
use ottla_base::planted::{self, Bug};
use tracing::{info, warn};

use super::command::{EndTransaction, Reply, Work};
use super::shard::{Entry, TransactionShard};
use super::state::{EPOCH_BUMP_VERSION, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, State, Transaction};
use crate::machine::{Now, Outcome, Token};

/// The answer to those who speak `transaction.version` 0 or 1: they go on with what they have.
const ENDED: Reply = Reply::Ended {
    producer_id: NO_PRODUCER_ID,
    producer_epoch: NO_PRODUCER_EPOCH,
};

/// What an EndTxn leads to.
enum End {
    /// To this state, and then to this answer.
    To(Transaction, Reply),
    /// It was carried out before, or cannot be.
    Already(Reply),
}

impl TransactionShard {
    pub(super) fn end_transaction_of(
        &mut self,
        request: &EndTransaction,
        token: Token,
        now: Now,
    ) -> Outcome<Self> {
        if request.transactional_id.is_empty() {
            return Outcome::reply(token, Reply::Failed(ErrorCode::InvalidRequest));
        }
        let Some(entry) = self.entries.get(request.transactional_id.as_str()) else {
            return Outcome::reply(token, Reply::Failed(ErrorCode::InvalidProducerIdMapping));
        };
        let end = match request.client_version >= EPOCH_BUMP_VERSION {
            true => end_with_bump(entry, request, now),
            false => end_without_bump(entry, request, now),
        };
        match end {
            Ok(End::To(next, reply)) if planted::strikes(Bug::EndWithoutPrepare) => {
                self.decide_unwritten(&request.transactional_id, next, now);
                Outcome::reply(token, reply)
            }
            Ok(End::To(next, reply)) => self.write(&request.transactional_id, next, Some((token, reply))),
            Ok(End::Already(reply)) => Outcome::reply(token, reply),
            Err(error) => {
                if error == ErrorCode::InvalidTxnState {
                    let (id, state) = (&request.transactional_id, entry.current.state.name());
                    warn!(transactional_id = %id, state, committed = request.committed, "cannot end like this");
                }
                Outcome::reply(token, Reply::Failed(error))
            }
        }
    }

    /// Of [`Bug::EndWithoutPrepare`].
    fn decide_unwritten(&mut self, id: &str, next: Transaction, now: Now) {
        if let Some((id, _)) = self.entries.get_key_value(id) {
            self.retry_later(id.clone(), now);
        }
        if let Some(entry) = self.entries.get_mut(id) {
            entry.current = next;
        }
    }

    /// The state of an open transaction that its coordinator aborts, which fences its producer; nothing if that takes a new
    /// producer id and there is none.
    pub(super) fn abort(&self, id: &str, fresh_producer_id: Option<i64>, now: Now) -> Option<Transaction> {
        let current = &self.entries.get(id)?.current;
        if self.version >= EPOCH_BUMP_VERSION {
            let next_producer_id = next_producer_id(current, fresh_producer_id)?;
            return Some(current.prepared_with_bump(false, next_producer_id, self.version, now.wall_ms));
        }
        let fenced = Transaction {
            producer_epoch: current.producer_epoch.saturating_add(1),
            last_producer_epoch: NO_PRODUCER_EPOCH,
            ..current.prepared(false, now.wall_ms)
        };
        Some(fenced)
    }

    pub(super) fn abort_timed_out(
        &mut self,
        id: &Arc<str>,
        fresh_producer_id: Option<i64>,
        now: Now,
    ) -> Outcome<Self> {
        let has_timed_out = |entry: &&Entry| !entry.is_busy() && entry.current.has_timed_out(now.wall_ms);
        if self.entries.get(id).filter(has_timed_out).is_none() {
            self.watch_timeout(id, now);
            return Outcome::default();
        }
        match self.abort(id, fresh_producer_id, now) {
            Some(next) => {
                info!(transactional_id = %id, producer_id = next.producer_id, "transaction aborted: out of time");
                self.write(id, next, None)
            }
            None => {
                self.give_work(Work::FetchProducerId(id.clone()));
                Outcome::default()
            }
        }
    }
}

/// With `transaction.version` 0 and 1 a request and its retry look the same as the one of the next transaction.
fn end_without_bump(entry: &Entry, request: &EndTransaction, now: Now) -> Result<End, ErrorCode> {
    let current = &entry.current;
    if current.producer_id != request.producer_id {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    if current.producer_epoch != request.producer_epoch {
        return Err(ErrorCode::ProducerFenced);
    }
    if entry.is_busy() {
        return Err(ErrorCode::ConcurrentTransactions);
    }
    match (current.state, request.committed) {
        (State::Ongoing, committed) => Ok(End::To(current.prepared(committed, now.wall_ms), ENDED)),
        (State::CompleteCommit, true) | (State::CompleteAbort, false) => Ok(End::Already(ENDED)),
        _ => Err(ErrorCode::InvalidTxnState),
    }
}

/// With `transaction.version` 2 the epoch tells a retry from the end of the next transaction, and what is late from both.
/// An abort is taken even if no partition is known: the producer cannot know whether one was added.
fn end_with_bump(entry: &Entry, request: &EndTransaction, now: Now) -> Result<End, ErrorCode> {
    let current = &entry.current;
    // First of all, since the producer's new id may be in a record that is still on its way.
    if entry.is_busy() {
        return Err(ErrorCode::ConcurrentTransactions);
    }
    let is_retry = is_retry(current, request);
    if current.producer_id != request.producer_id && !is_retry {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    let is_complete = matches!(current.state, State::CompleteCommit | State::CompleteAbort);
    if current.producer_epoch != request.producer_epoch && !(is_complete && is_retry) {
        return Err(ErrorCode::ProducerFenced);
    }
    let is_repeated = match (current.state, request.committed) {
        (State::Ongoing, _) => false,
        (State::CompleteCommit, true) | (State::CompleteAbort, false) if is_retry => true,
        (_, false) if !is_retry => false,
        _ => return Err(ErrorCode::InvalidTxnState),
    };
    if is_repeated {
        return Ok(End::Already(ended_as(current)));
    }
    let Some(next_producer_id) = next_producer_id(current, request.fresh_producer_id) else {
        return Ok(End::Already(Reply::NeedsProducerId));
    };
    let version = request.client_version;
    let next = current.prepared_with_bump(request.committed, next_producer_id, version, now.wall_ms);
    let reply = ended_as(&next.completed(now.wall_ms));
    Ok(End::To(next, reply))
}

/// Whether the request has ended this transaction before: by its epoch, or because it used up the last one.
fn is_retry(current: &Transaction, request: &EndTransaction) -> bool {
    let bumped = current.producer_id == request.producer_id
        && i32::from(current.producer_epoch) == i32::from(request.producer_epoch) + 1;
    let rotated = current.previous_producer_id == request.producer_id
        && request.producer_epoch == i16::MAX - 1
        && current.producer_epoch == 0;
    bumped || rotated
}

fn ended_as(transaction: &Transaction) -> Reply {
    Reply::Ended {
        producer_id: transaction.producer_id,
        producer_epoch: transaction.producer_epoch,
    }
}

/// None (-1) as long as there are epochs left; nothing if one is needed and not there.
fn next_producer_id(current: &Transaction, fresh_producer_id: Option<i64>) -> Option<i64> {
    match current.is_epoch_exhausted() {
        true => fresh_producer_id,
        false => Some(NO_PRODUCER_ID),
    }
}
