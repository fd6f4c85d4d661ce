//! `quorum-state`: which leader and epoch this node last knew of, and whom it voted for, as one line of JSON.
//!
//! Two layouts: version 0 where the voters are a setting of every node (`kraft.version` 0), version 1 where they live in the
//! log. The epoch in it must never go down: a node that forgets it could vote twice in one epoch.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ottla_base::Uuid;
use ottla_base::ids::{uuid_from_string, uuid_to_string};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub const FILE_NAME: &str = "quorum-state";
const NOBODY: i32 = -1;

/// What a restart must not forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumState {
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub voted_id: i32,
    pub voted_directory_id: Uuid,
    /// The voters, where they are a setting (`kraft.version` 0); `None` where they live in the log.
    pub static_voters: Option<Vec<i32>>,
}

#[derive(Debug, Error)]
pub enum QuorumStateError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: {what}")]
    Content { path: PathBuf, what: String },
}

/// Both layouts at once: a field that a layout lacks is left out.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cluster_id: Option<String>,
    leader_id: i32,
    leader_epoch: i32,
    voted_id: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    voted_directory_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    applied_offset: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current_voters: Option<Vec<LayoutVoter>>,
    #[serde(rename = "data_version")]
    data_version: i16,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LayoutVoter {
    voter_id: i32,
}

impl QuorumState {
    /// A node that has never heard of a leader.
    pub fn unattached(static_voters: Option<Vec<i32>>) -> Self {
        Self {
            leader_id: NOBODY,
            leader_epoch: 0,
            voted_id: NOBODY,
            voted_directory_id: Uuid::nil(),
            static_voters,
        }
    }

    /// The state in the directory of the metadata log; `None` before the first one was written.
    pub fn read(dir: &Path) -> Result<Option<Self>, QuorumStateError> {
        let path = dir.join(FILE_NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(QuorumStateError::Io { path, source }),
        };
        let content = |what: String| QuorumStateError::Content {
            path: path.clone(),
            what,
        };
        let layout: Layout = serde_json::from_str(&text).map_err(|error| content(error.to_string()))?;
        Self::from_layout(layout).map(Some).map_err(content)
    }

    /// Replaces the file, synced, before anything that follows from it is answered.
    pub fn write(&self, dir: &Path) -> Result<(), QuorumStateError> {
        let path = dir.join(FILE_NAME);
        let part = dir.join(format!("{FILE_NAME}.tmp"));
        let replace = || {
            let mut file = File::create(&part)?;
            file.write_all(serde_json::to_string(&self.layout())?.as_bytes())?;
            file.sync_all()?;
            fs::rename(&part, &path)?;
            File::open(dir)?.sync_all()
        };
        replace().map_err(|source| QuorumStateError::Io {
            path: path.clone(),
            source,
        })
    }

    fn from_layout(layout: Layout) -> Result<Self, String> {
        let voted_directory_id = match layout.voted_directory_id.as_deref() {
            Some(text) => {
                uuid_from_string(text).ok_or_else(|| format!("votedDirectoryId {text} is no id"))?
            }
            None => Uuid::nil(),
        };
        let static_voters = match layout.data_version {
            0 => Some(
                layout
                    .current_voters
                    .unwrap_or_default()
                    .iter()
                    .map(|voter| voter.voter_id)
                    .collect(),
            ),
            1 => None,
            other => return Err(format!("data_version {other} is not known")),
        };
        Ok(Self {
            leader_id: layout.leader_id,
            leader_epoch: layout.leader_epoch,
            voted_id: layout.voted_id,
            voted_directory_id,
            static_voters,
        })
    }

    fn layout(&self) -> Layout {
        let voters = self.static_voters.as_ref();
        Layout {
            cluster_id: voters.map(|_| String::new()),
            leader_id: self.leader_id,
            leader_epoch: self.leader_epoch,
            voted_id: self.voted_id,
            voted_directory_id: voters.is_none().then(|| uuid_to_string(self.voted_directory_id)),
            applied_offset: voters.map(|_| 0),
            current_voters: voters.map(|ids| {
                ids.iter()
                    .map(|voter_id| LayoutVoter { voter_id: *voter_id })
                    .collect()
            }),
            data_version: if voters.is_some() { 0 } else { 1 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Kafka 4.3.1 wrote them.
    const STATIC: &str = r#"{"clusterId":"","leaderId":1,"leaderEpoch":2,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}"#;
    const IN_THE_LOG: &str = r#"{"leaderId":101,"leaderEpoch":1,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}"#;

    #[test]
    fn both_layouts_are_read_and_written_back_to_the_byte() {
        for text in [STATIC, IN_THE_LOG] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(FILE_NAME), text).unwrap();
            let state = QuorumState::read(dir.path()).unwrap().unwrap();
            state.write(dir.path()).unwrap();
            assert_eq!(fs::read_to_string(dir.path().join(FILE_NAME)).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_quorum_state_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(QuorumState::read(dir.path()).unwrap(), None);
        for text in [
            "",
            "{}",
            &STATIC.replace("\"data_version\":0", "\"data_version\":7"),
        ] {
            fs::write(dir.path().join(FILE_NAME), text).unwrap();
            let error = QuorumState::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains("quorum-state"), "{error}");
        }
    }
}
