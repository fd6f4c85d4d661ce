//! Names on disk: the files of a segment, and the directories of partitions with their suffixes.
//!
//! The rules for directories are Kafka's, fatal cases included: a directory that is not a partition's must not stand
//! in a log dir, because Apache Kafka would refuse to start on it, and the files must stay exchangeable.

use std::path::Path;

use ottla_base::{TopicPartition, Uuid};

/// Suffix of a file that waits to be unlinked.
pub const DELETED_SUFFIX: &str = ".deleted";
/// Suffix of a file that the cleaner had not finished.
pub const CLEANED_SUFFIX: &str = ".cleaned";
/// Suffix of a finished file that had not yet taken the place of the ones it replaces.
pub const SWAP_SUFFIX: &str = ".swap";

/// Longest name a file system takes.
const NAME_BYTES_MAX: usize = 255;

/// One of the files that belong to a base offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    Log,
    OffsetIndex,
    TimeIndex,
    TxnIndex,
    Snapshot,
}

impl FileKind {
    pub const ALL: [Self; 5] = [
        Self::Log,
        Self::OffsetIndex,
        Self::TimeIndex,
        Self::TxnIndex,
        Self::Snapshot,
    ];

    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Log => ".log",
            Self::OffsetIndex => ".index",
            Self::TimeIndex => ".timeindex",
            Self::TxnIndex => ".txnindex",
            Self::Snapshot => ".snapshot",
        }
    }

    /// `00000000000000000042.log`.
    pub fn file_name(self, offset: i64) -> String {
        format!("{offset:020}{}", self.suffix())
    }

    /// The kind and the offset of a file name, if it is one that a segment may have.
    pub fn parse(name: &str) -> Option<(Self, i64)> {
        Self::ALL.iter().find_map(|kind| {
            let digits = name.strip_suffix(kind.suffix())?;
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            Some((*kind, is_number.then(|| digits.parse().ok())??))
        })
    }
}

/// What a directory in a log dir is, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionDirName {
    Current(TopicPartition),
    /// A copy that grows until it can take the place of the current directory in another log dir.
    Future(TopicPartition),
    /// Deleted; to be unlinked.
    Deleted(TopicPartition),
    /// Not known to the metadata log when it was loaded: kept, never served.
    Stray(TopicPartition),
    /// Not a partition, but allowed: see [`is_foreign_but_allowed`].
    Other,
}

impl PartitionDirName {
    /// `None` is the fatal case.
    pub fn parse(name: &str) -> Option<Self> {
        if is_foreign_but_allowed(name) {
            return Some(Self::Other);
        }
        type Make = fn(TopicPartition) -> PartitionDirName;
        let parsers: [(&str, Make); 3] = [
            ("-delete", Self::Deleted),
            ("-future", Self::Future),
            ("-stray", Self::Stray),
        ];
        for (suffix, make) in parsers {
            let Some(rest) = name.strip_suffix(suffix) else {
                continue;
            };
            let (partition, unique) = rest.rsplit_once('.')?;
            let is_unique = !unique.is_empty() && unique.bytes().all(|b| b.is_ascii_alphanumeric());
            return is_unique
                .then(|| parse_topic_partition(partition))
                .flatten()
                .map(make);
        }
        parse_topic_partition(name).map(Self::Current)
    }
}

/// `topic-3.<32 hex digits>-<suffix>`, the topic cut so that the name fits a file system.
pub fn suffixed_dir_name(partition: &TopicPartition, unique: Uuid, suffix: &str) -> String {
    let tail = format!("-{}.{}-{suffix}", partition.partition, unique.simple());
    let room = NAME_BYTES_MAX.saturating_sub(tail.len());
    let topic = partition.topic.get(..room).unwrap_or(&partition.topic);
    format!("{topic}{tail}")
}

/// The name of a path's last component, empty when it is not UTF-8.
pub fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or("")
}

fn parse_topic_partition(name: &str) -> Option<TopicPartition> {
    let (topic, partition) = name.rsplit_once('-')?;
    if topic.is_empty() || !partition.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(TopicPartition::new(topic, partition.parse().ok()?))
}

/// Directories that Kafka itself keeps beside the partitions, and the one a file system makes at its root.
fn is_foreign_but_allowed(name: &str) -> bool {
    matches!(name, "remote-log-index-cache" | "lost+found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_files_go_both_ways() {
        for kind in FileKind::ALL {
            assert_eq!(FileKind::parse(&kind.file_name(42)), Some((kind, 42)));
        }
        assert_eq!(FileKind::Log.file_name(42), "00000000000000000042.log");
        for foreign in [
            ".log",
            "x.log",
            "00.log.deleted",
            "-1.log",
            "leader-epoch-checkpoint",
        ] {
            assert_eq!(FileKind::parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn directories_are_told_apart_by_their_suffix() {
        let tp = TopicPartition::new("a-b.c", 7);
        let parse = PartitionDirName::parse;
        assert_eq!(parse("a-b.c-7"), Some(PartitionDirName::Current(tp.clone())));
        let name = |suffix| suffixed_dir_name(&tp, Uuid::from_u128(5), suffix);
        assert_eq!(
            parse(&name("delete")),
            Some(PartitionDirName::Deleted(tp.clone()))
        );
        assert_eq!(parse(&name("future")), Some(PartitionDirName::Future(tp.clone())));
        assert_eq!(parse(&name("stray")), Some(PartitionDirName::Stray(tp)));
        for fatal in [
            "kraft-combined-logs",
            "topic",
            "-1",
            "topic-",
            "topic-x",
            "topic-1-delete",
        ] {
            assert_eq!(parse(fatal), None, "{fatal}");
        }
    }

    #[test]
    fn long_topics_are_cut_to_fit() {
        let tp = TopicPartition::new("t".repeat(249), 12);
        let name = suffixed_dir_name(&tp, Uuid::from_u128(1), "delete");
        assert_eq!(name.len(), 255);
        assert!(matches!(
            PartitionDirName::parse(&name),
            Some(PartitionDirName::Deleted(_))
        ));
    }
}
