//! Ottla: Apache Kafka's wire, files and metadata log in one native binary. This page is the map.
//!
//! # Bird's eye
//!
//! A node opens its log directories, replays the metadata log into an image, opens its listeners and answers Kafka's
//! requests. Everything a client can change is a record in a log: record batches in a topic's segments, groups in
//! `__consumer_offsets`, topics and configs in `__cluster_metadata`. There is no second copy of any state.
//!
//! # How a request flows
//!
//! ```text
//! bytes -> net::connection -> net::inbound -> api::dispatch: header, row = api::table[key], version check
//!       -> authorization by the row -> wire::decode (checked by wire::schema first) -> api::<family>::<api>::handle
//!            produce / fetch  : replica::Partition -> ottla_storage::Log
//!            groups           : runtime::GroupCoordinator -> machine of ottla_coordinator -> records -> log
//!            topics, configs  : runtime::ControllerHandle -> machine of ottla_metadata -> records -> metadata log
//!            describe         : the current ottla_metadata::Image; no lock
//!       -> Reply::Now | Reply::Later -> wire::encode -> in-order queue of the connection -> writev + sendfile -> bytes
//! ```
//!
//! # Invariants
//!
//! - Requests of one connection are started in the order of arrival and answered in that order. Produce and fetch are
//!   worked on side by side, every other request alone, so that it sees what the one before it did.
//! - Cluster state flows one way: metadata log -> image -> publish -> rooms. No handler changes an image.
//! - Nothing is allocated by an announced size: a frame's buffer grows with the bytes received, and every count inside a
//!   request is checked against the bytes that are there before it is believed.
//! - `net` does not know requests, `api` does not know sockets: both know [`wire::service`].
//! - Only `wire`, `api` and `peers` name the types of the kafka-protocol crate; the crates below `src/` know neither it nor
//!   tokio nor the machine's clock.
//!
//! The rooms in reading order; the pure ones are crates: `ottla_base`, `ottla_storage`, `ottla_metadata`,
//! `ottla_coordinator`, `ottla_security`. `docs/architecture.md` says who may know whom, and `tests/tidy.rs` holds them to it.

pub mod api;
pub mod broker;
pub mod cli;
pub mod net;
pub mod replica;
pub mod runtime;
pub mod wire;

#[cfg(test)]
mod counting;
