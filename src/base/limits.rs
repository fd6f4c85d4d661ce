//! Limits that several rooms share. A limit that only one room needs stands in that room.

/// Longest legal topic name (KIP: `Topic.validate`), so that a directory name with its suffix fits into 255 bytes.
pub const TOPIC_NAME_LENGTH_MAX: usize = 249;
/// Most partitions that one CreateTopics or CreatePartitions request may ask for.
pub const PARTITIONS_PER_REQUEST_MAX: usize = 10_000;
/// Most bytes a batch of records may grow to when it is decompressed: the guard against bombs.
pub const DECOMPRESSED_BATCH_BYTES_MAX: usize = 256 << 20;
