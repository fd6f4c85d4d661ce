//! One producer, and the rules by which a leader accepts its batches (KIP-98, KIP-360, KIP-890).

#![deny(clippy::indexing_slicing)]

use ottla_base::planted::{self, Bug};

use super::verification::VerificationGuard;
use crate::batch::BatchHeader;
use crate::batch::control::EndTxn;
use crate::batch::header::{NO_PRODUCER_EPOCH, NO_SEQUENCE};

/// How many of a producer's batches are remembered: as many as a client may have in flight.
const BATCHES_MAX: usize = 5;

/// From this `transaction.version` on, every transaction ends with an epoch of its own (KIP-890).
const TRANSACTION_VERSION_2: i16 = 2;

/// Who appends. Only clients are held to sequence numbers; a marker comes from a transaction coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOrigin {
    Client,
    /// A client whose transaction was verified.
    VerifiedClient(VerificationGuard),
    Coordinator,
    /// A group coordinator with the offsets of a transaction that was verified.
    VerifiedCoordinator(VerificationGuard),
    /// A transaction marker, written for a coordinator that speaks this `transaction.version`.
    TxnMarker {
        transaction_version: i16,
    },
    Raft,
}

impl AppendOrigin {
    pub(crate) fn is_client(self) -> bool {
        matches!(self, Self::Client | Self::VerifiedClient(_))
    }

    /// Whether a transaction may only be begun after its coordinator was asked.
    pub(crate) fn needs_verification(self) -> bool {
        self.is_client() || matches!(self, Self::Coordinator | Self::VerifiedCoordinator(_))
    }

    pub(crate) fn guard(self) -> Option<VerificationGuard> {
        match self {
            Self::VerifiedClient(guard) | Self::VerifiedCoordinator(guard) => Some(guard),
            Self::Client | Self::Coordinator | Self::TxnMarker { .. } | Self::Raft => None,
        }
    }
}

/// The control record that ends a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    pub kind: EndTxn,
    pub coordinator_epoch: i32,
}

/// Why a producer's batch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    #[error("producer {producer_id} has epoch {current} here, the batch has {found}")]
    InvalidEpoch {
        producer_id: i64,
        found: i16,
        current: i16,
    },
    #[error("producer {producer_id} sent sequence {found}, its last one here was {last}")]
    OutOfOrderSequence { producer_id: i64, found: i32, last: i32 },
    #[error("producer {producer_id} sent a batch outside its open transaction")]
    InvalidTxnState { producer_id: i64 },
    #[error("producer {producer_id} sent a batch of a transaction that is not known to be open")]
    Unverified { producer_id: i64 },
    #[error("producer {producer_id}: coordinator epoch {found} is older than {current}")]
    CoordinatorFenced {
        producer_id: i64,
        found: i32,
        current: i32,
    },
}

/// What is remembered of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchMark {
    pub last_sequence: i32,
    pub last_offset: i64,
    pub offset_delta: i32,
    pub timestamp_ms: i64,
}

impl BatchMark {
    pub fn first_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }

    /// Sequences wrap from 2^31 − 1 to 0.
    pub fn first_sequence(&self) -> i32 {
        let first = i64::from(self.last_sequence) - i64::from(self.offset_delta);
        (first & i64::from(i32::MAX)) as i32
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    pub producer_id: i64,
    pub epoch: i16,
    /// −1 until a marker has been written.
    pub coordinator_epoch: i32,
    /// The largest timestamp of the last batch or marker: what the producer's expiry counts from.
    pub last_timestamp_ms: i64,
    /// Where the open transaction began.
    pub txn_first_offset: Option<i64>,
    /// The latest batches of the current epoch, the last one last.
    batches: Vec<BatchMark>,
}

impl ProducerEntry {
    pub fn new(producer_id: i64) -> Self {
        Self {
            producer_id,
            epoch: NO_PRODUCER_EPOCH,
            coordinator_epoch: -1,
            last_timestamp_ms: -1,
            txn_first_offset: None,
            batches: Vec::new(),
        }
    }

    pub fn last_batch(&self) -> Option<&BatchMark> {
        self.batches.last()
    }

