//! The log under a machine, as the loop needs it: a partition that this node leads.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use ottla_base::{Clock, ErrorCode};
use ottla_storage::batch::ValidBatch;
use ottla_storage::{AppendOrigin, ReadBound, ReadError};
use tokio::sync::Notify;
use tracing::{error, warn};

use crate::replica::waiters::Registration;
use crate::replica::{Acks, NO_EPOCH, Partition};

/// What the loop asks of a log.
pub trait Journal: Send + Sync + 'static {
    /// Keeps the watch alive.
    type Watch: Send;

    /// Appends a batch and returns the offset of its first record. What stands in the log may still be undone by another
    /// leader until [`Journal::committed_end`] has passed it.
    fn append(
        &self,
        batch: ValidBatch,
        origin: AppendOrigin,
    ) -> impl Future<Output = Result<i64, ErrorCode>> + Send;

    /// Everything before this offset stays for good; an error when this node does not lead the partition any more.
    fn committed_end(&self) -> Result<i64, ErrorCode>;

    /// The largest batch that may be appended.
    fn batch_bytes_max(&self) -> usize;

    /// Wakes `waiter` whenever [`Journal::committed_end`] may have changed.
    fn watch(&self, waiter: &Arc<Notify>) -> Self::Watch;

    fn start_offset(&self) -> i64;
    fn end_offset(&self) -> i64;

    /// Puts bytes from the batch that holds `offset` on in the place of what `into` holds: at least one whole batch, the last
    /// one perhaps cut. Nothing at the end.
    fn read(&self, offset: i64, max_bytes: usize, into: &mut Vec<u8>) -> Result<(), JournalError>;
}

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// A partition of this node as the journal of a coordinator.
pub struct PartitionJournal {
    partition: Arc<Partition>,
    clock: Arc<dyn Clock>,
    runtime: tokio::runtime::Handle,
}

impl PartitionJournal {
    pub fn new(partition: Arc<Partition>, clock: Arc<dyn Clock>, runtime: tokio::runtime::Handle) -> Self {
        Self {
            partition,
            clock,
            runtime,
        }
    }
}

impl Journal for PartitionJournal {
    type Watch = Registration;

    async fn append(&self, batch: ValidBatch, origin: AppendOrigin) -> Result<i64, ErrorCode> {
        let now_ms = self.clock.now_ms();
        let appended = self
            .partition
            .append_queued(batch, origin, Acks::All, now_ms)
            .await;
        let info = appended.map_err(|error| error.code())?;
        if info.flush_due {
            // Durable first: the high watermark follows the sync, and wakes the loop.
            let partition = self.partition.clone();
            let first_offset = info.first_offset;
            self.runtime.spawn(async move {
                if let Err(error) = partition.settle(&info).await {
                    warn!(partition = %partition.name(), %error, "a coordinator's records cannot be synced");
                }
            });
            return Ok(first_offset);
        }
        Ok(info.first_offset)
    }

    fn committed_end(&self) -> Result<i64, ErrorCode> {
        self.partition
            .check_leader(NO_EPOCH)
            .map_err(|error| error.code())?;
        Ok(self.partition.log().high_watermark())
    }

    fn batch_bytes_max(&self) -> usize {
        let config = self.partition.log().config();
        usize::try_from(config.max_message_bytes.min(config.segment_bytes)).unwrap_or(0)
    }

    fn watch(&self, waiter: &Arc<Notify>) -> Registration {
        self.partition.register(waiter)
    }

    fn start_offset(&self) -> i64 {
        self.partition.log().log_start_offset()
    }

    fn end_offset(&self) -> i64 {
        self.partition.log().log_end_offset()
    }

    fn read(&self, offset: i64, max_bytes: usize, into: &mut Vec<u8>) -> Result<(), JournalError> {
        let log = self.partition.log();
        let mut result = log.read(offset, max_bytes, ReadBound::LogEnd, true);
        // What a failing disk has damaged is lost; what the rest of the log says must not be lost with it.
        while let Err(ReadError::Corrupt {
            first_offset,
            next_offset,
        }) = result
        {
            let partition = log.topic_partition();
            error!(%partition, first_offset, next_offset, "damaged records are passed over");
            result = log.read(next_offset, max_bytes, ReadBound::LogEnd, true);
        }
        let Some(slice) = result?.slice else {
            into.clear();
            return Ok(());
        };
        into.resize(slice.len, 0);
        slice.file.read_exact_at(into, slice.position)?;
        Ok(())
    }
}
