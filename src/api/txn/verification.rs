//! Before the first batch of a transaction in a partition: the question to the transaction's coordinator (KIP-890), for
//! Produce and TxnOffsetCommit.
//!
//! | the client's request | what is asked | a transaction that is not open is |
//! |---|---|---|
//! | Produce to 10, TxnOffsetCommit to 3 | whether the partition is in it | INVALID_TXN_STATE |
//! | Produce 11, TxnOffsetCommit 4 | the same | TRANSACTION_ABORTABLE |
//! | Produce from 12, TxnOffsetCommit from 5 | the partition is added | TRANSACTION_ABORTABLE |
//!
//! While the coordinator still writes the markers of the transaction before, it cannot take the next one; where that is the
//! rule rather than the exception, it is asked again for a little while before the client is.

use std::sync::Arc;
use std::time::Duration;

use ottla_base::ErrorCode;
use ottla_base::config::Settings;
use ottla_storage::{TransactionStart, VerificationGuard};
use tokio::time::{Instant, sleep};

use crate::api::Node;
use crate::replica::{Partition, ReplicaError, Turn, VerifyTransaction};

/// What the version of a request says of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    Old,
    /// Knows TRANSACTION_ABORTABLE.
    Abortable,
    /// Besides, leaves it to the request to add partitions, and raises its epoch with each transaction.
    AddsPartitions,
}

impl Support {
    pub fn of_produce(version: i16) -> Self {
        Self::since(version, 11)
    }

    pub fn of_txn_offset_commit(version: i16) -> Self {
        Self::since(version, 4)
    }

    fn since(version: i16, abortable: i16) -> Self {
        match version.cmp(&abortable) {
            std::cmp::Ordering::Less => Self::Old,
            std::cmp::Ordering::Equal => Self::Abortable,
            std::cmp::Ordering::Greater => Self::AddsPartitions,
        }
    }
}

/// A partition, and the sequence of the first batch that is to be written there; −1 for offset commits.
pub struct Target {
    pub partition: Arc<Partition>,
    pub base_sequence: i32,
}

/// The guard to append with, none where the transaction is open already; or why nothing may be appended.
pub type Verified = Result<Option<VerificationGuard>, ErrorCode>;

/// What can be said without the coordinator, for each target in order; it may have to wait for a disk.
pub struct Begun(Vec<Turn<Result<Option<VerificationGuard>, ReplicaError>>>);

impl Begun {
    /// What was said, if that is the end of it: no disk is waited for, and nobody has got a guard that the coordinator is
    /// asked about.
    pub fn settled(self) -> Result<Vec<Verified>, Self> {
        if !self
            .0
            .iter()
            .all(|begun| matches!(begun, Turn::Done(Ok(None) | Err(_))))
        {
            return Err(self);
        }
        let known = self.0.into_iter().map(|begun| match begun {
            Turn::Done(Err(error)) => Err(error.code()),
            Turn::Done(Ok(guard)) => Ok(guard),
            Turn::Queued(_) => Ok(None),
        });
        Ok(known.collect())
    }

    /// What was said.
    pub async fn known(self) -> Vec<Verified> {
        let mut known = Vec::with_capacity(self.0.len());
        for begun in self.0 {
            let begun = begun.done().await.unwrap_or(Err(ReplicaError::Offline));
            known.push(begun.map_err(|error| error.code()));
        }
        known
    }
}

/// The partitions of one request that a transaction writes to.
pub struct Verification {
    pub node: Arc<Node>,
    pub transactional_id: String,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub support: Support,
    pub targets: Vec<Target>,
}

impl Verification {
    /// Asks the partitions, which know whether the transaction is open there already.
    pub fn begin(&self) -> Begun {
        let config = self.node.replicas.config();
        let adds_partitions = self.support == Support::AddsPartitions;
        if !adds_partitions && !config.bool("transaction.partition.verification.enable") {
            return Begun(self.targets.iter().map(|_| Turn::Done(Ok(None))).collect());
        }
        let now_ms = self.node.clock.now_ms();
        let begin = |target: &Target| {
            let start = TransactionStart {
                producer_id: self.producer_id,
                producer_epoch: self.producer_epoch,
                base_sequence: target.base_sequence,
                raises_epoch: adds_partitions,
            };
            target.partition.start_verification(start, now_ms)
        };
        Begun(self.targets.iter().map(begin).collect())
    }

    /// Asks the coordinator of what has [begun](Self::begin).
    pub async fn complete(&self, begun: Begun) -> Vec<Verified> {
        let mut begun = begun.known().await;
        let config = self.node.replicas.config();
        let millis = |key: &str| Duration::from_millis(u64::try_from(config.i32(key)).unwrap_or(0));
        let patience = millis("add.partitions.to.txn.retry.backoff.max.ms").min(millis("request.timeout.ms"));
        let deadline = Instant::now() + patience;
        loop {
            let answers = self.ask(begun).await;
            let is_retried = self.support == Support::AddsPartitions
                && answers.contains(&Err(ErrorCode::ConcurrentTransactions));
            if !is_retried || Instant::now() >= deadline {
                return answers;
            }
            sleep(millis("add.partitions.to.txn.retry.backoff.ms")).await;
            begun = self.begin().known().await;
        }
    }

    async fn ask(&self, mut begun: Vec<Verified>) -> Vec<Verified> {
        let guarded = self.targets.iter().zip(&begun);
        let partitions: Vec<_> = guarded
            .filter(|(_, begun)| matches!(begun, Ok(Some(_))))
            .map(|(target, _)| target.partition.name().clone())
            .collect();
        if partitions.is_empty() {
            return begun;
        }
        let answers = self.node.verifier.verify(VerifyTransaction {
            transactional_id: self.transactional_id.clone(),
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            partitions,
            adds_partitions: self.support == Support::AddsPartitions,
        });
        let mut answers = answers.await.into_iter();
        for begun in begun.iter_mut().filter(|begun| matches!(begun, Ok(Some(_)))) {
            let answer = answers.next().unwrap_or(ErrorCode::UnknownServerError);
            if answer != ErrorCode::None {
                *begun = Err(self.told(answer));
            }
        }
        begun
    }

    /// What a producer knows how to take.
    fn told(&self, error: ErrorCode) -> ErrorCode {
        match error {
            ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
            ErrorCode::TransactionAbortable if self.support == Support::Old => ErrorCode::InvalidTxnState,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Support;

    #[test]
    fn versions_say_what_clients_know() {
        for (version, support) in [
            (3, Support::Old),
            (10, Support::Old),
            (11, Support::Abortable),
            (12, Support::AddsPartitions),
            (13, Support::AddsPartitions),
        ] {
            assert_eq!(Support::of_produce(version), support, "{version}");
        }
        for (version, support) in [
            (0, Support::Old),
            (3, Support::Old),
            (4, Support::Abortable),
            (5, Support::AddsPartitions),
        ] {
            assert_eq!(Support::of_txn_offset_commit(version), support, "{version}");
        }
    }
}
