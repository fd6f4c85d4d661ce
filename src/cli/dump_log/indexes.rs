//! Indexes and producer snapshots: their entries, and whether they fit the log beside them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use ottla_base::limits::DECOMPRESSED_BATCH_BYTES_MAX;
use ottla_storage::names::FileKind;
use ottla_storage::producer_state::{ProducerEntry, decode_snapshot};
use ottla_storage::txn_index::AbortedTxn;
use ottla_storage::walk::{Placed, Walk};
use ottla_storage::{batch, offset_index, time_index, txn_index};

use super::Dump;

impl Dump<'_> {
    pub(super) fn offset_index(&mut self, path: &Path, base: i64) -> io::Result<()> {
        let entries = read_offset_index(path, base)?;
        if self.is_settled(path, entries.is_empty(), || sane_offsets(path, base, &entries))? {
            return Ok(());
        }
        let log = File::open(path.with_file_name(FileKind::Log.file_name(base)))?;
        let log_bytes = log.metadata()?.len();
        for (index, (offset, position)) in entries.iter().copied().enumerate() {
            // The file of an active segment may end in zeros that are not entries.
            if offset == base && index > 0 {
                return Ok(());
            }
            let end = (position + self.options.max_message_size).min(log_bytes);
            let batch = Walk::headers(&log, position, end).next_header();
            let found = match batch {
                Some(Ok(placed)) => placed.batch.last_offset(),
                _ => -1,
            };
            if found != offset {
                self.problems.index_mismatch(path, offset, found);
            }
            if !self.options.verify_index_only {
                writeln!(self.out, "offset: {offset} position: {position}")?;
            }
        }
        Ok(())
    }

    pub(super) fn time_index(&mut self, path: &Path, base: i64) -> io::Result<()> {
        let entries = read_time_index(path, base)?;
        if self.is_settled(path, entries.is_empty(), || sane_times(path, base, &entries))? {
            return Ok(());
        }
        let log = File::open(path.with_file_name(FileKind::Log.file_name(base)))?;
        let offsets = path.with_file_name(FileKind::OffsetIndex.file_name(base));
        let offsets = if offsets.exists() {
            read_offset_index(&offsets, base)?
        } else {
            Vec::new()
        };
        let mut previous = -1;
        for (timestamp, offset) in entries {
            let floor = offsets.partition_point(|(indexed, _)| *indexed <= offset);
            let start = floor
                .checked_sub(1)
                .and_then(|i| offsets.get(i))
                .map_or(0, |(_, p)| *p);
            self.check_time(path, &log, start, (timestamp, offset), previous)?;
            if !self.options.verify_index_only {
                writeln!(self.out, "timestamp: {timestamp} offset: {offset}")?;
            }
            previous = timestamp;
        }
        Ok(())
    }

    /// Whether the batch that an entry of a time index names is there and has that time.
    fn check_time(
        &mut self,
        path: &Path,
        log: &File,
        start: u64,
        (timestamp, offset): (i64, i64),
        previous: i64,
    ) -> io::Result<()> {
        let mut walk = Walk::headers(log, start, log.metadata()?.len());
        let mut found: Option<Placed> = None;
        while let Some(Ok(placed)) = walk.next_header() {
            if placed.batch.last_offset() >= offset {
                found = Some(placed);
                break;
            }
        }
        match found {
            Some(placed) if placed.batch.last_offset() == offset => {
                let newest = newest_record(log, &placed)?;
                if newest != timestamp {
                    self.problems.time_mismatch(path, timestamp, newest);
                }
                if previous >= timestamp {
                    self.problems.time_out_of_order(path, timestamp, previous);
                }
            }
            other => {
                let found = other.map_or(-1, |placed| placed.batch.last_offset());
                self.problems.offset_not_found(path, offset, found);
            }
        }
        Ok(())
    }

    /// Says so when an index is empty or only its sanity was asked for: then there is nothing more to do.
    fn is_settled(
        &mut self,
        path: &Path,
        is_empty: bool,
        check: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<bool> {
        if is_empty {
            writeln!(self.out, "{} is empty.", path.display())?;
        } else if self.options.index_sanity_check {
            check()?;
            writeln!(self.out, "{} passed sanity check.", path.display())?;
        }
        Ok(is_empty || self.options.index_sanity_check)
    }

    pub(super) fn txn_index(&mut self, path: &Path) -> io::Result<()> {
        let bytes = std::fs::read(path)?;
        let (entries, rest) = bytes.as_chunks::<{ txn_index::ENTRY_BYTES }>();
        for entry in entries {
            let txn = AbortedTxn::decode(entry).map_err(io::Error::other)?;
            writeln!(
                self.out,
                "version: 0 producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
                txn.producer_id, txn.first_offset, txn.last_offset, txn.last_stable_offset
            )?;
        }
        if !rest.is_empty() {
            return Err(io::Error::other(format!("{} bytes are not an entry", rest.len())));
        }
        Ok(())
    }

    pub(super) fn producer_snapshot(&mut self, path: &Path) -> io::Result<()> {
        let entries = decode_snapshot(&std::fs::read(path)?).map_err(io::Error::other)?;
        for entry in &entries {
            writeln!(self.out, "{}", producer_line(entry))?;
        }
        Ok(())
    }
}

