//! Broker keys about tiered storage.
//!
//! Names, types, defaults and ranges are checked against Apache Kafka 4.3.1 by the test in [`super`].

use crate::config::def::config_defs;

config_defs! { REMOTE:
    "log.local.retention.bytes" Long = "-2", AtLeast(-2), Medium ClusterWide Accepted,
        "Default of the topic configuration `local.retention.bytes`.";
    "log.local.retention.ms" Long = "-2", AtLeast(-2), Medium ClusterWide Accepted,
        "Default of the topic configuration `local.retention.ms`.";
    "remote.fetch.max.wait.ms" Int = "500", AtLeast(1), Medium ClusterWide Accepted,
        "Longest wait of a fetch that reads from the remote tier.";
    "remote.list.offsets.request.timeout.ms" Long = "30000", AtLeast(1), Medium ClusterWide Accepted,
        "How long a ListOffsets request waits for the remote tier.";
    "remote.log.index.file.cache.total.size.bytes" Long = "1073741824", AtLeast(1), Low ClusterWide Accepted,
        "Disk space for cached remote indexes, in bytes.";
    "remote.log.index.file.cache.ttl.ms" Long = "900000", AtLeast(-1), Low ReadOnly Accepted internal,
        "Age above which cached remote indexes are dropped.";
    "remote.log.manager.copier.thread.pool.size" Int = "10", AtLeast(1), Medium ClusterWide Accepted,
        "Threads that copy segments to the remote tier.";
    "remote.log.manager.copy.max.bytes.per.second" Long = "9223372036854775807",
        AtLeast(1), Medium ClusterWide Accepted,
        "Most bytes copied to the remote tier in a second.";
    "remote.log.manager.copy.quota.window.num" Int = "11", AtLeast(1), Medium ReadOnly Accepted,
        "Number of samples over which the copy limit is measured.";
    "remote.log.manager.copy.quota.window.size.seconds" Int = "1", AtLeast(1), Medium ReadOnly Accepted,
        "Length of one sample of the copy limit.";
    "remote.log.manager.expiration.thread.pool.size" Int = "10", AtLeast(1), Medium ClusterWide Accepted,
        "Threads that delete expired segments from the remote tier.";
    "remote.log.manager.fetch.max.bytes.per.second" Long = "9223372036854775807",
        AtLeast(1), Medium ClusterWide Accepted,
        "Most bytes read from the remote tier in a second.";
    "remote.log.manager.fetch.quota.window.num" Int = "11", AtLeast(1), Medium ReadOnly Accepted,
        "Number of samples over which the read limit is measured.";
    "remote.log.manager.fetch.quota.window.size.seconds" Int = "1", AtLeast(1), Medium ReadOnly Accepted,
        "Length of one sample of the read limit.";
    "remote.log.manager.follower.thread.pool.size" Int = "2", AtLeast(1), Medium ClusterWide Accepted,
        "Threads for the remote work of follower partitions.";
    "remote.log.manager.task.interval.ms" Long = "30000", AtLeast(1), Low ReadOnly Accepted,
        "Pause between two rounds of copying and deleting.";
    "remote.log.manager.task.retry.backoff.max.ms" Long = "30000", AtLeast(1), Low ReadOnly Accepted internal,
        "Longest pause before failed remote work is tried again.";
    "remote.log.manager.task.retry.backoff.ms" Long = "500", AtLeast(1), Low ReadOnly Accepted internal,
        "First pause before failed remote work is tried again.";
    "remote.log.manager.task.retry.jitter" Double = "0.2",
        BetweenDouble(0.0, 0.5), Low ReadOnly Accepted internal,
        "Random share added to the pauses before failed remote work is tried again.";
    "remote.log.manager.thread.pool.size" Int = "2", AtLeast(1), Medium ReadOnly Accepted,
        "Threads for the remote work of leader partitions.";
    "remote.log.metadata.custom.metadata.max.bytes" Int = "128", AtLeast(0), Low ReadOnly Accepted,
        "Most bytes of its own a remote storage plugin may keep for each segment.";
    "remote.log.metadata.manager.class.name" String = "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager",
        NonEmpty, Medium ReadOnly Accepted,
        "Java class that keeps the list of remote segments; Ottla runs no Java plugins.";
    "remote.log.metadata.manager.class.path" String = null, Any, Medium ReadOnly Accepted,
        "Class path of the class that keeps the list of remote segments.";
    "remote.log.metadata.manager.impl.prefix" String = "rlmm.config.", NonEmpty, Medium ReadOnly Accepted,
        "Prefix of the settings for the class that keeps the list of remote segments.";
    "remote.log.metadata.manager.listener.name" String = null, NonEmpty, Medium ReadOnly Accepted,
        "Listener over which the list of remote segments is kept.";
    "remote.log.reader.max.pending.tasks" Int = "100", AtLeast(1), Medium ReadOnly Accepted,
        "Most reads from the remote tier that may wait.";
    "remote.log.reader.threads" Int = "10", AtLeast(1), Medium ClusterWide Accepted,
        "Threads that read from the remote tier.";
    "remote.log.storage.manager.class.name" String = null, NonEmpty, Medium ReadOnly Accepted,
        "Java class that stores remote segments; Ottla runs no Java plugins.";
    "remote.log.storage.manager.class.path" String = null, Any, Medium ReadOnly Accepted,
        "Class path of the class that stores remote segments.";
    "remote.log.storage.manager.impl.prefix" String = "rsm.config.", NonEmpty, Medium ReadOnly Accepted,
        "Prefix of the settings for the class that stores remote segments.";
    "remote.log.storage.system.enable" Boolean = "false", Any, Medium ReadOnly Accepted,
        "Switch tiered storage on; Ottla refuses to start with it until it has tiered storage.";
}
