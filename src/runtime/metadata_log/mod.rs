//! `__cluster_metadata-0` on disk: its batches and its snapshots.

pub mod batches;
pub mod quorum_state;
pub mod snapshot_file;
