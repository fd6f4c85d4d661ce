//! Where a partition's files live: its directory, which may be renamed or moved while files in it are open.
//!
//! A new directory is not durable at once: a thousand partitions are created in the time that a few syncs take. It is
//! *anchored* a little later by a chore, and in any case before a flush in it says that anything is durable.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::error::Result;
use crate::names::FileKind;
use crate::partition_metadata;
use crate::vfs::Disk;

/// The directory of one partition.
pub(crate) struct Home {
    pub disk: Arc<Disk>,
    path: Arc<ArcSwap<PathBuf>>,
    /// What stands behind the names of files that are not in use yet; empty for those that are.
    suffix: &'static str,
    /// The directory and the topic id in it would survive a power cut.
    anchored: AtomicBool,
}

impl Home {
    pub fn new(disk: Arc<Disk>, path: impl Into<PathBuf>) -> Arc<Self> {
        Arc::new(Self {
            disk,
            path: Arc::new(ArcSwap::from_pointee(path.into())),
            suffix: "",
            anchored: AtomicBool::new(true),
        })
    }

    /// A directory that was just made, and waits to be anchored.
    pub fn unanchored(disk: Arc<Disk>, path: impl Into<PathBuf>) -> Arc<Self> {
        let home = Self::new(disk, path);
        home.anchored.store(false, Ordering::Release);
        home
    }

    pub fn is_anchored(&self) -> bool {
        self.anchored.load(Ordering::Acquire)
    }

    /// Somebody has synced the whole disk.
    pub fn note_anchored(&self) {
        self.anchored.store(true, Ordering::Release);
    }

    /// Makes a new directory and the topic id in it durable.
    pub fn anchor(&self) -> Result<()> {
        if self.is_anchored() {
            return Ok(());
        }
        let dir = self.path();
        let path = dir.join(partition_metadata::FILE_NAME);
        self.disk.sync(&self.disk.open(&path)?, &path)?;
        self.disk.sync_dir(&dir)?;
        self.disk.sync_dir(self.disk.root())?;
        self.note_anchored();
        Ok(())
    }

    /// The same directory for files that are written beside those in use, under names that end with `suffix`.
    pub fn beside(&self, suffix: &'static str) -> Arc<Self> {
        Arc::new(Self {
            disk: Arc::clone(&self.disk),
            path: Arc::clone(&self.path),
            suffix,
            anchored: AtomicBool::new(true),
        })
    }

    pub fn path(&self) -> Arc<PathBuf> {
        self.path.load_full()
    }

    pub fn file(&self, kind: FileKind, offset: i64) -> PathBuf {
        self.path
            .load()
            .join(format!("{}{}", kind.file_name(offset), self.suffix))
    }

    /// Renames the directory. Open files stay open; files opened from now on are looked for under the new name.
    pub fn rename(&self, to: &Path) -> Result<()> {
        let from = self.path();
        self.disk.rename(&from, to)?;
        self.path.store(Arc::new(to.to_path_buf()));
        match to.parent() {
            Some(parent) => self.disk.sync_dir(parent),
            None => Ok(()),
        }
    }
}

/// A segment's file that is opened when it is first needed, so that a cold partition costs no descriptor.
pub(crate) struct LazyFile {
    pub home: Arc<Home>,
    pub kind: FileKind,
    pub base_offset: i64,
    file: ArcSwapOption<File>,
}

impl LazyFile {
    pub fn new(home: Arc<Home>, kind: FileKind, base_offset: i64) -> Self {
        Self {
            home,
            kind,
            base_offset,
            file: ArcSwapOption::empty(),
        }
    }

    pub fn path(&self) -> PathBuf {
        self.home.file(self.kind, self.base_offset)
    }

    pub fn exists(&self) -> bool {
        self.path().exists()
    }

    /// The file's size on disk, 0 when it is absent.
    pub fn size_on_disk(&self) -> u64 {
        self.path().metadata().map_or(0, |metadata| metadata.len())
    }

    /// The open file; it must exist. Both modes in one, since a descriptor that can write serves reads as well.
    pub fn open(&self) -> Result<Arc<File>> {
        if let Some(file) = self.file.load_full() {
            return Ok(file);
        }
        Ok(self.keep(self.home.disk.open(&self.path())?))
    }

    pub fn open_or_create(&self) -> Result<Arc<File>> {
        if let Some(file) = self.file.load_full() {
            return Ok(file);
        }
        let file = self.home.disk.create(&self.path())?;
        Ok(self.keep(file))
    }

    /// Forgets the descriptor; whoever holds the file keeps it.
    pub fn close(&self) {
        self.file.store(None);
    }

    pub fn sync(&self) -> Result<()> {
        match self.file.load_full() {
            Some(file) => self.home.disk.sync(&file, &self.path()),
            None if self.exists() => self.home.disk.sync(&*self.open()?, &self.path()),
            None => Ok(()),
        }
    }

    fn keep(&self, file: File) -> Arc<File> {
        let file = Arc::new(file);
        self.file.store(Some(Arc::clone(&file)));
        file
    }
}
