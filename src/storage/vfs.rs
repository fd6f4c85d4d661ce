//! The one door through which the room changes a disk, so that the first failure can close it and tests can cause one.
//!
//! Reads go straight to the files: they change nothing, and a failed read may succeed later. A failed write or sync is
//! final: what the page cache then holds is unknown, so the [`Disk`] turns offline and refuses everything until the
//! process is started again. A full disk is the exception: the caller cuts the file back and the next write may pass.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use nix::errno::Errno;

use crate::error::{Result, StorageError};

/// From so many logs on, one sync of the whole disk costs less than those of their files.
pub(crate) const SYNC_ALL_FROM: usize = 32;

/// What is about to be done to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DiskOp {
    Create,
    Write,
    Truncate,
    Sync,
    Rename,
    Remove,
    SyncDir,
    SyncAll,
}

/// Decides, before each change, whether the disk is to fail. Production has none.
pub trait Faults: Send + Sync {
    fn before(&self, op: DiskOp, path: &Path) -> io::Result<()>;
}

/// The disk below one log directory.
pub struct Disk {
    root: PathBuf,
    offline: AtomicBool,
    faults: Option<Arc<dyn Faults>>,
    give_back: OnceLock<GiveBack>,
}

/// Closes files that can be opened again when they are needed.
type GiveBack = Box<dyn Fn() + Send + Sync>;

impl Disk {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            offline: AtomicBool::new(false),
            faults: None,
            give_back: OnceLock::new(),
        }
    }

    pub fn with_faults(root: impl Into<PathBuf>, faults: Arc<dyn Faults>) -> Self {
        Self {
            faults: Some(faults),
            ..Self::new(root)
        }
    }

    /// Says how the process gives back open files when the system grants it no more.
    pub(crate) fn on_exhausted(&self, give_back: impl Fn() + Send + Sync + 'static) {
        // A second one would do the same.
        let _ = self.give_back.set(Box::new(give_back));
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn is_offline(&self) -> bool {
        self.offline.load(Ordering::Acquire)
    }

    /// Fails when an earlier write failed.
    pub fn check(&self) -> Result<()> {
        if self.is_offline() {
            return Err(StorageError::Offline(self.root.clone()));
        }
        Ok(())
    }

    /// Opens a file for reading and writing, creating it when it is absent. The caller syncs the directory.
    pub fn create(&self, path: &Path) -> Result<File> {
        self.run(DiskOp::Create, "create", path, || {
            self.open_with(
                OpenOptions::new()
                    .read(true)
                    .write(true)
                    .create(true)
                    .truncate(false),
                path,
            )
        })
    }

    /// Opens a file that is there, for reading and writing.
    pub fn open(&self, path: &Path) -> Result<File> {
        self.open_with(OpenOptions::new().read(true).write(true), path)
            .map_err(StorageError::io("open", path))
    }

    fn open_with(&self, options: &OpenOptions, path: &Path) -> io::Result<File> {
        match (options.open(path), self.give_back.get()) {
            (Err(error), Some(give_back)) if is_out_of_descriptors(&error) => {
                give_back();
                options.open(path)
            }
            (opened, _) => opened,
        }
    }

    /// Writes all of `parts` at `position`. `path` is asked for its name only when something fails.
    pub fn write_at(
        &self,
        file: &File,
        path: &dyn Fn() -> PathBuf,
        position: u64,
        parts: &mut [IoSlice<'_>],
    ) -> Result<()> {
        self.check()?;
        let injected = match &self.faults {
            None => Ok(()),
            Some(faults) => faults.before(DiskOp::Write, &path()),
        };
        injected
            .and_then(|()| write_all_at(file, position, parts))
            .map_err(|source| {
                let error = StorageError::io("write to", &path())(source);
                if !error.is_disk_full() {
                    self.go_offline(&error);
                }
                error
            })
    }

    pub fn truncate(&self, file: &File, path: &Path, len: u64) -> Result<()> {
        self.run(DiskOp::Truncate, "truncate", path, || file.set_len(len))
    }

    pub fn sync(&self, file: &File, path: &Path) -> Result<()> {
        self.run(DiskOp::Sync, "sync", path, || file.sync_data())
    }

    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.run(DiskOp::Rename, "rename", from, || fs::rename(from, to))
    }

    /// Removes a file; one that is gone already is as good as removed.
    pub fn remove(&self, path: &Path) -> Result<()> {
        self.run(DiskOp::Remove, "remove", path, || {
            ignore_not_found(fs::remove_file(path))
        })
    }

    pub fn remove_dir_all(&self, path: &Path) -> Result<()> {
        self.run(DiskOp::Remove, "remove", path, || {
            ignore_not_found(fs::remove_dir_all(path))
        })
    }

    pub fn create_dir(&self, path: &Path) -> Result<()> {
        self.run(DiskOp::Create, "create", path, || fs::create_dir_all(path))
    }

    /// Makes the names in a directory durable: needed after a create, a rename or a removal in it.
    pub fn sync_dir(&self, path: &Path) -> Result<()> {
        self.run(DiskOp::SyncDir, "sync", path, || File::open(path)?.sync_all())
    }

    /// Makes durable all that was written to the file system: one wait, where each of many files would need its own.
    pub fn sync_all(&self) -> Result<()> {
        self.run(DiskOp::SyncAll, "sync", &self.root, || {
            Ok(nix::unistd::syncfs(File::open(&self.root)?)?)
        })
    }

    /// Puts `bytes` in the place of a small file so that a crash leaves either the old or the new content, never a mix.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let (file, temporary) = self.write_beside(path, bytes)?;
        self.sync(&file, &temporary)?;
        self.rename(&temporary, path)?;
        match path.parent() {
            Some(parent) => self.sync_dir(parent),
            None => Ok(()),
        }
    }

    /// As [`Disk::replace`] for the end of the process. What a power cut leaves is only known once the file and its
    /// directory were synced, which is left to the caller.
    pub fn replace_unsynced(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let (_, temporary) = self.write_beside(path, bytes)?;
        self.rename(&temporary, path)
    }

    fn write_beside(&self, path: &Path, bytes: &[u8]) -> Result<(File, PathBuf)> {
        let temporary = with_suffix(path, ".tmp");
        let file = self.create(&temporary)?;
        self.truncate(&file, &temporary, 0)?;
        self.write_at(&file, &|| temporary.clone(), 0, &mut [IoSlice::new(bytes)])?;
        Ok((file, temporary))
    }

    /// Takes the directory out of service: every later change is refused.
    pub fn go_offline(&self, cause: &StorageError) {
        if !self.offline.swap(true, Ordering::AcqRel) {
            tracing::error!(log_dir = %self.root.display(), %cause, "log directory goes offline");
        }
    }

    fn run<T>(
        &self,
        op: DiskOp,
        action: &'static str,
        path: &Path,
        act: impl FnOnce() -> io::Result<T>,
    ) -> Result<T> {
        self.check()?;
        let injected = self.faults.as_ref().map_or(Ok(()), |f| f.before(op, path));
        injected.and_then(|()| act()).map_err(|source| {
            let is_exhausted = is_out_of_descriptors(&source);
            let error = StorageError::io(action, path)(source);
            // A file that is not there or cannot be created or opened has not harmed what is stored. All else may have.
            let harmless = matches!(op, DiskOp::Create) || error.is_not_found() || is_exhausted;
            if !harmless {
                self.go_offline(&error);
            }
            error
        })
    }
}

