//! What is decided is told to all partitions of the transaction, however often that takes, and then it is complete.

use std::sync::Arc;

use ottla_base::ErrorCode;
use tracing::{debug, info, warn};

use super::command::{Markers, MarkersWritten, Work};
use super::shard::TransactionShard;
use super::state::{Partitions, State};
use crate::machine::{Now, Outcome};

/// What the answer of a partition means for the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// The partition knows, or will never have to.
    Done,
    Again,
    /// There is a newer coordinator: the rest is up to it.
    Superseded,
}

impl TransactionShard {
    /// Goes on with a prepared transaction: tells the partitions that are left or, when none is, writes that it is complete.
    pub(super) fn complete(&mut self, id: &Arc<str>, now: Now) -> Outcome<Self> {
        let prepared = self
            .entries
            .get(id)
            .filter(|entry| entry.current.state.is_prepared() && !entry.is_writing);
        let Some(entry) = prepared else {
            return Outcome::default();
        };
        let current = &entry.current;
        if current.partitions.is_empty() {
            let next = current.completed(now.wall_ms);
            return self.write(id, next, None);
        }
        let markers = Markers {
            transactional_id: id.clone(),
            producer_id: current.producer_id,
            producer_epoch: current.producer_epoch,
            committed: current.state == State::PrepareCommit,
            coordinator_epoch: self.coordinator_epoch,
            transaction_version: current.client_version,
            partitions: current.partitions.clone(),
        };
        self.give_work(Work::WriteMarkers(markers));
        Outcome::default()
    }

    pub(super) fn markers_written(&mut self, written: &MarkersWritten, now: Now) -> Outcome<Self> {
        let id = &written.transactional_id;
        let Some(entry) = self.entries.get_mut(id) else {
            return Outcome::default();
        };
        let current = &mut entry.current;
        let is_meant = current.state.is_prepared()
            && (current.producer_id, current.producer_epoch) == (written.producer_id, written.producer_epoch);
        if !is_meant || entry.is_writing {
            return Outcome::default();
        }
        let mut is_superseded = false;
        for (topic, partition, error) in &written.results {
            match told(*error) {
                Told::Done => remove(Arc::make_mut(&mut current.partitions), topic, *partition),
                Told::Again => {}
                Told::Superseded => is_superseded = true,
            }
            if *error != ErrorCode::None {
                info!(transactional_id = %id, %topic, partition, error = error.name(), "marker not written");
            }
        }
        if is_superseded {
            warn!(transactional_id = %id, "another coordinator ends this transaction");
            return Outcome::default();
        }
        if current.partitions.is_empty() {
            return self.complete(id, now);
        }
        debug!(transactional_id = %id, partitions = current.partitions.len(), "markers are written again later");
        self.retry_later(id.clone(), now);
        Outcome::default()
    }
}

fn told(error: ErrorCode) -> Told {
    match error {
        ErrorCode::None
        // The partition can hold nothing of the transaction.
        | ErrorCode::UnsupportedForMessageFormat
        | ErrorCode::UnsupportedVersion
        // A newer epoch of the producer has written there, which it can only do after the end of this transaction. Kafka
        // stops here and leaves the id unusable until its coordinator moves (KAFKA-19999).
        | ErrorCode::InvalidProducerEpoch => Told::Done,
        ErrorCode::TransactionCoordinatorFenced => Told::Superseded,
        _ => Told::Again,
    }
}

fn remove(partitions: &mut Partitions, topic: &str, partition: i32) {
    if let Some(indexes) = partitions.get_mut(topic) {
        indexes.remove(&partition);
        if indexes.is_empty() {
            partitions.remove(topic);
        }
    }
}
