//! From the configuration in force to what a log is told.

use ottla_base::config::Settings;
use ottla_base::config::effective::Effective;
use ottla_metadata::Image;
use ottla_metadata::image::ConfigResource;
use ottla_storage::LogConfig;
use ottla_storage::batch::{Codec, Compression, CompressionType, TimestampType};

/// The configuration of this node as the image has it: its file under the dynamic values of all brokers and its own.
pub fn effective(file: &Effective, image: &Image) -> Effective {
    let node = file.node().clone();
    let values = |resource: ConfigResource| image.configs.get(&resource).clone();
    let cluster = values(ConfigResource::cluster_default());
    let broker = values(ConfigResource::broker(node.node_id));
    Effective::new(node, pairs(&cluster), pairs(&broker))
}

/// What the logs of a topic are told.
pub fn log_config(broker: &Effective, image: &Image, topic: &str) -> LogConfig {
    let own = image.configs.get(&ConfigResource::topic(topic));
    let topic = broker.topic(pairs(own));
    let policy = topic.list("cleanup.policy");
    LogConfig {
        segment_bytes: topic.i32("segment.bytes"),
        segment_ms: topic.i64("segment.ms"),
        segment_jitter_ms: topic.i64("segment.jitter.ms"),
        segment_index_bytes: topic.i32("segment.index.bytes"),
        index_interval_bytes: topic.i32("index.interval.bytes"),
        retention_ms: topic.i64("retention.ms"),
        retention_bytes: topic.i64("retention.bytes"),
        cleanup_delete: policy.iter().any(|policy| policy == "delete"),
        cleanup_compact: policy.iter().any(|policy| policy == "compact"),
        flush_messages: topic.i64("flush.messages"),
        flush_ms: topic.i64("flush.ms"),
        file_delete_delay_ms: topic.i64("file.delete.delay.ms"),
        max_message_bytes: topic.i32("max.message.bytes"),
        preallocate: topic.bool("preallocate"),
        min_compaction_lag_ms: topic.i64("min.compaction.lag.ms"),
        max_compaction_lag_ms: topic.i64("max.compaction.lag.ms"),
        delete_retention_ms: topic.i64("delete.retention.ms"),
        min_cleanable_dirty_ratio: topic.f64("min.cleanable.dirty.ratio"),
        compression: compression(&topic),
        timestamp_type: match topic.string("message.timestamp.type").as_deref() {
            Some("LogAppendTime") => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        },
        timestamp_before_max_ms: topic.i64("message.timestamp.before.max.ms"),
        timestamp_after_max_ms: topic.i64("message.timestamp.after.max.ms"),
        min_insync_replicas: topic.i32("min.insync.replicas"),
        producer_id_expiration_ms: broker.i64("producer.id.expiration.ms"),
        transaction_verification: broker.bool("transaction.partition.verification.enable"),
    }
}

fn compression(topic: &impl Settings) -> CompressionType {
    let fixed = |codec, level_key: Option<&str>| {
        CompressionType::Fixed(Compression {
            codec,
            level: level_key.and_then(|key| topic.opt_i32(key)),
        })
    };
    match topic.string("compression.type").as_deref() {
        Some("uncompressed") => fixed(Codec::None, None),
        Some("gzip") => fixed(Codec::Gzip, Some("compression.gzip.level")),
        Some("snappy") => fixed(Codec::Snappy, None),
        Some("lz4") => fixed(Codec::Lz4, Some("compression.lz4.level")),
        Some("zstd") => fixed(Codec::Zstd, Some("compression.zstd.level")),
        _ => CompressionType::Producer,
    }
}

fn pairs<'a>(
    values: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    values
        .into_iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
}
