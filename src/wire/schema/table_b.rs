//! The shape of the requests with API keys 20 to 39 of Apache Kafka 4.3.1. Written by generate.py.

use super::Kind::{Blob, Fixed, List, Text};
use super::{MAX, Message, field, new_message, rows};

pub(super) const MESSAGES: &[Message] = &[
    new_message(20, "DeleteTopics", 1, 6, 4).of(&[
        rows("Topics", 6, MAX).of(&[
            field("Name", 6, MAX, Text).null_from(6),
            field("TopicId", 6, MAX, Fixed(16)),
        ]),
        field("TopicNames", 0, 5, List(&Text)),
        field("TimeoutMs", 0, MAX, Fixed(4)),
    ]),
    new_message(21, "DeleteRecords", 0, 2, 2).of(&[
        rows("Topics", 0, MAX).of(&[
            field("Name", 0, MAX, Text),
            rows("Partitions", 0, MAX).of(&[
                field("PartitionIndex", 0, MAX, Fixed(4)),
                field("Offset", 0, MAX, Fixed(8)),
            ]),
        ]),
        field("TimeoutMs", 0, MAX, Fixed(4)),
    ]),
    new_message(22, "InitProducerId", 0, 6, 2).of(&[
        field("TransactionalId", 0, MAX, Text).null_from(0),
        field("TransactionTimeoutMs", 0, MAX, Fixed(4)),
        field("ProducerId", 3, MAX, Fixed(8)),
        field("ProducerEpoch", 3, MAX, Fixed(2)),
        field("Enable2Pc", 6, MAX, Fixed(1)),
        field("KeepPreparedTxn", 6, MAX, Fixed(1)),
    ]),
    new_message(23, "OffsetForLeaderEpoch", 2, 4, 4).of(&[
        field("ReplicaId", 3, MAX, Fixed(4)),
        rows("Topics", 0, MAX).of(&[
            field("Topic", 0, MAX, Text),
            rows("Partitions", 0, MAX).of(&[
                field("Partition", 0, MAX, Fixed(4)),
                field("CurrentLeaderEpoch", 2, MAX, Fixed(4)),
                field("LeaderEpoch", 0, MAX, Fixed(4)),
            ]),
        ]),
    ]),
    new_message(24, "AddPartitionsToTxn", 0, 5, 3).of(&[
        rows("Transactions", 4, MAX).of(&[
            field("TransactionalId", 4, MAX, Text),
            field("ProducerId", 4, MAX, Fixed(8)),
            field("ProducerEpoch", 4, MAX, Fixed(2)),
            field("VerifyOnly", 4, MAX, Fixed(1)),
            rows("Topics", 4, MAX).of(&[
                field("Name", 0, MAX, Text),
                field("Partitions", 0, MAX, List(&Fixed(4))),
            ]),
        ]),
        field("V3AndBelowTransactionalId", 0, 3, Text),
        field("V3AndBelowProducerId", 0, 3, Fixed(8)),
        field("V3AndBelowProducerEpoch", 0, 3, Fixed(2)),
        rows("V3AndBelowTopics", 0, 3).of(&[
            field("Name", 0, MAX, Text),
            field("Partitions", 0, MAX, List(&Fixed(4))),
        ]),
    ]),
    new_message(25, "AddOffsetsToTxn", 0, 4, 3).of(&[
        field("TransactionalId", 0, MAX, Text),
        field("ProducerId", 0, MAX, Fixed(8)),
        field("ProducerEpoch", 0, MAX, Fixed(2)),
        field("GroupId", 0, MAX, Text),
    ]),
    new_message(26, "EndTxn", 0, 5, 3).of(&[
        field("TransactionalId", 0, MAX, Text),
        field("ProducerId", 0, MAX, Fixed(8)),
        field("ProducerEpoch", 0, MAX, Fixed(2)),
        field("Committed", 0, MAX, Fixed(1)),
    ]),
    new_message(27, "WriteTxnMarkers", 1, 2, 1).of(&[rows("Markers", 0, MAX).of(&[
        field("ProducerId", 0, MAX, Fixed(8)),
        field("ProducerEpoch", 0, MAX, Fixed(2)),
        field("TransactionResult", 0, MAX, Fixed(1)),
        rows("Topics", 0, MAX).of(&[
            field("Name", 0, MAX, Text),
            field("PartitionIndexes", 0, MAX, List(&Fixed(4))),
        ]),
        field("CoordinatorEpoch", 0, MAX, Fixed(4)),
        field("TransactionVersion", 2, MAX, Fixed(1)),
    ])]),
    new_message(28, "TxnOffsetCommit", 0, 5, 3).of(&[
        field("TransactionalId", 0, MAX, Text),
        field("GroupId", 0, MAX, Text),
        field("ProducerId", 0, MAX, Fixed(8)),
        field("ProducerEpoch", 0, MAX, Fixed(2)),
        field("GenerationId", 3, MAX, Fixed(4)),
        field("MemberId", 3, MAX, Text),
        field("GroupInstanceId", 3, MAX, Text).null_from(3),
        rows("Topics", 0, MAX).of(&[
            field("Name", 0, MAX, Text),
            rows("Partitions", 0, MAX).of(&[
                field("PartitionIndex", 0, MAX, Fixed(4)),
                field("CommittedOffset", 0, MAX, Fixed(8)),
                field("CommittedLeaderEpoch", 2, MAX, Fixed(4)),
                field("CommittedMetadata", 0, MAX, Text).null_from(0),
            ]),
        ]),
    ]),
    new_message(29, "DescribeAcls", 1, 3, 2).of(&[
        field("ResourceTypeFilter", 0, MAX, Fixed(1)),
        field("ResourceNameFilter", 0, MAX, Text).null_from(0),
        field("PatternTypeFilter", 1, MAX, Fixed(1)),
        field("PrincipalFilter", 0, MAX, Text).null_from(0),
        field("HostFilter", 0, MAX, Text).null_from(0),
        field("Operation", 0, MAX, Fixed(1)),
        field("PermissionType", 0, MAX, Fixed(1)),
    ]),
    new_message(30, "CreateAcls", 1, 3, 2).of(&[rows("Creations", 0, MAX).of(&[
        field("ResourceType", 0, MAX, Fixed(1)),
        field("ResourceName", 0, MAX, Text),
        field("ResourcePatternType", 1, MAX, Fixed(1)),
        field("Principal", 0, MAX, Text),
        field("Host", 0, MAX, Text),
        field("Operation", 0, MAX, Fixed(1)),
        field("PermissionType", 0, MAX, Fixed(1)),
    ])]),
    new_message(31, "DeleteAcls", 1, 3, 2).of(&[rows("Filters", 0, MAX).of(&[
        field("ResourceTypeFilter", 0, MAX, Fixed(1)),
        field("ResourceNameFilter", 0, MAX, Text).null_from(0),
        field("PatternTypeFilter", 1, MAX, Fixed(1)),
        field("PrincipalFilter", 0, MAX, Text).null_from(0),
        field("HostFilter", 0, MAX, Text).null_from(0),
        field("Operation", 0, MAX, Fixed(1)),
        field("PermissionType", 0, MAX, Fixed(1)),
    ])]),
    new_message(32, "DescribeConfigs", 1, 4, 4).of(&[
        rows("Resources", 0, MAX).of(&[
            field("ResourceType", 0, MAX, Fixed(1)),
            field("ResourceName", 0, MAX, Text),
            field("ConfigurationKeys", 0, MAX, List(&Text)).null_from(0),
        ]),
        field("IncludeSynonyms", 1, MAX, Fixed(1)),
        field("IncludeDocumentation", 3, MAX, Fixed(1)),
    ]),
    new_message(33, "AlterConfigs", 0, 2, 2).of(&[
        rows("Resources", 0, MAX).of(&[
            field("ResourceType", 0, MAX, Fixed(1)),
            field("ResourceName", 0, MAX, Text),
            rows("Configs", 0, MAX).of(&[
                field("Name", 0, MAX, Text),
                field("Value", 0, MAX, Text).null_from(0),
            ]),
        ]),
        field("ValidateOnly", 0, MAX, Fixed(1)),
    ]),
    new_message(34, "AlterReplicaLogDirs", 1, 2, 2).of(&[rows("Dirs", 0, MAX).of(&[
        field("Path", 0, MAX, Text),
        rows("Topics", 0, MAX).of(&[
            field("Name", 0, MAX, Text),
            field("Partitions", 0, MAX, List(&Fixed(4))),
        ]),
    ])]),
    new_message(35, "DescribeLogDirs", 1, 5, 2).of(&[rows("Topics", 0, MAX)
        .of(&[
            field("Topic", 0, MAX, Text),
            field("Partitions", 0, MAX, List(&Fixed(4))),
        ])
        .null_from(0)]),
    new_message(36, "SaslAuthenticate", 0, 2, 2).of(&[field("AuthBytes", 0, MAX, Blob)]),
    new_message(37, "CreatePartitions", 0, 3, 2).of(&[
        rows("Topics", 0, MAX).of(&[
            field("Name", 0, MAX, Text),
            field("Count", 0, MAX, Fixed(4)),
            rows("Assignments", 0, MAX)
                .of(&[field("BrokerIds", 0, MAX, List(&Fixed(4)))])
                .null_from(0),
        ]),
        field("TimeoutMs", 0, MAX, Fixed(4)),
        field("ValidateOnly", 0, MAX, Fixed(1)),
    ]),
    new_message(38, "CreateDelegationToken", 1, 3, 2).of(&[
        field("OwnerPrincipalType", 3, MAX, Text).null_from(3),
        field("OwnerPrincipalName", 3, MAX, Text).null_from(3),
        rows("Renewers", 0, MAX).of(&[
            field("PrincipalType", 0, MAX, Text),
            field("PrincipalName", 0, MAX, Text),
        ]),
        field("MaxLifetimeMs", 0, MAX, Fixed(8)),
    ]),
    new_message(39, "RenewDelegationToken", 1, 2, 2).of(&[
        field("Hmac", 0, MAX, Blob),
        field("RenewPeriodMs", 0, MAX, Fixed(8)),
    ]),
];
