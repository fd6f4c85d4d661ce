//! `meta.properties`: which cluster and node a log directory belongs to, and the directory's own id.
//!
//! Version 1 is KRaft's. Version 0 is of the ZooKeeper days (`broker.id`) and is read, since a migrated cluster keeps it.

use std::collections::HashMap;

use ottla_base::config::properties;
use ottla_base::{Uuid, ids};

use crate::error::{Result, StorageError};
use crate::vfs::Disk;

pub const FILE_NAME: &str = "meta.properties";

/// What all log dirs of a node have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterIdentity {
    /// 22 characters of base64, by custom; any text is allowed.
    pub cluster_id: String,
    pub node_id: i32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    pub identity: ClusterIdentity,
    pub directory_id: Uuid,
}

impl MetaProperties {
    /// Reads the file; `None` when the directory has not been formatted.
    pub fn read(dir: &std::path::Path) -> Result<Option<Self>> {
        Ok(read_fields(dir)?.map(|(identity, directory_id)| Self {
            identity,
            directory_id: directory_id.unwrap_or_else(new_directory_id),
        }))
    }

    /// As [`MetaProperties::read`], and gives a directory without an id one, for good.
    pub(super) fn read_or_complete(disk: &Disk) -> Result<Self> {
        let dir = disk.root();
        let Some((identity, directory_id)) = read_fields(dir)? else {
            return Err(StorageError::Directory(format!(
                "{} holds no {FILE_NAME}: it has not been formatted",
                dir.display()
            )));
        };
        let meta = Self {
            identity,
            directory_id: directory_id.unwrap_or_else(new_directory_id),
        };
        if directory_id.is_none() {
            meta.write(disk)?;
        }
        Ok(meta)
    }

    /// Writes the file into the directory of `disk`.
    pub fn write(&self, disk: &Disk) -> Result<()> {
        let text = format!(
            "#\ncluster.id={}\ndirectory.id={}\nnode.id={}\nversion=1\n",
            self.identity.cluster_id,
            ids::uuid_to_string(self.directory_id),
            self.identity.node_id
        );
        disk.replace(&disk.root().join(FILE_NAME), text.as_bytes())
    }
}

/// An id for a new directory. Kafka reserves the first hundred numbers.
pub fn new_directory_id() -> Uuid {
    loop {
        let id = Uuid::new_v4();
        // Tools take an id that begins with a dash for an option.
        if id.as_u128() >= 100 && !ids::uuid_to_string(id).starts_with('-') {
            return id;
        }
    }
}

fn read_fields(dir: &std::path::Path) -> Result<Option<(ClusterIdentity, Option<Uuid>)>> {
    let path = dir.join(FILE_NAME);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StorageError::io("read", &path)(error)),
    };
    let invalid = |what: &str| StorageError::Directory(format!("{}: {what}", path.display()));
    let fields: HashMap<String, String> = properties::parse(&text)
        .map_err(|error| invalid(&error.to_string()))?
        .into_iter()
        .map(|property| (property.key, property.value))
        .collect();
    let field = |key: &str| fields.get(key).map(|value| value.trim());
    let node_key = match field("version") {
        Some("1") => "node.id",
        Some("0") => "broker.id",
        _ => return Err(invalid("its version is neither 0 nor 1")),
    };
    let node_id = field(node_key)
        .or_else(|| field("node.id"))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| invalid("it names no node.id"))?;
    let cluster_id = field("cluster.id").ok_or_else(|| invalid("it names no cluster.id"))?;
    let directory_id = match field("directory.id") {
        None => None,
        Some(text) => {
            Some(ids::uuid_from_string(text).ok_or_else(|| invalid("its directory.id is not an id"))?)
        }
    };
    let identity = ClusterIdentity {
        cluster_id: cluster_id.to_owned(),
        node_id,
    };
    Ok(Some((identity, directory_id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_file_is_read_and_ours_reads_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(dir.path());
        assert_eq!(MetaProperties::read(dir.path()).unwrap(), None);
        let text = "#\n#Sat Nov 21 12:00:00 UTC 2026\ncluster.id=MkU3OEVBNTcwNTJENDM2Qk\n\
                    directory.id=pfQHabDoSveVs1T3RkUQXg\nnode.id=1\nversion=1\n";
        std::fs::write(dir.path().join(FILE_NAME), text).unwrap();
        let meta = MetaProperties::read(dir.path()).unwrap().unwrap();
        assert_eq!(meta.identity.node_id, 1);
        assert_eq!(meta.identity.cluster_id, "MkU3OEVBNTcwNTJENDM2Qk");
        meta.write(&disk).unwrap();
        assert_eq!(MetaProperties::read(dir.path()).unwrap().unwrap(), meta);
    }

    #[test]
    fn a_missing_directory_id_is_given_once() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(dir.path());
        std::fs::write(
            dir.path().join(FILE_NAME),
            "version=0\nbroker.id=3\ncluster.id=x\n",
        )
        .unwrap();
        let meta = MetaProperties::read_or_complete(&disk).unwrap();
        assert_eq!(meta.identity.node_id, 3);
        assert_eq!(MetaProperties::read_or_complete(&disk).unwrap(), meta);
    }

    #[test]
    fn nonsense_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for text in [
            "",
            "version=2\n",
            "version=1\ncluster.id=x\n",
            "version=1\nnode.id=1\n",
            "version=1\nnode.id=1\ncluster.id=x\ndirectory.id=short\n",
        ] {
            std::fs::write(dir.path().join(FILE_NAME), text).unwrap();
            assert!(MetaProperties::read(dir.path()).is_err(), "{text:?}");
        }
    }
}