fn producer_line(entry: &ProducerEntry) -> String {
    let txn = match entry.txn_first_offset {
        Some(offset) => format!("OptionalLong[{offset}]"),
        None => "OptionalLong.empty".to_owned(),
    };
    let mut line = format!(
        "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {txn} lastTimestamp: {} ",
        entry.producer_id, entry.epoch, entry.coordinator_epoch, entry.last_timestamp_ms
    );
    if let Some(batch) = entry.last_batch() {
        line.push_str(&format!(
            "firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
            batch.first_sequence(),
            batch.last_sequence,
            batch.last_offset,
            batch.offset_delta,
            batch.timestamp_ms
        ));
    }
    line
}

fn newest_record(log: &File, placed: &Placed) -> io::Result<i64> {
    let mut bytes = vec![0; placed.batch.size_bytes()];
    log.read_exact_at(&mut bytes, placed.position)?;
    let records = batch::records(&bytes, DECOMPRESSED_BATCH_BYTES_MAX).map_err(io::Error::other)?;
    let mut newest = -1;
    for record in records {
        newest = newest.max(record.map_err(io::Error::other)?.timestamp);
    }
    Ok(newest)
}

/// The entries of an offset index: offset and position.
fn read_offset_index(path: &Path, base: i64) -> io::Result<Vec<(i64, u64)>> {
    let bytes = std::fs::read(path)?;
    let (entries, _) = bytes.as_chunks::<{ offset_index::ENTRY_BYTES }>();
    Ok(entries
        .iter()
        .map(|[a, b, c, d, e, f, g, h]| {
            let delta = i32::from_be_bytes([*a, *b, *c, *d]);
            let position = u32::from_be_bytes([*e, *f, *g, *h]);
            (base + i64::from(delta), u64::from(position))
        })
        .collect())
}

/// The entries of a time index: timestamp and offset.
fn read_time_index(path: &Path, base: i64) -> io::Result<Vec<(i64, i64)>> {
    let bytes = std::fs::read(path)?;
    let (entries, _) = bytes.as_chunks::<{ time_index::ENTRY_BYTES }>();
    Ok(entries
        .iter()
        .map(|[a, b, c, d, e, f, g, h, i, j, k, l]| {
            let timestamp = i64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
            let delta = i32::from_be_bytes([*i, *j, *k, *l]);
            (timestamp, base + i64::from(delta))
        })
        .collect())
}

fn sane_offsets(path: &Path, base: i64, entries: &[(i64, u64)]) -> io::Result<()> {
    let last_is_sane = entries.last().is_none_or(|(offset, _)| *offset > base);
    sane(path, offset_index::ENTRY_BYTES, last_is_sane)
}

fn sane_times(path: &Path, base: i64, entries: &[(i64, i64)]) -> io::Result<()> {
    let (first, last) = (entries.first(), entries.last());
    let last_is_sane = last.is_none_or(|(timestamp, offset)| {
        *offset >= base && first.is_none_or(|(first, _)| first <= timestamp)
    });
    sane(path, time_index::ENTRY_BYTES, last_is_sane)
}

/// What Kafka checks of an index before it trusts it: whole entries, and a last one that can be.
fn sane(path: &Path, entry_bytes: usize, last_is_sane: bool) -> io::Result<()> {
    if std::fs::metadata(path)?.len() % entry_bytes as u64 != 0 || !last_is_sane {
        return Err(io::Error::other(
            "the index is corrupt: it will be built anew at the next start",
        ));
    }
    Ok(())
}
