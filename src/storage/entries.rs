//! A file of fixed-size entries in rising order: what the offset index and the time index have in common.
//!
//! The file holds valid entries and nothing else: it is not preallocated, so its length divided by the entry size is the
//! number of entries at every moment, which is what Apache Kafka takes it for after a clean stop. Entries are appended
//! under the log's lock and read without one, through a map that is made when a lookup first needs it.
//!
//! An inode that was ever mapped never shrinks, since a reader that touches a page behind the end of a file is killed by
//! the kernel. Truncation therefore writes the entries that stay to a new file, renames it over the old one and starts a
//! new [`Generation`]; a reader stays with the generation it began with.

#![deny(clippy::indexing_slicing)]

use std::fs::File;
use std::io::IoSlice;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use memmap2::{Mmap, MmapOptions};

use crate::error::{Result, StorageError};
use crate::home::Home;
use crate::names::FileKind;
use crate::vfs::with_suffix;

/// Smallest stretch that is mapped; it doubles as the file grows, so that a busy index is mapped a dozen times at most.
const MAP_BYTES_MIN: usize = 64 << 10;

/// The count of a file that nobody has looked at.
const NOT_COUNTED: usize = usize::MAX;

pub(crate) struct Entries<const N: usize> {
    home: Arc<Home>,
    kind: FileKind,
    base_offset: i64,
    count_max: usize,
    generation: ArcSwap<Generation>,
    exists: AtomicBool,
}

/// One inode, how many entries it holds, and the descriptor and map through which it is read.
struct Generation {
    count: AtomicUsize,
    file: OnceLock<Arc<File>>,
    map: ArcSwapOption<Mmap>,
}

impl<const N: usize> Entries<N> {
    /// The entries in the file, if it exists. They are counted when they are first asked for: most segments of a log are
    /// never read, and a start with thousands of logs looks at none of their files.
    pub fn new(home: Arc<Home>, kind: FileKind, base_offset: i64, bytes_max: usize, exists: bool) -> Self {
        let count = if exists { NOT_COUNTED } else { 0 };
        Self {
            home,
            kind,
            base_offset,
            count_max: bytes_max / N,
            generation: ArcSwap::from_pointee(Generation::new(count)),
            exists: AtomicBool::new(exists),
        }
    }

    pub fn path(&self) -> PathBuf {
        self.home.file(self.kind, self.base_offset)
    }

    pub fn count(&self) -> usize {
        self.count_of(&self.generation.load())
    }

    /// Bytes behind the last whole entry are not one.
    fn count_of(&self, generation: &Generation) -> usize {
        match generation.count.load(Ordering::Acquire) {
            NOT_COUNTED => {
                let size = self.path().metadata().map_or(0, |metadata| metadata.len());
                generation.counted(usize::try_from(size).unwrap_or(0) / N)
            }
            count => count,
        }
    }

    pub fn count_max(&self) -> usize {
        self.count_max
    }

    pub fn size_bytes(&self) -> u64 {
        (self.count() * N) as u64
    }

    /// Whether the index has a file.
    pub fn exists(&self) -> bool {
        self.exists.load(Ordering::Acquire)
    }

    /// Creates the file when it is absent, so that an index without entries exists too.
    pub fn ensure_exists(&self) -> Result<()> {
        self.file(&self.generation.load(), true).map(drop)
    }

    /// Adds an entry behind the last one. Only the holder of the log's lock calls this.
    pub fn append(&self, entry: [u8; N]) -> Result<()> {
        let generation = self.generation.load();
        let count = self.count_of(&generation);
        let file = self.file(&generation, true)?;
        let parts = &mut [IoSlice::new(&entry)];
        self.home
            .disk
            .write_at(&file, &|| self.path(), (count * N) as u64, parts)?;
        generation.count.store(count + 1, Ordering::Release);
        Ok(())
    }

    pub fn get(&self, index: usize) -> Result<Option<[u8; N]>> {
        self.reader()?.get(index, self)
    }

    pub fn last(&self) -> Result<Option<[u8; N]>> {
        let reader = self.reader()?;
        match reader.count.checked_sub(1) {
            None => Ok(None),
            Some(last) => reader.get(last, self),
        }
    }

