//! Broker keys about logs: the defaults of topic keys, log dirs, flushing, retention, compaction.
//!
//! Names, types, defaults and ranges are checked against Apache Kafka 4.3.1 by the test in [`super`].

use crate::config::def::config_defs;

config_defs! { LOG:
    "auto.create.topics.enable" Boolean = "true", Any, High ReadOnly Used,
        "Create a topic when a client asks for its metadata and allows it.";
    "compression.gzip.level" Int = "-1", GzipLevel, Medium ClusterWide Used,
        "Default of the topic configuration `compression.gzip.level`.";
    "compression.lz4.level" Int = "9", Between(1, 17), Medium ClusterWide Used,
        "Default of the topic configuration `compression.lz4.level`.";
    "compression.type" String = "producer",
        OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), High ClusterWide Used,
        "Default of the topic configuration `compression.type`.";
    "compression.zstd.level" Int = "3", Between(-131_072, 22), Medium ClusterWide Used,
        "Default of the topic configuration `compression.zstd.level`.";
    "cordoned.log.dirs" List = "", Distinct, Medium PerBroker Used,
        "Log dirs that receive no new partitions; `*` means all of them.";
    "log.cleaner.backoff.ms" Long = "15000", AtLeast(0), Medium ClusterWide Used,
        "Pause of a cleaner thread that found nothing to clean.";
    "log.cleaner.dedupe.buffer.size" Long = "134217728", Any, Medium ClusterWide Used,
        "Memory for the key maps of all cleaner threads together, in bytes; more than 1 MiB for each.";
    "log.cleaner.delete.retention.ms" Long = "86400000", AtLeast(0), Medium ClusterWide Used,
        "Default of the topic configuration `delete.retention.ms`.";
    "log.cleaner.enable" Boolean = "true", Any, Medium ReadOnly Used,
        "Switches compaction on or off; deprecated, and compacted topics need it.";
    "log.cleaner.io.buffer.load.factor" Double = "0.9", Any, Medium ClusterWide Used,
        "How full a cleaner's key map may become, as a share of its size.";
    "log.cleaner.io.buffer.size" Int = "524288", AtLeast(0), Medium ClusterWide Used,
        "Memory for the read and write buffers of all cleaner threads together, in bytes.";
    "log.cleaner.io.max.bytes.per.second" Double = "1.7976931348623157E308", Any, Medium ClusterWide Used,
        "Most bytes all cleaner threads together read and write in a second.";
    "log.cleaner.max.compaction.lag.ms" Long = "9223372036854775807", AtLeast(1), Medium ClusterWide Used,
        "Default of the topic configuration `max.compaction.lag.ms`.";
    "log.cleaner.min.cleanable.ratio" Double = "0.5", BetweenDouble(0.0, 1.0), Medium ClusterWide Used,
        "Default of the topic configuration `min.cleanable.dirty.ratio`.";
    "log.cleaner.min.compaction.lag.ms" Long = "0", AtLeast(0), Medium ClusterWide Used,
        "Default of the topic configuration `min.compaction.lag.ms`.";
    "log.cleaner.threads" Int = "1", AtLeast(0), Medium ClusterWide Used,
        "Number of threads that compact logs.";
    "log.cleanup.policy" List = "delete", ListOf(&["compact", "delete"]), Medium ClusterWide Used,
        "Default of the topic configuration `cleanup.policy`.";
    "log.dir" List = "/tmp/kafka-logs", DistinctSome, High ReadOnly Used,
        "Directory of the partitions when `log.dirs` is not given.";
    "log.dir.failure.timeout.ms" Long = "30000", AtLeast(1), Low ReadOnly Accepted,
        "How long a broker that could not tell the controller of a failed log dir keeps running.";
    "log.dirs" List = null, DistinctSome, High ReadOnly Used,
        "Directories of the partitions, as a comma-separated list; replaces `log.dir`.";
    "log.flush.interval.messages" Long = "9223372036854775807", AtLeast(1), High ClusterWide Used,
        "Default of the topic configuration `flush.messages`.";
    "log.flush.interval.ms" Long = null, Any, High ClusterWide Used,
        "Default of the topic configuration `flush.ms`; when not given, `log.flush.scheduler.interval.ms` \
         counts.";
    "log.flush.offset.checkpoint.interval.ms" Int = "60000", AtLeast(0), High ReadOnly Used,
        "How often the offset up to which logs are known to be on disk is written down.";
    "log.flush.scheduler.interval.ms" Long = "9223372036854775807", Any, High ReadOnly Used,
        "How often the broker looks for logs that must be synced.";
    "log.flush.start.offset.checkpoint.interval.ms" Int = "60000", AtLeast(0), High ReadOnly Used,
        "How often the start offsets of the logs are written down.";
    "log.index.interval.bytes" Int = "4096", AtLeast(0), Medium ClusterWide Used,
        "Default of the topic configuration `index.interval.bytes`.";
    "log.index.size.max.bytes" Int = "10485760", AtLeast(4), Medium ClusterWide Used,
        "Default of the topic configuration `segment.index.bytes`.";
    "log.initial.task.delay.ms" Long = "30000", AtLeast(0), Low ReadOnly Used internal,
        "Delay of the first round of retention, flushing and checkpoints after a start.";
    "log.message.timestamp.after.max.ms" Long = "3600000", AtLeast(0), Medium ClusterWide Used,
        "Default of the topic configuration `message.timestamp.after.max.ms`.";
    "log.message.timestamp.before.max.ms" Long = "9223372036854775807", AtLeast(0), Medium ClusterWide Used,
        "Default of the topic configuration `message.timestamp.before.max.ms`.";
    "log.message.timestamp.type" String = "CreateTime",
        OneOf(&["CreateTime", "LogAppendTime"]), Medium ClusterWide Used,
        "Default of the topic configuration `message.timestamp.type`.";
    "log.preallocate" Boolean = "false", Any, Medium ClusterWide Accepted,
        "Default of the topic configuration `preallocate`.";
    "log.retention.bytes" Long = "-1", Any, High ClusterWide Used,
        "Default of the topic configuration `retention.bytes`.";
    "log.retention.check.interval.ms" Long = "300000", AtLeast(1), Medium ReadOnly Used,
        "How often logs are checked for segments to delete.";
    "log.retention.hours" Int = "168", Any, High ReadOnly Used,
        "Default of the topic configuration `retention.ms`, in hours; counts when neither \
         `log.retention.ms` nor `log.retention.minutes` is given.";
    "log.retention.minutes" Int = null, Any, High ReadOnly Used,
        "Default of the topic configuration `retention.ms`, in minutes; counts when `log.retention.ms` is \
         not given.";
    "log.retention.ms" Long = null, Any, High ClusterWide Used,
        "Default of the topic configuration `retention.ms`; -1 means for ever.";
    "log.roll.hours" Int = "168", AtLeast(1), High ReadOnly Used,
        "Default of the topic configuration `segment.ms`, in hours; counts when `log.roll.ms` is not \
         given.";
    "log.roll.jitter.hours" Int = "0", AtLeast(0), High ReadOnly Used,
        "Default of the topic configuration `segment.jitter.ms`, in hours; counts when \
         `log.roll.jitter.ms` is not given.";
    "log.roll.jitter.ms" Long = null, Any, High ClusterWide Used,
        "Default of the topic configuration `segment.jitter.ms`.";
    "log.roll.ms" Long = null, Any, High ClusterWide Used,
        "Default of the topic configuration `segment.ms`.";
    "log.segment.bytes" Int = "1073741824", AtLeast(1_048_576), High ClusterWide Used,
        "Default of the topic configuration `segment.bytes`.";
    "log.segment.delete.delay.ms" Long = "60000", AtLeast(0), High ClusterWide Used,
        "Default of the topic configuration `file.delete.delay.ms`.";
    "min.insync.replicas" Int = "1", AtLeast(1), High ClusterWide Used,
        "Default of the topic configuration `min.insync.replicas`.";
    "num.partitions" Int = "1", AtLeast(1), Medium ReadOnly Used,
        "Partitions of a topic that is created without a number.";
    "num.recovery.threads.per.data.dir" Int = "2", AtLeast(1), High ClusterWide Used,
        "Threads per log dir that load and recover logs at the start and sync them at the end.";
    "unclean.leader.election.enable" Boolean = "false", Any, High ClusterWide Used,
        "Default of the topic configuration `unclean.leader.election.enable`.";
}
