//! The states of a transaction, and one transactional id's state as its record has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::records::RecordError;
use crate::records::transaction::{TransactionPartitions, TransactionValue};

pub const NO_PRODUCER_ID: i64 = -1;
pub const NO_PRODUCER_EPOCH: i16 = -1;

/// The last epoch that a client is given: one more is left for the coordinator to fence it with.
const CLIENT_EPOCH_MAX: i16 = i16::MAX - 1;

/// From this `transaction.version` on the epoch is raised at the end of each transaction (KIP-890).
pub const EPOCH_BUMP_VERSION: i16 = 2;

/// The numbers are those of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    Empty = 0,
    Ongoing = 1,
    PrepareCommit = 2,
    PrepareAbort = 3,
    CompleteCommit = 4,
    CompleteAbort = 5,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// Kafka never writes the numbers 6 (Dead) and 7 (PrepareEpochFence): they pass while it does something.
    fn from_number(number: i8) -> Option<Self> {
        Some(match number {
            0 => Self::Empty,
            1 => Self::Ongoing,
            2 => Self::PrepareCommit,
            3 => Self::PrepareAbort,
            4 => Self::CompleteCommit,
            5 => Self::CompleteAbort,
            _ => return None,
        })
    }

    /// Decided, and not all partitions know it yet.
    pub fn is_prepared(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }

    /// What is prepared to become a result.
    pub(super) fn prepared(committed: bool) -> Self {
        if committed {
            Self::PrepareCommit
        } else {
            Self::PrepareAbort
        }
    }
}

/// Names that a filter of ListTransactions may have without selecting anything: no transaction rests in these states.
pub(super) const PASSING_STATES: [&str; 2] = ["Dead", "PrepareEpochFence"];

/// The partitions of a transaction, by topic.
pub type Partitions = BTreeMap<Arc<str>, BTreeSet<i32>>;

/// What is known of one transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub producer_id: i64,
    /// The id before the last change of state: tells a retry apart that had used it up.
    pub previous_producer_id: i64,
    /// The id that takes over when this transaction is complete, because the epochs of the present one are used up.
    pub next_producer_id: i64,
    pub producer_epoch: i16,
    /// The epoch before the last raise that the producer asked for itself; it is not written down.
    pub last_producer_epoch: i16,
    pub timeout_ms: i32,
    pub state: State,
    pub partitions: Arc<Partitions>,
    pub start_ms: i64,
    pub last_update_ms: i64,
    /// The `transaction.version` that the client of the transaction spoke.
    pub client_version: i16,
}

impl Transaction {
    /// Of an id that nobody has used yet: its first epoch will be 0.
    pub fn new(producer_id: i64, timeout_ms: i32, now_ms: i64) -> Self {
        Self {
            producer_id,
            previous_producer_id: NO_PRODUCER_ID,
            next_producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            last_producer_epoch: NO_PRODUCER_EPOCH,
            timeout_ms,
            state: State::Empty,
            partitions: Arc::default(),
            start_ms: -1,
            last_update_ms: now_ms,
            client_version: 0,
        }
    }

    pub fn is_epoch_exhausted(&self) -> bool {
        is_exhausted(self.producer_epoch)
    }

    /// Transactions of a two-phase commit have all the time there is.
    pub fn has_timed_out(&self, now_ms: i64) -> bool {
        self.deadline_ms().is_some_and(|deadline_ms| deadline_ms < now_ms)
    }

    /// The last moment at which the transaction may be open.
    pub fn deadline_ms(&self) -> Option<i64> {
        let is_limited = self.state == State::Ongoing && self.timeout_ms != i32::MAX;
        is_limited.then(|| self.start_ms.saturating_add(self.timeout_ms.into()))
    }

    /// A new session of the producer, with an epoch of its own.
    pub fn initialized(&self, epoch: i16, last_epoch: i16, timeout_ms: i32, now_ms: i64) -> Self {
        Self {
            producer_epoch: epoch,
            last_producer_epoch: last_epoch,
            timeout_ms,
            partitions: Arc::default(),
            start_ms: -1,
            last_update_ms: now_ms,
            ..self.next(State::Empty)
        }
    }

    /// A new session under a new id, because the epochs of the old one are used up.
    pub fn rotated(&self, producer_id: i64, last_epoch: i16, timeout_ms: i32, now_ms: i64) -> Self {
        Self {
            producer_id,
            ..self.initialized(0, last_epoch, timeout_ms, now_ms)
        }
    }

