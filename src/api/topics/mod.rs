//! Topics and partitions: create, describe, delete, move. One file per API.

mod auto_create;
pub mod describe_topic_partitions;
pub mod metadata;
mod partition_view;
