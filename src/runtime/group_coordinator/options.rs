//! The settings that a coordinator lives with: those of the broker, and those of single consumer groups over them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla_base::config::{Effective, Settings};
use ottla_coordinator::GroupConfig;
use ottla_coordinator::config::ConsumerGroupConfig;
use ottla_coordinator::consumer::{Assignor, MigrationPolicy};
use ottla_storage::batch::Codec;

/// The settings of the broker. Of all that is in here only the assignment interval of consumer groups can change while it
/// runs: see [`consumer_config`].
#[derive(Clone)]
pub struct GroupOptions {
    pub node_id: i32,
    pub groups: Arc<GroupConfig>,
    /// Whether `group.coordinator.rebalance.protocols` allows groups of the consumer protocol.
    pub allows_consumer_protocol: bool,
    /// What members of such groups may ask for; the first one serves those who do not ask.
    pub assignors: Vec<Assignor>,
    /// Partitions of `__consumer_offsets` as long as it is not there.
    pub partitions: i32,
    pub codec: Codec,
    pub commit_timeout: Duration,
    pub load_buffer_bytes: usize,
    pub expiry_interval: Duration,
}

impl GroupOptions {
    pub fn new(node_id: i32, config: &impl Settings) -> Self {
        const MINUTE_MS: i64 = 60 * 1000;
        let millis = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        Self {
            node_id,
            groups: Arc::new(GroupConfig {
                min_session_timeout_ms: config.i32("group.min.session.timeout.ms"),
                max_session_timeout_ms: config.i32("group.max.session.timeout.ms"),
                initial_rebalance_delay_ms: config.i32("group.initial.rebalance.delay.ms"),
                max_size: size(config, "group.max.size"),
                offset_metadata_max_chars: size(config, "offset.metadata.max.bytes"),
                offsets_retention_ms: i64::from(config.i32("offsets.retention.minutes")) * MINUTE_MS,
                consumer_migration: config
                    .string("group.consumer.migration.policy")
                    .and_then(|policy| MigrationPolicy::by_name(&policy))
                    .unwrap_or_default(),
                consumer: Arc::new(consumer_config(config)),
                ..GroupConfig::default()
            }),
            allows_consumer_protocol: config
                .list("group.coordinator.rebalance.protocols")
                .iter()
                .any(|protocol| protocol == "consumer"),
            assignors: assignors(config),
            partitions: config.i32("offsets.topic.num.partitions"),
            codec: codec(config.i32("offsets.topic.compression.codec")),
            commit_timeout: millis(config.i32("offsets.commit.timeout.ms").into()),
            load_buffer_bytes: size(config, "offsets.load.buffer.size"),
            expiry_interval: millis(config.i64("offsets.retention.check.interval.ms")),
        }
    }
}

fn assignors(config: &impl Settings) -> Vec<Assignor> {
    let names = config.list("group.consumer.assignors");
    names
        .iter()
        .filter_map(|name| Assignor::by_setting(name))
        .collect()
}

/// The broker's settings of consumer groups.
pub(super) fn consumer_config(config: &impl Settings) -> ConsumerGroupConfig {
    ConsumerGroupConfig {
        session_timeout_ms: config.i32("group.consumer.session.timeout.ms"),
        heartbeat_interval_ms: config.i32("group.consumer.heartbeat.interval.ms"),
        assignment_interval_ms: config.i32("group.consumer.assignment.interval.ms"),
        default_assignor: assignors(config).first().copied().unwrap_or(Assignor::Uniform),
        regex_refresh_interval_ms: config.i32("group.consumer.regex.refresh.interval.ms"),
        max_size: size(config, "group.consumer.max.size"),
    }
}

/// What counts for a group with these settings of its own. The broker's bounds may have become narrower since they were set:
/// then the bounds count.
pub(super) fn own_consumer_config(broker: &Effective, own: &BTreeMap<&str, &str>) -> ConsumerGroupConfig {
    let group = broker.group(own.iter().map(|(key, value)| (*key, *value)));
    let value = |key: &str, least: &str, most: &str| {
        let value = group.i32(key);
        match own.contains_key(key) {
            true => value.max(broker.i32(least)).min(broker.i32(most)),
            false => value,
        }
    };
    ConsumerGroupConfig {
        session_timeout_ms: value(
            "consumer.session.timeout.ms",
            "group.consumer.min.session.timeout.ms",
            "group.consumer.max.session.timeout.ms",
        ),
        heartbeat_interval_ms: value(
            "consumer.heartbeat.interval.ms",
            "group.consumer.min.heartbeat.interval.ms",
            "group.consumer.max.heartbeat.interval.ms",
        ),
        assignment_interval_ms: value(
            "consumer.assignment.interval.ms",
            "group.consumer.min.assignment.interval.ms",
            "group.consumer.max.assignment.interval.ms",
        ),
        ..consumer_config(broker)
    }
}

fn size(config: &impl Settings, key: &str) -> usize {
    usize::try_from(config.i32(key)).unwrap_or(0)
}

/// The codec behind the number that a batch has for it.
fn codec(number: i32) -> Codec {
    i16::try_from(number)
        .ok()
        .and_then(|number| Codec::from_attributes(number).ok())
        .unwrap_or(Codec::None)
}