    /// −1 when no batch of the current epoch is known.
    pub fn last_sequence(&self) -> i32 {
        self.last_batch().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    pub(super) fn push(&mut self, batch: BatchMark) {
        if self.batches.len() == BATCHES_MAX {
            self.batches.remove(0);
        }
        self.batches.push(batch);
    }

    /// Whether data of this epoch goes on with a transaction rather than begin one.
    pub(super) fn has_open_transaction(&self, epoch: i16) -> bool {
        self.txn_first_offset.is_some() && self.epoch == epoch
    }

    pub(super) fn check_epoch(&self, epoch: i16) -> Result<(), ProducerError> {
        if epoch < self.epoch {
            return Err(self.invalid_epoch(epoch));
        }
        Ok(())
    }

    pub(super) fn check_data(&self, header: &BatchHeader, origin: AppendOrigin) -> Result<(), ProducerError> {
        self.check_epoch(header.producer_epoch)?;
        if origin.is_client() {
            self.check_sequence(header)?;
        }
        if self.txn_first_offset.is_some() && !header.is_transactional() {
            return Err(ProducerError::InvalidTxnState {
                producer_id: self.producer_id,
            });
        }
        Ok(())
    }

    /// A batch with the same epoch and exactly the same sequences as one of the last five.
    pub(super) fn duplicate_of(&self, header: &BatchHeader) -> Option<BatchMark> {
        if header.producer_epoch != self.epoch || planted::strikes(Bug::RetryAppended) {
            return None;
        }
        let (first, last) = (header.base_sequence, header.last_sequence());
        self.batches
            .iter()
            .find(|batch| batch.first_sequence() == first && batch.last_sequence == last)
            .copied()
    }

    fn check_sequence(&self, header: &BatchHeader) -> Result<(), ProducerError> {
        let found = header.base_sequence;
        let last = self.last_sequence();
        // A producer whose records were all deleted is as good as unknown: it may go on with any sequence.
        let fits = if self.epoch == NO_PRODUCER_EPOCH || planted::strikes(Bug::RetryAppended) {
            true
        } else if header.producer_epoch != self.epoch {
            found == 0
        } else {
            found == next_sequence(last)
        };
        if fits {
            return Ok(());
        }
        Err(ProducerError::OutOfOrderSequence {
            producer_id: self.producer_id,
            found,
            last,
        })
    }

    pub(super) fn check_marker(
        &self,
        header: &BatchHeader,
        marker: Marker,
        origin: AppendOrigin,
    ) -> Result<(), ProducerError> {
        let raises_epoch = matches!(origin, AppendOrigin::TxnMarker { transaction_version }
            if transaction_version >= TRANSACTION_VERSION_2);
        // Such a marker with the epoch known already is a retry, provided that no transaction was begun in between. Behind the
        // largest epoch there is none, and a transaction that has it must end all the same.
        let is_last_epoch = header.producer_epoch == i16::MAX;
        let is_too_old = if raises_epoch && self.txn_first_offset.is_some() && !is_last_epoch {
            header.producer_epoch <= self.epoch
        } else {
            header.producer_epoch < self.epoch
        };
        if is_too_old {
            return Err(self.invalid_epoch(header.producer_epoch));
        }
        if marker.coordinator_epoch < self.coordinator_epoch {
            return Err(ProducerError::CoordinatorFenced {
                producer_id: self.producer_id,
                found: marker.coordinator_epoch,
                current: self.coordinator_epoch,
            });
        }
        Ok(())
    }

    /// True when the batch begins a transaction.
    pub(super) fn apply_data(&mut self, header: &BatchHeader) -> bool {
        self.adopt_epoch(header.producer_epoch);
        self.push(BatchMark {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp_ms: header.max_timestamp,
        });
        self.last_timestamp_ms = header.max_timestamp;
        let begins = header.is_transactional() && self.txn_first_offset.is_none();
        if begins {
            self.txn_first_offset = Some(header.base_offset);
        }
        begins
    }

    pub(super) fn apply_marker(&mut self, header: &BatchHeader, marker: Marker) {
        self.adopt_epoch(header.producer_epoch);
        self.coordinator_epoch = marker.coordinator_epoch;
        self.last_timestamp_ms = header.max_timestamp;
        self.txn_first_offset = None;
    }

    /// With a new epoch the sequences begin anew, so the batches of the old one say nothing any more.
    fn adopt_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
    }

    fn invalid_epoch(&self, found: i16) -> ProducerError {
        ProducerError::InvalidEpoch {
            producer_id: self.producer_id,
            found,
            current: self.epoch,
        }
    }
}

fn next_sequence(last: i32) -> i32 {
    last.checked_add(1).unwrap_or(0)
}
