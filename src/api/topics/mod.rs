//! Topics and partitions: create, describe, delete, move. One file per API.

pub mod describe_topic_partitions;
pub mod list_partition_reassignments;
mod partition_view;
