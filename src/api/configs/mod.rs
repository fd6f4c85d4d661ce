//! Configurations of topics, brokers, groups and client metrics. One file per API.
