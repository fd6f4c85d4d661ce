//! The cluster as clients see it: versions, brokers, quorum, features. One file per API.

pub mod api_versions;
pub mod describe_cluster;
pub mod describe_quorum;
pub mod unregister_broker;
pub mod update_features;
