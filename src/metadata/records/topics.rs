//! Records about topics and their partitions.

use ottla_base::{Uuid, record_schema};

record_schema! {
    pub struct TopicRecord: versions 0..=0, flexible 0.. {
        name: String;
        topic_id: Uuid;
    }

    pub struct RemoveTopicRecord: versions 0..=0, flexible 0.. {
        topic_id: Uuid;
    }

    /// A partition's whole state.
    pub struct PartitionRecord: versions 0..=2, flexible 0.. {
        partition_id: i32 = -1;
        topic_id: Uuid;
        replicas: Vec<i32>;
        isr: Vec<i32>;
        removing_replicas: Vec<i32>;
        adding_replicas: Vec<i32>;
        leader: i32 = -1;
        leader_recovery_state: i8, tag 0;
        leader_epoch: i32 = -1;
        partition_epoch: i32 = -1;
        /// The log dir of each replica, in the order of `replicas`.
        directories: Vec<Uuid>, versions 1..;
        eligible_leader_replicas: Option<Vec<i32>>, versions 2.., tag 1;
        last_known_elr: Option<Vec<i32>>, versions 2.., tag 2;
    }

    /// What of a partition changed; an absent field stays as it is.
    pub struct PartitionChangeRecord: versions 0..=2, flexible 0.. {
        partition_id: i32 = -1;
        topic_id: Uuid;
        isr: Option<Vec<i32>>, tag 0;
        /// -2 no change, -1 no leader. Naming a leader, even the same one, starts a new leader epoch.
        leader: i32 = -2, tag 1;
        replicas: Option<Vec<i32>>, tag 2;
        removing_replicas: Option<Vec<i32>>, tag 3;
        adding_replicas: Option<Vec<i32>>, tag 4;
        leader_recovery_state: i8 = -1, tag 5;
        directories: Option<Vec<Uuid>>, versions 1.., tag 8;
        eligible_leader_replicas: Option<Vec<i32>>, versions 2.., tag 6;
        last_known_elr: Option<Vec<i32>>, versions 2.., tag 7;
    }

    /// Forgets the eligible leader replicas of a topic, or of all topics when the name is empty.
    pub struct ClearElrRecord: versions 0..=0, flexible 0.. {
        topic_name: String;
    }
}
