//! `.lock`: only one broker at a time uses a log directory, be it this one or Apache Kafka.
//!
//! Java's `FileChannel.tryLock` takes a POSIX record lock over the whole file, so this does too; a `flock` would not be
//! seen by it. The kernel lets go of the lock when the process ends, however it ends.

use std::fs::File;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::error::{Result, StorageError};
use crate::vfs::Disk;

const FILE_NAME: &str = ".lock";

pub(super) struct DirLock {
    file: File,
    path: PathBuf,
}

impl DirLock {
    pub fn acquire(disk: &Disk) -> Result<Self> {
        let path = disk.root().join(FILE_NAME);
        let file = disk.create(&path)?;
        let whole_file = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        match fcntl(&file, FcntlArg::F_SETLK(&whole_file)) {
            Ok(_) => Ok(Self { file, path }),
            Err(Errno::EACCES | Errno::EAGAIN) => Err(StorageError::Directory(format!(
                "{} is in use: another broker holds {}",
                disk.root().display(),
                path.display()
            ))),
            Err(errno) => Err(StorageError::io("lock", &path)(errno.into())),
        }
    }

    /// Lets go of the lock and removes the file, as Apache Kafka does on a clean stop.
    pub fn release(self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the lock file");
        }
        drop(self.file);
    }
}
