//! The settings that the machines of groups obey; named after Kafka's keys.

/// Defaults are Kafka's.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`
    pub max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: i32,
    /// `group.max.size`
    pub max_size: usize,
    /// For how long a member that has not heard its id yet is waited for; fixed in Kafka.
    pub new_member_join_timeout_ms: i32,
    /// `offset.metadata.max.bytes`, which counts characters in spite of its name.
    pub offset_metadata_max_chars: usize,
    /// `offsets.retention.minutes`
    pub offsets_retention_ms: i64,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            max_size: i32::MAX as usize,
            new_member_join_timeout_ms: 5 * 60 * 1000,
            offset_metadata_max_chars: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1000,
        }
    }
}
