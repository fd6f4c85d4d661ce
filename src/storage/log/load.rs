//! From a directory to a log. The states are types: an [`UnrecoveredLog`] knows its files but cannot be read or written;
//! only [`UnrecoveredLog::recover`] makes a [`Log`] of it.
//!
//! Passes over the directory, each of which leaves it in a state from which the next start would come to the same end:
//! files that wait for deletion or were never finished go; a finished replacement (`.swap`) takes its place; indexes
//! without a segment go; what is left is the segments.

#![deny(clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};

use arc_swap::ArcSwap;
use ottla_base::{TopicPartition, Uuid};
use parking_lot::Mutex;

use super::end::{End, LogEnd};
use super::recovery::Recovery;
use super::{Log, STABLE, Segments, Writer, limits_of};
use crate::chores::Chores;
use crate::cleaner::CleaningMark;
use crate::config::LogConfig;
use crate::epoch_cache::{self, EpochCache};
use crate::error::{Result, StorageError};
use crate::home::Home;
use crate::names::{CLEANED_SUFFIX, DELETED_SUFFIX, FileKind, SWAP_SUFFIX};
use crate::producer_state::{ProducerState, Verifications};
use crate::segment::{Indexes, Segment};
use crate::walk::Gap;

/// What a log is called and whom it belongs to.
#[derive(Clone)]
pub struct LogIdentity {
    pub topic_partition: TopicPartition,
    pub topic_id: Uuid,
    pub dir_id: Uuid,
}

/// What the checkpoints of the log dir say of a log.
#[derive(Clone, Copy, Debug)]
pub struct Checkpointed {
    /// The log dir was stopped cleanly: files may be trusted as they are.
    pub clean_shutdown: bool,
    pub recovery_point: i64,
    pub log_start: i64,
    pub high_watermark: i64,
}

impl Checkpointed {
    /// Of a log that nobody knows anything about.
    pub const NOTHING: Self = Self {
        clean_shutdown: false,
        recovery_point: 0,
        log_start: 0,
        high_watermark: 0,
    };
}

/// A directory whose files are known, and not yet whether they are whole.
pub struct UnrecoveredLog {
    identity: LogIdentity,
    home: Arc<Home>,
    config: Arc<LogConfig>,
    segments: Segments,
    /// The producer snapshots that there are.
    snapshots: BTreeSet<i64>,
}

impl UnrecoveredLog {
    pub(crate) fn open(
        home: Arc<Home>,
        identity: LogIdentity,
        config: Arc<LogConfig>,
        now_ms: i64,
    ) -> Result<Self> {
        let files = finish_interrupted_work(&home)?;
        let limits = limits_of(&config);
        let bases = bases_of(&files, FileKind::Log);
        let mut indexes: BTreeMap<i64, Indexes> = BTreeMap::new();
        for (kind, base) in &files {
            let of_segment = indexes.entry(*base).or_default();
            match kind {
                FileKind::Log | FileKind::Snapshot => continue,
                FileKind::OffsetIndex => of_segment.offset = true,
                FileKind::TimeIndex => of_segment.time = true,
                FileKind::TxnIndex => of_segment.txn = true,
            }
            if !bases.contains(base) {
                home.disk.remove(&home.file(*kind, *base))?;
            }
        }
        let open = |base: &i64| {
            let indexes = indexes.get(base).copied().unwrap_or_default();
            Arc::new(Segment::open(&home, *base, limits, now_ms, indexes))
        };
        let segments = bases.iter().map(open).collect();
        let snapshots = bases_of(&files, FileKind::Snapshot);
        Ok(Self {
            identity,
            home,
            config,
            segments,
            snapshots,
        })
    }

