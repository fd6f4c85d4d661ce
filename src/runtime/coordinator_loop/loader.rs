//! Loading: the whole log, replayed into a machine.
//!
//! Most of a coordinator's log has been overtaken by what stands behind it, and to decode and apply a value only to replace it
//! is most of the work. So there are two passes: the first looks at keys and notes what is [`overtaken`](super::overtaken),
//! the second leaves that out, as compaction may have done before. What a transaction wrote is neither left out nor a reason
//! to leave anything out, since nobody knows yet what becomes of it.

#![deny(clippy::indexing_slicing)]

use bytes::Buf;
use ottla_coordinator::records::RecordError;
use ottla_coordinator::{Machine, Now};
use ottla_storage::batch::control::{EndTxn, end_txn_of};
use ottla_storage::batch::{AnyBatch, BatchError, BatchHeader, RecordView, visit_records};
use tracing::warn;

use super::LoopOptions;
use super::journal::{Journal, JournalError};
use super::overtaken::{Notes, Overtaken};

/// What a compressed batch may grow to: more than Kafka lets a coordinator write.
const DECOMPRESSED_BYTES_MAX: usize = 1 << 30;
/// `producer_id` of what is not in a transaction.
const NO_PRODUCER: i64 = -1;
/// A log of so few offsets is replayed as it is.
const FEW_OFFSETS: i64 = 1000;

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
    let stretch = Stretch {
        journal,
        // The same in both passes: what the first has seen must be there in the second.
        start: journal.start_offset(),
        end: journal.end_offset(),
        read_bytes: options.load_buffer_bytes,
    };
    let mut loader = Loader {
        machine,
        now,
        overtaken: stretch.overtaken::<M>()?,
        summary: Summary::default(),
    };
    stretch.each_batch(|batch| loader.replay_batch(batch))?;
    if loader.summary.unknown > 0 {
        let unknown = loader.summary.unknown;
        warn!(partition = %options.name, unknown, "records of a newer release were passed over");
    }
    Ok((loader.machine, loader.summary))
}

/// A stretch of a log, read from its beginning to its end.
struct Stretch<'a, J> {
    journal: &'a J,
    start: i64,
    end: i64,
    read_bytes: usize,
}

impl<J: Journal> Stretch<'_, J> {
    /// The first pass.
    fn overtaken<M: Machine>(&self) -> Result<Overtaken, LoadError> {
        if self.end - self.start < FEW_OFFSETS {
            return Ok(Overtaken::none());
        }
        let mut notes = Notes::begin(self.start, self.end);
        self.each_batch(|batch| {
            if batch.is_control() || batch.producer_id() != NO_PRODUCER {
                return Ok(());
            }
            batch.each_record(|record| {
                if let (Some(key), Some(value)) = (record.key, record.value)
                    && M::replaces_earlier(key, value)
                {
                    notes.value_at(key, record.offset);
                }
                Ok(())
            })
        })?;
        Ok(notes.end())
    }

    fn each_batch(
        &self,
        mut visit: impl FnMut(&Placed<'_>) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        let mut buffer = Vec::new();
        let mut offset = self.start;
        while offset < self.end {
            self.journal.read(offset, self.read_bytes, &mut buffer)?;
            if buffer.is_empty() {
                // The last records before the end were compacted away, or lost with the disk that held them.
                break;
            }
            let (mut bytes, mut next) = (buffer.as_slice(), offset);
            while let Some(batch) = take_batch(&mut bytes, next, offset)? {
                visit(&batch)?;
                next = batch.header.next_offset();
            }
            if next <= offset {
                return Err(LoadError::Short(offset));
            }
            offset = next;
        }
        Ok(())
    }
}

struct Loader<M> {
    machine: M,
    now: Now,
    overtaken: Overtaken,
    summary: Summary,
}

impl<M: Machine> Loader<M> {
    fn replay_batch(&mut self, batch: &Placed<'_>) -> Result<(), LoadError> {
        self.summary.bytes += batch.bytes.len() as u64;
        if let AnyBatch::Current(header) = &batch.header
            && header.is_control()
        {
            return self.replay_marker(header, batch);
        }
        if let AnyBatch::Current(header) = &batch.header
            && self
                .overtaken
                .contains_all(header.base_offset..=header.last_offset())
        {
            self.summary.records += u64::from(header.record_count.unsigned_abs());
            return Ok(());
        }
        let producer_id = batch.producer_id();
        batch.each_record(|record| {
            self.summary.records += 1;
            match self.overtaken.contains(record.offset) {
                true => Ok(()),
                false => self.replay_record(record, producer_id),
            }
        })
    }

    fn replay_marker(&mut self, header: &BatchHeader, batch: &Placed<'_>) -> Result<(), LoadError> {
        let marker = end_txn_of(header, batch.bytes).map_err(|error| batch.wrong(error))?;
        if let Some((kind, _)) = marker {
            self.machine
                .end_transaction(header.producer_id, kind == EndTxn::Commit);
        }
        Ok(())
    }

    fn replay_record(&mut self, record: &RecordView<'_>, producer_id: i64) -> Result<(), LoadError> {
        let offset = record.offset;
        let refused = |error| LoadError::Record { offset, error };
        let key = record.key.ok_or_else(|| refused(RecordError::NoKey))?;
        match M::decode(key, record.value) {
            Ok(decoded) => self.machine.replay(offset, producer_id, decoded, self.now),
            Err(RecordError::UnknownType(_)) => self.summary.unknown += 1,
            Err(error) => return Err(refused(error)),
        }
        Ok(())
    }
}

/// A whole batch, and from which offset on its records count: the first one may begin before the log's start.
struct Placed<'a> {
    header: AnyBatch,
    bytes: &'a [u8],
    from: i64,
}

impl Placed<'_> {
    fn is_control(&self) -> bool {
        matches!(&self.header, AnyBatch::Current(header) if header.is_control())
    }

    fn producer_id(&self) -> i64 {
        match &self.header {
            AnyBatch::Current(header) => header.producer_id,
            AnyBatch::Legacy(_) => NO_PRODUCER,
        }
    }

    fn each_record(
        &self,
        mut visit: impl FnMut(&RecordView<'_>) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        let mut visited = Ok(());
        visit_records(self.bytes, DECOMPRESSED_BYTES_MAX, |record| {
            if record.offset >= self.from && visited.is_ok() {
                visited = visit(&record);
            }
        })
        .map_err(|error| self.wrong(error))?;
        visited
    }

    fn wrong(&self, error: BatchError) -> LoadError {
        LoadError::Batch {
            offset: self.from,
            error,
        }
    }
}

/// The next batch, unless it is cut.
fn take_batch<'a>(bytes: &mut &'a [u8], offset: i64, from: i64) -> Result<Option<Placed<'a>>, LoadError> {
    /// Offset and length: what it takes to know how much more there must be.
    const PREFIX_BYTES: usize = 12;
    let Some(length) = bytes.get(8..PREFIX_BYTES).map(|mut length| length.get_i32()) else {
        return Ok(None);
    };
    let size = usize::try_from(length).map_or(usize::MAX, |length| length.saturating_add(PREFIX_BYTES));
    let Some((batch, rest)) = bytes.split_at_checked(size) else {
        return Ok(None);
    };
    *bytes = rest;
    let header = AnyBatch::parse(batch).map_err(|error| LoadError::Batch { offset, error })?;
    Ok(Some(Placed {
        header,
        bytes: batch,
        from,
    }))
}

#[cfg(test)]
mod tests;
