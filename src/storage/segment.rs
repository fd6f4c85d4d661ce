//! A segment: a stretch of the log in one `.log` file, and the three indexes that lead into it.
//!
//! Bytes are appended by the holder of the log's lock, which also says what batches they are; readers see them once the
//! size is published. While the segment is the active one, its [`Tail`] remembers what the next index entry needs.

#![deny(clippy::indexing_slicing)]

use std::fs::File;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use parking_lot::Mutex;

use crate::batch::AnyBatch;
use crate::error::{Result, StorageError};
use crate::home::{Home, LazyFile};
use crate::names::{DELETED_SUFFIX, FileKind};
use crate::offset_index::OffsetIndex;
use crate::time_index::{TimeIndex, TimestampOffset};
use crate::txn_index::TxnIndex;
use crate::vfs::with_suffix;
use crate::walk::{Gap, Placed, Walk, WalkError};

/// What a segment needs to know of the log's configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentLimits {
    pub index_interval_bytes: u64,
    pub index_bytes_max: usize,
}

/// Which indexes of a segment have a file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Indexes {
    pub offset: bool,
    pub time: bool,
    pub txn: bool,
}

impl Indexes {
    pub fn on_disk(home: &Home, base_offset: i64) -> Self {
        let exists = |kind| home.file(kind, base_offset).exists();
        Self {
            offset: exists(FileKind::OffsetIndex),
            time: exists(FileKind::TimeIndex),
            txn: exists(FileKind::TxnIndex),
        }
    }
}

/// What an index entry needs to know of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchSummary {
    pub size_bytes: u64,
    pub last_offset: i64,
    pub max_timestamp: i64,
}

impl From<&AnyBatch> for BatchSummary {
    fn from(batch: &AnyBatch) -> Self {
        Self {
            size_bytes: batch.size_bytes() as u64,
            last_offset: batch.last_offset(),
            max_timestamp: batch.max_timestamp(),
        }
    }
}

pub struct Segment {
    home: Arc<Home>,
    base_offset: i64,
    log: LazyFile,
    size_bytes: AtomicU64,
    offset_index: OffsetIndex,
    time_index: TimeIndex,
    txn_index: TxnIndex,
    tail: Mutex<Tail>,
    /// Used since the last look for cold segments.
    touched: AtomicBool,
}

/// What the batches so far say to the next index entry, and when the segment began.
struct Tail {
    bytes_since_index_entry: u64,
    /// `None`: not looked up yet; the last entry of the time index says it.
    largest: Option<TimestampOffset>,
    first_batch_timestamp: Option<i64>,
    created_ms: i64,
}

impl Segment {
    /// A segment whose files are on disk already: its log, and so many of its indexes.
    pub(crate) fn open(
        home: &Arc<Home>,
        base_offset: i64,
        limits: SegmentLimits,
        now_ms: i64,
        indexes: Indexes,
    ) -> Self {
        let log = LazyFile::new(Arc::clone(home), FileKind::Log, base_offset);
        let (home_of, bytes_max) = (|| Arc::clone(home), limits.index_bytes_max);
        Self {
            base_offset,
            size_bytes: AtomicU64::new(log.size_on_disk()),
            log,
            offset_index: OffsetIndex::new(home_of(), base_offset, bytes_max, indexes.offset),
            time_index: TimeIndex::new(home_of(), base_offset, bytes_max, indexes.time),
            txn_index: TxnIndex::new(home_of(), base_offset, indexes.txn),
            tail: Mutex::new(Tail {
                bytes_since_index_entry: 0,
                largest: None,
                first_batch_timestamp: None,
                created_ms: now_ms,
            }),
            home: Arc::clone(home),
            touched: AtomicBool::new(false),
        }
    }

    /// A new segment. Its indexes appear with their first entry.
    pub(crate) fn create(
        home: &Arc<Home>,
        base_offset: i64,
        limits: SegmentLimits,
        now_ms: i64,
    ) -> Result<Self> {
        // What a crash may have left of an earlier segment at this offset is looked for, and used up.
        let indexes = Indexes::on_disk(home, base_offset);
        let segment = Self::open(home, base_offset, limits, now_ms, indexes);
        segment.log.open_or_create()?;
        Ok(segment)
    }

    pub fn base_offset(&self) -> i64 {
        self.base_offset
    }

    pub fn size_bytes(&self) -> u64 {
        self.size_bytes.load(Ordering::Acquire)
    }

