//! What is only looked at, and what is forgotten.

use std::sync::Arc;

use ottla_base::ErrorCode;
use regex::Regex;

use super::command::{Description, ListTransactions, ListedTransaction, Reply};
use super::shard::{Entry, StateRecord, TransactionShard};
use super::state::{PASSING_STATES, State, Transaction};
use crate::machine::{Now, Outcome, Then, Token};

const STATES: [State; 6] = [
    State::Empty,
    State::Ongoing,
    State::PrepareCommit,
    State::PrepareAbort,
    State::CompleteCommit,
    State::CompleteAbort,
];

impl TransactionShard {
    pub(super) fn describe(&self, id: String) -> Reply {
        if id.is_empty() {
            return Reply::Failed(ErrorCode::InvalidRequest);
        }
        let Some(Entry { current, .. }) = self.entries.get(id.as_str()) else {
            return Reply::Failed(ErrorCode::TransactionalIdNotFound);
        };
        Reply::Described(Description {
            transactional_id: id,
            state: current.state.name(),
            timeout_ms: current.timeout_ms,
            start_ms: current.start_ms,
            producer_id: current.producer_id,
            producer_epoch: current.producer_epoch,
            partitions: current.partitions.clone(),
        })
    }

    pub(super) fn list(&self, filters: &ListTransactions, now: Now) -> Reply {
        let Ok(pattern) = id_pattern(filters.id_pattern.as_deref()) else {
            return Reply::Failed(ErrorCode::InvalidRegularExpression);
        };
        let selected = self.entries.iter().filter(|(id, entry)| {
            passes(&entry.current, filters, now.wall_ms) && pattern.as_ref().is_none_or(|p| p.is_match(id))
        });
        let mut transactions: Vec<ListedTransaction> = selected
            .map(|(id, entry)| ListedTransaction {
                transactional_id: id.to_string(),
                producer_id: entry.current.producer_id,
                state: entry.current.state.name(),
            })
            .collect();
        transactions.sort_unstable_by(|a, b| a.transactional_id.cmp(&b.transactional_id));
        Reply::Listed(transactions)
    }

    /// A tombstone for each id that nobody has used for long. Nothing else is on its way while this is written.
    pub(super) fn expire_ids(&mut self, token: Token, now: Now) -> Outcome<Self> {
        let idle_since_ms = now.wall_ms - self.config.id_expiration_ms;
        let is_idle = |entry: &Entry| {
            let is_open = entry.is_busy() || entry.current.state == State::Ongoing;
            !is_open && entry.current.last_update_ms <= idle_since_ms
        };
        let idle = self.entries.iter().filter(|(_, entry)| is_idle(entry));
        let mut ids: Vec<Arc<str>> = idle.map(|(id, _)| id.clone()).collect();
        ids.sort_unstable();
        let value_version = self.value_version();
        let tombstone = |transactional_id| StateRecord {
            transactional_id,
            transaction: None,
            value_version,
        };
        let records: Vec<StateRecord> = ids.into_iter().map(tombstone).collect();
        Outcome {
            splittable: true,
            then: Then::Replay,
            ..Outcome::write(records, token, Reply::Done)
        }
    }
}

impl ListTransactions {
    pub fn check(&self) -> Result<(), ErrorCode> {
        let pattern = id_pattern(self.id_pattern.as_deref());
        pattern.map(drop).map_err(|_| ErrorCode::InvalidRegularExpression)
    }

    /// The names among the states that are none.
    pub fn unknown_states(&self) -> impl Iterator<Item = &str> {
        let is_known =
            |name: &str| STATES.iter().any(|state| state.name() == name) || PASSING_STATES.contains(&name);
        self.states
            .iter()
            .map(String::as_str)
            .filter(move |name| !is_known(name))
    }
}

/// As Kafka counts, an id that has no transaction has been running since the beginning of time.
fn passes(transaction: &Transaction, filters: &ListTransactions, now_ms: i64) -> bool {
    let state = transaction.state.name();
    let by_id = filters.producer_ids.is_empty() || filters.producer_ids.contains(&transaction.producer_id);
    let by_state = filters.states.is_empty() || filters.states.iter().any(|name| name == state);
    let by_duration = filters.duration_ms < 0 || now_ms - transaction.start_ms > filters.duration_ms;
    by_id && by_state && by_duration
}

/// Kafka takes Java's expressions; what this engine does not know of them, like looking ahead, is refused.
fn id_pattern(pattern: Option<&str>) -> Result<Option<Regex>, regex::Error> {
    let whole = |pattern: &str| Regex::new(&format!("^(?:{pattern})$"));
    pattern
        .filter(|pattern| !pattern.is_empty())
        .map(whole)
        .transpose()
}
