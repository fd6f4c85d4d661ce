//! Share groups (KIP-932): types 10 to 15.

use ottla_base::{Uuid, record_schema};

use super::TopicIdPartitions;

record_schema! {
    pub struct ShareGroupMemberMetadataValue: versions 0..=0, flexible 0.. {
        rack_id: Option<String>;
        client_id: String;
        client_host: String;
        subscribed_topic_names: Vec<String>;
    }

    pub struct ShareGroupMetadataValue: versions 0..=0, flexible 0.. {
        epoch: i32;
        metadata_hash: i64;
    }

    pub struct ShareGroupCurrentMemberAssignmentValue: versions 0..=0, flexible 0.. {
        member_epoch: i32;
        previous_member_epoch: i32;
        state: i8;
        assigned_partitions: Vec<TopicIdPartitions>;
    }

    pub struct ShareGroupStatePartitionMetadataValue: versions 0..=0, flexible 0.. {
        initializing_topics: Vec<ShareTopicPartitions>;
        initialized_topics: Vec<ShareTopicPartitions>;
        deleting_topics: Vec<ShareTopic>;
    }

    pub struct ShareTopicPartitions {
        topic_id: Uuid;
        topic_name: String;
        partitions: Vec<i32>;
    }

    pub struct ShareTopic {
        topic_id: Uuid;
        topic_name: String;
    }
}
