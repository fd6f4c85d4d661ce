//! The shape of the requests with API keys 60 to 79 of Apache Kafka 4.3.1. Written by generate.py.

use super::Kind::{Blob, Fixed, List, Text};
use super::{MAX, Message, field, new_message, record, rows};

pub(super) const MESSAGES: &[Message] = &[
    new_message(60, "DescribeCluster", 0, 2, 0).of(&[
        field("IncludeClusterAuthorizedOperations", 0, MAX, Fixed(1)),
        field("EndpointType", 1, MAX, Fixed(1)),
        field("IncludeFencedBrokers", 2, MAX, Fixed(1)),
    ]),
    new_message(61, "DescribeProducers", 0, 0, 0).of(&[rows("Topics", 0, MAX).of(&[
        field("Name", 0, MAX, Text),
        field("PartitionIndexes", 0, MAX, List(&Fixed(4))),
    ])]),
    new_message(62, "BrokerRegistration", 0, 4, 0).of(&[
        field("BrokerId", 0, MAX, Fixed(4)),
        field("ClusterId", 0, MAX, Text),
        field("IncarnationId", 0, MAX, Fixed(16)),
        rows("Listeners", 0, MAX).of(&[
            field("Name", 0, MAX, Text),
            field("Host", 0, MAX, Text),
            field("Port", 0, MAX, Fixed(2)),
            field("SecurityProtocol", 0, MAX, Fixed(2)),
        ]),
        rows("Features", 0, MAX).of(&[
            field("Name", 0, MAX, Text),
            field("MinSupportedVersion", 0, MAX, Fixed(2)),
            field("MaxSupportedVersion", 0, MAX, Fixed(2)),
        ]),
        field("Rack", 0, MAX, Text).null_from(0),
        field("IsMigratingZkBroker", 1, MAX, Fixed(1)),
        field("LogDirs", 2, MAX, List(&Fixed(16))),
        field("PreviousBrokerEpoch", 3, MAX, Fixed(8)),
    ]),
    new_message(63, "BrokerHeartbeat", 0, 2, 0).of(&[
        field("BrokerId", 0, MAX, Fixed(4)),
        field("BrokerEpoch", 0, MAX, Fixed(8)),
        field("CurrentMetadataOffset", 0, MAX, Fixed(8)),
        field("WantFence", 0, MAX, Fixed(1)),
        field("WantShutDown", 0, MAX, Fixed(1)),
        field("OfflineLogDirs", 1, MAX, List(&Fixed(16))).tagged(0),
        field("CordonedLogDirs", 2, MAX, List(&Fixed(16)))
            .null_from(2)
            .tagged(1),
    ]),
    new_message(64, "UnregisterBroker", 0, 0, 0).of(&[field("BrokerId", 0, MAX, Fixed(4))]),
    new_message(65, "DescribeTransactions", 0, 0, 0).of(&[field("TransactionalIds", 0, MAX, List(&Text))]),
    new_message(66, "ListTransactions", 0, 2, 0).of(&[
        field("StateFilters", 0, MAX, List(&Text)),
        field("ProducerIdFilters", 0, MAX, List(&Fixed(8))),
        field("DurationFilter", 1, MAX, Fixed(8)),
        field("TransactionalIdPattern", 2, MAX, Text).null_from(2),
    ]),
    new_message(67, "AllocateProducerIds", 0, 0, 0).of(&[
        field("BrokerId", 0, MAX, Fixed(4)),
        field("BrokerEpoch", 0, MAX, Fixed(8)),
    ]),
    new_message(68, "ConsumerGroupHeartbeat", 0, 1, 0).of(&[
        field("GroupId", 0, MAX, Text),
        field("MemberId", 0, MAX, Text),
        field("MemberEpoch", 0, MAX, Fixed(4)),
        field("InstanceId", 0, MAX, Text).null_from(0),
        field("RackId", 0, MAX, Text).null_from(0),
        field("RebalanceTimeoutMs", 0, MAX, Fixed(4)),
        field("SubscribedTopicNames", 0, MAX, List(&Text)).null_from(0),
        field("SubscribedTopicRegex", 1, MAX, Text).null_from(1),
        field("ServerAssignor", 0, MAX, Text).null_from(0),
        rows("TopicPartitions", 0, MAX)
            .of(&[
                field("TopicId", 0, MAX, Fixed(16)),
                field("Partitions", 0, MAX, List(&Fixed(4))),
            ])
            .null_from(0),
    ]),
    new_message(69, "ConsumerGroupDescribe", 0, 1, 0).of(&[
        field("GroupIds", 0, MAX, List(&Text)),
        field("IncludeAuthorizedOperations", 0, MAX, Fixed(1)),
    ]),
    new_message(70, "ControllerRegistration", 0, 0, 0).of(&[
        field("ControllerId", 0, MAX, Fixed(4)),
        field("IncarnationId", 0, MAX, Fixed(16)),
        field("ZkMigrationReady", 0, MAX, Fixed(1)),
        rows("Listeners", 0, MAX).of(&[
            field("Name", 0, MAX, Text),
            field("Host", 0, MAX, Text),
            field("Port", 0, MAX, Fixed(2)),
            field("SecurityProtocol", 0, MAX, Fixed(2)),
        ]),
        rows("Features", 0, MAX).of(&[
            field("Name", 0, MAX, Text),
            field("MinSupportedVersion", 0, MAX, Fixed(2)),
            field("MaxSupportedVersion", 0, MAX, Fixed(2)),
        ]),
    ]),
    new_message(71, "GetTelemetrySubscriptions", 0, 0, 0).of(&[field("ClientInstanceId", 0, MAX, Fixed(16))]),
    new_message(72, "PushTelemetry", 0, 0, 0).of(&[
        field("ClientInstanceId", 0, MAX, Fixed(16)),
        field("SubscriptionId", 0, MAX, Fixed(4)),
        field("Terminating", 0, MAX, Fixed(1)),
        field("CompressionType", 0, MAX, Fixed(1)),
        field("Metrics", 0, MAX, Blob),
    ]),
    new_message(73, "AssignReplicasToDirs", 0, 0, 0).of(&[
        field("BrokerId", 0, MAX, Fixed(4)),
        field("BrokerEpoch", 0, MAX, Fixed(8)),
        rows("Directories", 0, MAX).of(&[
            field("Id", 0, MAX, Fixed(16)),
            rows("Topics", 0, MAX).of(&[
                field("TopicId", 0, MAX, Fixed(16)),
                rows("Partitions", 0, MAX).of(&[field("PartitionIndex", 0, MAX, Fixed(4))]),
            ]),
        ]),
    ]),
    new_message(74, "ListConfigResources", 0, 1, 0).of(&[field("ResourceTypes", 1, MAX, List(&Fixed(1)))]),
    new_message(75, "DescribeTopicPartitions", 0, 0, 0).of(&[
        rows("Topics", 0, MAX).of(&[field("Name", 0, MAX, Text)]),
        field("ResponsePartitionLimit", 0, MAX, Fixed(4)),
        record("Cursor", 0, MAX)
            .of(&[
                field("TopicName", 0, MAX, Text),
                field("PartitionIndex", 0, MAX, Fixed(4)),
            ])
            .null_from(0),
    ]),
    new_message(76, "ShareGroupHeartbeat", 1, 1, 0).of(&[
        field("GroupId", 0, MAX, Text),
        field("MemberId", 0, MAX, Text),
        field("MemberEpoch", 0, MAX, Fixed(4)),
        field("RackId", 0, MAX, Text).null_from(0),
        field("SubscribedTopicNames", 0, MAX, List(&Text)).null_from(0),
    ]),
    new_message(77, "ShareGroupDescribe", 1, 1, 0).of(&[
        field("GroupIds", 0, MAX, List(&Text)),
        field("IncludeAuthorizedOperations", 0, MAX, Fixed(1)),
    ]),
    new_message(78, "ShareFetch", 1, 2, 0).of(&[
        field("GroupId", 0, MAX, Text).null_from(0),
        field("MemberId", 0, MAX, Text).null_from(0),
        field("ShareSessionEpoch", 0, MAX, Fixed(4)),
        field("MaxWaitMs", 0, MAX, Fixed(4)),
        field("MinBytes", 0, MAX, Fixed(4)),
        field("MaxBytes", 0, MAX, Fixed(4)),
        field("MaxRecords", 1, MAX, Fixed(4)),
        field("BatchSize", 1, MAX, Fixed(4)),
        field("ShareAcquireMode", 2, MAX, Fixed(1)),
        field("IsRenewAck", 2, MAX, Fixed(1)),
        rows("Topics", 0, MAX).of(&[
            field("TopicId", 0, MAX, Fixed(16)),
            rows("Partitions", 0, MAX).of(&[
                field("PartitionIndex", 0, MAX, Fixed(4)),
                field("PartitionMaxBytes", 0, 0, Fixed(4)),
                rows("AcknowledgementBatches", 0, MAX).of(&[
                    field("FirstOffset", 0, MAX, Fixed(8)),
                    field("LastOffset", 0, MAX, Fixed(8)),
                    field("AcknowledgeTypes", 0, MAX, List(&Fixed(1))),
                ]),
            ]),
        ]),
        rows("ForgottenTopicsData", 0, MAX).of(&[
            field("TopicId", 0, MAX, Fixed(16)),
            field("Partitions", 0, MAX, List(&Fixed(4))),
        ]),
    ]),
    new_message(79, "ShareAcknowledge", 1, 2, 0).of(&[
        field("GroupId", 0, MAX, Text).null_from(0),
        field("MemberId", 0, MAX, Text).null_from(0),
        field("ShareSessionEpoch", 0, MAX, Fixed(4)),
        field("IsRenewAck", 2, MAX, Fixed(1)),
        rows("Topics", 0, MAX).of(&[
            field("TopicId", 0, MAX, Fixed(16)),
            rows("Partitions", 0, MAX).of(&[
                field("PartitionIndex", 0, MAX, Fixed(4)),
                rows("AcknowledgementBatches", 0, MAX).of(&[
                    field("FirstOffset", 0, MAX, Fixed(8)),
                    field("LastOffset", 0, MAX, Fixed(8)),
                    field("AcknowledgeTypes", 0, MAX, List(&Fixed(1))),
                ]),
            ]),
        ]),
    ]),
];
