//! Kafka's checkpoint files: a version, a count and one line per entry, replaced as a whole.
//!
//! ```text
//! 0
//! 2
//! topic-a 0 42
//! topic-b 3 7
//! ```
//! One file of offsets per purpose lies in each log dir; a partition's `leader-epoch-checkpoint` has the same shape with
//! two fields a line.

#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::Path;

use ottla_base::TopicPartition;

use crate::error::{Result, StorageError};
use crate::vfs::Disk;

/// Up to which offset each log has been synced.
pub const RECOVERY_POINT: &str = "recovery-point-offset-checkpoint";
/// The high watermark of each partition.
pub const HIGH_WATERMARK: &str = "replication-offset-checkpoint";
/// Where a log begins, when that lies behind the base of its first segment.
pub const LOG_START: &str = "log-start-offset-checkpoint";
/// The first offset that the cleaner has not seen.
pub const CLEANER: &str = "cleaner-offset-checkpoint";

const VERSION: &str = "0";

pub type Offsets = BTreeMap<TopicPartition, i64>;

/// Reads a checkpoint of offsets. An absent or empty file has no entries.
pub fn read_offsets(path: &Path) -> Result<Offsets> {
    let mut offsets = Offsets::new();
    for [topic, partition, offset] in read_lines::<3>(path)? {
        match (partition.parse(), offset.parse()) {
            (Ok(partition), Ok(offset)) => offsets.insert(TopicPartition::new(topic, partition), offset),
            _ => return Err(StorageError::corrupt(path, "a line does not end in two numbers")),
        };
    }
    Ok(offsets)
}

pub fn write_offsets(disk: &Disk, path: &Path, offsets: &Offsets) -> Result<()> {
    let lines = offsets
        .iter()
        .map(|(tp, offset)| format!("{} {} {offset}", tp.topic, tp.partition));
    disk.replace(path, render(lines).as_bytes())
}

pub(crate) fn render(lines: impl ExactSizeIterator<Item = String>) -> String {
    let mut text = format!("{VERSION}\n{}\n", lines.len());
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// The lines of a checkpoint, each of `N` fields. The count must match: a file that lost its end is not trusted.
pub(crate) fn read_lines<const N: usize>(path: &Path) -> Result<Vec<[String; N]>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StorageError::io("read", path)(error)),
    };
    let damaged = |what: &str| StorageError::corrupt(path, what);
    let mut lines = text.lines();
    let Some(version) = lines.next() else {
        return Ok(Vec::new());
    };
    if version.trim() != VERSION {
        return Err(damaged("its version is not 0"));
    }
    let count: usize = lines
        .next()
        .and_then(|line| line.trim().parse().ok())
        .ok_or_else(|| damaged("it has no count of entries"))?;
    let mut entries = Vec::new();
    for line in lines {
        let fields: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let fields: [String; N] = fields
            .try_into()
            .map_err(|_| damaged("a line has the wrong number of fields"))?;
        entries.push(fields);
    }
    if entries.len() != count {
        return Err(damaged("it does not hold as many entries as it announces"));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_go_both_ways_in_kafkas_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RECOVERY_POINT);
        assert!(read_offsets(&path).unwrap().is_empty());
        let offsets = Offsets::from([
            (TopicPartition::new("b", 3), 7),
            (TopicPartition::new("a", 0), 42),
        ]);
        write_offsets(&Disk::new(dir.path()), &path, &offsets).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0\n2\na 0 42\nb 3 7\n");
        assert_eq!(read_offsets(&path).unwrap(), offsets);
    }

    #[test]
    fn damaged_files_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        for text in [
            "1\n0\n",
            "0\n",
            "0\nx\n",
            "0\n2\na 0 1\n",
            "0\n1\na 0\n",
            "0\n1\na b 1\n",
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(read_offsets(&path).is_err(), "{text:?}");
        }
        std::fs::write(&path, "").unwrap();
        assert!(read_offsets(&path).unwrap().is_empty());
    }
}
