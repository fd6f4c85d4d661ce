//! Whether a partition belongs to a producer's transaction: only the coordinator of its transactional id knows (KIP-890).
//!
//! The first batch of a transaction in a partition is appended when the coordinator says that the transaction is open and
//! the partition is in it. Without that question a batch that was late by one transaction would open a transaction that
//! nobody ever ends, and readers of committed data would stop there for good.
//!
//! The partitions ask, the coordinator answers, and neither knows the other: the composition root joins them.

use std::future::Future;
use std::pin::Pin;

use ottla_base::{ErrorCode, TopicPartition};

/// What a transaction's coordinator is asked before the first batch is appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyTransaction {
    pub transactional_id: String,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub partitions: Vec<TopicPartition>,
    /// The producer leaves it to its partitions to enter the transaction (`transaction.version` 2): they are added where
    /// they are not in it. Otherwise nothing is changed, and a partition that is not in it is an error.
    pub adds_partitions: bool,
}

/// One answer for each partition, in the order of the question, with the codes of AddPartitionsToTxn. The same code for
/// all where the coordinator cannot be asked.
pub type Verifying = Pin<Box<dyn Future<Output = Vec<ErrorCode>> + Send>>;

/// The coordinators of all transactional ids.
pub trait TransactionVerifier: Send + Sync {
    fn verify(&self, question: VerifyTransaction) -> Verifying;
}

/// A node without a transaction coordinator: no transaction is open.
pub struct NoTransactions;

impl TransactionVerifier for NoTransactions {
    fn verify(&self, question: VerifyTransaction) -> Verifying {
        let answers = vec![ErrorCode::InvalidTxnState; question.partitions.len()];
        Box::pin(std::future::ready(answers))
    }
}
