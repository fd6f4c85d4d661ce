//! The cluster as clients see it: versions, brokers, quorum, features. One file per API.

pub mod api_versions;
pub mod describe_cluster;
