//! The shape of the requests with API keys 80 to 92 of Apache Kafka 4.3.1. Written by generate.py.

use super::Kind::{Fixed, List, Text};
use super::{MAX, Message, field, new_message, record, rows};

pub(super) const MESSAGES: &[Message] = &[
    new_message(80, "AddRaftVoter", 0, 1, 0).of(&[
        field("ClusterId", 0, MAX, Text).null_from(0),
        field("TimeoutMs", 0, MAX, Fixed(4)),
        field("VoterId", 0, MAX, Fixed(4)),
        field("VoterDirectoryId", 0, MAX, Fixed(16)),
        rows("Listeners", 0, MAX).of(&[
            field("Name", 0, MAX, Text),
            field("Host", 0, MAX, Text),
            field("Port", 0, MAX, Fixed(2)),
        ]),
        field("AckWhenCommitted", 1, MAX, Fixed(1)),
    ]),
    new_message(81, "RemoveRaftVoter", 0, 0, 0).of(&[
        field("ClusterId", 0, MAX, Text).null_from(0),
        field("VoterId", 0, MAX, Fixed(4)),
        field("VoterDirectoryId", 0, MAX, Fixed(16)),
    ]),
    new_message(82, "UpdateRaftVoter", 0, 0, 0).of(&[
        field("ClusterId", 0, MAX, Text).null_from(0),
        field("CurrentLeaderEpoch", 0, MAX, Fixed(4)),
        field("VoterId", 0, MAX, Fixed(4)),
        field("VoterDirectoryId", 0, MAX, Fixed(16)),
        rows("Listeners", 0, MAX).of(&[
            field("Name", 0, MAX, Text),
            field("Host", 0, MAX, Text),
            field("Port", 0, MAX, Fixed(2)),
        ]),
        record("KRaftVersionFeature", 0, MAX).of(&[
            field("MinSupportedVersion", 0, MAX, Fixed(2)),
            field("MaxSupportedVersion", 0, MAX, Fixed(2)),
        ]),
    ]),
    new_message(83, "InitializeShareGroupState", 0, 0, 0).of(&[
        field("GroupId", 0, MAX, Text),
        rows("Topics", 0, MAX).of(&[
            field("TopicId", 0, MAX, Fixed(16)),
            rows("Partitions", 0, MAX).of(&[
                field("Partition", 0, MAX, Fixed(4)),
                field("StateEpoch", 0, MAX, Fixed(4)),
                field("StartOffset", 0, MAX, Fixed(8)),
            ]),
        ]),
    ]),
    new_message(84, "ReadShareGroupState", 0, 0, 0).of(&[
        field("GroupId", 0, MAX, Text),
        rows("Topics", 0, MAX).of(&[
            field("TopicId", 0, MAX, Fixed(16)),
            rows("Partitions", 0, MAX).of(&[
                field("Partition", 0, MAX, Fixed(4)),
                field("LeaderEpoch", 0, MAX, Fixed(4)),
            ]),
        ]),
    ]),
    new_message(85, "WriteShareGroupState", 0, 1, 0).of(&[
        field("GroupId", 0, MAX, Text),
        rows("Topics", 0, MAX).of(&[
            field("TopicId", 0, MAX, Fixed(16)),
            rows("Partitions", 0, MAX).of(&[
                field("Partition", 0, MAX, Fixed(4)),
                field("StateEpoch", 0, MAX, Fixed(4)),
                field("LeaderEpoch", 0, MAX, Fixed(4)),
                field("StartOffset", 0, MAX, Fixed(8)),
                field("DeliveryCompleteCount", 1, MAX, Fixed(4)),
                rows("StateBatches", 0, MAX).of(&[
                    field("FirstOffset", 0, MAX, Fixed(8)),
                    field("LastOffset", 0, MAX, Fixed(8)),
                    field("DeliveryState", 0, MAX, Fixed(1)),
                    field("DeliveryCount", 0, MAX, Fixed(2)),
                ]),
            ]),
        ]),
    ]),
    new_message(86, "DeleteShareGroupState", 0, 0, 0).of(&[
        field("GroupId", 0, MAX, Text),
        rows("Topics", 0, MAX).of(&[
            field("TopicId", 0, MAX, Fixed(16)),
            rows("Partitions", 0, MAX).of(&[field("Partition", 0, MAX, Fixed(4))]),
        ]),
    ]),
    new_message(87, "ReadShareGroupStateSummary", 0, 1, 0).of(&[
        field("GroupId", 0, MAX, Text),
        rows("Topics", 0, MAX).of(&[
            field("TopicId", 0, MAX, Fixed(16)),
            rows("Partitions", 0, MAX).of(&[
                field("Partition", 0, MAX, Fixed(4)),
                field("LeaderEpoch", 0, MAX, Fixed(4)),
            ]),
        ]),
    ]),
    new_message(88, "StreamsGroupHeartbeat", 0, 0, 0).of(&[
        field("GroupId", 0, MAX, Text),
        field("MemberId", 0, MAX, Text),
        field("MemberEpoch", 0, MAX, Fixed(4)),
        field("EndpointInformationEpoch", 0, MAX, Fixed(4)),
        field("InstanceId", 0, MAX, Text).null_from(0),
        field("RackId", 0, MAX, Text).null_from(0),
        field("RebalanceTimeoutMs", 0, MAX, Fixed(4)),
        record("Topology", 0, MAX)
            .of(&[
                field("Epoch", 0, MAX, Fixed(4)),
                rows("Subtopologies", 0, MAX).of(&[
                    field("SubtopologyId", 0, MAX, Text),
                    field("SourceTopics", 0, MAX, List(&Text)),
                    field("SourceTopicRegex", 0, MAX, List(&Text)),
                    rows("StateChangelogTopics", 0, MAX).of(&[
                        field("Name", 0, MAX, Text),
                        field("Partitions", 0, MAX, Fixed(4)),
                        field("ReplicationFactor", 0, MAX, Fixed(2)),
                        rows("TopicConfigs", 0, MAX)
                            .of(&[field("Key", 0, MAX, Text), field("Value", 0, MAX, Text)]),
                    ]),
                    field("RepartitionSinkTopics", 0, MAX, List(&Text)),
                    rows("RepartitionSourceTopics", 0, MAX).of(&[
                        field("Name", 0, MAX, Text),
                        field("Partitions", 0, MAX, Fixed(4)),
                        field("ReplicationFactor", 0, MAX, Fixed(2)),
                        rows("TopicConfigs", 0, MAX)
                            .of(&[field("Key", 0, MAX, Text), field("Value", 0, MAX, Text)]),
                    ]),
                    rows("CopartitionGroups", 0, MAX).of(&[
                        field("SourceTopics", 0, MAX, List(&Fixed(2))),
                        field("SourceTopicRegex", 0, MAX, List(&Fixed(2))),
                        field("RepartitionSourceTopics", 0, MAX, List(&Fixed(2))),
                    ]),
                ]),
            ])
            .null_from(0),
        rows("ActiveTasks", 0, MAX)
            .of(&[
                field("SubtopologyId", 0, MAX, Text),
                field("Partitions", 0, MAX, List(&Fixed(4))),
            ])
            .null_from(0),
        rows("StandbyTasks", 0, MAX)
            .of(&[
                field("SubtopologyId", 0, MAX, Text),
                field("Partitions", 0, MAX, List(&Fixed(4))),
            ])
            .null_from(0),
        rows("WarmupTasks", 0, MAX)
            .of(&[
                field("SubtopologyId", 0, MAX, Text),
                field("Partitions", 0, MAX, List(&Fixed(4))),
            ])
            .null_from(0),
        field("ProcessId", 0, MAX, Text).null_from(0),
        record("UserEndpoint", 0, MAX)
            .of(&[field("Host", 0, MAX, Text), field("Port", 0, MAX, Fixed(2))])
            .null_from(0),
        rows("ClientTags", 0, MAX)
            .of(&[field("Key", 0, MAX, Text), field("Value", 0, MAX, Text)])
            .null_from(0),
        rows("TaskOffsets", 0, MAX)
            .of(&[
                field("SubtopologyId", 0, MAX, Text),
                field("Partition", 0, MAX, Fixed(4)),
                field("Offset", 0, MAX, Fixed(8)),
            ])
            .null_from(0),
        rows("TaskEndOffsets", 0, MAX)
            .of(&[
                field("SubtopologyId", 0, MAX, Text),
                field("Partition", 0, MAX, Fixed(4)),
                field("Offset", 0, MAX, Fixed(8)),
            ])
            .null_from(0),
        field("ShutdownApplication", 0, MAX, Fixed(1)),
    ]),
    new_message(89, "StreamsGroupDescribe", 0, 0, 0).of(&[
        field("GroupIds", 0, MAX, List(&Text)),
        field("IncludeAuthorizedOperations", 0, MAX, Fixed(1)),
    ]),
    new_message(90, "DescribeShareGroupOffsets", 0, 1, 0).of(&[rows("Groups", 0, MAX).of(&[
        field("GroupId", 0, MAX, Text),
        rows("Topics", 0, MAX)
            .of(&[
                field("TopicName", 0, MAX, Text),
                field("Partitions", 0, MAX, List(&Fixed(4))),
            ])
            .null_from(0),
    ])]),
    new_message(91, "AlterShareGroupOffsets", 0, 0, 0).of(&[
        field("GroupId", 0, MAX, Text),
        rows("Topics", 0, MAX).of(&[
            field("TopicName", 0, MAX, Text),
            rows("Partitions", 0, MAX).of(&[
                field("PartitionIndex", 0, MAX, Fixed(4)),
                field("StartOffset", 0, MAX, Fixed(8)),
            ]),
        ]),
    ]),
    new_message(92, "DeleteShareGroupOffsets", 0, 0, 0).of(&[
        field("GroupId", 0, MAX, Text),
        rows("Topics", 0, MAX).of(&[field("TopicName", 0, MAX, Text)]),
    ]),
];
