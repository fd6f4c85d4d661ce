//! Groups of the consumer protocol (KIP-848): types 3 to 8 and 16. Share and streams groups use some of the values too.

use bytes::Bytes;
use ottla_base::{Uuid, record_schema};

record_schema! {
    /// The key of what a group has once per member.
    pub struct MemberKey: versions 0..=0 {
        group: String;
        member: String;
    }

    pub struct RegularExpressionKey: versions 0..=0 {
        group: String;
        regular_expression: String;
    }

    pub struct ConsumerGroupMetadataValue: versions 0..=0, flexible 0.. {
        epoch: i32;
        metadata_hash: i64, tag 0;
    }

    pub struct ConsumerGroupPartitionMetadataValue: versions 0..=0, flexible 0.. {
        topics: Vec<TopicMetadata>;
    }

    pub struct TopicMetadata {
        topic_id: Uuid;
        topic_name: String;
        num_partitions: i32;
        partition_metadata: Vec<PartitionRacks>;
    }

    pub struct PartitionRacks {
        partition: i32;
        racks: Vec<String>;
    }

    pub struct ConsumerGroupMemberMetadataValue: versions 0..=0, flexible 0.. {
        instance_id: Option<String>;
        rack_id: Option<String>;
        client_id: String;
        client_host: String;
        subscribed_topic_names: Vec<String>;
        subscribed_topic_regex: Option<String>;
        rebalance_timeout_ms: i32 = -1;
        server_assignor: Option<String>;
        /// Set for members that speak the classic protocol. Null is the wire's default only by name: Kafka writes it out.
        classic_member_metadata: Option<ClassicMemberMetadata> = Some(ClassicMemberMetadata::default()), tag 0;
    }

    pub struct ClassicMemberMetadata {
        session_timeout_ms: i32;
        supported_protocols: Vec<ClassicProtocol>;
    }

    pub struct ClassicProtocol {
        name: String;
        metadata: Bytes;
    }

    pub struct TargetAssignmentMetadataValue: versions 0..=0, flexible 0.. {
        assignment_epoch: i32;
        assignment_timestamp: i64, tag 0;
    }

    pub struct TargetAssignmentMemberValue: versions 0..=0, flexible 0.. {
        topic_partitions: Vec<TopicIdPartitions>;
    }

    pub struct TopicIdPartitions {
        topic_id: Uuid;
        partitions: Vec<i32>;
    }

    pub struct ConsumerGroupCurrentMemberAssignmentValue: versions 0..=0, flexible 0.. {
        member_epoch: i32;
        previous_member_epoch: i32;
        state: i8;
        assigned_partitions: Vec<AssignedPartitions>;
        partitions_pending_revocation: Vec<AssignedPartitions>;
    }

    pub struct AssignedPartitions {
        topic_id: Uuid;
        partitions: Vec<i32>;
        assignment_epochs: Option<Vec<i32>>, tag 0;
    }

    pub struct ConsumerGroupRegularExpressionValue: versions 0..=0, flexible 0.. {
        topics: Vec<String>;
        /// Version of the metadata image against which the expression was resolved.
        version: i64;
        timestamp: i64;
    }
}
