//! Formatting: what must lie in the log dirs before a node can start.
//!
//! Each dir gets `meta.properties` (whose it is) and `bootstrap.checkpoint` (the feature levels, and SCRAM users, with which
//! the first active controller begins an empty log). The dir of the metadata log gets the first snapshot too when the
//! quorum's voters live in the log: `kraft.version` 1 and the voters. The metadata dir comes last, so that a format that was
//! interrupted is seen as one.

mod levels;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ottla_base::Uuid;
use ottla_base::ids::METADATA_TOPIC;
use ottla_metadata::records::{FeatureLevelRecord, UserScramCredentialRecord};
use ottla_metadata::{MetadataVersion, Record};
use ottla_security::scram::{Credential, ScramError};
use ottla_storage::StorageError;
use ottla_storage::batch::control::{Voter, VoterEndpoint};
use ottla_storage::dirs::{ClusterIdentity, MetaProperties, new_directory_id};
use ottla_storage::vfs::Disk;
use thiserror::Error;

use self::levels::Levels;
use super::metadata_log::snapshot_file::{self, Head, Quorum, SnapshotError, SnapshotId};

pub const BOOTSTRAP_FILE: &str = "bootstrap.checkpoint";

/// What a node is to be.
#[derive(Clone, Debug, Default)]
pub struct FormatOptions {
    /// 22 characters, as `random-uuid` prints them; any text is allowed.
    pub cluster_id: String,
    pub node_id: i32,
    pub log_dirs: Vec<PathBuf>,
    pub metadata_log_dir: PathBuf,
    /// Name of the first controller listener: the voters' endpoints are under it.
    pub controller_listener: String,
    /// The voters live in the log: there is no `controller.quorum.voters`.
    pub is_dynamic_quorum: bool,
    /// Empty for a node that joins a quorum later.
    pub initial_voters: Vec<InitialVoter>,
    /// A release (`4.3`) or a metadata version (`4.3-IV0`); `None` is the newest.
    pub release_version: Option<String>,
    pub features: Vec<(String, i16)>,
    pub scram: Vec<String>,
    /// Leave dirs alone that are formatted already, and format the others.
    pub ignore_formatted: bool,
}

/// A voter of the first quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialVoter {
    pub id: i32,
    pub host: String,
    pub port: u16,
    /// Nil stands for "the metadata dir of this node, whatever id it gets".
    pub directory_id: Uuid,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Formatted {
    /// `metadata.version` first.
    pub features: Vec<(String, i16)>,
    /// Such as `4.3-IV0`.
    pub release_version: String,
    /// In the order in which they were formatted; empty when all were formatted before.
    pub directories: Vec<(PathBuf, DirectoryKind)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryKind {
    Data,
    StaticMetadata,
    DynamicMetadata,
    DynamicMetadataVoter,
}

/// The text is the sentence for the operator.
#[derive(Debug, Error)]
pub enum FormatError {
    #[error(
        "Log directory {0} is already formatted. Use --ignore-formatted to ignore this directory and format the others."
    )]
    AlreadyFormatted(PathBuf),
    #[error("Log directory {path} belongs to cluster {found}, not to {wanted}.")]
    OtherCluster {
        path: PathBuf,
        found: String,
        wanted: String,
    },
    #[error("{0}")]
    Levels(String),
    #[error("{0}")]
    Scram(#[from] ScramError),
    #[error("SCRAM is only supported in metadata.version 3.5-IV2 or later.")]
    ScramTooEarly,
    #[error("Unable to format {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl DirectoryKind {
    /// As `kafka-storage.sh` names it.
    pub fn description(self) -> &'static str {
        match self {
            Self::Data => "data directory",
            Self::StaticMetadata => "metadata directory",
            Self::DynamicMetadata => "dynamic metadata directory",
            Self::DynamicMetadataVoter => "dynamic metadata voter directory",
        }
    }
}

/// Formats the log dirs that are not formatted yet.
pub fn format(options: &FormatOptions) -> Result<Formatted, FormatError> {
    let levels = Levels::choose(options)?;
    let records = bootstrap_records(options, &levels)?;
    let mut formatted = Formatted {
        features: levels.all().collect(),
        release_version: levels.metadata_version.to_string(),
        directories: Vec::new(),
    };
    for path in in_order(options) {
        if let Some(meta) = MetaProperties::read(&path)? {
            check_formatted(options, &path, &meta)?;
            continue;
        }
        let kind = kind_of(options, &path);
        format_dir(options, &path, kind, levels.metadata_version, &records)?;
        formatted.directories.push((path, kind));
    }
    Ok(formatted)
}