    pub fn with_partitions(&self, added: &Partitions, client_version: i16, now_ms: i64) -> Self {
        let mut partitions = self.partitions.clone();
        let all = Arc::make_mut(&mut partitions);
        for (topic, indexes) in added {
            all.entry(topic.clone()).or_default().extend(indexes);
        }
        Self {
            partitions,
            start_ms: match self.state {
                State::Ongoing => self.start_ms,
                _ => now_ms,
            },
            last_update_ms: now_ms,
            client_version,
            ..self.next(State::Ongoing)
        }
    }

    /// Decided, in the way of `transaction.version` 0 and 1: the epoch stays, unless the coordinator fences with it.
    pub fn prepared(&self, committed: bool, now_ms: i64) -> Self {
        Self {
            last_update_ms: now_ms,
            client_version: 0,
            next_producer_id: NO_PRODUCER_ID,
            ..self.next(State::prepared(committed))
        }
    }

    /// Decided, with the next epoch (KIP-890). What has no partitions yet begins here.
    pub fn prepared_with_bump(
        &self,
        committed: bool,
        next_producer_id: i64,
        version: i16,
        now_ms: i64,
    ) -> Self {
        Self {
            producer_epoch: self.producer_epoch.saturating_add(1),
            last_producer_epoch: self.producer_epoch,
            next_producer_id,
            start_ms: match self.state {
                State::Ongoing => self.start_ms,
                _ => now_ms,
            },
            last_update_ms: now_ms,
            client_version: version,
            ..self.next(State::prepared(committed))
        }
    }

    /// All partitions know how it ended.
    pub fn completed(&self, now_ms: i64) -> Self {
        let takes_over = self.client_version >= EPOCH_BUMP_VERSION && self.next_producer_id != NO_PRODUCER_ID;
        let (producer_id, producer_epoch) = match takes_over {
            true => (self.next_producer_id, 0),
            false => (self.producer_id, self.producer_epoch),
        };
        let state = match self.state {
            State::PrepareCommit => State::CompleteCommit,
            _ => State::CompleteAbort,
        };
        Self {
            producer_id,
            producer_epoch,
            next_producer_id: NO_PRODUCER_ID,
            partitions: Arc::default(),
            last_update_ms: now_ms,
            ..self.next(state)
        }
    }

    pub fn contains(&self, partitions: &Partitions) -> bool {
        partitions.iter().all(|(topic, indexes)| {
            self.partitions
                .get(topic)
                .is_some_and(|known| indexes.is_subset(known))
        })
    }

    fn next(&self, state: State) -> Self {
        Self {
            previous_producer_id: self.producer_id,
            state,
            ..self.clone()
        }
    }
}

/// Whether an epoch is the last that a client may have.
pub(super) fn is_exhausted(epoch: i16) -> bool {
    epoch >= CLIENT_EPOCH_MAX
}

impl TryFrom<TransactionValue> for Transaction {
    type Error = RecordError;

    fn try_from(value: TransactionValue) -> Result<Self, RecordError> {
        let status = value.transaction_status;
        let state = State::from_number(status).ok_or(RecordError::UnknownStatus(status))?;
        let mut partitions = Partitions::new();
        for topic in value.transaction_partitions.into_iter().flatten() {
            partitions
                .entry(topic.topic.into())
                .or_default()
                .extend(topic.partition_ids);
        }
        Ok(Self {
            producer_id: value.producer_id,
            previous_producer_id: value.previous_producer_id,
            next_producer_id: value.next_producer_id,
            producer_epoch: value.producer_epoch,
            last_producer_epoch: NO_PRODUCER_EPOCH,
            timeout_ms: value.transaction_timeout_ms,
            state,
            partitions: Arc::new(partitions),
            start_ms: value.transaction_start_timestamp_ms,
            last_update_ms: value.transaction_last_update_timestamp_ms,
            client_version: value.client_transaction_version,
        })
    }
}

impl From<&Transaction> for TransactionValue {
    fn from(transaction: &Transaction) -> Self {
        let topic = |(topic, indexes): (&Arc<str>, &BTreeSet<i32>)| TransactionPartitions {
            topic: topic.to_string(),
            partition_ids: indexes.iter().copied().collect(),
        };
        Self {
            producer_id: transaction.producer_id,
            previous_producer_id: transaction.previous_producer_id,
            next_producer_id: transaction.next_producer_id,
            producer_epoch: transaction.producer_epoch,
            next_producer_epoch: NO_PRODUCER_EPOCH,
            transaction_timeout_ms: transaction.timeout_ms,
            transaction_status: transaction.state as i8,
            transaction_partitions: (transaction.state != State::Empty)
                .then(|| transaction.partitions.iter().map(topic).collect()),
            transaction_last_update_timestamp_ms: transaction.last_update_ms,
            transaction_start_timestamp_ms: transaction.start_ms,
            client_transaction_version: transaction.client_version,
        }
    }
}
