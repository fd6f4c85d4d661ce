//! What a log is told by its topic's configuration, as plain values. Names and defaults are Kafka's.

use crate::batch::{CompressionType, TimestampType};

/// A topic's configuration as far as its logs know it. `-1` in a retention means "without limit".
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    pub segment_bytes: i32,
    pub segment_ms: i64,
    pub segment_jitter_ms: i64,
    pub segment_index_bytes: i32,
    pub index_interval_bytes: i32,
    pub retention_ms: i64,
    pub retention_bytes: i64,
    pub cleanup_delete: bool,
    pub cleanup_compact: bool,
    pub flush_messages: i64,
    pub flush_ms: i64,
    pub file_delete_delay_ms: i64,
    pub max_message_bytes: i32,
    pub preallocate: bool,
    pub min_compaction_lag_ms: i64,
    pub max_compaction_lag_ms: i64,
    pub delete_retention_ms: i64,
    pub min_cleanable_dirty_ratio: f64,
    pub compression: CompressionType,
    pub timestamp_type: TimestampType,
    pub timestamp_before_max_ms: i64,
    pub timestamp_after_max_ms: i64,
    pub min_insync_replicas: i32,
    /// A broker setting, kept here because only logs obey it.
    pub producer_id_expiration_ms: i64,
    /// Likewise: whether a transaction may only be begun after its coordinator was asked.
    pub transaction_verification: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 604_800_000,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            retention_ms: 604_800_000,
            retention_bytes: -1,
            cleanup_delete: true,
            cleanup_compact: false,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            file_delete_delay_ms: 60_000,
            max_message_bytes: 1_048_588,
            preallocate: false,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            delete_retention_ms: 86_400_000,
            min_cleanable_dirty_ratio: 0.5,
            compression: CompressionType::Producer,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            min_insync_replicas: 1,
            producer_id_expiration_ms: 86_400_000,
            transaction_verification: true,
        }
    }
}

impl LogConfig {
    /// How long a segment may take records. A compacted topic must let go of a segment before its records are due.
    pub(crate) fn roll_after_ms(&self) -> i64 {
        if self.cleanup_compact {
            self.segment_ms.min(self.max_compaction_lag_ms)
        } else {
            self.segment_ms
        }
    }

    pub(crate) fn segment_bytes(&self) -> u64 {
        u64::try_from(self.segment_bytes).unwrap_or(0)
    }

    pub(crate) fn segment_index_bytes(&self) -> usize {
        usize::try_from(self.segment_index_bytes).unwrap_or(0)
    }

    pub(crate) fn index_interval_bytes(&self) -> u64 {
        u64::try_from(self.index_interval_bytes).unwrap_or(0)
    }
}
