//! `partition.metadata`: the topic id of a partition directory.
//!
//! Without it, or with another id than the metadata log has for the topic, Apache Kafka takes the directory for a stray
//! one and starts with an empty log. So it is written before the first batch, and durable before a batch is called so.

use std::path::Path;

use ottla_base::Uuid;
use ottla_base::ids::{uuid_from_string, uuid_to_string};

use crate::error::{Result, StorageError};
use crate::vfs::Disk;

pub const FILE_NAME: &str = "partition.metadata";
/// Its name while it is written.
pub const TEMPORARY_NAME: &str = "partition.metadata.tmp";

/// The id in the directory `dir`; `None` when there is no file.
pub fn read(dir: &Path) -> Result<Option<Uuid>> {
    let path = dir.join(FILE_NAME);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StorageError::io("read", &path)(error)),
    };
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    };
    if field("version") != Some("0") {
        return Err(StorageError::corrupt(&path, "its version is not 0"));
    }
    field("topic_id")
        .and_then(uuid_from_string)
        .map(Some)
        .ok_or_else(|| StorageError::corrupt(&path, "it names no topic id"))
}

pub fn write(disk: &Disk, dir: &Path, topic_id: Uuid) -> Result<()> {
    disk.replace(&dir.join(FILE_NAME), text_of(topic_id).as_bytes())
}

/// As [`write`], to be synced later, with the directory.
pub fn write_unsynced(disk: &Disk, dir: &Path, topic_id: Uuid) -> Result<()> {
    disk.replace_unsynced(&dir.join(FILE_NAME), text_of(topic_id).as_bytes())
}

fn text_of(topic_id: Uuid) -> String {
    format!("version: 0\ntopic_id: {}", uuid_to_string(topic_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_kafkas() {
        let dir = tempfile::tempdir().unwrap();
        let id = uuid_from_string("pfQHabDoSveVs1T3RkUQXg").unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        write(&Disk::new(dir.path()), dir.path(), id).unwrap();
        let text = std::fs::read_to_string(dir.path().join(FILE_NAME)).unwrap();
        assert_eq!(text, "version: 0\ntopic_id: pfQHabDoSveVs1T3RkUQXg");
        assert_eq!(read(dir.path()).unwrap(), Some(id));
    }

    #[test]
    fn a_file_without_an_id_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE_NAME), "version: 0\n").unwrap();
        assert!(read(dir.path()).is_err());
    }
}
