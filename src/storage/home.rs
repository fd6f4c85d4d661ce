//! Where a partition's files live: its directory, which may be renamed or moved while files in it are open.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::error::{Result, StorageError};
use crate::names::FileKind;
use crate::vfs::Disk;

/// The directory of one partition.
pub(crate) struct Home {
    pub disk: Arc<Disk>,
    path: Arc<ArcSwap<PathBuf>>,
    /// What stands behind the names of files that are not in use yet; empty for those that are.
    suffix: &'static str,
}

impl Home {
    pub fn new(disk: Arc<Disk>, path: impl Into<PathBuf>) -> Arc<Self> {
        Arc::new(Self {
            disk,
            path: Arc::new(ArcSwap::from_pointee(path.into())),
            suffix: "",
        })
    }

    /// The same directory for files that are written beside those in use, under names that end with `suffix`.
    pub fn beside(&self, suffix: &'static str) -> Arc<Self> {
        Arc::new(Self {
            disk: Arc::clone(&self.disk),
            path: Arc::clone(&self.path),
            suffix,
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
        let path = self.path();
        let file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(StorageError::io("open", &path))?;
        Ok(self.keep(file))
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
