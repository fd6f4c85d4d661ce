//! Verification of transactions (KIP-890): that the coordinator was asked before a transaction's first batch is appended.
//!
//! ```text
//!  first batch ──► start: a guard ──► coordinator: the partition is in the open transaction ──► append with the guard
//!                    │                                                                             │
//!                    └─ a marker that comes in between takes the guard away ──► append is refused ◄┘
//! ```
//! A guard is never given out twice, so that an answer that belongs to the transaction before cannot open another one.
//! Nothing of this is on disk: after a restart the producer is asked to try again, and that starts anew.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{BatchHeader, ProducerError};

/// Producers of one partition whose verification may be under way. Whoever sends transactional batches with made-up
/// producer ids fills this list and not the memory.
const PENDING_MAX: usize = 10_000;

/// Proof that a transaction was verified after it was asked for; good until a batch or a marker of it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerificationGuard(u64);

/// The first batch of a transaction, as far as its verification needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionStart {
    pub producer_id: i64,
    pub producer_epoch: i16,
    /// −1 where batches have no sequence: offset commits.
    pub base_sequence: i32,
    /// The producer raises its epoch with every transaction (`transaction.version` 2).
    pub raises_epoch: bool,
}

/// The verifications that have begun and led to no append yet.
#[derive(Debug)]
pub(crate) struct Verifications {
    pending: HashMap<i64, Pending>,
    last_guard: u64,
}

#[derive(Debug)]
struct Pending {
    guard: VerificationGuard,
    epoch: i16,
    /// What fails to be verified is sent again; a batch that was sent after it must not be written before it.
    lowest_sequence: i32,
    raises_epoch: bool,
    since_ms: i64,
}

impl Verifications {
    /// Guards count from `seed`, so that those of a log that was replaced by this one are not taken for its own.
    pub fn new(seed: u64) -> Self {
        Self {
            pending: HashMap::new(),
            last_guard: seed,
        }
    }

    /// The guard of the verification that begins here, or that is under way already.
    pub fn start(&mut self, start: &TransactionStart, now_ms: i64) -> VerificationGuard {
        if self.pending.len() >= PENDING_MAX && !self.pending.contains_key(&start.producer_id) {
            self.forget_oldest();
        }
        match self.pending.entry(start.producer_id) {
            Entry::Occupied(mut entry) => {
                let pending = entry.get_mut();
                if start.producer_epoch > pending.epoch {
                    pending.epoch = start.producer_epoch;
                    pending.lowest_sequence = start.base_sequence;
                } else if start.producer_epoch == pending.epoch {
                    pending.lowest_sequence = pending.lowest_sequence.min(start.base_sequence);
                }
                pending.guard
            }
            Entry::Vacant(entry) => {
                self.last_guard = self.last_guard.wrapping_add(1);
                let pending = entry.insert(Pending {
                    guard: VerificationGuard(self.last_guard),
                    epoch: start.producer_epoch,
                    lowest_sequence: start.base_sequence,
                    raises_epoch: start.raises_epoch,
                    since_ms: now_ms,
                });
                pending.guard
            }
        }
    }

    pub fn is_guarded_by(&self, producer_id: i64, guard: Option<VerificationGuard>) -> bool {
        let pending = self.pending.get(&producer_id).map(|pending| pending.guard);
        pending.is_some() && pending == guard
    }

    /// A batch of a client that is about to be written. `last_sequence` is the producer's last one here, −1 for none.
    pub fn check_sequence(&self, header: &BatchHeader, last_sequence: i32) -> Result<(), ProducerError> {
        let Some(pending) = self.pending.get(&header.producer_id) else {
            return Ok(());
        };
        // With an epoch for each transaction the first batch of one has sequence 0, also where the producer is unknown.
        let must_be_first = pending.raises_epoch && last_sequence < 0;
        let found = header.base_sequence;
        if (must_be_first && found != 0) || found > pending.lowest_sequence {
            return Err(ProducerError::OutOfOrderSequence {
                producer_id: header.producer_id,
                found,
                last: last_sequence,
            });
        }
        Ok(())
    }

    /// A batch of a transaction, or a marker, is in the log.
    pub fn note_written(&mut self, header: &BatchHeader) {
        let Entry::Occupied(entry) = self.pending.entry(header.producer_id) else {
            return;
        };
        // The marker's epoch is the one of the next transaction, so a verification with that epoch is of the next one.
        let pending = entry.get();
        let is_of_the_next =
            pending.raises_epoch && header.is_control() && header.producer_epoch == pending.epoch;
        if !is_of_the_next {
            entry.remove();
        }
    }

    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.pending
            .retain(|_, pending| now_ms.saturating_sub(pending.since_ms) < expiration_ms);
    }

    fn forget_oldest(&mut self) {
        let oldest = self.pending.iter().min_by_key(|(_, pending)| pending.since_ms);
        if let Some(producer_id) = oldest.map(|(producer_id, _)| *producer_id) {
            self.pending.remove(&producer_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(producer_id: i64, epoch: i16, sequence: i32) -> TransactionStart {
        TransactionStart {
            producer_id,
            producer_epoch: epoch,
            base_sequence: sequence,
            raises_epoch: true,
        }
    }

    #[test]
    fn the_list_of_verifications_is_bounded() {
        let mut verifications = Verifications::new(7);
        let first = verifications.start(&start(0, 0, 0), 0);
        for producer_id in 1..=PENDING_MAX as i64 {
            verifications.start(&start(producer_id, 0, 0), producer_id);
        }
        assert_eq!(verifications.pending.len(), PENDING_MAX);
        assert!(!verifications.is_guarded_by(0, Some(first)));
        assert_ne!(verifications.start(&start(0, 0, 0), 0), first);
        assert_eq!(verifications.pending.len(), PENDING_MAX);
    }

    #[test]
    fn a_verification_that_leads_to_nothing_expires() {
        let mut verifications = Verifications::new(7);
        let guard = verifications.start(&start(1, 0, 0), 1000);
        verifications.expire(1999, 1000);
        assert!(verifications.is_guarded_by(1, Some(guard)));
        verifications.expire(2000, 1000);
        assert!(!verifications.is_guarded_by(1, Some(guard)));
        assert!(!verifications.is_guarded_by(1, None));
    }
}
