//! The shape of the requests with API keys 0 to 19 of Apache Kafka 4.3.1. Written by generate.py.

use super::Kind::{Blob, Fixed, List, Text};
use super::{MAX, Message, field, new_message, record, rows};

pub(super) const MESSAGES: &[Message] = &[
    new_message(0, "Produce", 3, 13, 9).of(&[
        field("TransactionalId", 3, MAX, Text).null_from(3),
        field("Acks", 0, MAX, Fixed(2)),
        field("TimeoutMs", 0, MAX, Fixed(4)),
        rows("TopicData", 0, MAX).of(&[
            field("Name", 0, 12, Text),
            field("TopicId", 13, MAX, Fixed(16)),
            rows("PartitionData", 0, MAX).of(&[
                field("Index", 0, MAX, Fixed(4)),
                field("Records", 0, MAX, Blob).null_from(0),
            ]),
        ]),
    ]),
    new_message(1, "Fetch", 4, 18, 12).of(&[
        field("ClusterId", 12, MAX, Text).null_from(12).tagged(0),
        field("ReplicaId", 0, 14, Fixed(4)),
        record("ReplicaState", 15, MAX)
            .of(&[
                field("ReplicaId", 15, MAX, Fixed(4)),
                field("ReplicaEpoch", 15, MAX, Fixed(8)),
            ])
            .tagged(1),
        field("MaxWaitMs", 0, MAX, Fixed(4)),
        field("MinBytes", 0, MAX, Fixed(4)),
        field("MaxBytes", 3, MAX, Fixed(4)),
        field("IsolationLevel", 4, MAX, Fixed(1)),
        field("SessionId", 7, MAX, Fixed(4)),
        field("SessionEpoch", 7, MAX, Fixed(4)),
        rows("Topics", 0, MAX).of(&[
            field("Topic", 0, 12, Text),
            field("TopicId", 13, MAX, Fixed(16)),
            rows("Partitions", 0, MAX).of(&[
                field("Partition", 0, MAX, Fixed(4)),
                field("CurrentLeaderEpoch", 9, MAX, Fixed(4)),
                field("FetchOffset", 0, MAX, Fixed(8)),
                field("LastFetchedEpoch", 12, MAX, Fixed(4)),
                field("LogStartOffset", 5, MAX, Fixed(8)),
                field("PartitionMaxBytes", 0, MAX, Fixed(4)),
                field("ReplicaDirectoryId", 17, MAX, Fixed(16)).tagged(0),
                field("HighWatermark", 18, MAX, Fixed(8)).tagged(1),
            ]),
        ]),
        rows("ForgottenTopicsData", 7, MAX).of(&[
            field("Topic", 7, 12, Text),
            field("TopicId", 13, MAX, Fixed(16)),
            field("Partitions", 7, MAX, List(&Fixed(4))),
        ]),
        field("RackId", 11, MAX, Text),
    ]),
    new_message(2, "ListOffsets", 1, 11, 6).of(&[
        field("ReplicaId", 0, MAX, Fixed(4)),
        field("IsolationLevel", 2, MAX, Fixed(1)),
        rows("Topics", 0, MAX).of(&[
            field("Name", 0, MAX, Text),
            rows("Partitions", 0, MAX).of(&[
                field("PartitionIndex", 0, MAX, Fixed(4)),
                field("CurrentLeaderEpoch", 4, MAX, Fixed(4)),
                field("Timestamp", 0, MAX, Fixed(8)),
            ]),
        ]),
        field("TimeoutMs", 10, MAX, Fixed(4)),
    ]),
    new_message(3, "Metadata", 0, 13, 9).of(&[
        rows("Topics", 0, MAX)
            .of(&[
                field("TopicId", 10, MAX, Fixed(16)),
                field("Name", 0, MAX, Text).null_from(10),
            ])
            .null_from(1),
        field("AllowAutoTopicCreation", 4, MAX, Fixed(1)),
        field("IncludeClusterAuthorizedOperations", 8, 10, Fixed(1)),
        field("IncludeTopicAuthorizedOperations", 8, MAX, Fixed(1)),
    ]),
    new_message(8, "OffsetCommit", 2, 10, 8).of(&[
        field("GroupId", 0, MAX, Text),
        field("GenerationIdOrMemberEpoch", 1, MAX, Fixed(4)),
        field("MemberId", 1, MAX, Text),
        field("GroupInstanceId", 7, MAX, Text).null_from(7),
        field("RetentionTimeMs", 2, 4, Fixed(8)),
        rows("Topics", 0, MAX).of(&[
            field("Name", 0, 9, Text),
            field("TopicId", 10, MAX, Fixed(16)),
            rows("Partitions", 0, MAX).of(&[
                field("PartitionIndex", 0, MAX, Fixed(4)),
                field("CommittedOffset", 0, MAX, Fixed(8)),
                field("CommittedLeaderEpoch", 6, MAX, Fixed(4)),
                field("CommittedMetadata", 0, MAX, Text).null_from(0),
            ]),
        ]),
    ]),
    new_message(9, "OffsetFetch", 1, 10, 6).of(&[
        field("GroupId", 0, 7, Text),
        rows("Topics", 0, 7)
            .of(&[
                field("Name", 0, 7, Text),
                field("PartitionIndexes", 0, 7, List(&Fixed(4))),
            ])
            .null_from(2),
        rows("Groups", 8, MAX).of(&[
            field("GroupId", 8, MAX, Text),
            field("MemberId", 9, MAX, Text).null_from(9),
            field("MemberEpoch", 9, MAX, Fixed(4)),
            rows("Topics", 8, MAX)
                .of(&[
                    field("Name", 8, 9, Text),
                    field("TopicId", 10, MAX, Fixed(16)),
                    field("PartitionIndexes", 8, MAX, List(&Fixed(4))),
                ])
                .null_from(8),
        ]),
        field("RequireStable", 7, MAX, Fixed(1)),
    ]),
    new_message(10, "FindCoordinator", 0, 6, 3).of(&[
        field("Key", 0, 3, Text),
        field("KeyType", 1, MAX, Fixed(1)),
        field("CoordinatorKeys", 4, MAX, List(&Text)),
    ]),
    new_message(11, "JoinGroup", 0, 9, 6).of(&[
        field("GroupId", 0, MAX, Text),
        field("SessionTimeoutMs", 0, MAX, Fixed(4)),
        field("RebalanceTimeoutMs", 1, MAX, Fixed(4)),
        field("MemberId", 0, MAX, Text),
        field("GroupInstanceId", 5, MAX, Text).null_from(5),
        field("ProtocolType", 0, MAX, Text),
        rows("Protocols", 0, MAX).of(&[field("Name", 0, MAX, Text), field("Metadata", 0, MAX, Blob)]),
        field("Reason", 8, MAX, Text).null_from(8),
    ]),
    new_message(12, "Heartbeat", 0, 4, 4).of(&[
        field("GroupId", 0, MAX, Text),
        field("GenerationId", 0, MAX, Fixed(4)),
        field("MemberId", 0, MAX, Text),
        field("GroupInstanceId", 3, MAX, Text).null_from(3),
    ]),
    new_message(13, "LeaveGroup", 0, 5, 4).of(&[
        field("GroupId", 0, MAX, Text),
        field("MemberId", 0, 2, Text),
        rows("Members", 3, MAX).of(&[
            field("MemberId", 3, MAX, Text),
            field("GroupInstanceId", 3, MAX, Text).null_from(3),
            field("Reason", 5, MAX, Text).null_from(5),
        ]),
    ]),
    new_message(14, "SyncGroup", 0, 5, 4).of(&[
        field("GroupId", 0, MAX, Text),
        field("GenerationId", 0, MAX, Fixed(4)),
        field("MemberId", 0, MAX, Text),
        field("GroupInstanceId", 3, MAX, Text).null_from(3),
        field("ProtocolType", 5, MAX, Text).null_from(5),
        field("ProtocolName", 5, MAX, Text).null_from(5),
        rows("Assignments", 0, MAX).of(&[field("MemberId", 0, MAX, Text), field("Assignment", 0, MAX, Blob)]),
    ]),
    new_message(15, "DescribeGroups", 0, 6, 5).of(&[
        field("Groups", 0, MAX, List(&Text)),
        field("IncludeAuthorizedOperations", 3, MAX, Fixed(1)),
    ]),
    new_message(16, "ListGroups", 0, 5, 3).of(&[
        field("StatesFilter", 4, MAX, List(&Text)),
        field("TypesFilter", 5, MAX, List(&Text)),
    ]),
    new_message(17, "SaslHandshake", 0, 1, MAX).of(&[field("Mechanism", 0, MAX, Text)]),
    new_message(18, "ApiVersions", 0, 4, 3).of(&[
        field("ClientSoftwareName", 3, MAX, Text),
        field("ClientSoftwareVersion", 3, MAX, Text),
    ]),
    new_message(19, "CreateTopics", 2, 7, 5).of(&[
        rows("Topics", 0, MAX).of(&[
            field("Name", 0, MAX, Text),
            field("NumPartitions", 0, MAX, Fixed(4)),
            field("ReplicationFactor", 0, MAX, Fixed(2)),
            rows("Assignments", 0, MAX).of(&[
                field("PartitionIndex", 0, MAX, Fixed(4)),
                field("BrokerIds", 0, MAX, List(&Fixed(4))),
            ]),
            rows("Configs", 0, MAX).of(&[
                field("Name", 0, MAX, Text),
                field("Value", 0, MAX, Text).null_from(0),
            ]),
        ]),
        field("timeoutMs", 0, MAX, Fixed(4)),
        field("validateOnly", 1, MAX, Fixed(1)),
    ]),
];
