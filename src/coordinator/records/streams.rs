//! Streams groups (KIP-1071): types 17 and 19 to 23.

use ottla_base::record_schema;

record_schema! {
    pub struct StreamsGroupMetadataValue: versions 0..=0, flexible 0.. {
        epoch: i32;
        metadata_hash: i64;
        validated_topology_epoch: i32 = -1, tag 0;
        last_assignment_configs: Option<Vec<KeyValue>>, tag 1;
    }

    pub struct KeyValue {
        key: String;
        value: String;
    }

    pub struct StreamsGroupMemberMetadataValue: versions 0..=0, flexible 0.. {
        instance_id: Option<String>;
        rack_id: Option<String>;
        client_id: String;
        client_host: String;
        rebalance_timeout_ms: i32 = -1;
        topology_epoch: i32;
        process_id: String;
        user_endpoint: Option<UserEndpoint>;
        client_tags: Vec<KeyValue>;
    }

    pub struct UserEndpoint {
        host: String;
        port: u16;
    }

    pub struct StreamsGroupTargetAssignmentMemberValue: versions 0..=0, flexible 0.. {
        active_tasks: Vec<TaskIds>;
        standby_tasks: Vec<TaskIds>;
        warmup_tasks: Vec<TaskIds>;
    }

    pub struct TaskIds {
        subtopology_id: String;
        partitions: Vec<i32>;
    }

    pub struct StreamsGroupCurrentMemberAssignmentValue: versions 0..=0, flexible 0.. {
        member_epoch: i32;
        previous_member_epoch: i32;
        state: i8;
        active_tasks: Vec<AssignedTasks>;
        standby_tasks: Vec<AssignedTasks>;
        warmup_tasks: Vec<AssignedTasks>;
        active_tasks_pending_revocation: Vec<AssignedTasks>;
        standby_tasks_pending_revocation: Vec<AssignedTasks>;
        warmup_tasks_pending_revocation: Vec<AssignedTasks>;
    }

    pub struct AssignedTasks {
        subtopology_id: String;
        partitions: Vec<i32>;
        assignment_epochs: Option<Vec<i32>>, tag 0;
    }

    pub struct StreamsGroupTopologyValue: versions 0..=0, flexible 0.. {
        epoch: i32;
        subtopologies: Vec<Subtopology>;
    }

    pub struct Subtopology {
        subtopology_id: String;
        source_topics: Vec<String>;
        source_topic_regex: Vec<String>;
        state_changelog_topics: Vec<InternalTopic>;
        repartition_sink_topics: Vec<String>;
        repartition_source_topics: Vec<InternalTopic>;
        copartition_groups: Vec<CopartitionGroup>;
    }

    pub struct InternalTopic {
        name: String;
        partitions: i32;
        replication_factor: i16;
        topic_configs: Vec<KeyValue>;
    }

    /// Positions in the lists of a subtopology.
    pub struct CopartitionGroup {
        source_topics: Vec<i16>;
        source_topic_regex: Vec<i16>;
        repartition_source_topics: Vec<i16>;
    }
}