/// Data dirs first, the metadata dir last.
fn in_order(options: &FormatOptions) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = options
        .log_dirs
        .iter()
        .filter(|path| **path != options.metadata_log_dir)
        .cloned()
        .collect();
    paths.push(options.metadata_log_dir.clone());
    paths.dedup();
    paths
}

fn check_formatted(options: &FormatOptions, path: &Path, meta: &MetaProperties) -> Result<(), FormatError> {
    if !options.ignore_formatted {
        return Err(FormatError::AlreadyFormatted(path.to_owned()));
    }
    let found = &meta.identity.cluster_id;
    if *found != options.cluster_id {
        let (path, found, wanted) = (path.to_owned(), found.clone(), options.cluster_id.clone());
        return Err(FormatError::OtherCluster { path, found, wanted });
    }
    Ok(())
}

fn kind_of(options: &FormatOptions, path: &Path) -> DirectoryKind {
    if path != options.metadata_log_dir {
        DirectoryKind::Data
    } else if !options.is_dynamic_quorum || options.initial_voters.is_empty() {
        DirectoryKind::StaticMetadata
    } else if options
        .initial_voters
        .iter()
        .any(|voter| voter.id == options.node_id)
    {
        DirectoryKind::DynamicMetadataVoter
    } else {
        DirectoryKind::DynamicMetadata
    }
}

fn bootstrap_records(options: &FormatOptions, levels: &Levels) -> Result<Vec<Record>, FormatError> {
    let features = levels.finalized();
    let features = features.map(|(name, feature_level)| FeatureLevelRecord { name, feature_level }.into());
    let mut records: Vec<Record> = features.collect();
    if !options.scram.is_empty() && !levels.metadata_version.has_scram() {
        return Err(FormatError::ScramTooEarly);
    }
    for text in &options.scram {
        // 122 random bits: a salt must differ from user to user, not be secret.
        let credential = Credential::parse(text, Uuid::new_v4().as_bytes())?;
        let record = UserScramCredentialRecord {
            name: credential.user,
            mechanism: credential.mechanism.code(),
            salt: credential.salt.into(),
            stored_key: credential.stored_key.into(),
            server_key: credential.server_key.into(),
            iterations: credential.iterations.try_into().unwrap_or(i32::MAX),
        };
        records.push(record.into());
    }
    Ok(records)
}

fn format_dir(
    options: &FormatOptions,
    path: &Path,
    kind: DirectoryKind,
    metadata_version: MetadataVersion,
    records: &[Record],
) -> Result<(), FormatError> {
    let io_error = |source| FormatError::Io {
        path: path.to_owned(),
        source,
    };
    fs::create_dir_all(path).map_err(io_error)?;
    let now_ms = now_ms();
    let own_voter = options
        .initial_voters
        .iter()
        .find(|voter| voter.id == options.node_id);
    let directory_id = match own_voter {
        Some(voter) if kind == DirectoryKind::DynamicMetadataVoter && !voter.directory_id.is_nil() => {
            voter.directory_id
        }
        _ => new_directory_id(),
    };
    let bootstrap = Head {
        epoch: 0,
        quorum: None,
        last_contained_log_timestamp: 0,
        metadata_version,
        now_ms,
    };
    snapshot_file::write(&path.join(BOOTSTRAP_FILE), &bootstrap, records.iter().cloned())?;
    if matches!(
        kind,
        DirectoryKind::DynamicMetadata | DirectoryKind::DynamicMetadataVoter
    ) {
        let dir = path.join(format!("{METADATA_TOPIC}-0"));
        fs::create_dir_all(&dir).map_err(io_error)?;
        let quorum = Some(first_quorum(options, directory_id));
        let first = Head {
            quorum,
            last_contained_log_timestamp: now_ms,
            ..bootstrap
        };
        let id = SnapshotId {
            end_offset: 0,
            epoch: 0,
        };
        snapshot_file::write(&dir.join(id.file_name()), &first, std::iter::empty())?;
    }
    let identity = ClusterIdentity {
        cluster_id: options.cluster_id.clone(),
        node_id: options.node_id,
    };
    // Last: from now on the dir counts as formatted.
    MetaProperties {
        identity,
        directory_id,
    }
    .write(&Disk::new(path))?;
    Ok(())
}

