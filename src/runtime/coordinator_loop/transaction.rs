//! Records that belong to a producer's transaction, in a coordinator's log: offsets that count when it commits.
//!
//! They stand in batches of their own, with the producer's id and epoch; the machine replays them as pending, and the marker
//! that the transaction's coordinator sends takes its place in the log behind everything that was handled before it.

use ottla_storage::batch::BatchOptions;
use ottla_storage::{AppendOrigin, VerificationGuard};

/// In which transaction a command's records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InTransaction {
    pub producer_id: i64,
    pub producer_epoch: i16,
    /// Of the verification, if these may be the first records of the transaction.
    pub guard: Option<VerificationGuard>,
}

/// Who appends.
pub(super) fn origin(transaction: Option<InTransaction>) -> AppendOrigin {
    let guard = transaction.and_then(|transaction| transaction.guard);
    guard.map_or(AppendOrigin::Coordinator, AppendOrigin::VerifiedCoordinator)
}

/// A batch of the coordinator's own has no producer; its sequence is 0 in either case, as in Kafka.
pub(super) fn batch_options(transaction: Option<InTransaction>) -> BatchOptions {
    let own = BatchOptions {
        base_sequence: 0,
        ..BatchOptions::default()
    };
    match transaction {
        None => own,
        Some(transaction) => BatchOptions {
            producer_id: transaction.producer_id,
            producer_epoch: transaction.producer_epoch,
            transactional: true,
            ..own
        },
    }
}

/// `producer_id` of what is not in a transaction, as a machine is told.
pub(super) fn producer_id(transaction: Option<InTransaction>) -> i64 {
    const NO_PRODUCER: i64 = -1;
    transaction.map_or(NO_PRODUCER, |transaction| transaction.producer_id)
}