    /// Checks what must be checked, mends what can be mended, and begins to serve.
    pub(crate) fn recover(
        mut self,
        known: Checkpointed,
        chores: Arc<Chores>,
        now_ms: i64,
    ) -> Result<Arc<Log>> {
        let mut epochs = self.load_epochs()?;
        let limits = limits_of(&self.config);
        let mut recovery = Recovery::new(&self.home, limits, &mut epochs, self.config.cleanup_compact);
        let mut segments = recovery.run(self.segments.clone(), &known)?;
        let (gaps, mut end_offset) = (recovery.gaps, recovery.end_offset);
        let mut is_as_found = !recovery.may_have_removed;
        if end_offset < known.log_start {
            let partition = &self.identity.topic_partition;
            tracing::warn!(%partition, end_offset, log_start = known.log_start,
                "the log ends before its start: it begins anew there");
            for segment in segments.drain(..) {
                segment.mark_deleted()?;
            }
            finish_interrupted_work(&self.home)?;
            is_as_found = false;
        }
        if segments.is_empty() {
            end_offset = known.log_start;
            let segment = Segment::create(&self.home, end_offset, limits, now_ms)?;
            segments.push(Arc::new(segment));
        }
        let first_base = segments.first().map_or(0, |first| first.base_offset());
        let log_start = known.log_start.max(first_base);
        epochs.confine(log_start, end_offset);
        let recovered = Recovered {
            segments,
            gaps,
            epochs,
            log_start,
            end_offset,
        };
        let snapshots = match is_as_found {
            true => std::mem::take(&mut self.snapshots),
            false => offsets_of(&self.home, FileKind::Snapshot)?,
        };
        let log = self.build(recovered, &known, chores, now_ms);
        log.load_producers(snapshots, now_ms)?;
        log.release();
        Ok(log)
    }

    /// The leader epochs; a damaged file is dropped, and the batches that are recovered tell their epochs again.
    fn load_epochs(&self) -> Result<EpochCache> {
        let load = || EpochCache::load(Arc::clone(&self.home));
        load().or_else(|error| {
            let partition = &self.identity.topic_partition;
            tracing::warn!(%partition, %error, "the leader epochs are dropped");
            let path = self.home.path().join(epoch_cache::FILE_NAME);
            self.home.disk.remove(&path)?;
            load()
        })
    }

    fn build(self, parts: Recovered, known: &Checkpointed, chores: Arc<Chores>, now_ms: i64) -> Arc<Log> {
        let (segment_base, position) = parts
            .segments
            .last()
            .map_or((0, 0), |last| (last.base_offset(), last.size_bytes()));
        let (log_start, end_offset) = (parts.log_start, parts.end_offset);
        let recovery_point = match known.clean_shutdown {
            true => end_offset,
            false => known.recovery_point.min(end_offset),
        };
        let latest_epoch = parts.epochs.latest().map_or(-1, |entry| i64::from(entry.epoch));
        let seeds = Uuid::new_v4().as_u64_pair();
        Arc::new_cyclic(|me| Log {
            topic_partition: self.identity.topic_partition,
            topic_id: self.identity.topic_id,
            dir_id: self.identity.dir_id,
            home: self.home,
            chores,
            config: ArcSwap::new(self.config),
            segments: ArcSwap::from_pointee(parts.segments),
            gaps: ArcSwap::from_pointee(parts.gaps),
            end: LogEnd::new(End {
                offset: end_offset,
                segment_base,
                position,
            }),
            log_start: AtomicI64::new(log_start),
            high_watermark: AtomicI64::new(known.high_watermark.clamp(log_start, end_offset)),
            first_unstable: AtomicI64::new(STABLE),
            recovery_point: AtomicI64::new(recovery_point),
            last_flush_ms: AtomicI64::new(now_ms),
            closed: AtomicBool::new(false),
            known_epochs: ArcSwap::new(Arc::clone(parts.epochs.entries())),
            epochs: Mutex::new(parts.epochs),
            latest_epoch: AtomicI64::new(latest_epoch),
            flushing: Mutex::new(()),
            writer: Mutex::new(Writer {
                producers: ProducerState::default(),
                verifications: Verifications::new(seeds.1),
                snapshot_offset: 0,
                jitter_seed: seeds.0,
            }),
            cleaning: CleaningMark::default(),
            me: me.clone(),
        })
    }
}

/// What recovery leaves to make a log of.
struct Recovered {
    segments: Segments,
    gaps: Vec<Gap>,
    epochs: EpochCache,
    log_start: i64,
    end_offset: i64,
}

