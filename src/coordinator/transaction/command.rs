//! What the machine of transactions is asked, and what it answers.

use std::sync::Arc;

use ottla_base::ErrorCode;

use super::state::Partitions;

#[derive(Clone, Debug)]
pub enum Command {
    InitProducerId(InitProducerId),
    /// Answered with one [`Reply::Done`] or a failure that holds for all its partitions.
    AddPartitions(AddPartitions),
    /// Whether the partitions are in the transaction; changes nothing.
    VerifyPartitions(AddPartitions),
    EndTransaction(EndTransaction),
    Describe(String),
    List(ListTransactions),
    /// Forgets the ids that have been idle for too long.
    ExpireIds,
    /// The finalized level of `transaction.version`.
    SetVersion(i16),
    /// Answered as soon as there is something to do outside of the machine.
    NextWork,
    /// What became of [`Work::WriteMarkers`].
    MarkersWritten(MarkersWritten),
    /// What became of [`Work::FetchProducerId`].
    ProducerIdFetched(Arc<str>, Result<i64, ErrorCode>),
}

#[derive(Clone, Debug, Default)]
pub struct InitProducerId {
    pub transactional_id: String,
    pub timeout_ms: i32,
    /// The id and epoch that the producer has, if it wants to go on with them (KIP-360).
    pub expected: Option<(i64, i16)>,
    pub two_phase_commit: bool,
    /// An id that no producer has had, for the case that one is needed; see [`Reply::NeedsProducerId`].
    pub fresh_producer_id: Option<i64>,
}

#[derive(Clone, Debug, Default)]
pub struct AddPartitions {
    pub transactional_id: String,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub partitions: Partitions,
    /// The `transaction.version` that the client speaks: 0 or 2.
    pub client_version: i16,
}

#[derive(Clone, Debug, Default)]
pub struct EndTransaction {
    pub transactional_id: String,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub committed: bool,
    /// The `transaction.version` that the client speaks: 0 or 2.
    pub client_version: i16,
    /// As with [`InitProducerId`].
    pub fresh_producer_id: Option<i64>,
}

/// A transaction is listed if it passes all filters that are there.
#[derive(Clone, Debug)]
pub struct ListTransactions {
    pub states: Vec<String>,
    pub producer_ids: Vec<i64>,
    /// Only those that have been running for longer; negative for all.
    pub duration_ms: i64,
    /// A regular expression that has to fit the whole id.
    pub id_pattern: Option<String>,
}

#[derive(Clone, Debug)]
pub struct MarkersWritten {
    pub transactional_id: Arc<str>,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub results: Vec<(Arc<str>, i32, ErrorCode)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Initialized {
        producer_id: i64,
        producer_epoch: i16,
    },
    /// Ask again with an id that no producer has had.
    NeedsProducerId,
    Verified(Vec<(Arc<str>, i32, ErrorCode)>),
    /// The id and epoch of the next transaction; without them (-1) the producer keeps what it has.
    Ended {
        producer_id: i64,
        producer_epoch: i16,
    },
    Described(Description),
    Listed(Vec<ListedTransaction>),
    Work(Vec<Work>),
    Done,
    Failed(ErrorCode),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    pub transactional_id: String,
    pub state: &'static str,
    pub timeout_ms: i32,
    pub start_ms: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub partitions: Arc<Partitions>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTransaction {
    pub transactional_id: String,
    pub producer_id: i64,
    pub state: &'static str,
}

/// What has to be done outside of the machine; it is told of the result by a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    WriteMarkers(Markers),
    /// A transaction has run out of time and of epochs.
    FetchProducerId(Arc<str>),
}

/// The end of a transaction, for the partitions that do not know it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markers {
    pub transactional_id: Arc<str>,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub committed: bool,
    pub coordinator_epoch: i32,
    pub transaction_version: i16,
    pub partitions: Arc<Partitions>,
}
