//! InitProducerId: a producer begins, or begins again, and whoever used its transactional id before is fenced.

use std::sync::Arc;

use ottla_base::ErrorCode;
use ottla_base::planted::{self, Bug};

use super::command::{InitProducerId, Reply};
use super::shard::{Entry, TransactionConfig, TransactionShard};
use super::state::{NO_PRODUCER_EPOCH, State, Transaction, is_exhausted};
use crate::machine::{Now, Outcome, Token};

impl TransactionShard {
    pub(super) fn init_producer_id(
        &mut self,
        request: &InitProducerId,
        token: Token,
        now: Now,
    ) -> Outcome<Self> {
        let timeout_ms = match self.config.timeout_ms(request) {
            Ok(timeout_ms) => timeout_ms,
            Err(error) => return Outcome::reply(token, Reply::Failed(error)),
        };
        let id = request.transactional_id.as_str();
        if !self.entries.contains_key(id) {
            let Some(producer_id) = request.fresh_producer_id else {
                return Outcome::reply(token, Reply::NeedsProducerId);
            };
            let current = Transaction::new(producer_id, timeout_ms, now.wall_ms);
            self.entries.insert(Arc::from(id), Entry::new(current));
        }
        let Some(entry) = self.entries.get(id) else {
            return Outcome::reply(token, Reply::Failed(ErrorCode::UnknownServerError));
        };
        if entry.is_busy() {
            return Outcome::reply(token, Reply::Failed(ErrorCode::ConcurrentTransactions));
        }
        if !is_known_to(&entry.current, request.expected) {
            return Outcome::reply(token, Reply::Failed(ErrorCode::ProducerFenced));
        }
        if entry.current.state == State::Ongoing {
            // The producer is told to come again, and finds the transaction aborted. The epoch that this takes is nobody's.
            let again = Reply::Failed(ErrorCode::ConcurrentTransactions);
            return match self.abort(id, request.fresh_producer_id, now) {
                Some(next) => self.write(id, next, Some((token, again))),
                None => Outcome::reply(token, Reply::NeedsProducerId),
            };
        }
        match next_session(&entry.current, request, timeout_ms, now.wall_ms) {
            Ok(next) => {
                let (producer_id, producer_epoch) = (next.producer_id, next.producer_epoch);
                let reply = Reply::Initialized {
                    producer_id,
                    producer_epoch,
                };
                self.write(id, next, Some((token, reply)))
            }
            Err(reply) => Outcome::reply(token, reply),
        }
    }
}

impl TransactionConfig {
    /// The timeout that a producer gets, if it may have the one it asks for.
    pub fn timeout_ms(&self, request: &InitProducerId) -> Result<i32, ErrorCode> {
        if request.transactional_id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        if request.two_phase_commit {
            return match self.two_phase_commit {
                true => Ok(i32::MAX),
                false => Err(ErrorCode::TransactionalIdAuthorizationFailed),
            };
        }
        match (1..=self.max_timeout_ms).contains(&request.timeout_ms) {
            true => Ok(request.timeout_ms),
            false => Err(ErrorCode::InvalidTransactionTimeout),
        }
    }
}

/// Whether a producer that names the id it has may go on: nobody else has begun since. It may be the one before, when its
/// last request was carried out and the answer, with a new id, never arrived.
fn is_known_to(current: &Transaction, expected: Option<(i64, i16)>) -> bool {
    let Some((producer_id, epoch)) = expected else {
        return true;
    };
    current.producer_epoch == NO_PRODUCER_EPOCH
        || producer_id == current.producer_id
        || (producer_id == current.previous_producer_id && is_exhausted(epoch))
}

fn next_session(
    current: &Transaction,
    request: &InitProducerId,
    timeout_ms: i32,
    now_ms: i64,
) -> Result<Transaction, Reply> {
    let epoch = current.producer_epoch;
    let expected_epoch = request.expected.map(|(_, epoch)| epoch);
    let is_up_to_date = expected_epoch.is_none_or(|expected| expected == epoch);
    if current.is_epoch_exhausted() && is_up_to_date {
        let producer_id = request.fresh_producer_id.ok_or(Reply::NeedsProducerId)?;
        let last_epoch = expected_epoch.map_or(NO_PRODUCER_EPOCH, |_| epoch);
        return Ok(current.rotated(producer_id, last_epoch, timeout_ms, now_ms));
    }
    if is_up_to_date || epoch == NO_PRODUCER_EPOCH {
        let last_epoch = expected_epoch.map_or(NO_PRODUCER_EPOCH, |_| epoch);
        let next = epoch + i16::from(epoch < 0 || !planted::strikes(Bug::EpochNotBumped));
        return Ok(current.initialized(next, last_epoch, timeout_ms, now_ms));
    }
    if !current.is_epoch_exhausted() && expected_epoch == Some(current.last_producer_epoch) {
        // The same request once more: its answer was lost, so it is given again.
        return Ok(current.initialized(epoch, current.last_producer_epoch, timeout_ms, now_ms));
    }
    Err(Reply::Failed(ErrorCode::ProducerFenced))
}
