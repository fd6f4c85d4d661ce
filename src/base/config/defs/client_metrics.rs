//! Keys of a client-metrics subscription (KIP-714).
//!
//! Names, types, defaults and ranges are checked against Apache Kafka 4.3.1 by the test in [`super`].

use crate::config::def::config_defs;

config_defs! { CLIENT_METRICS:
    "interval.ms" Int = "300000", Any, Medium ClusterWide Used,
        "How often clients that match push their metrics, from 100 ms to one hour.";
    "match" List = "", Distinct, Medium ClusterWide Used,
        "Which clients the subscription is for, as `property=pattern` pairs that must all fit; empty \
         means all.";
    "metrics" List = "", Distinct, Medium ClusterWide Used,
        "Prefixes of the metric names wanted from the clients; `*` means all, an empty list none.";
}