/// The base offsets of the files of one kind.
pub(super) fn offsets_of(home: &Home, kind: FileKind) -> Result<BTreeSet<i64>> {
    Ok(bases_of(&segment_files(&file_names(&home.path())?), kind))
}

fn segment_files(names: &[String]) -> Vec<(FileKind, i64)> {
    names.iter().filter_map(|name| FileKind::parse(name)).collect()
}

fn bases_of(names: &[(FileKind, i64)], of: FileKind) -> BTreeSet<i64> {
    names
        .iter()
        .filter(|(kind, _)| *kind == of)
        .map(|(_, base)| *base)
        .collect()
}

fn file_names(dir: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(dir).map_err(StorageError::io("list", dir))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StorageError::io("list", dir))?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Deletes what was to be deleted and completes replacements that were ready; returns the files of segments that are there.
fn finish_interrupted_work(home: &Home) -> Result<Vec<(FileKind, i64)>> {
    let dir = home.path();
    let names = file_names(&dir)?;
    let is_remnant = |name: &&String| {
        [DELETED_SUFFIX, CLEANED_SUFFIX, SWAP_SUFFIX]
            .iter()
            .any(|s| name.ends_with(s))
    };
    // Almost always there is nothing to do, and a start with ten thousand logs must not sync ten thousand directories.
    if !names.iter().any(|name| is_remnant(&name)) {
        return Ok(segment_files(&names));
    }
    remove_unfinished(home, &names)?;
    let replacements: Vec<(String, i64)> = file_names(&dir)?
        .into_iter()
        .filter_map(|name| base_of(&name, SWAP_SUFFIX).map(|base| (name, base)))
        .collect();
    for (name, base) in &replacements {
        if name.contains(FileKind::Log.suffix()) {
            remove_replaced(home, *base, &dir.join(name))?;
        }
    }
    for (name, _) in &replacements {
        if let Some(plain) = name.strip_suffix(SWAP_SUFFIX) {
            home.disk.rename(&dir.join(name), &dir.join(plain))?;
        }
    }
    home.disk.sync_dir(&dir)?;
    Ok(segment_files(&file_names(&dir)?))
}

fn base_of(name: &str, suffix: &str) -> Option<i64> {
    FileKind::parse(name.strip_suffix(suffix)?).map(|(_, base)| base)
}

fn remove_unfinished(home: &Home, names: &[String]) -> Result<()> {
    // A cleaning that did not finish may have left replacements of a later group, which are not to be used alone.
    let first_unfinished = names
        .iter()
        .filter_map(|name| base_of(name, CLEANED_SUFFIX))
        .min();
    for name in names {
        let is_unfinished = base_of(name, CLEANED_SUFFIX).is_some()
            || base_of(name, SWAP_SUFFIX).is_some_and(|base| first_unfinished.is_some_and(|min| base >= min));
        let is_deleted = name.ends_with(DELETED_SUFFIX) && !name.ends_with(".checkpoint.deleted");
        if is_unfinished || is_deleted {
            home.disk.remove(&home.path().join(name))?;
        }
    }
    Ok(())
}

/// Removes the files whose records a finished replacement holds: those with a base in its range of offsets.
fn remove_replaced(home: &Home, base: i64, swap: &Path) -> Result<()> {
    let file = std::fs::File::open(swap).map_err(StorageError::io("open", swap))?;
    let size = file.metadata().map_err(StorageError::io("read", swap))?.len();
    let mut walk = crate::walk::Walk::headers(&file, 0, size);
    // The files with its own base go in any case, though nothing may be left of their records.
    let mut next_offset = base.saturating_add(1);
    while let Some(Ok(placed)) = walk.next_header() {
        next_offset = next_offset.max(placed.batch.next_offset());
    }
    for (kind, other) in segment_files(&file_names(&home.path())?) {
        if (base..next_offset).contains(&other) && kind != FileKind::Snapshot {
            home.disk.remove(&home.file(kind, other))?;
        }
    }
    Ok(())
}