fn first_quorum(options: &FormatOptions, own_directory_id: Uuid) -> Quorum {
    let voters = options.initial_voters.iter().map(|voter| {
        let is_own = voter.id == options.node_id && voter.directory_id.is_nil();
        let endpoint = VoterEndpoint {
            name: options.controller_listener.clone(),
            host: voter.host.clone(),
            port: voter.port,
        };
        Voter {
            id: voter.id,
            directory_id: if is_own {
                own_directory_id
            } else {
                voter.directory_id
            },
            endpoints: vec![endpoint],
            kraft_version_min: 0,
            kraft_version_max: levels::KRAFT_VERSION_MAX,
        }
    });
    Quorum {
        kraft_version: levels::KRAFT_VERSION_MAX,
        voters: voters.collect(),
    }
}

/// Formatting is a tool's work, done before there is a node with a clock.
fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(root: &Path) -> FormatOptions {
        FormatOptions {
            cluster_id: "O5F6YLiGSuiOGvI8fz-45w".into(),
            node_id: 1,
            log_dirs: vec![root.join("a"), root.join("b")],
            metadata_log_dir: root.join("a"),
            controller_listener: "CONTROLLER".into(),
            is_dynamic_quorum: true,
            initial_voters: vec![InitialVoter {
                id: 1,
                host: "localhost".into(),
                port: 9093,
                directory_id: Uuid::nil(),
            }],
            ..FormatOptions::default()
        }
    }

    #[test]
    fn a_standalone_node_is_the_voter_of_its_own_quorum() {
        let root = tempfile::tempdir().unwrap();
        let formatted = format(&options(root.path())).unwrap();
        let kinds: Vec<DirectoryKind> = formatted.directories.iter().map(|(_, kind)| *kind).collect();
        assert_eq!(kinds, [DirectoryKind::Data, DirectoryKind::DynamicMetadataVoter]);
        assert_eq!(formatted.release_version, "4.3-IV0");
        let meta = MetaProperties::read(&root.path().join("a")).unwrap().unwrap();
        let first = root
            .path()
            .join("a/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint");
        let quorum = snapshot_file::read(&first).unwrap().quorum.unwrap();
        assert_eq!(quorum.kraft_version, 1);
        assert_eq!(quorum.voters[0].directory_id, meta.directory_id);
        let bootstrap = snapshot_file::read(&root.path().join("b").join(BOOTSTRAP_FILE)).unwrap();
        assert_eq!(bootstrap.records.len(), 6);
    }

    #[test]
    fn a_formatted_dir_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        format(&options(root.path())).unwrap();
        let error = format(&options(root.path())).unwrap_err();
        assert!(matches!(error, FormatError::AlreadyFormatted(_)));
        let again = FormatOptions {
            ignore_formatted: true,
            ..options(root.path())
        };
        assert!(format(&again).unwrap().directories.is_empty());
        let other = FormatOptions {
            cluster_id: "other".into(),
            ..again
        };
        assert!(matches!(
            format(&other).unwrap_err(),
            FormatError::OtherCluster { .. }
        ));
    }

    #[test]
    fn what_cannot_be_is_said_before_anything_is_written() {
        let root = tempfile::tempdir().unwrap();
        let base = options(root.path());
        let with = |release: Option<&str>, feature: Option<(&str, i16)>, scram: Option<&str>| FormatOptions {
            release_version: release.map(str::to_owned),
            features: feature
                .map(|(name, level)| (name.to_owned(), level))
                .into_iter()
                .collect(),
            scram: scram.map(str::to_owned).into_iter().collect(),
            ..base.clone()
        };
        let cases = [
            (with(Some("3.0"), None, None), "Unknown metadata.version '3.0'"),
            (with(None, Some(("foo", 1)), None), "Unsupported feature: foo"),
            (with(None, Some(("group.version", 9)), None), "group.version"),
            (with(None, Some(("kraft.version", 0)), None), "kraft.version"),
            (
                with(Some("3.4"), None, Some("SCRAM-SHA-256=[name=a,password=b]")),
                "3.5-IV2",
            ),
            (with(None, None, Some("SCRAM-SHA-256=[name=a]")), "password"),
        ];
        for (options, text) in cases {
            let error = format(&options).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
            assert!(!root.path().join("a").exists());
        }
    }
}
