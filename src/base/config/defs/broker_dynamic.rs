//! Broker keys that exist only as dynamic ones: the throttles of replication.
//!
//! Names, types, defaults and ranges are checked against Apache Kafka 4.3.1 by the test in [`super`].

use crate::config::def::config_defs;

config_defs! { DYNAMIC_ONLY:
    "follower.replication.throttled.rate" Long = "9223372036854775807",
        AtLeast(0), Medium ClusterWide Accepted,
        "Most bytes per second that throttled follower replicas of this broker fetch together.";
    "leader.replication.throttled.rate" Long = "9223372036854775807", AtLeast(0), Medium ClusterWide Accepted,
        "Most bytes per second that this broker sends to throttled followers together.";
    "replica.alter.log.dirs.io.max.bytes.per.second" Long = "9223372036854775807",
        AtLeast(0), Medium ClusterWide Accepted,
        "Most bytes per second spent on moving replicas between log dirs.";
}
