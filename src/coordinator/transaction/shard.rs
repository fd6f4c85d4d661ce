//! The machine of one partition of `__transaction_state`: the transactional ids that belong there.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ottla_base::ErrorCode;
use ottla_base::schema::{Schema, SchemaError};

use super::command::{AddPartitions, Command, Reply, Work};
use super::state::{State, Transaction};
use crate::machine::{Machine, Now, Outcome, Then, Token};
use crate::records::transaction::{TransactionKey, TransactionRecord, TransactionValue};
use crate::records::{self, Encoded, RecordError};
use crate::timers::Timers;

/// Defaults are Kafka's.
#[derive(Clone, Debug)]
pub struct TransactionConfig {
    /// `transaction.max.timeout.ms`
    pub max_timeout_ms: i32,
    /// `transactional.id.expiration.ms`
    pub id_expiration_ms: i64,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`
    pub abort_interval_ms: i64,
    /// `transaction.two.phase.commit.enable`
    pub two_phase_commit: bool,
    /// For how long markers that were refused, and records that were not written, are let be.
    pub retry_backoff_ms: i64,
    /// For how long a new transaction waits for the end of the one before: `add.partitions.to.txn.retry.backoff.max.ms`.
    pub patience_ms: i64,
}

impl Default for TransactionConfig {
    fn default() -> Self {
        Self {
            max_timeout_ms: 15 * 60 * 1000,
            id_expiration_ms: 7 * 24 * 60 * 60 * 1000,
            abort_interval_ms: 10_000,
            two_phase_commit: false,
            retry_backoff_ms: 100,
            patience_ms: 100,
        }
    }
}

/// The state of an id, or that it is forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRecord {
    pub transactional_id: Arc<str>,
    pub transaction: Option<Transaction>,
    /// The version that the value is written in.
    pub value_version: i16,
}

/// The state that an id has once its record is written.
#[derive(Clone, Debug)]
pub struct Transition {
    pub(super) transactional_id: Arc<str>,
    pub(super) next: Transaction,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub current: Transaction,
    /// Whether the record of the next state is on its way: until it has arrived nothing else may begin.
    pub is_writing: bool,
    /// Those who want to begin the next transaction, as soon as the last one lets them.
    pub waiting: VecDeque<(Token, AddPartitions)>,
}

impl Entry {
    pub fn new(current: Transaction) -> Self {
        Self {
            current,
            is_writing: false,
            waiting: VecDeque::new(),
        }
    }

    /// Whether something has begun that has to end first: the client is to come again.
    pub fn is_busy(&self) -> bool {
        self.is_writing || self.current.state.is_prepared()
    }
}

#[derive(Debug)]
pub struct TransactionShard {
    pub(super) config: Arc<TransactionConfig>,
    /// The leader epoch of the partition: markers of an older coordinator are refused by it.
    pub(super) coordinator_epoch: i32,
    /// The finalized level of `transaction.version`.
    pub(super) version: i16,
    pub(super) entries: HashMap<Arc<str>, Entry>,
    /// By the wall clock, as the records have it: when open transactions have had their time.
    timeouts: Timers<Arc<str>, ()>,
    /// Uptime of the next look at them, as long as there are any.
    next_look_ms: Option<i64>,
    /// What the last look has found.
    overdue: Vec<Arc<str>>,
    /// By uptime: what could not be completed and is to be tried again.
    retries: Timers<Arc<str>, ()>,
    /// By uptime: when those who wait for an id are sent away.
    pub(super) patience: Timers<Arc<str>, ()>,
    /// What nobody has fetched yet, and who waits for it.
    work: Vec<Work>,
    worker: Option<Token>,
}

impl TransactionShard {
    pub fn new(config: Arc<TransactionConfig>, coordinator_epoch: i32, version: i16) -> Self {
        Self {
            config,
            coordinator_epoch,
            version,
            entries: HashMap::new(),
            timeouts: Timers::new(),
            next_look_ms: None,
            overdue: Vec::new(),
            retries: Timers::new(),
            patience: Timers::new(),
            work: Vec::new(),
            worker: None,
        }
    }

    /// Begins to write the next state of an id; the answer goes out when it is committed.
    pub(super) fn write(
        &mut self,
        id: &str,
        next: Transaction,
        answer: Option<(Token, Reply)>,
    ) -> Outcome<Self> {
        let Some(id) = self.entries.get_key_value(id).map(|(id, _)| id.clone()) else {
            return Outcome::default();
        };
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.is_writing = true;
        }
        self.timeouts.cancel(&id);
        Outcome {
            records: vec![StateRecord {
                transactional_id: id.clone(),
                transaction: Some(next.clone()),
                value_version: self.value_version(),
            }],
            parked: answer.into_iter().collect(),
            then: Then::Resume(Transition {
                transactional_id: id,
                next,
            }),
            ..Outcome::default()
        }
    }

    pub(super) fn value_version(&self) -> i16 {
        self.version.clamp(0, 1)
    }

    pub(super) fn give_work(&mut self, work: Work) {
        self.work.push(work);
    }

    pub(super) fn retry_later(&mut self, id: Arc<str>, now: Now) {
        let at_ms = now.uptime_ms + self.config.retry_backoff_ms;
        self.retries.schedule(id, at_ms, ());
    }

    /// An id that rests: if its transaction is open, its time runs.
    pub(super) fn watch_timeout(&mut self, id: &Arc<str>, now: Now) {
        let entry = self.entries.get(id).filter(|entry| !entry.is_writing);
        match entry.and_then(|entry| entry.current.deadline_ms()) {
            Some(deadline_ms) => {
                self.timeouts.schedule(id.clone(), deadline_ms, ());
                self.next_look_ms
                    .get_or_insert(now.uptime_ms + self.config.abort_interval_ms);
            }
            None => self.timeouts.cancel(id),
        }
    }

    /// Looks for transactions that have run out of time, if it is time to, and takes the next of them. One whose abort fails
    /// comes up at the next look, not in this one.
    fn expire_transaction(&mut self, now: Now) -> Option<Outcome<Self>> {
        if self.next_look_ms.is_some_and(|at_ms| at_ms <= now.uptime_ms) {
            while let Some((id, ())) = self.timeouts.pop_due(now.wall_ms - 1) {
                self.overdue.push(id);
            }
            let is_watching = !self.overdue.is_empty() || self.timeouts.next_deadline_ms().is_some();
            self.next_look_ms = is_watching.then_some(now.uptime_ms + self.config.abort_interval_ms);
        }
        let id = self.overdue.pop()?;
        Some(self.abort_timed_out(&id, None, now))
    }

    /// The record of the next state has been written, or could not be.
    fn written(
        &mut self,
        transition: Transition,
        appended: Result<(), ErrorCode>,
        now: Now,
    ) -> Outcome<Self> {
        let Transition {
            transactional_id: id,
            next,
        } = transition;
        let Some(entry) = self.entries.get_mut(&id) else {
            return Outcome::default();
        };
        entry.is_writing = false;
        if appended.is_ok() {
            entry.current = next;
        } else if entry.current.producer_epoch < 0 {
            // Nobody has heard of the id.
            let dismissed = self.dismiss_waiting(&id);
            self.entries.remove(&id);
            return dismissed;
        }
        if entry.current.state.is_prepared() {
            return match appended {
                Ok(()) => self.complete(&id, now),
                Err(_) => {
                    self.retry_later(id, now);
                    Outcome::default()
                }
            };
        }
        self.watch_timeout(&id, now);
        self.admit_waiting(&id, now)
    }

    /// Hands the work that has come up to whoever waits for it.
    fn hand_out(&mut self, mut outcome: Outcome<Self>) -> Outcome<Self> {
        if !self.work.is_empty()
            && let Some(worker) = self.worker.take()
        {
            let work = std::mem::take(&mut self.work);
            outcome.replies.push((worker, Reply::Work(work)));
        }
        outcome
    }

    fn answer(&mut self, command: Command, token: Token, now: Now) -> Outcome<Self> {
        match command {
            Command::InitProducerId(request) => self.init_producer_id(&request, token, now),
            Command::AddPartitions(request) => self.add_partitions(request, token, now),
            Command::VerifyPartitions(request) => Outcome::reply(token, self.verify_partitions(&request)),
            Command::EndTransaction(request) => self.end_transaction_of(&request, token, now),
            Command::Describe(id) => Outcome::reply(token, self.describe(id)),
            Command::List(filters) => Outcome::reply(token, self.list(&filters, now)),
            Command::ExpireIds => self.expire_ids(token, now),
            Command::SetVersion(version) => {
                self.version = version;
                Outcome::reply(token, Reply::Done)
            }
            Command::NextWork => {
                self.worker = Some(token);
                Outcome::default()
            }
            Command::MarkersWritten(written) => {
                let mut outcome = self.markers_written(&written, now);
                outcome.replies.push((token, Reply::Done));
                outcome
            }
            Command::ProducerIdFetched(id, fetched) => {
                let mut outcome = match fetched {
                    Ok(producer_id) => self.abort_timed_out(&id, Some(producer_id), now),
                    Err(_) => {
                        self.watch_timeout(&id, now);
                        Outcome::default()
                    }
                };
                outcome.replies.push((token, Reply::Done));
                outcome
            }
        }
    }
}

impl Machine for TransactionShard {
    type Command = Command;
    type Reply = Reply;
    type Record = StateRecord;
    type Resume = Transition;

    /// Values of a newer release are passed over, as in Kafka: a later record of the same id says all there is.
    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<StateRecord, RecordError> {
        let record = TransactionRecord::decode(key, value).map_err(|error| match error {
            RecordError::Malformed(SchemaError::UnsupportedVersion { version, .. }) => {
                RecordError::UnknownType(version)
            }
            other => other,
        })?;
        Ok(StateRecord {
            transactional_id: record.key.transactional_id.into(),
            transaction: record.value.map(Transaction::try_from).transpose()?,
            value_version: 0,
        })
    }

    fn encode(record: &StateRecord) -> Result<Encoded, RecordError> {
        let key = TransactionKey {
            transactional_id: record.transactional_id.to_string(),
        };
        let value = record.transaction.as_ref().map(TransactionValue::from);
        TransactionRecord { key, value }.encode(record.value_version)
    }

    fn failure(error: ErrorCode) -> Reply {
        Reply::Failed(error)
    }

    fn is_exclusive(command: &Command) -> bool {
        matches!(command, Command::ExpireIds)
    }

    fn handle(&mut self, command: Command, token: Token, now: Now) -> Outcome<Self> {
        let outcome = self.answer(command, token, now);
        self.hand_out(outcome)
    }

    /// A value of a newer release is passed over, so what stood before it still counts.
    fn replaces_earlier(_key: &[u8], value: &[u8]) -> bool {
        records::value_version(value).is_ok_and(|version| version <= TransactionValue::VERSION_MAX)
    }

    fn next_deadline_ms(&self) -> Option<i64> {
        self.retries
            .next_deadline_ms()
            .into_iter()
            .chain(self.patience.next_deadline_ms())
            .chain(self.next_look_ms)
            .min()
    }

    fn expire(&mut self, now: Now) -> Option<Outcome<Self>> {
        let outcome = if let Some((id, ())) = self.retries.pop_due(now.uptime_ms) {
            Some(self.complete(&id, now))
        } else if let Some((id, ())) = self.patience.pop_due(now.uptime_ms) {
            Some(self.dismiss_waiting(&id))
        } else {
            self.expire_transaction(now)
        };
        outcome.map(|outcome| self.hand_out(outcome))
    }

    fn replay(&mut self, _offset: i64, _producer_id: i64, record: StateRecord, _now: Now) {
        match record.transaction {
            Some(current) => {
                self.entries.insert(record.transactional_id, Entry::new(current));
            }
            None => {
                self.entries.remove(&record.transactional_id);
            }
        }
    }

    /// The topic itself is never part of a transaction.
    fn end_transaction(&mut self, _producer_id: i64, _committed: bool) {}

    fn resume(&mut self, transition: Transition, appended: Result<(), ErrorCode>, now: Now) -> Outcome<Self> {
        let outcome = self.written(transition, appended, now);
        self.hand_out(outcome)
    }

    /// What was decided is completed, and what is open has its time as if nothing had happened.
    fn loaded(&mut self, now: Now) -> Outcome<Self> {
        let states = self
            .entries
            .iter()
            .map(|(id, entry)| (id.clone(), entry.current.state));
        let mut ids: Vec<(Arc<str>, State)> = states.collect();
        ids.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (id, state) in ids {
            match state.is_prepared() {
                // A record of its own for each, and those may fail: as if their markers had been tried before.
                true => self.retries.schedule(id, now.uptime_ms, ()),
                false => self.watch_timeout(&id, now),
            }
        }
        Outcome::default()
    }

    fn unloaded(&mut self) -> Vec<(Token, Reply)> {
        let failed = Reply::Failed(ErrorCode::NotCoordinator);
        let waiting = self
            .entries
            .values_mut()
            .flat_map(|entry| entry.waiting.drain(..));
        let waiting = waiting.map(|(token, _)| token);
        let told: Vec<Token> = waiting.chain(self.worker.take()).collect();
        told.into_iter().map(|token| (token, failed.clone())).collect()
    }
}
