//! What can go wrong below a log: the disk, a file that is not what it should be, a directory that may not be used.

use std::io;
use std::path::{Path, PathBuf};

/// An error of the storage room. To a client every one of them is `KAFKA_STORAGE_ERROR`.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("cannot {action} {path}: {source}")]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// A write or a sync failed here before. The kernel may report success for a retried fsync whose pages it has
    /// already thrown away, so nothing is written to such a directory until the process starts anew.
    #[error("log directory {0} is offline since a write to it failed")]
    Offline(PathBuf),
    #[error("{path} is damaged: {what}")]
    Corrupt { path: PathBuf, what: String },
    /// A log directory that Kafka would refuse to start with too.
    #[error("{0}")]
    Directory(String),
}

impl StorageError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    }

    pub(crate) fn corrupt(path: &Path, what: impl Into<String>) -> Self {
        Self::Corrupt {
            path: path.to_path_buf(),
            what: what.into(),
        }
    }

    /// The disk is full: the one write error that passes by itself, so that the log dir need not go offline.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }

    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

pub type Result<T, E = StorageError> = std::result::Result<T, E>;
