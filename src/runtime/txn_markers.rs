//! Transaction markers into the partitions of this node: what WriteTxnMarkers does for another broker's coordinator, and
//! what the coordinator of this node does without a request.
//!
//! Partitions of `__consumer_offsets` hold pending offsets, so their markers go through the group coordinator, which keeps
//! them in order with what it writes itself.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all, ready};
use ottla_base::planted::{self, Bug};
use ottla_base::{Clock, ErrorCode, TopicPartition};
use ottla_storage::batch::ValidBatch;
use ottla_storage::batch::control::{EndTxn, end_txn_marker};
use ottla_storage::{AppendInfo, AppendOrigin};
use tokio::time::Instant;

use super::GroupCoordinator;
use super::group_coordinator::internal_topics::CONSUMER_OFFSETS;
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

impl TxnMarker {
    pub(super) fn batch(&self, now_ms: i64) -> Result<ValidBatch, ErrorCode> {
        let batch = end_txn_marker(
            self.kind,
            self.producer_id,
            self.producer_epoch,
            self.coordinator_epoch,
            now_ms,
        );
        ValidBatch::trusted(&batch).map_err(|_| ErrorCode::UnknownServerError)
    }

    pub(super) fn origin(&self) -> AppendOrigin {
        AppendOrigin::TxnMarker {
            transaction_version: self.transaction_version,
        }
    }
}

/// Writes markers on this node.
pub struct MarkerWriter {
    replicas: Arc<ReplicaManager>,
    groups: Arc<GroupCoordinator>,
    clock: Arc<dyn Clock>,
    /// For how long an append waits for its replicas: `request.timeout.ms`.
    timeout: Duration,
}

impl MarkerWriter {
    pub fn new(
        replicas: Arc<ReplicaManager>,
        groups: Arc<GroupCoordinator>,
        clock: Arc<dyn Clock>,
        timeout: Duration,
    ) -> Self {
        Self {
            replicas,
            groups,
            clock,
            timeout,
        }
    }

    /// Writes the marker into each of the partitions and waits until all their in-sync replicas have it. One answer for
    /// each, in the order given. A marker that was written before may be written again.
    pub async fn write(&self, marker: TxnMarker, partitions: &[TopicPartition]) -> Vec<ErrorCode> {
        let deadline = Instant::now() + self.timeout;
        // All are appended before the first is waited for.
        let written: Vec<_> = partitions
            .iter()
            .map(|partition| self.write_one(marker, partition, deadline))
            .collect();
        join_all(written).await
    }

    fn write_one(
        &self,
        marker: TxnMarker,
        name: &TopicPartition,
        deadline: Instant,
    ) -> BoxFuture<'static, ErrorCode> {
        if planted::strikes(Bug::MarkerForgotten) {
            return ready(ErrorCode::None).boxed();
        }
        let Some(partition) = self.replicas.by_name(&name.topic, name.partition) else {
            return ready(ErrorCode::UnknownTopicOrPartition).boxed();
        };
        if *name.topic == *CONSUMER_OFFSETS {
            let ended = self.groups.end_transaction(name.partition, marker);
            return ended
                .map(|ended| ended.err().map_or(ErrorCode::None, told))
                .boxed();
        }
        let now_ms = self.clock.now_ms();
        match marker.batch(now_ms) {
            Ok(batch) => {
                let appended = partition.append_queued(batch, marker.origin(), Acks::All, now_ms);
                committed(partition, appended, deadline).boxed()
            }
            Err(error) => ready(error).boxed(),
        }
    }
}

async fn committed(
    partition: Arc<Partition>,
    appended: impl Future<Output = Result<AppendInfo, ReplicaError>>,
    deadline: Instant,
) -> ErrorCode {
    let info = match appended.await {
        Ok(info) => info,
        Err(error) => {
            tracing::info!(partition = %partition.name(), %error, "a transaction marker is refused");
            return error.code();
        }
    };
    if let Err(error) = partition.settle(&info).await {
        return error.code();
    }
    let waited = partition.wait_committed(info.last_offset, deadline).await;
    waited.err().unwrap_or(ErrorCode::None)
}

/// A transaction coordinator knows leaders, and nothing of coordinators that load.
fn told(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::CoordinatorNotAvailable
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::NotCoordinator => ErrorCode::NotLeaderOrFollower,
        other => other,
    }
}