    pub fn offset_index(&self) -> &OffsetIndex {
        &self.offset_index
    }

    pub fn time_index(&self) -> &TimeIndex {
        &self.time_index
    }

    pub fn txn_index(&self) -> &TxnIndex {
        &self.txn_index
    }

    pub(crate) fn log(&self) -> &LazyFile {
        &self.log
    }

    pub(crate) fn open_log(&self) -> Result<Arc<File>> {
        self.touch();
        self.log.open()
    }

    fn touch(&self) {
        // Looked at first, so that readers on many cores do not fight for the line.
        if !self.touched.load(Ordering::Relaxed) {
            self.touched.store(true, Ordering::Relaxed);
        }
    }

    /// Writes `parts`, which are `batches`, behind the last batch. If that fails, [`Segment::undo_append`] must follow.
    pub(crate) fn append(
        &self,
        parts: &mut [IoSlice<'_>],
        batches: &[BatchSummary],
        limits: SegmentLimits,
    ) -> Result<()> {
        let start = self.size_bytes();
        self.touch();
        let file = self.log.open_or_create()?;
        self.home
            .disk
            .write_at(&file, &|| self.log.path(), start, parts)?;
        let mut position = start;
        let mut tail = self.tail.lock();
        for batch in batches {
            self.index(&mut tail, batch, position, limits)?;
            position += batch.size_bytes;
        }
        self.size_bytes.store(position, Ordering::Release);
        Ok(())
    }

    /// Takes back an append at `start` that failed somewhere: half a batch may stand there, or an index entry for it.
    pub(crate) fn undo_append(&self, start: u64, first_offset: i64, gaps: &[Gap]) -> Result<()> {
        self.cut_at(start)?;
        self.offset_index.truncate_to(first_offset)?;
        self.time_index.truncate_to(first_offset)?;
        self.txn_index.truncate_to(first_offset)?;
        self.measure_tail(gaps)
    }

    /// The index entries that a batch at `position` brings about: the same whether it is appended or recovered.
    fn index(
        &self,
        tail: &mut Tail,
        batch: &BatchSummary,
        position: u64,
        limits: SegmentLimits,
    ) -> Result<()> {
        let mut largest = self.largest(tail)?;
        if batch.max_timestamp > largest.timestamp {
            largest = TimestampOffset {
                timestamp: batch.max_timestamp,
                offset: batch.last_offset,
            };
            tail.largest = Some(largest);
        }
        if position == 0 {
            tail.first_batch_timestamp = Some(batch.max_timestamp);
        }
        if tail.bytes_since_index_entry > limits.index_interval_bytes {
            let at = u32::try_from(position).map_err(|_| {
                StorageError::corrupt(&self.log.path(), "it is larger than an index can address")
            })?;
            self.offset_index.append(batch.last_offset, at)?;
            self.time_index.maybe_append(largest.timestamp, largest.offset)?;
            tail.bytes_since_index_entry = 0;
        }
        tail.bytes_since_index_entry += batch.size_bytes;
        Ok(())
    }

    /// Empties the indexes and lets [`Segment::reindex`] build them again, batch by batch.
    pub(crate) fn reset_indexes(&self) -> Result<()> {
        self.offset_index.entries().truncate(0)?;
        self.time_index.entries().truncate(0)?;
        self.txn_index.reset()?;
        let mut tail = self.tail.lock();
        tail.bytes_since_index_entry = 0;
        tail.largest = None;
        Ok(())
    }

    pub(crate) fn reindex(&self, placed: &Placed, limits: SegmentLimits) -> Result<()> {
        let summary = BatchSummary::from(&placed.batch);
        self.index(&mut self.tail.lock(), &summary, placed.position, limits)
    }

    /// Makes the segment as complete as a closed one: the largest timestamp in the time index, both indexes on disk.
    pub(crate) fn seal(&self) -> Result<()> {
        let largest = self.largest(&mut self.tail.lock())?;
        self.time_index.maybe_append(largest.timestamp, largest.offset)?;
        self.offset_index.entries().ensure_exists()?;
        self.time_index.entries().ensure_exists()
    }

    /// Makes the batches durable, and with `indexes` all that leads to them.
    pub(crate) fn sync(&self, indexes: bool) -> Result<()> {
        self.log.sync()?;
        if indexes {
            self.offset_index.entries().sync()?;
            self.time_index.entries().sync()?;
            if !self.txn_index.is_empty() {
                self.txn_index.file().sync()?;
            }
        }
        Ok(())
    }

    /// The largest timestamp and the last offset of the batch that has it; (−1, base offset) when none is known.
    pub fn largest_timestamp(&self) -> Result<TimestampOffset> {
        self.largest(&mut self.tail.lock())
    }

    fn largest(&self, tail: &mut Tail) -> Result<TimestampOffset> {
        if let Some(largest) = tail.largest {
            return Ok(largest);
        }
        let last = self.time_index.last()?;
        tail.largest = Some(last);
        Ok(last)
    }

    /// The largest timestamp, or, where no record has one, when the file was last written: what retention goes by.
    pub fn newest_ms(&self) -> Result<i64> {
        let largest = self.largest_timestamp()?.timestamp;
        if largest >= 0 {
            return Ok(largest);
        }
        self.modified_ms()
    }

    /// When the file was last written.
    pub(crate) fn modified_ms(&self) -> Result<i64> {
        let path = self.log.path();
        let modified = path
            .metadata()
            .and_then(|metadata| metadata.modified())
            .map_err(StorageError::io("read", &path))?;
        Ok(modified
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long the segment has taken records, by the records' own time where they have one.
    pub(crate) fn age_ms(&self, now_ms: i64, batch_timestamp: i64) -> Result<i64> {
        if self.size_bytes() == 0 {
            return Ok(0);
        }
        let first = self.first_batch_timestamp()?;
        Ok(match first {
            Some(first) if first >= 0 => batch_timestamp.saturating_sub(first),
            _ => now_ms.saturating_sub(self.tail.lock().created_ms),
        })
    }

    /// The largest timestamp of the first batch; `None` when there is none, or none that can be read.
    pub(crate) fn first_batch_timestamp(&self) -> Result<Option<i64>> {
        let mut tail = self.tail.lock();
        if tail.first_batch_timestamp.is_none() {
            let first = self
                .walk_headers(&*self.open_log()?, 0, self.size_bytes(), &[])
                .next_header();
            if let Some(Ok(first)) = first {
                tail.first_batch_timestamp = Some(first.batch.max_timestamp());
            }
        }
        Ok(tail.first_batch_timestamp)
    }

    /// The first batch that holds `offset` or a later one, among the bytes before `end`.
    pub(crate) fn find(&self, offset: i64, end: u64, gaps: &[Gap]) -> Result<Option<Placed>> {
        let start = self.offset_index.lookup(offset)?;
        let file = self.open_log()?;
        let mut walk = self.walk_headers(&file, u64::from(start.position), end, gaps);
        while let Some(placed) = walk.next_header() {
            let placed = placed.map_err(|error| self.walk_failed(error))?;
            if placed.batch.last_offset() >= offset {
                return Ok(Some(placed));
            }
        }
        Ok(None)
    }

    /// A walk over the headers from `position` to `end` that jumps over the damaged stretches among `gaps`.
    pub(crate) fn walk_headers<'a>(&self, file: &'a File, position: u64, end: u64, gaps: &[Gap]) -> Walk<'a> {
        let here = gaps.iter().filter(|gap| gap.segment_base == self.base_offset);
        Walk::headers(file, position, end).over_gaps(here.copied().collect())
    }

    pub(crate) fn walk_failed(&self, error: WalkError) -> StorageError {
        match error {
            WalkError::Io { source, .. } => StorageError::io("read", &self.log.path())(source),
            damaged @ WalkError::Batch { .. } => StorageError::corrupt(&self.log.path(), damaged.to_string()),
        }
    }

    /// The offset behind the last batch. Walks from the last index entry, which must lead to the batch that it names: an
    /// index that does not would hide records, and the next ones would be written over them.
    pub(crate) fn next_offset(&self) -> Result<i64> {
        let size = self.size_bytes();
        let entries = self.offset_index.entries().count();
        let last = self.offset_index.last()?;
        let lies = |what: &str| StorageError::corrupt(&self.offset_index.entries().path(), what);
        // The first batch has no entry, so zeros at the end of a file that was preallocated are seen by their offset.
        if entries > 0 && last.offset <= self.base_offset {
            return Err(lies("its last entry is none"));
        }
        if entries > 0 && u64::from(last.position) >= size {
            return Err(lies("its last entry points behind the end of the log"));
        }
        let file = self.open_log()?;
        let mut walk = self.walk_headers(&file, u64::from(last.position), size, &[]);
        let mut next = self.base_offset;
        while let Some(placed) = walk.next_header() {
            let placed = placed.map_err(|error| self.walk_failed(error))?;
            if placed.first_offset() < next {
                return Err(lies("its last entry does not point to a batch"));
            }
            next = placed.batch.next_offset();
        }
        if entries > 0 && next <= last.offset {
            return Err(lies("its last entry names an offset that the log does not reach"));
        }
        Ok(next)
    }

    /// Cuts off the bytes from `position` on, whatever they are. Indexes are the caller's business.
    pub(crate) fn cut_at(&self, position: u64) -> Result<()> {
        let file = self.open_log()?;
        self.size_bytes.store(position, Ordering::Release);
        self.home.disk.truncate(&file, &self.log.path(), position)
    }

    /// Cuts off the batches that hold `offset` or a later one, and what the indexes say of them. Returns the first offset
    /// that is gone: it lies before `offset` when that is in the middle of a batch.
    pub(crate) fn truncate_to(&self, offset: i64, gaps: &[Gap]) -> Result<i64> {
        let Some(first_cut) = self.find(offset, self.size_bytes(), gaps)? else {
            return Ok(offset);
        };
        self.offset_index.truncate_to(offset)?;
        self.time_index.truncate_to(offset)?;
        self.txn_index.truncate_to(offset)?;
        self.cut_at(first_cut.position)?;
        self.measure_tail(gaps)?;
        Ok(offset.min(first_cut.first_offset()))
    }

    /// Finds the largest timestamp that no index entry knows yet, by a walk over the batches behind the last entry.
    fn measure_tail(&self, gaps: &[Gap]) -> Result<()> {
        let mut largest = self.time_index.last()?;
        let file = self.open_log()?;
        let start = u64::from(self.offset_index.last()?.position);
        let mut walk = self.walk_headers(&file, start, self.size_bytes(), gaps);
        while let Some(placed) = walk.next_header() {
            let batch = placed.map_err(|error| self.walk_failed(error))?.batch;
            if batch.max_timestamp() > largest.timestamp {
                largest = TimestampOffset {
                    timestamp: batch.max_timestamp(),
                    offset: batch.last_offset(),
                };
            }
        }
        let mut tail = self.tail.lock();
        tail.largest = Some(largest);
        tail.bytes_since_index_entry = self.size_bytes() - start;
        tail.first_batch_timestamp = None;
        Ok(())
    }

    /// Gives back descriptors and maps. The holder of the log's lock calls this.
    pub(crate) fn release(&self) {
        self.log.close();
        self.offset_index.entries().release();
        self.time_index.entries().release();
        self.txn_index.file().close();
    }

    /// As [`Segment::release`], when nobody has used the segment since the last call. Those that hold the file keep it.
    pub(crate) fn release_if_cold(&self) {
        if !self.touched.swap(false, Ordering::Relaxed) {
            self.release();
        }
    }

    /// Renames the files out of the way and returns their new names, for the unlinking later on.
    pub(crate) fn mark_deleted(&self) -> Result<Vec<std::path::PathBuf>> {
        self.set_aside(&FileKind::ALL)
    }

    /// As [`Segment::mark_deleted`], for some kinds of files.
    pub(crate) fn set_aside(&self, kinds: &[FileKind]) -> Result<Vec<std::path::PathBuf>> {
        let mut renamed = Vec::new();
        for kind in kinds {
            let path = self.home.file(*kind, self.base_offset);
            if path.exists() {
                let to = with_suffix(&path, DELETED_SUFFIX);
                self.home.disk.rename(&path, &to)?;
                renamed.push(to);
            }
        }
        Ok(renamed)
    }

    /// Opens what readers may need of the segment: its files are about to lose their names, and other files to get them.
    pub(crate) fn pin(&self) -> Result<()> {
        self.log.open()?;
        self.offset_index.last()?;
        self.time_index.last()?;
        self.txn_index.entries().map(drop)
    }

    pub(crate) fn has_some_index(&self) -> bool {
        self.offset_index.entries().exists() || self.time_index.entries().exists()
    }

    pub(crate) fn has_all_indexes(&self) -> bool {
        self.offset_index.entries().exists() && self.time_index.entries().exists()
    }
}
