//! Keys of a topic. Most have a broker key that gives their default: see [`super::synonyms`](crate::config::synonyms).
//!
//! Names, types, defaults and ranges are checked against Apache Kafka 4.3.1 by the test in [`super`].

use crate::config::def::config_defs;

config_defs! { TOPIC:
    "cleanup.policy" List = "delete", ListOf(&["compact", "delete"]), Medium ClusterWide Used,
        "What happens to old segments: `delete` drops them by age and size, `compact` keeps the last \
         record of each key, both together do both, and an empty list keeps everything.";
    "compression.gzip.level" Int = "-1", GzipLevel, Medium ClusterWide Used,
        "Gzip level used when the broker itself compresses because `compression.type` is `gzip`.";
    "compression.lz4.level" Int = "9", Between(1, 17), Medium ClusterWide Used,
        "LZ4 level used when the broker itself compresses because `compression.type` is `lz4`.";
    "compression.type" String = "producer",
        OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), Medium ClusterWide Used,
        "Codec in which batches are stored; `producer` keeps whatever the producer sent, `uncompressed` \
         stores plain records.";
    "compression.zstd.level" Int = "3", Between(-131_072, 22), Medium ClusterWide Used,
        "Zstandard level used when the broker itself compresses because `compression.type` is `zstd`.";
    "delete.retention.ms" Long = "86400000", AtLeast(0), Medium ClusterWide Used,
        "How long a tombstone stays readable in a compacted topic after it has been cleaned, so that a \
         reader starting from the beginning still sees the deletion.";
    "file.delete.delay.ms" Long = "60000", AtLeast(0), Medium ClusterWide Used,
        "Pause between renaming a removed segment file to `.deleted` and unlinking it.";
    "flush.messages" Long = "9223372036854775807", AtLeast(1), Medium ClusterWide Used,
        "Force an fsync after this many records of a partition; 1 makes every acknowledged record durable \
         on its own disk.";
    "flush.ms" Long = "9223372036854775807", AtLeast(0), Medium ClusterWide Used,
        "Longest time appended records may stay unsynced before the broker forces an fsync.";
    "follower.replication.throttled.replicas" List = "", ThrottledReplicas, Medium ClusterWide Accepted,
        "Replicas whose fetching as followers is throttled: `partition:broker` pairs, or `*` for all.";
    "index.interval.bytes" Int = "4096", AtLeast(0), Medium ClusterWide Used,
        "Bytes of log between two entries of the offset index; smaller means denser indexes and shorter \
         scans.";
    "internal.segment.bytes" Int = null, Any, Medium ClusterWide Accepted internal,
        "Segment size below the ordinary minimum, meant for Kafka's own tests.";
    "leader.replication.throttled.replicas" List = "", ThrottledReplicas, Medium ClusterWide Accepted,
        "Replicas whose leaders throttle what they send to followers: `partition:broker` pairs, or `*` \
         for all.";
    "local.retention.bytes" Long = "-2", AtLeast(-2), Medium ClusterWide Accepted,
        "With tiered storage, bytes of a partition kept on local disk; -2 means the value of \
         `retention.bytes`.";
    "local.retention.ms" Long = "-2", AtLeast(-2), Medium ClusterWide Accepted,
        "With tiered storage, age up to which segments are kept on local disk; -2 means the value of \
         `retention.ms`.";
    "max.compaction.lag.ms" Long = "9223372036854775807", AtLeast(1), Medium ClusterWide Used,
        "Longest time a record may wait before the log that holds it must be compacted.";
    "max.message.bytes" Int = "1048588", AtLeast(0), Medium ClusterWide Used,
        "Largest record batch accepted, in bytes as sent, after compression.";
    "message.timestamp.after.max.ms" Long = "3600000", AtLeast(0), Medium ClusterWide Used,
        "How far a record's timestamp may lie ahead of the broker's clock before the batch is rejected; \
         only checked with `CreateTime`.";
    "message.timestamp.before.max.ms" Long = "9223372036854775807", AtLeast(0), Medium ClusterWide Used,
        "How far a record's timestamp may lie behind the broker's clock before the batch is rejected; \
         only checked with `CreateTime`.";
    "message.timestamp.type" String = "CreateTime",
        OneOf(&["CreateTime", "LogAppendTime"]), Medium ClusterWide Used,
        "Whose clock stamps records: `CreateTime` keeps the producer's timestamp, `LogAppendTime` \
         overwrites it on arrival.";
    "min.cleanable.dirty.ratio" Double = "0.5", BetweenDouble(0.0, 1.0), Medium ClusterWide Used,
        "Share of a compacted log that must be uncleaned before the cleaner takes it up.";
    "min.compaction.lag.ms" Long = "0", AtLeast(0), Medium ClusterWide Used,
        "Shortest time a record stays untouched by compaction.";
    "min.insync.replicas" Int = "1", AtLeast(1), Medium ClusterWide Used,
        "Number of in-sync replicas below which a write with acks=all is refused.";
    "preallocate" Boolean = "false", Any, Medium ClusterWide Accepted,
        "Reserve the whole size of a new segment file on disk when it is created.";
    "remote.log.copy.disable" Boolean = "false", Any, Medium ClusterWide Accepted,
        "With tiered storage, stop copying to the remote tier while still serving what is there.";
    "remote.log.delete.on.disable" Boolean = "false", Any, Medium ClusterWide Accepted,
        "With tiered storage, delete the remote data when `remote.storage.enable` is switched off.";
    "remote.storage.enable" Boolean = "false", Any, Medium ClusterWide Accepted,
        "Move closed segments of this topic to the remote tier.";
    "retention.bytes" Long = "-1", Any, Medium ClusterWide Used,
        "Size of a partition above which its oldest segments are deleted under the `delete` policy; -1 \
         means no limit.";
    "retention.ms" Long = "604800000", AtLeast(-1), Medium ClusterWide Used,
        "Age above which segments are deleted under the `delete` policy; -1 means for ever.";
    "segment.bytes" Int = "1073741824", AtLeast(1_048_576), Medium ClusterWide Used,
        "Size at which the active segment is closed and a new one begun.";
    "segment.index.bytes" Int = "10485760", AtLeast(4), Medium ClusterWide Used,
        "Largest size of a segment's offset and time index; a full index closes the segment.";
    "segment.jitter.ms" Long = "0", AtLeast(0), Medium ClusterWide Used,
        "Random amount taken off `segment.ms` so that partitions do not all roll at once.";
    "segment.ms" Long = "604800000", AtLeast(1), Medium ClusterWide Used,
        "Age at which the active segment is closed even when it is not full.";
    "unclean.leader.election.enable" Boolean = "false", Any, Medium ClusterWide Used,
        "Allow a replica that is not in sync to become leader when no other is left, at the price of lost \
         records.";
}
