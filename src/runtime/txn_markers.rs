//! Transaction markers into the partitions of this node: what WriteTxnMarkers does for another broker's coordinator, and
//! what the coordinator of this node does without a request.
//!
//! Partitions of `__consumer_offsets` hold pending offsets, so their markers go through the group coordinator, which keeps
//! them in order with what it writes itself.

use std::sync::Arc;
use std::time::Duration;

use ottla_base::{Clock, ErrorCode, TopicPartition};
use ottla_storage::AppendOrigin;
use ottla_storage::batch::ValidBatch;
use ottla_storage::batch::control::{EndTxn, end_txn_marker};
use tokio::time::Instant;

use crate::replica::{Acks, Partition, ReplicaError, ReplicaManager};

/// How a transaction ended, as its coordinator says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxnMarker {
    pub producer_id: i64,
    /// With `transaction.version` 2 the epoch of the producer's next transaction, else the one that its data has.
    pub producer_epoch: i16,
    pub kind: EndTxn,
    /// The leader epoch of the coordinator's partition: a marker of an older coordinator is refused.
    pub coordinator_epoch: i32,
    pub transaction_version: i16,
}

/// Writes markers on this node.
pub struct MarkerWriter {
    replicas: Arc<ReplicaManager>,
    clock: Arc<dyn Clock>,
    /// For how long an append waits for its replicas: `request.timeout.ms`.
    timeout: Duration,
}

impl MarkerWriter {
    pub fn new(replicas: Arc<ReplicaManager>, clock: Arc<dyn Clock>, timeout: Duration) -> Self {
        Self {
            replicas,
            clock,
            timeout,
        }
    }

    /// Writes the marker into each of the partitions and waits until all their in-sync replicas have it. One answer for
    /// each, in the order given. A marker that was written before may be written again.
    pub async fn write(&self, marker: TxnMarker, partitions: &[TopicPartition]) -> Vec<ErrorCode> {
        let deadline = Instant::now() + self.timeout;
        let appended: Vec<_> = partitions
            .iter()
            .map(|partition| self.append(marker, partition))
            .collect();
        let mut answers = Vec::with_capacity(partitions.len());
        for appended in appended {
            answers.push(match appended {
                Ok(appended) => appended.committed(deadline).await,
                Err(error) => error,
            });
        }
        answers
    }

    fn append(&self, marker: TxnMarker, partition: &TopicPartition) -> Result<Appended, ErrorCode> {
        let partition = self
            .replicas
            .by_name(&partition.topic, partition.partition)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let now_ms = self.clock.now_ms();
        let batch = end_txn_marker(
            marker.kind,
            marker.producer_id,
            marker.producer_epoch,
            marker.coordinator_epoch,
            now_ms,
        );
        let batch = ValidBatch::trusted(&batch).map_err(|_| ErrorCode::UnknownServerError)?;
        let origin = AppendOrigin::TxnMarker {
            transaction_version: marker.transaction_version,
        };
        let info = partition
            .append(batch, origin, Acks::All, now_ms)
            .map_err(|error| refused(&partition, &error))?;
        Ok(Appended { partition, info })
    }
}

fn refused(partition: &Partition, error: &ReplicaError) -> ErrorCode {
    tracing::info!(partition = %partition.name(), %error, "a transaction marker is refused");
    error.code()
}

struct Appended {
    partition: Arc<Partition>,
    info: ottla_storage::AppendInfo,
}

impl Appended {
    async fn committed(&self, deadline: Instant) -> ErrorCode {
        if let Err(error) = self.partition.settle(&self.info).await {
            return error.code();
        }
        let waited = self.partition.wait_committed(self.info.last_offset, deadline);
        waited.await.err().unwrap_or(ErrorCode::None)
    }
}
