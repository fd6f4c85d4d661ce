//! Loading: the whole log, replayed into a machine.

#![deny(clippy::indexing_slicing)]

use bytes::{Buf, Bytes};
use ottla_coordinator::records::RecordError;
use ottla_coordinator::{Machine, Now};
use ottla_storage::batch::control::{EndTxn, end_txn_of};
use ottla_storage::batch::{AnyBatch, BatchError, BatchHeader, Record, records_shared};
use tracing::warn;

use super::LoopOptions;
use super::journal::{Journal, JournalError};

/// What a compressed batch may grow to: more than Kafka lets a coordinator write.
const DECOMPRESSED_BYTES_MAX: usize = 1 << 30;
/// `producer_id` of what is not in a transaction.
const NO_PRODUCER: i64 = -1;

#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the batch at offset {offset}: {error}")]
    Batch { offset: i64, error: BatchError },
    /// Kafka refuses such a partition too: what the record says of its group would be lost.
    #[error("the record at offset {offset}: {error}")]
    Record { offset: i64, error: RecordError },
    #[error("the log ends at offset {0}, before its end")]
    Short(i64),
    #[error("the load was stopped")]
    Stopped,
}

#[derive(Debug, Default)]
pub(super) struct Summary {
    pub records: u64,
    pub bytes: u64,
    /// Of types that this release does not know.
    unknown: u64,
}

/// Blocks for as long as reading the log takes.
pub(super) fn load<M: Machine>(
    machine: M,
    journal: &impl Journal,
    options: &LoopOptions,
) -> Result<(M, Summary), LoadError> {
    let now = Now {
        wall_ms: options.clock.now_ms(),
        uptime_ms: 0,
    };
    let mut loader = Loader {
        machine,
        now,
        summary: Summary::default(),
    };
    let mut offset = journal.start_offset();
    let end = journal.end_offset();
    while offset < end {
        let bytes = journal.read(offset, options.load_buffer_bytes)?;
        if bytes.is_empty() {
            // The last records before the end were compacted away, or lost with the disk that held them.
            break;
        }
        let next = loader.replay(bytes, offset)?;
        if next <= offset {
            return Err(LoadError::Short(offset));
        }
        offset = next;
    }
    if loader.summary.unknown > 0 {
        let unknown = loader.summary.unknown;
        warn!(partition = %options.name, unknown, "records of a newer release were passed over");
    }
    Ok((loader.machine, loader.summary))
}

struct Loader<M> {
    machine: M,
    now: Now,
    summary: Summary,
}

impl<M: Machine> Loader<M> {
    /// Replays all whole batches, and returns the offset behind the last one.
    fn replay(&mut self, mut bytes: Bytes, from: i64) -> Result<i64, LoadError> {
        let mut next = from;
        while let Some(batch) = take_batch(&mut bytes, next)? {
            self.summary.bytes += batch.bytes.len() as u64;
            self.replay_batch(&batch, from)?;
            next = batch.header.next_offset();
        }
        Ok(next)
    }

    fn replay_batch(&mut self, batch: &Placed, from: i64) -> Result<(), LoadError> {
        let wrong = |error| LoadError::Batch { offset: from, error };
        let producer_id = match &batch.header {
            AnyBatch::Current(header) if header.is_control() => {
                return self.replay_marker(header, batch, from);
            }
            AnyBatch::Current(header) => header.producer_id,
            AnyBatch::Legacy(_) => NO_PRODUCER,
        };
        for record in records_shared(&batch.bytes, DECOMPRESSED_BYTES_MAX).map_err(wrong)? {
            let record = record.map_err(wrong)?;
            // The first batch may begin before the log's start.
            if record.offset >= from {
                self.replay_record(&record, producer_id)?;
            }
        }
        Ok(())
    }

    fn replay_marker(&mut self, header: &BatchHeader, batch: &Placed, from: i64) -> Result<(), LoadError> {
        let marker = end_txn_of(header, &batch.bytes);
        if let Some((kind, _)) = marker.map_err(|error| LoadError::Batch { offset: from, error })? {
            self.machine
                .end_transaction(header.producer_id, kind == EndTxn::Commit);
        }
        Ok(())
    }

    fn replay_record(&mut self, record: &Record, producer_id: i64) -> Result<(), LoadError> {
        let offset = record.offset;
        let refused = |error| LoadError::Record { offset, error };
        let key = record.key.as_deref().ok_or_else(|| refused(RecordError::NoKey))?;
        match M::decode(key, record.value.as_deref()) {
            Ok(decoded) => self.machine.replay(offset, producer_id, decoded, self.now),
            Err(RecordError::UnknownType(_)) => self.summary.unknown += 1,
            Err(error) => return Err(refused(error)),
        }
        self.summary.records += 1;
        Ok(())
    }
}

struct Placed {
    header: AnyBatch,
    bytes: Bytes,
}

/// The next batch, unless it is cut.
fn take_batch(bytes: &mut Bytes, offset: i64) -> Result<Option<Placed>, LoadError> {
    /// Offset and length: what it takes to know how much more there must be.
    const PREFIX_BYTES: usize = 12;
    let Some(length) = bytes.get(8..PREFIX_BYTES).map(|mut length| length.get_i32()) else {
        return Ok(None);
    };
    let size = usize::try_from(length).map_or(usize::MAX, |length| length.saturating_add(PREFIX_BYTES));
    if size > bytes.len() {
        return Ok(None);
    }
    let batch = bytes.split_to(size);
    let header = AnyBatch::parse(&batch).map_err(|error| LoadError::Batch { offset, error })?;
    Ok(Some(Placed { header, bytes: batch }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use ottla_base::{ErrorCode, ManualClock};
    use ottla_coordinator::{GroupConfig, GroupShard};
    use ottla_storage::AppendOrigin;
    use ottla_storage::batch::{Codec, ValidBatch};
    use tokio::sync::Notify;

    use super::*;

    /// What a crash right behind a roll leaves when all before it is compacted away: an end, and no record that leads to it.
    struct NothingBeforeTheEnd;

    impl Journal for NothingBeforeTheEnd {
        type Watch = ();

        fn append(&self, _: ValidBatch, _: AppendOrigin) -> Result<i64, ErrorCode> {
            Err(ErrorCode::NotLeaderOrFollower)
        }

        fn committed_end(&self) -> Result<i64, ErrorCode> {
            Ok(self.end_offset())
        }

        fn batch_bytes_max(&self) -> usize {
            1000
        }

        fn watch(&self, _: &Arc<Notify>) {}

        fn start_offset(&self) -> i64 {
            0
        }

        fn end_offset(&self) -> i64 {
            10
        }

        fn read(&self, _: i64, _: usize) -> Result<Bytes, JournalError> {
            Ok(Bytes::new())
        }
    }

    #[test]
    fn a_log_whose_last_records_are_gone_is_loaded() {
        let options = LoopOptions {
            name: "test".into(),
            clock: Arc::new(ManualClock::at(1_000)),
            codec: Codec::None,
            commit_timeout: Duration::from_secs(5),
            load_buffer_bytes: 1 << 20,
        };
        let machine = GroupShard::new(Arc::new(GroupConfig::default()));
        let (_, summary) = load(machine, &NothingBeforeTheEnd, &options).unwrap();
        assert_eq!(summary.records, 0);
    }
}