    /// The last entry that `is_before` affirms, and the first that it denies; it must hold for a prefix of the entries.
    pub fn split_at(&self, is_before: impl Fn(&[u8; N]) -> bool) -> Result<Split<N>> {
        let reader = self.reader()?;
        let holds = |index| Ok(reader.get(index, self)?.is_some_and(|entry| is_before(&entry)));
        let (mut low, mut high) = (0, reader.count);
        // Most lookups are for the tail, where the last entry answers without touching the pages of the middle.
        if high > 0 && holds(high - 1)? {
            low = high;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(middle)? {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(Split {
            count: low,
            before: low.checked_sub(1).map_or(Ok(None), |i| reader.get(i, self))?,
            after: reader.get(low, self)?,
        })
    }

    /// Keeps the first `count` entries, in a new file. Only the holder of the log's lock calls this.
    pub fn truncate(&self, count: usize) -> Result<()> {
        let path = self.path();
        if count >= self.count() && path.metadata().map_or(0, |m| m.len()) == self.size_bytes() {
            return Ok(());
        }
        let reader = self.reader()?;
        let count = count.min(reader.count);
        let mut kept = Vec::with_capacity(count * N);
        for index in 0..count {
            kept.extend(reader.get(index, self)?.unwrap_or([0; N]));
        }
        let disk = &self.home.disk;
        let temporary = with_suffix(&path, ".tmp");
        disk.remove(&temporary)?;
        let file = disk.create(&temporary)?;
        disk.write_at(&file, &|| temporary.clone(), 0, &mut [IoSlice::new(&kept)])?;
        disk.rename(&temporary, &path)?;
        self.exists.store(true, Ordering::Release);
        self.generation.store(Arc::new(Generation::new(count)));
        Ok(())
    }

    pub fn sync(&self) -> Result<()> {
        if self.count() == 0 && !self.path().exists() {
            return Ok(());
        }
        let file = self.file(&self.generation.load(), false)?;
        self.home.disk.sync(&file, &self.path())
    }

    /// Gives back the descriptor and the map. Only the holder of the log's lock calls this.
    pub fn release(&self) {
        let count = self.generation.load().count.load(Ordering::Acquire);
        self.generation.store(Arc::new(Generation::new(count)));
    }

    fn file(&self, generation: &Generation, create: bool) -> Result<Arc<File>> {
        if let Some(file) = generation.file.get() {
            return Ok(Arc::clone(file));
        }
        let path = self.path();
        let file = if create {
            let file = self.home.disk.create(&path)?;
            self.exists.store(true, Ordering::Release);
            file
        } else {
            self.home.disk.open(&path)?
        };
        Ok(Arc::clone(generation.file.get_or_init(|| Arc::new(file))))
    }

    fn reader(&self) -> Result<Reader> {
        loop {
            let generation = self.generation.load_full();
            let count = self.count_of(&generation);
            if count == 0 {
                return Ok(Reader {
                    count,
                    source: Source::Empty,
                });
            }
            if let Some(source) = self.source(&generation, count * N)? {
                return Ok(Reader { count, source });
            }
            // A truncation may have replaced the file before this generation had opened it: then there is a new one.
            if Arc::ptr_eq(&generation, &self.generation.load_full()) {
                return Err(StorageError::corrupt(&self.path(), "it is shorter than it was"));
            }
        }
    }

    /// `None` when the file is too short for the generation.
    fn source(&self, generation: &Generation, bytes: usize) -> Result<Option<Source>> {
        if let Some(map) = generation.map.load_full()
            && map.len() >= bytes
        {
            return Ok(Some(Source::Map(map)));
        }
        let file = self.file(generation, false)?;
        let on_disk = file
            .metadata()
            .map_err(|e| StorageError::io("read", &self.path())(e))?;
        if on_disk.len() < bytes as u64 {
            return Ok(None);
        }
        Ok(Some(match map(&file, bytes) {
            Ok(map) => {
                let map = Arc::new(map);
                generation.map.store(Some(Arc::clone(&map)));
                Source::Map(map)
            }
            // The kernel limits how many maps a process has; a broker with very many partitions reads on without them.
            Err(_) => Source::File(file),
        }))
    }
}

/// Where a condition on rising entries stops to hold.
pub(crate) struct Split<const N: usize> {
    pub count: usize,
    pub before: Option<[u8; N]>,
    pub after: Option<[u8; N]>,
}

impl Generation {
    fn new(count: usize) -> Self {
        Self {
            count: AtomicUsize::new(count),
            file: OnceLock::new(),
            map: ArcSwapOption::empty(),
        }
    }

    /// The count, unless somebody else has counted and the log has grown since.
    fn counted(&self, count: usize) -> usize {
        let set = self
            .count
            .compare_exchange(NOT_COUNTED, count, Ordering::AcqRel, Ordering::Acquire);
        set.map_or_else(|counted| counted, |_| count)
    }
}

/// A generation as one lookup sees it: the count does not change under its feet.
struct Reader {
    count: usize,
    source: Source,
}

enum Source {
    Empty,
    Map(Arc<Mmap>),
    File(Arc<File>),
}

impl Reader {
    fn get<const N: usize>(&self, index: usize, entries: &Entries<N>) -> Result<Option<[u8; N]>> {
        if index >= self.count {
            return Ok(None);
        }
        let at = index * N;
        match &self.source {
            Source::Empty => Ok(None),
            Source::Map(map) => Ok(map.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied()),
            Source::File(file) => {
                let mut entry = [0; N];
                file.read_exact_at(&mut entry, at as u64)
                    .map_err(|e| StorageError::io("read", &entries.path())(e))?;
                Ok(Some(entry))
            }
        }
    }
}

/// Maps `bytes` and the room to grow. Pages behind the end of the file are part of the map but are never touched:
/// readers stop at the entry count, which is raised only after the entry is in the file.
#[allow(unsafe_code)]
fn map(file: &File, bytes: usize) -> std::io::Result<Mmap> {
    let len = bytes.next_power_of_two().max(MAP_BYTES_MIN);
    // SAFETY: the map is shared and read only; entries are written once, before the count that admits readers to them
    // is published, and the inode never shrinks (see the head of this file).
    unsafe { MmapOptions::new().len(len).map(file) }
}
