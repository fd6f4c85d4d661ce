//! Partitions of this node: leaders, followers, high watermarks. (Its owner replaces this page.)

pub struct ReplicaManager;
