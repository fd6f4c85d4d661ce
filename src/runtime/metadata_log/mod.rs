//! `__cluster_metadata-0` on disk: its batches, its snapshots, and the state of the quorum.

pub mod batches;
pub mod quorum_state;
pub mod snapshot_file;
pub mod store;
