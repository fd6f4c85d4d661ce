//! Broker keys about the process as a server: listeners, sockets, threads, limits, quotas and metrics.
//!
//! Names, types, defaults and ranges are checked against Apache Kafka 4.3.1 by the test in [`super`].

use crate::config::def::config_defs;

config_defs! { SERVER:
    "advertised.listeners" List = null, DistinctSome, High ReadOnly Used,
        "Addresses handed to clients and other brokers; each name must be one of `listeners`, and 0.0.0.0 \
         is refused.";
    "alter.config.policy.class.name" Class = null, Any, Low ReadOnly Accepted,
        "Java class that judges configuration changes; Ottla runs no Java plugins and refuses to start \
         with one.";
    "alter.log.dirs.replication.quota.window.num" Int = "11", AtLeast(1), Low ReadOnly Accepted,
        "Number of samples over which the throttle of moves between log dirs is measured.";
    "alter.log.dirs.replication.quota.window.size.seconds" Int = "1", AtLeast(1), Low ReadOnly Accepted,
        "Length of one sample of the throttle of moves between log dirs.";
    "background.threads" Int = "10", AtLeast(1), High ClusterWide Accepted,
        "Size of Kafka's pool for housekeeping; Ottla sizes its own pools.";
    "broker.id" Int = "-1", Any, High ReadOnly Used,
        "Former name of `node.id`; when both are given they must be equal.";
    "broker.rack" String = null, Any, Medium ReadOnly Used,
        "Rack or zone of this broker, used to spread replicas and offered to clients.";
    "client.quota.callback.class" Class = null, Any, Low ReadOnly Accepted,
        "Java class that computes client quotas; Ottla runs no Java plugins and refuses to start with \
         one.";
    "config.providers" List = "", Distinct, Low ClusterWide Used,
        "Names of the providers behind `${name:path:key}` references; Ottla has the environment, file and \
         directory providers.";
    "connection.failed.authentication.delay.ms" Int = "100", AtLeast(0), Low ReadOnly Accepted,
        "Delay before a connection that failed authentication is closed.";
    "connections.max.idle.ms" Long = "600000", Any, Medium ReadOnly Used,
        "A connection without traffic for this long is closed; a negative value keeps it for ever.";
    "controller.quota.window.num" Int = "11", AtLeast(1), Low ReadOnly Accepted,
        "Number of samples over which the quota on topic and partition changes is measured.";
    "controller.quota.window.size.seconds" Int = "1", AtLeast(1), Low ReadOnly Accepted,
        "Length of one sample of the quota on topic and partition changes.";
    "create.topic.policy.class.name" Class = null, Any, Low ReadOnly Accepted,
        "Java class that judges topic creations; Ottla runs no Java plugins and refuses to start with \
         one.";
    "delete.topic.enable" Boolean = "true", Any, High ReadOnly Used,
        "Whether topics may be deleted at all.";
    "early.start.listeners" List = null, Distinct, High ReadOnly Accepted,
        "Listeners opened before the authorizer is ready; Ottla opens the controller listeners early and \
         the others when ready.";
    "fetch.max.bytes" Int = "57671680", AtLeast(1024), Medium ReadOnly Used,
        "Most bytes one fetch answer may carry, whatever the client asks for.";
    "inter.broker.listener.name" String = null, Any, Medium ReadOnly Used,
        "Listener that brokers use among themselves.";
    "kafka.metrics.polling.interval.secs" Int = "10", AtLeast(1), Low ReadOnly Accepted,
        "Polling interval of Kafka's own CSV and similar metric reporters; Ottla has none.";
    "kafka.metrics.reporters" List = "", Distinct, Low ReadOnly Accepted,
        "Java classes of Kafka's old metric reporters; Ottla runs no Java plugins.";
    "listener.security.protocol.map" String = "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
        Any, Low PerBroker Used,
        "Security protocol of each listener name, as `NAME:PROTOCOL` pairs.";
    "listeners" List = "PLAINTEXT://:9092", DistinctSome, High PerBroker Used,
        "Addresses to listen on, as `NAME://host:port`; an empty host means every interface.";
    "max.connection.creation.rate" Int = "2147483647", AtLeast(0), Medium ClusterWide Accepted,
        "Most connections accepted in a second on the whole broker; may be set for one listener by its \
         prefix.";
    "max.connections" Int = "2147483647", AtLeast(0), Medium ClusterWide Used,
        "Most connections open at a time on the whole broker; may be set for one listener by its prefix.";
    "max.connections.per.ip" Int = "2147483647", AtLeast(0), Medium ClusterWide Used,
        "Most connections from one address; 0 only together with overrides.";
    "max.connections.per.ip.overrides" String = "", Any, Medium ClusterWide Used,
        "Exceptions to `max.connections.per.ip`, as `address:count` pairs.";
    "max.incremental.fetch.session.cache.slots" Int = "1000", AtLeast(0), Medium ReadOnly Used,
        "Most incremental fetch sessions kept at a time.";
    "max.request.partition.size.limit" Int = "2000", AtLeast(1), Medium ReadOnly Used,
        "Most partitions described in one answer to DescribeTopicPartitions.";
    "message.max.bytes" Int = "1048588", AtLeast(0), High ClusterWide Used,
        "Default of the topic configuration `max.message.bytes`.";
    "metric.reporters" List = "org.apache.kafka.common.metrics.JmxReporter",
        Distinct, Low ClusterWide Accepted,
        "Java classes that report metrics; Ottla serves its own and runs no Java plugins.";
    "metrics.num.samples" Int = "2", AtLeast(1), Low ReadOnly Accepted,
        "Number of samples Kafka keeps for a metric's rate.";
    "metrics.recording.level" String = "INFO", Any, Low ReadOnly Accepted,
        "Detail of Kafka's metrics: INFO, DEBUG or TRACE.";
    "metrics.sample.window.ms" Long = "30000", AtLeast(1), Low ReadOnly Accepted,
        "Length of one sample of a metric's rate.";
    "num.io.threads" Int = "8", AtLeast(1), High ClusterWide Accepted,
        "Size of Kafka's request handler pool; Ottla sizes its own pools from the number of cores.";
    "num.network.threads" Int = "3", AtLeast(1), High ClusterWide Accepted,
        "Number of Kafka's network threads per listener; Ottla sizes its own pools from the number of \
         cores.";
    "queued.max.request.bytes" Long = "-1", Any, Medium ReadOnly Accepted,
        "Bytes of requests allowed in memory before no more is read from the sockets; -1 means no limit.";
    "queued.max.requests" Int = "500", AtLeast(1), High ReadOnly Accepted,
        "Requests allowed to wait for a handler before the network threads stop reading.";
    "quota.window.num" Int = "11", AtLeast(1), Low ReadOnly Accepted,
        "Number of samples over which client quotas are measured.";
    "quota.window.size.seconds" Int = "1", AtLeast(1), Low ReadOnly Accepted,
        "Length of one sample of a client quota.";
    "replication.quota.window.num" Int = "11", AtLeast(1), Low ReadOnly Accepted,
        "Number of samples over which replication throttles are measured.";
    "replication.quota.window.size.seconds" Int = "1", AtLeast(1), Low ReadOnly Accepted,
        "Length of one sample of a replication throttle.";
    "request.timeout.ms" Int = "30000", Any, High ReadOnly Used,
        "How long a request this broker sends to another waits for its answer.";
    "security.inter.broker.protocol" String = "PLAINTEXT",
        OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]), Medium ReadOnly Used,
        "Security protocol between brokers when `inter.broker.listener.name` is not given; only one of \
         the two may be set.";
    "socket.connection.setup.timeout.max.ms" Long = "30000", Any, Medium ReadOnly Accepted,
        "Longest wait for an outgoing connection after repeated failures.";
    "socket.connection.setup.timeout.ms" Long = "10000", Any, Medium ReadOnly Accepted,
        "First wait for an outgoing connection to be set up.";
    "socket.listen.backlog.size" Int = "50", AtLeast(1), Medium ReadOnly Used,
        "Connections the operating system may hold before they are accepted.";
    "socket.receive.buffer.bytes" Int = "102400", Any, High ReadOnly Used,
        "Receive buffer of a client socket; -1 leaves the operating system's choice.";
    "socket.request.max.bytes" Int = "104857600", AtLeast(1), High ReadOnly Used,
        "Largest request accepted on a socket, in bytes.";
    "socket.send.buffer.bytes" Int = "102400", Any, High ReadOnly Used,
        "Send buffer of a client socket; -1 leaves the operating system's choice.";
    "telemetry.max.bytes" Int = "1048576", AtLeast(1), Low ReadOnly Used,
        "Largest telemetry push accepted from a client, in bytes after compression.";
    "unstable.api.versions.enable" Boolean = "false", Any, High ReadOnly Accepted internal,
        "Offer API versions that are still being developed.";
    "unstable.feature.versions.enable" Boolean = "false", Any, High ReadOnly Accepted internal,
        "Offer feature versions that are still being developed.";
}
