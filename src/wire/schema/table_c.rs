//! The shape of the requests with API keys 40 to 59 of Apache Kafka 4.3.1. Written by generate.py.

use super::Kind::{Blob, Fixed, List, Text};
use super::{MAX, Message, field, new_message, record, rows};

pub(super) const MESSAGES: &[Message] = &[
    new_message(40, "ExpireDelegationToken", 1, 2, 2).of(&[
        field("Hmac", 0, MAX, Blob),
        field("ExpiryTimePeriodMs", 0, MAX, Fixed(8)),
    ]),
    new_message(41, "DescribeDelegationToken", 1, 3, 2).of(&[rows("Owners", 0, MAX)
        .of(&[
            field("PrincipalType", 0, MAX, Text),
            field("PrincipalName", 0, MAX, Text),
        ])
        .null_from(0)]),
    new_message(42, "DeleteGroups", 0, 2, 2).of(&[field("GroupsNames", 0, MAX, List(&Text))]),
    new_message(43, "ElectLeaders", 0, 2, 2).of(&[
        field("ElectionType", 1, MAX, Fixed(1)),
        rows("TopicPartitions", 0, MAX)
            .of(&[
                field("Topic", 0, MAX, Text),
                field("Partitions", 0, MAX, List(&Fixed(4))),
            ])
            .null_from(0),
        field("TimeoutMs", 0, MAX, Fixed(4)),
    ]),
    new_message(44, "IncrementalAlterConfigs", 0, 1, 1).of(&[
        rows("Resources", 0, MAX).of(&[
            field("ResourceType", 0, MAX, Fixed(1)),
            field("ResourceName", 0, MAX, Text),
            rows("Configs", 0, MAX).of(&[
                field("Name", 0, MAX, Text),
                field("ConfigOperation", 0, MAX, Fixed(1)),
                field("Value", 0, MAX, Text).null_from(0),
            ]),
        ]),
        field("ValidateOnly", 0, MAX, Fixed(1)),
    ]),
    new_message(45, "AlterPartitionReassignments", 0, 1, 0).of(&[
        field("TimeoutMs", 0, MAX, Fixed(4)),
        field("AllowReplicationFactorChange", 1, MAX, Fixed(1)),
        rows("Topics", 0, MAX).of(&[
            field("Name", 0, MAX, Text),
            rows("Partitions", 0, MAX).of(&[
                field("PartitionIndex", 0, MAX, Fixed(4)),
                field("Replicas", 0, MAX, List(&Fixed(4))).null_from(0),
            ]),
        ]),
    ]),
    new_message(46, "ListPartitionReassignments", 0, 0, 0).of(&[
        field("TimeoutMs", 0, MAX, Fixed(4)),
        rows("Topics", 0, MAX)
            .of(&[
                field("Name", 0, MAX, Text),
                field("PartitionIndexes", 0, MAX, List(&Fixed(4))),
            ])
            .null_from(0),
    ]),
    new_message(47, "OffsetDelete", 0, 0, MAX).of(&[
        field("GroupId", 0, MAX, Text),
        rows("Topics", 0, MAX).of(&[
            field("Name", 0, MAX, Text),
            rows("Partitions", 0, MAX).of(&[field("PartitionIndex", 0, MAX, Fixed(4))]),
        ]),
    ]),
    new_message(48, "DescribeClientQuotas", 0, 1, 1).of(&[
        rows("Components", 0, MAX).of(&[
            field("EntityType", 0, MAX, Text),
            field("MatchType", 0, MAX, Fixed(1)),
            field("Match", 0, MAX, Text).null_from(0),
        ]),
        field("Strict", 0, MAX, Fixed(1)),
    ]),
    new_message(49, "AlterClientQuotas", 0, 1, 1).of(&[
        rows("Entries", 0, MAX).of(&[
            rows("Entity", 0, MAX).of(&[
                field("EntityType", 0, MAX, Text),
                field("EntityName", 0, MAX, Text).null_from(0),
            ]),
            rows("Ops", 0, MAX).of(&[
                field("Key", 0, MAX, Text),
                field("Value", 0, MAX, Fixed(8)),
                field("Remove", 0, MAX, Fixed(1)),
            ]),
        ]),
        field("ValidateOnly", 0, MAX, Fixed(1)),
    ]),
    new_message(50, "DescribeUserScramCredentials", 0, 0, 0).of(&[rows("Users", 0, MAX)
        .of(&[field("Name", 0, MAX, Text)])
        .null_from(0)]),
    new_message(51, "AlterUserScramCredentials", 0, 0, 0).of(&[
        rows("Deletions", 0, MAX).of(&[field("Name", 0, MAX, Text), field("Mechanism", 0, MAX, Fixed(1))]),
        rows("Upsertions", 0, MAX).of(&[
            field("Name", 0, MAX, Text),
            field("Mechanism", 0, MAX, Fixed(1)),
            field("Iterations", 0, MAX, Fixed(4)),
            field("Salt", 0, MAX, Blob),
            field("SaltedPassword", 0, MAX, Blob),
        ]),
    ]),
    new_message(52, "Vote", 0, 2, 0).of(&[
        field("ClusterId", 0, MAX, Text).null_from(0),
        field("VoterId", 1, MAX, Fixed(4)),
        rows("Topics", 0, MAX).of(&[
            field("TopicName", 0, MAX, Text),
            rows("Partitions", 0, MAX).of(&[
                field("PartitionIndex", 0, MAX, Fixed(4)),
                field("ReplicaEpoch", 0, MAX, Fixed(4)),
                field("ReplicaId", 0, MAX, Fixed(4)),
                field("ReplicaDirectoryId", 1, MAX, Fixed(16)),
                field("VoterDirectoryId", 1, MAX, Fixed(16)),
                field("LastOffsetEpoch", 0, MAX, Fixed(4)),
                field("LastOffset", 0, MAX, Fixed(8)),
                field("PreVote", 2, MAX, Fixed(1)),
            ]),
        ]),
    ]),
    new_message(53, "BeginQuorumEpoch", 0, 1, 1).of(&[
        field("ClusterId", 0, MAX, Text).null_from(0),
        field("VoterId", 1, MAX, Fixed(4)),
        rows("Topics", 0, MAX).of(&[
            field("TopicName", 0, MAX, Text),
            rows("Partitions", 0, MAX).of(&[
                field("PartitionIndex", 0, MAX, Fixed(4)),
                field("VoterDirectoryId", 1, MAX, Fixed(16)),
                field("LeaderId", 0, MAX, Fixed(4)),
                field("LeaderEpoch", 0, MAX, Fixed(4)),
            ]),
        ]),
        rows("LeaderEndpoints", 1, MAX).of(&[
            field("Name", 1, MAX, Text),
            field("Host", 1, MAX, Text),
            field("Port", 1, MAX, Fixed(2)),
        ]),
    ]),
    new_message(54, "EndQuorumEpoch", 0, 1, 1).of(&[
        field("ClusterId", 0, MAX, Text).null_from(0),
        rows("Topics", 0, MAX).of(&[
            field("TopicName", 0, MAX, Text),
            rows("Partitions", 0, MAX).of(&[
                field("PartitionIndex", 0, MAX, Fixed(4)),
                field("LeaderId", 0, MAX, Fixed(4)),
                field("LeaderEpoch", 0, MAX, Fixed(4)),
                field("PreferredSuccessors", 0, 0, List(&Fixed(4))),
                rows("PreferredCandidates", 1, MAX).of(&[
                    field("CandidateId", 1, MAX, Fixed(4)),
                    field("CandidateDirectoryId", 1, MAX, Fixed(16)),
                ]),
            ]),
        ]),
        rows("LeaderEndpoints", 1, MAX).of(&[
            field("Name", 1, MAX, Text),
            field("Host", 1, MAX, Text),
            field("Port", 1, MAX, Fixed(2)),
        ]),
    ]),
    new_message(55, "DescribeQuorum", 0, 2, 0).of(&[rows("Topics", 0, MAX).of(&[
        field("TopicName", 0, MAX, Text),
        rows("Partitions", 0, MAX).of(&[field("PartitionIndex", 0, MAX, Fixed(4))]),
    ])]),
    new_message(56, "AlterPartition", 2, 3, 0).of(&[
        field("BrokerId", 0, MAX, Fixed(4)),
        field("BrokerEpoch", 0, MAX, Fixed(8)),
        rows("Topics", 0, MAX).of(&[
            field("TopicId", 2, MAX, Fixed(16)),
            rows("Partitions", 0, MAX).of(&[
                field("PartitionIndex", 0, MAX, Fixed(4)),
                field("LeaderEpoch", 0, MAX, Fixed(4)),
                field("NewIsr", 0, 2, List(&Fixed(4))),
                rows("NewIsrWithEpochs", 3, MAX).of(&[
                    field("BrokerId", 3, MAX, Fixed(4)),
                    field("BrokerEpoch", 3, MAX, Fixed(8)),
                ]),
                field("LeaderRecoveryState", 1, MAX, Fixed(1)),
                field("PartitionEpoch", 0, MAX, Fixed(4)),
            ]),
        ]),
    ]),
    new_message(57, "UpdateFeatures", 0, 2, 0).of(&[
        field("timeoutMs", 0, MAX, Fixed(4)),
        rows("FeatureUpdates", 0, MAX).of(&[
            field("Feature", 0, MAX, Text),
            field("MaxVersionLevel", 0, MAX, Fixed(2)),
            field("AllowDowngrade", 0, 0, Fixed(1)),
            field("UpgradeType", 1, MAX, Fixed(1)),
        ]),
        field("ValidateOnly", 1, MAX, Fixed(1)),
    ]),
    new_message(58, "Envelope", 0, 0, 0).of(&[
        field("RequestData", 0, MAX, Blob),
        field("RequestPrincipal", 0, MAX, Blob).null_from(0),
        field("ClientHostAddress", 0, MAX, Blob),
    ]),
    new_message(59, "FetchSnapshot", 0, 1, 0).of(&[
        field("ClusterId", 0, MAX, Text).null_from(0).tagged(0),
        field("ReplicaId", 0, MAX, Fixed(4)),
        field("MaxBytes", 0, MAX, Fixed(4)),
        rows("Topics", 0, MAX).of(&[
            field("Name", 0, MAX, Text),
            rows("Partitions", 0, MAX).of(&[
                field("Partition", 0, MAX, Fixed(4)),
                field("CurrentLeaderEpoch", 0, MAX, Fixed(4)),
                record("SnapshotId", 0, MAX).of(&[
                    field("EndOffset", 0, MAX, Fixed(8)),
                    field("Epoch", 0, MAX, Fixed(4)),
                ]),
                field("Position", 0, MAX, Fixed(8)),
                field("ReplicaDirectoryId", 1, MAX, Fixed(16)).tagged(0),
            ]),
        ]),
    ]),
];
