//! Partitions enter a transaction, which opens it; and are asked for by those that are to append to them.

use ottla_base::ErrorCode;

use super::command::{AddPartitions, Reply};
use super::shard::{Entry, TransactionShard};
use super::state::State;
use crate::machine::{Now, Outcome, Token};

impl TransactionShard {
    pub(super) fn add_partitions(
        &mut self,
        request: &AddPartitions,
        token: Token,
        now: Now,
    ) -> Outcome<Self> {
        let entry = match self.entry_of(request) {
            Ok(entry) => entry,
            Err(error) => return Outcome::reply(token, Reply::Failed(error)),
        };
        // First of all, since a producer may have been told an id and an epoch whose record is still on its way.
        if entry.is_busy() {
            return Outcome::reply(token, Reply::Failed(ErrorCode::ConcurrentTransactions));
        }
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
