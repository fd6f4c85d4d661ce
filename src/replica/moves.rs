//! Moving a replica to another log directory of this node, while it is written to and read from.
//!
//! A copy of the log follows the original like a follower follows its leader. When it has all but caught up, appends are
//! held off for the moment in which it copies the rest and takes the original's place.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use ottla_base::{ErrorCode, TopicPartition, Uuid};
use ottla_storage::batch::BatchHeader;
use ottla_storage::{AppendError, Log, ReadBound, StorageError};

use super::error::ReplicaError;
use super::manager::ReplicaManager;
use super::partition::Partition;

/// Bytes that are copied at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// So many bytes may be left to copy while appends are held off.
const LAST_CHUNK_BYTES: u64 = 1 << 20;
/// Longest name of a directory in which a topic's name is not cut: `-<partition>.<32 digits>-future` goes behind it.
const DIR_NAME_BYTES_MAX: usize = 255;

/// Why a replica is not moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    #[error("the topic's name leaves no room for the name of a directory that is being filled")]
    NameTooLong,
    #[error("this node has no such log directory, or it is offline")]
    UnknownDirectory,
    #[error("the log directory takes no new replicas")]
    Cordoned,
    #[error("this node does not host the partition")]
    NotHosted,
    #[error(transparent)]
    Replica(#[from] ReplicaError),
}

impl MoveError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NameTooLong => ErrorCode::InvalidTopicException,
            Self::UnknownDirectory => ErrorCode::KafkaStorageError,
            Self::Cordoned => ErrorCode::InvalidReplicaAssignment,
            // An older name for it, which this API keeps.
            Self::NotHosted => ErrorCode::ReplicaNotAvailable,
            Self::Replica(error) => error.code(),
        }
    }
}

/// A move that has begun and has still to be carried out by [`Move::run`].
pub struct Move {
    manager: Arc<ReplicaManager>,
    partition: Arc<Partition>,
    future: Arc<Log>,
}

impl ReplicaManager {
    /// Begins to move a replica to the log directory `dir`; `None` if it is there, or on its way there. A move to another
    /// directory that is under way is given up.
    pub fn begin_move(self: &Arc<Self>, name: &TopicPartition, dir: Uuid) -> Result<Option<Move>, MoveError> {
        if name.topic.len() + format!("-{}.{}-future", name.partition, dir.simple()).len()
            > DIR_NAME_BYTES_MAX
        {
            return Err(MoveError::NameTooLong);
        }
        let partition = self
            .by_name(&name.topic, name.partition)
            .ok_or(MoveError::NotHosted)?;
        let _one_at_a_time = self.changes.lock();
        let current = partition.log();
        if let Some(other) = self.dirs.future_log(name) {
            if other.dir_id() == dir {
                return Ok(None);
            }
            self.dirs
                .cancel_future(&other, self.clock.now_ms())
                .map_err(ReplicaError::from)?;
        }
        if current.dir_id() == dir {
            return Ok(None);
        }
        let future = self
            .dirs
            .create_future(&current, dir, self.clock.now_ms())
            .map_err(ReplicaError::from)?;
        Ok(Some(Move {
            manager: self.clone(),
            partition,
            future,
        }))
    }

    /// Gives up the move of a partition that is deleted.
    pub(super) fn cancel_move(&self, name: &TopicPartition) {
        let Some(future) = self.dirs.future_log(name) else {
            return;
        };
        if let Err(error) = self.dirs.cancel_future(&future, self.clock.now_ms()) {
            tracing::error!(partition = %name, %error, "the copy of a deleted replica stays on disk");
        }
    }
}

impl Move {
    pub fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    /// The directory that the replica moves to.
    pub fn dir_id(&self) -> Uuid {
        self.future.dir_id()
    }

    /// Copies and takes over; false if the move was given up meanwhile. Blocks for as long as that takes.
    pub fn run(&self) -> Result<bool, ReplicaError> {
        loop {
            let current = self.partition.log();
            while current.size_bytes().saturating_sub(self.future.size_bytes()) > LAST_CHUNK_BYTES {
                if self.future.is_closed() || current.is_closed() {
                    return Ok(false);
                }
                if !self.copy_chunk(&current)? {
                    break;
                }
            }
            // What is synced now need not be synced while appends are held off.
            self.future.flush()?;
            let _no_changes = self.manager.changes.lock();
            if self.future.is_closed() || current.is_closed() {
                return Ok(false);
            }
            if self
                .partition
                .replace_log(&self.future, || self.take_over(&current))?
            {
                return Ok(true);
            }
        }
    }

    /// Copies what is left and exchanges the logs; appends are held off meanwhile.
    fn take_over(&self, current: &Arc<Log>) -> Result<bool, ReplicaError> {
        while self.copy_chunk(current)? {}
        let end = current.log_end_offset();
        if self.future.log_end_offset() != end {
            return Ok(false);
        }
        if let Some(epoch) = current.latest_epoch() {
            self.future.assign_epoch(epoch, end);
        }
        self.future.raise_high_watermark(current.high_watermark());
        self.future.delete_records_before(current.log_start_offset())?;
        self.manager
            .dirs
            .promote_future(&self.future, current, self.manager.clock.now_ms())?;
        Ok(true)
    }

    /// Copies some batches; false when there are none left.
    fn copy_chunk(&self, current: &Log) -> Result<bool, ReplicaError> {
        let copied_to = self.future.log_end_offset();
        // Ahead of the copy when it is new, and when the original was trimmed past all that was copied.
        let from = copied_to.max(current.log_start_offset());
        let read = current.read(from, CHUNK_BYTES, ReadBound::LogEnd, true)?;
        let Some(slice) = read.slice else {
            if copied_to < from {
                self.future.truncate_fully_and_start_at(from)?;
            }
            return Ok(false);
        };
        let mut batches = vec![0; slice.len];
        slice
            .file
            .read_exact_at(&mut batches, slice.position)
            .map_err(|source| StorageError::Io {
                action: "read",
                path: current.path(),
                source,
            })?;
        if copied_to < from {
            // The log may start in the middle of a batch.
            let first = BatchHeader::parse(&batches).map_err(AppendError::Malformed)?;
            self.future.truncate_fully_and_start_at(first.base_offset)?;
        }
        let now_ms = self.manager.clock.now_ms();
        self.future.append_as_follower(&batches, i32::MAX, now_ms)?;
        Ok(self.future.log_end_offset() > copied_to)
    }
}
