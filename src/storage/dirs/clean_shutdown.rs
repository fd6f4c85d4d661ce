//! `.kafka_cleanshutdown`: the promise that all files of a log dir may be trusted.
//!
//! ```text
//! {"version":0,"brokerEpoch":362}
//! ```
//! That the file exists is the promise. Its content may be empty (brokers before 3.7) or unreadable: the epoch is then
//! unknown. It is taken away before the first log is opened, and written as the last act of a clean stop.

use std::path::Path;

use crate::error::{Result, StorageError};
use crate::vfs::Disk;

pub const FILE_NAME: &str = ".kafka_cleanshutdown";

/// What the marker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanShutdown {
    pub broker_epoch: i64,
}

pub(super) fn read(dir: &Path) -> Result<Option<CleanShutdown>> {
    let path = dir.join(FILE_NAME);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(CleanShutdown {
            broker_epoch: parse(&String::from_utf8_lossy(&bytes)).unwrap_or(-1),
        })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::io("read", &path)(error)),
    }
}

pub(super) fn write(disk: &Disk, broker_epoch: i64) -> Result<()> {
    let text = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
    disk.replace(&disk.root().join(FILE_NAME), text.as_bytes())
}

pub(super) fn remove(disk: &Disk) -> Result<()> {
    disk.remove(&disk.root().join(FILE_NAME))?;
    disk.sync_dir(disk.root())
}

fn parse(text: &str) -> Option<i64> {
    let (_, rest) = text.split_once("\"brokerEpoch\"")?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start();
    let end = value
        .find(|c: char| c != '-' && !c.is_ascii_digit())
        .unwrap_or(value.len());
    value.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_is_read_from_kafkas_marker() {
        assert_eq!(parse("{\"version\":0,\"brokerEpoch\":362}"), Some(362));
        assert_eq!(parse("{ \"brokerEpoch\" : -1 }"), Some(-1));
        assert_eq!(parse("garbage"), None);
    }

    #[test]
    fn an_empty_marker_is_a_promise_too() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        std::fs::write(dir.path().join(FILE_NAME), "").unwrap();
        assert_eq!(
            read(dir.path()).unwrap(),
            Some(CleanShutdown { broker_epoch: -1 })
        );
        write(&Disk::new(dir.path()), 7).unwrap();
        assert_eq!(read(dir.path()).unwrap(), Some(CleanShutdown { broker_epoch: 7 }));
    }
}
