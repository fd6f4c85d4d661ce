//! The cluster's feature levels: which exist, what this build supports, and what each metadata version permits.
//!
//! `metadata.version` decides the versions of the records, so that a node that is older than the others can still read the
//! log. A level that is not supported here must never be finalized.

use std::fmt;
use std::ops::RangeInclusive;

pub const METADATA_VERSION: &str = "metadata.version";
pub const KRAFT_VERSION: &str = "kraft.version";
pub const GROUP_VERSION: &str = "group.version";
pub const TRANSACTION_VERSION: &str = "transaction.version";
pub const ELR_VERSION: &str = "eligible.leader.replicas.version";
pub const SHARE_VERSION: &str = "share.version";
pub const STREAMS_VERSION: &str = "streams.version";

/// A feature and the levels of it that this build understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupportedFeature {
    pub name: &'static str,
    pub min: i16,
    pub max: i16,
    /// The level that a newly formatted cluster of the newest metadata version gets.
    pub default: i16,
    /// The lowest metadata version at which a new cluster gets `default` without being asked.
    pub default_from: MetadataVersion,
}

/// What Apache Kafka 4.3 supports, in the order in which it writes the levels; `kraft.version` lives in control records.
pub const SUPPORTED: &[SupportedFeature] = &[
    supported(METADATA_VERSION, 7, 30, 30, 7),
    supported(ELR_VERSION, 0, 1, 1, 26),
    supported(GROUP_VERSION, 0, 1, 1, 22),
    supported(SHARE_VERSION, 0, 1, 1, 28),
    supported(STREAMS_VERSION, 0, 1, 1, 29),
    supported(TRANSACTION_VERSION, 0, 2, 2, 24),
    supported(KRAFT_VERSION, 0, 1, 1, 21),
];

const fn supported(name: &'static str, min: i16, max: i16, default: i16, from: i16) -> SupportedFeature {
    SupportedFeature {
        name,
        min,
        max,
        default,
        default_from: MetadataVersion(from),
    }
}

/// The supported feature with this name.
pub fn find(name: &str) -> Option<&'static SupportedFeature> {
    SUPPORTED.iter().find(|feature| feature.name == name)
}

/// A level of `metadata.version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataVersion(pub i16);

impl MetadataVersion {
    /// 3.3-IV3, the first that KRaft clusters in production had.
    pub const MIN: Self = Self(7);
    /// 4.3-IV0.
    pub const LATEST: Self = Self(30);
    pub const RANGE: RangeInclusive<i16> = Self::MIN.0..=Self::LATEST.0;

    const NAMES: &[&str] = &[
        "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2", "3.7-IV0",
        "3.7-IV1", "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0", "4.0-IV1", "4.0-IV2",
        "4.0-IV3", "4.1-IV0", "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0",
    ];

    /// The version behind Kafka's name for it (`4.3-IV0`), its release (`4.3`, `4.3.1`: the newest of that release), or its level.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(level) = text.parse::<i16>() {
            return Self::RANGE.contains(&level).then_some(Self(level));
        }
        let release = text.split('-').next().unwrap_or(text);
        let release: String = release.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
        let wanted = |name: &str| {
            if text.contains('-') {
                name == text
            } else {
                name.split('-').next() == Some(release.as_str())
            }
        };
        let at = Self::NAMES.iter().rposition(|name| wanted(name))?;
        i16::try_from(at).ok().map(|at| Self(at + Self::MIN.0))
    }

    pub fn register_broker_version(self) -> i16 {
        match self.0 {
            30.. => 4,
            17.. => 3,
            8.. => 2,
            _ => 1,
        }
    }

    pub fn partition_version(self) -> i16 {
        match self.0 {
            23.. => 2,
            17.. => 1,
            _ => 0,
        }
    }

    /// Whether going from `self` down to `to` would leave records in the log that `to` does not know.
    pub fn downgrade_loses_metadata(self, to: Self) -> bool {
        const CHANGED_METADATA: &[i16] = &[8, 11, 13, 14, 15, 17, 23, 30];
        CHANGED_METADATA
            .iter()
            .any(|level| *level > to.0 && *level <= self.0)
    }

    /// Replicas know their log dir (KIP-858).
    pub fn has_directories(self) -> bool {
        self.0 >= 17
    }

    /// Partitions can have eligible leader replicas (KIP-966).
    pub fn has_elr(self) -> bool {
        self.0 >= 23
    }

    /// Brokers say which of their log dirs are cordoned.
    pub fn has_cordoned_dirs(self) -> bool {
        self.0 >= 30
    }

    /// A smaller ISR used to start a new leader epoch.
    pub fn isr_shrink_bumps_leader_epoch(self) -> bool {
        self.0 < 12
    }

    /// Controllers write who they are into the log.
    pub fn has_controller_registration(self) -> bool {
        self.0 >= 15
    }

    /// Several batches can be one change.
    pub fn has_transactions(self) -> bool {
        self.0 >= 14
    }

    pub fn has_delegation_tokens(self) -> bool {
        self.0 >= 14
    }

    pub fn has_scram(self) -> bool {
        self.0 >= 11
    }
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = usize::try_from(self.0 - Self::MIN.0)
            .ok()
            .and_then(|at| Self::NAMES.get(at));
        match name {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_kafkas_names() {
        assert_eq!(MetadataVersion::LATEST.to_string(), "4.3-IV0");
        assert_eq!(MetadataVersion(17).to_string(), "3.7-IV2");
        for level in MetadataVersion::RANGE {
            let version = MetadataVersion(level);
            assert_eq!(MetadataVersion::parse(&version.to_string()), Some(version));
            assert_eq!(MetadataVersion::parse(&level.to_string()), Some(version));
        }
        assert_eq!(MetadataVersion::parse("4.2.1"), Some(MetadataVersion(29)));
        assert_eq!(MetadataVersion::parse("3.9"), Some(MetadataVersion(21)));
        assert_eq!(MetadataVersion::parse("2.8"), None);
        assert_eq!(MetadataVersion::parse("31"), None);
    }
}
