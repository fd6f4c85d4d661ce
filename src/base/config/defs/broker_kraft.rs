//! Broker keys about roles, the controller, its quorum and the metadata log.
//!
//! Names, types, defaults and ranges are checked against Apache Kafka 4.3.1 by the test in [`super`].

use crate::config::def::config_defs;

config_defs! { KRAFT:
    "broker.heartbeat.interval.ms" Int = "2000", Any, Medium ReadOnly Used,
        "Pause between two heartbeats of a broker to the controller.";
    "broker.session.timeout.ms" Int = "9000", Any, Medium ReadOnly Used,
        "Silence after which the controller fences a broker.";
    "controlled.shutdown.enable" Boolean = "true", Any, Medium ReadOnly Accepted,
        "Ask the controller to move leaders away before stopping; Ottla always does.";
    "controller.listener.names" List = required, DistinctSome, High ReadOnly Used,
        "Listeners that belong to the controller; the first is the one brokers use to reach it.";
    "controller.performance.always.log.threshold.ms" Long = "2000",
        AtLeast(0), Medium ReadOnly Accepted internal,
        "Controller events slower than this are always logged.";
    "controller.performance.sample.period.ms" Long = "60000", AtLeast(100), Medium ReadOnly Accepted internal,
        "Pause between two logged samples of controller event times.";
    "controller.quorum.append.linger.ms" Int = "25", AtLeast(0), Medium ReadOnly Accepted,
        "How long the leader of the metadata log gathers records before it writes them.";
    "controller.quorum.auto.join.enable" Boolean = "false", Any, Low ReadOnly Accepted,
        "Let a controller add itself to the voters when it starts.";
    "controller.quorum.bootstrap.servers" List = "", HostPorts, High ReadOnly Used,
        "Addresses at which to look for the controllers, as `host:port`.";
    "controller.quorum.election.backoff.max.ms" Int = "1000", AtLeast(0), High ReadOnly Accepted,
        "Longest random pause before a new election after a split vote.";
    "controller.quorum.election.timeout.ms" Int = "1000", AtLeast(0), High ReadOnly Accepted,
        "How long a candidate waits for votes before the next election.";
    "controller.quorum.fetch.max.bytes" Int = "1048576", AtLeast(1), Low ReadOnly Accepted,
        "Most bytes of metadata records asked for in one fetch among controllers.";
    "controller.quorum.fetch.snapshot.max.bytes" Int = "1048576", AtLeast(1), Low ReadOnly Accepted,
        "Most bytes of a metadata snapshot asked for at a time.";
    "controller.quorum.fetch.timeout.ms" Int = "2000", AtLeast(0), High ReadOnly Accepted,
        "Silence of the leader after which a voter calls an election.";
    "controller.quorum.request.timeout.ms" Int = "2000", AtLeast(0), Medium ReadOnly Accepted,
        "How long a request among controllers waits for its answer.";
    "controller.quorum.retry.backoff.ms" Int = "20", AtLeast(0), Low ReadOnly Accepted,
        "Pause before a failed request among controllers is sent again.";
    "controller.quorum.voters" List = "", Voters, High ReadOnly Used,
        "The fixed set of voters, as `id@host:port`; empty when the set is kept in the metadata log.";
    "initial.broker.registration.timeout.ms" Int = "60000", Any, Medium ReadOnly Accepted,
        "How long a starting broker tries to register before it gives up.";
    "internal.metadata.delete.delay.millis" Long = "60000", Any, Low ReadOnly Accepted internal,
        "Pause before a removed metadata segment or snapshot is unlinked.";
    "internal.metadata.log.segment.bytes" Int = null, Any, Low ReadOnly Accepted internal,
        "Metadata segment size below the ordinary minimum, meant for Kafka's own tests.";
    "internal.metadata.max.batch.size.in.bytes" Int = "8388608", Any, Low ReadOnly Accepted internal,
        "Largest batch of metadata records, meant for Kafka's own tests.";
    "metadata.log.dir" String = null, Any, High ReadOnly Used,
        "Directory of the metadata log; the first of the log dirs when not given.";
    "metadata.log.max.record.bytes.between.snapshots" Long = "20971520", AtLeast(1), High ReadOnly Used,
        "Bytes of metadata records after which a new snapshot is written.";
    "metadata.log.max.snapshot.interval.ms" Long = "3600000", AtLeast(0), High ReadOnly Used,
        "Longest time between two metadata snapshots while records come in; 0 means no limit.";
    "metadata.log.segment.bytes" Int = "1073741824", AtLeast(8_388_608), High ReadOnly Used,
        "Size at which a segment of the metadata log is closed.";
    "metadata.log.segment.ms" Long = "604800000", Any, High ReadOnly Used,
        "Age at which a segment of the metadata log is closed.";
    "metadata.max.idle.interval.ms" Int = "500", AtLeast(0), Low ReadOnly Used,
        "How often an idle controller writes a no-op record so that the log's end moves; 0 switches it \
         off.";
    "metadata.max.retention.bytes" Long = "104857600", Any, High ReadOnly Used,
        "Size of metadata log and snapshots above which the oldest are deleted.";
    "metadata.max.retention.ms" Long = "604800000", Any, High ReadOnly Used,
        "Age above which metadata segments and snapshots are deleted.";
    "node.id" Int = required, AtLeast(0), High ReadOnly Used,
        "Number of this node, unique in the cluster.";
    "process.roles" List = required, SomeOf(&["broker", "controller"]), High ReadOnly Used,
        "What this node is: `broker`, `controller` or both.";
    "sasl.mechanism.controller.protocol" String = "GSSAPI", Any, High ReadOnly Accepted,
        "SASL mechanism used to reach the controller.";
    "server.max.startup.time.ms" Long = "9223372036854775807", AtLeast(0), Medium ReadOnly Accepted internal,
        "Longest time a start may take before the process gives up.";
}
