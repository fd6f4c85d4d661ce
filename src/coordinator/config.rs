//! The settings that the machines of groups obey; named after Kafka's keys.

use std::sync::Arc;

use crate::consumer::{Assignor, MigrationPolicy};

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
    /// `group.consumer.migration.policy`
    pub consumer_migration: MigrationPolicy,
    /// Of groups of the consumer protocol that have no settings of their own.
    pub consumer: Arc<ConsumerGroupConfig>,
}

/// `group.consumer.*`; a group's own settings have the same names without the `group.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupConfig {
    /// `group.consumer.session.timeout.ms`
    pub session_timeout_ms: i32,
    /// `group.consumer.heartbeat.interval.ms`
    pub heartbeat_interval_ms: i32,
    /// `group.consumer.assignment.interval.ms`
    pub assignment_interval_ms: i32,
    /// The first of `group.consumer.assignors`, which groups cannot set: for members that do not ask for one.
    pub default_assignor: Assignor,
    /// `group.consumer.regex.refresh.interval.ms`, which groups cannot set.
    pub regex_refresh_interval_ms: i32,
    /// `group.consumer.max.size`, which groups cannot set.
    pub max_size: usize,
}

impl Default for ConsumerGroupConfig {
    fn default() -> Self {
        Self {
            session_timeout_ms: 45_000,
            heartbeat_interval_ms: 5_000,
            assignment_interval_ms: 1_000,
            default_assignor: Assignor::Uniform,
            regex_refresh_interval_ms: 10 * 60 * 1000,
            max_size: i32::MAX as usize,
        }
    }
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
            consumer_migration: MigrationPolicy::default(),
            consumer: Arc::default(),
        }
    }
}