/// `path` with `suffix` behind its last component: `a/b.log` and `.deleted` give `a/b.log.deleted`.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The process may not open more files: which says nothing about the disk.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(Errno::EMFILE | Errno::ENFILE)
    )
}

fn ignore_not_found(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn write_all_at(file: &File, mut position: u64, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        let offset = i64::try_from(position).map_err(io::Error::other)?;
        match nix::sys::uio::pwritev(file, parts, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                position += written as u64;
                IoSlice::advance_slices(&mut parts, written);
            }
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    struct FailAt(AtomicU32, io::ErrorKind);

    impl Faults for FailAt {
        fn before(&self, op: DiskOp, _: &Path) -> io::Result<()> {
            if matches!(op, DiskOp::Write | DiskOp::Sync) && self.0.fetch_sub(1, Ordering::SeqCst) == 0 {
                return Err(self.1.into());
            }
            Ok(())
        }
    }

    #[test]
    fn the_first_failed_sync_closes_the_disk_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let faults = Arc::new(FailAt(AtomicU32::new(1), io::ErrorKind::Other));
        let disk = Disk::with_faults(dir.path(), faults);
        let path = dir.path().join("file");
        assert!(disk.replace(&path, b"x").is_err());
        assert!(disk.is_offline());
        assert!(matches!(disk.replace(&path, b"x"), Err(StorageError::Offline(_))));
        assert!(!path.exists());
    }

    #[test]
    fn a_full_disk_is_not_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let faults = Arc::new(FailAt(AtomicU32::new(0), io::ErrorKind::StorageFull));
        let disk = Disk::with_faults(dir.path(), faults);
        let path = dir.path().join("file");
        assert!(disk.replace(&path, b"x").unwrap_err().is_disk_full());
        disk.replace(&path, b"again").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"again");
    }

    #[test]
    fn parts_are_written_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(dir.path());
        let path = dir.path().join("file");
        let file = disk.create(&path).unwrap();
        let mut parts = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cd")];
        disk.write_at(&file, &|| path.clone(), 1, &mut parts).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"\0abcd");
    }
}
