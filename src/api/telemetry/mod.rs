//! Client metrics (KIP-714), as a broker answers them that has no plugin to hand the metrics to: clients learn what they
//! are asked for, their pushes are checked and then dropped. One file per API.

pub mod get_telemetry_subscriptions;
pub mod instance;
pub mod push_telemetry;
pub mod subscription;
