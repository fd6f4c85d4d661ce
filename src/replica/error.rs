//! Why a partition of this node does not do what it was asked for.

use ottla_base::ErrorCode;
use ottla_storage::log::DeleteRecordsError;
use ottla_storage::{AppendError, ReadError, StorageError};

/// An error of a partition; [`ReplicaError::code`] is what a client is told.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    #[error("this node does not host the partition")]
    UnknownPartition,
    #[error("this node is not the partition's leader")]
    NotLeader,
    #[error("the partition's log is in a log directory that is offline")]
    Offline,
    #[error("{in_sync} replicas are in sync, and the topic wants {wanted}")]
    NotEnoughReplicas { in_sync: usize, wanted: usize },
    #[error("the request knows an older leader epoch than this node")]
    FencedLeaderEpoch,
    #[error("the request knows a newer leader epoch than this node")]
    UnknownLeaderEpoch,
    #[error("no offset is known for the reader's last epoch, or it lies before the log")]
    OffsetOutOfRange,
    #[error("the high watermark has not reached the start of the leader's epoch yet")]
    OffsetNotAvailable,
    #[error("records of a topic that is only compacted cannot be deleted")]
    NotDeletable,
    #[error("the replica is not one of the partition's")]
    UnknownReplica,
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl ReplicaError {
    /// What Kafka answers in this case.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
            Self::NotLeader => ErrorCode::NotLeaderOrFollower,
            Self::Offline | Self::Storage(_) => ErrorCode::KafkaStorageError,
            Self::NotEnoughReplicas { .. } => ErrorCode::NotEnoughReplicas,
            Self::FencedLeaderEpoch => ErrorCode::FencedLeaderEpoch,
            Self::UnknownLeaderEpoch | Self::UnknownReplica => ErrorCode::UnknownLeaderEpoch,
            Self::OffsetOutOfRange => ErrorCode::OffsetOutOfRange,
            Self::OffsetNotAvailable => ErrorCode::OffsetNotAvailable,
            Self::NotDeletable => ErrorCode::PolicyViolation,
            Self::Append(error) => append_code(error),
            Self::Read(error) => read_code(error),
        }
    }
}

impl From<DeleteRecordsError> for ReplicaError {
    fn from(error: DeleteRecordsError) -> Self {
        match error {
            DeleteRecordsError::OffsetOutOfRange { .. } => Self::OffsetOutOfRange,
            DeleteRecordsError::Storage(error) => error.into(),
        }
    }
}

fn append_code(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::InvalidProducerEpoch(_) => ErrorCode::InvalidProducerEpoch,
        AppendError::OutOfOrderSequence(_) => ErrorCode::OutOfOrderSequenceNumber,
        AppendError::InvalidTxnState(_) => ErrorCode::InvalidTxnState,
        AppendError::CoordinatorFenced(_) => ErrorCode::TransactionCoordinatorFenced,
        AppendError::RecordListTooLarge { .. } => ErrorCode::RecordListTooLarge,
        AppendError::Malformed(_) => ErrorCode::CorruptMessage,
        AppendError::NotAtLogEnd { .. } => ErrorCode::UnknownServerError,
        // The partition was deleted or moves to another directory while the append was under way: the client asks for
        // the metadata and tries again.
        AppendError::Closed => ErrorCode::NotLeaderOrFollower,
        AppendError::Storage(_) => ErrorCode::KafkaStorageError,
    }
}

fn read_code(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        ReadError::Corrupt { .. } => ErrorCode::CorruptMessage,
        ReadError::Storage(_) => ErrorCode::KafkaStorageError,
    }
}
