//! ONE row per API key of Apache Kafka 4.3.1: the whole surface of the broker on one page.
//!
//! Columns: key, name, the versions of Kafka's latest stable release, the listeners on which Kafka serves it, what the
//! principal must be allowed to do (resource, operation), the class of work, the memory a request may take (so many times
//! its own size, plus so many KiB), and the handler `[family::file]`, or `[-]` as long as there is none.
//!
//! What has a handler is advertised by ApiVersions; what has none is answered as Kafka answers a version it does not know.

use std::ops::RangeInclusive;

use bytes::Bytes;
use ottla_base::config::Listener;

use super::{Ctx, Reply};
use crate::wire::{self, Body, RequestBody, ResponseBody, WireError};

/// The listeners on which Kafka serves an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Broker,
    Controller,
    Both,
    /// Of ZooKeeper's days: the key is taken, no version of it is left.
    Gone,
}

impl Scope {
    pub fn is_served_on(self, listener: &Listener) -> bool {
        match self {
            Self::Broker => !listener.is_controller,
            Self::Controller => listener.is_controller,
            Self::Both => true,
            Self::Gone => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Nothing,
    Cluster,
    Topic,
    Group,
    TransactionalId,
    DelegationToken,
    User,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Any,
    Read,
    Write,
    Create,
    Delete,
    Alter,
    Describe,
    ClusterAction,
    DescribeConfigs,
    AlterConfigs,
    CreateTokens,
}

/// What kind of work a request is: who it is kept from when memory or threads run short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Data,
    /// What a client asks to find its way; cheap, and needed before anything else works.
    Client,
    Group,
    Txn,
    Admin,
    /// From other brokers and controllers.
    Peer,
}

/// A handler behind one shape: decodes, handles, encodes.
pub type Handler = fn(&Ctx, Bytes) -> Result<Reply<Result<Body, WireError>>, WireError>;

pub struct Row {
    pub key: i16,
    pub name: &'static str,
    /// Empty for what is gone.
    pub versions: RangeInclusive<i16>,
    pub scope: Scope,
    pub resource: Resource,
    pub operation: Operation,
    pub class: Class,
    memory_factor: u32,
    memory_kib: u32,
    pub handler: Option<Handler>,
}

impl Row {
    /// An upper estimate of the memory that a request of this size takes until it is answered.
    pub fn memory_bytes(&self, request_bytes: usize) -> usize {
        request_bytes * self.memory_factor as usize + self.memory_kib as usize * 1024
    }

    /// The versions that this node answers, if it answers any.
    pub fn works(&self) -> Option<RangeInclusive<i16>> {
        self.handler.map(|_| self.versions.clone())
    }
}

/// The row of a key, if Kafka 4.3.1 has such a key.
pub fn row(key: i16) -> Option<&'static Row> {
    usize::try_from(key).ok().and_then(|key| ROWS.get(key))
}

/// All rows, by key.
pub fn rows() -> &'static [Row] {
    ROWS
}

macro_rules! handler {
    (-) => {
        None
    };
    ($family:ident::$file:ident) => {
        Some(|ctx, body| run(ctx, body, super::$family::$file::handle))
    };
}

macro_rules! rows {
    ($($key:literal $name:ident $min:literal..=$max:literal $scope:ident $resource:ident $operation:ident $class:ident
        $factor:literal $kib:literal [$($handler:tt)*];)*) => {
        const ROWS: &[Row] = &[$(Row {
            key: $key,
            name: stringify!($name),
            versions: RangeInclusive::new($min, $max),
            scope: Scope::$scope,
            resource: Resource::$resource,
            operation: Operation::$operation,
            class: Class::$class,
            memory_factor: $factor,
            memory_kib: $kib,
            handler: handler!($($handler)*),
        },)*];
    };
}

rows! {
     0 Produce                      3..=13 Broker     Topic           Write           Data    2  1 [data::produce];
     1 Fetch                        4..=18 Both       Topic           Read            Data    1 64 [data::fetch];
     2 ListOffsets                  1..=11 Broker     Topic           Describe        Client  8 16 [data::list_offsets];
     3 Metadata                     0..=13 Broker     Topic           Describe        Client 16 64 [topics::metadata];
     4 LeaderAndIsr                 0..=-1 Gone       Cluster         ClusterAction   Peer    8 16 [-];
     5 StopReplica                  0..=-1 Gone       Cluster         ClusterAction   Peer    8 16 [-];
     6 UpdateMetadata               0..=-1 Gone       Cluster         ClusterAction   Peer    8 16 [-];
     7 ControlledShutdown           0..=-1 Gone       Cluster         ClusterAction   Peer    8 16 [-];
     8 OffsetCommit                 2..=10 Broker     Group           Read            Group   8 16 [groups::offset_commit];
     9 OffsetFetch                  1..=10 Broker     Group           Describe        Group   8 32 [groups::offset_fetch];
    10 FindCoordinator              0..=6  Broker     Group           Describe        Group   8 16 [groups::find_coordinator];
    11 JoinGroup                    0..=9  Broker     Group           Read            Group   4 16 [groups::join_group];
    12 Heartbeat                    0..=4  Broker     Group           Read            Group   8 16 [groups::heartbeat];
    13 LeaveGroup                   0..=5  Broker     Group           Read            Group   8 16 [groups::leave_group];
    14 SyncGroup                    0..=5  Broker     Group           Read            Group   8 16 [groups::sync_group];
    15 DescribeGroups               0..=6  Broker     Group           Describe        Group   8 64 [groups::describe_groups];
    16 ListGroups                   0..=5  Broker     Group           Describe        Group   4 64 [groups::list_groups];
    17 SaslHandshake                0..=1  Both       Nothing         Any             Client  8 16 [-];
    18 ApiVersions                  0..=4  Both       Nothing         Any             Client  8 16 [cluster::api_versions];
    19 CreateTopics                 2..=7  Both       Topic           Create          Admin   8 16 [topics::create_topics];
    20 DeleteTopics                 1..=6  Both       Topic           Delete          Admin   8 16 [topics::delete_topics];
    21 DeleteRecords                0..=2  Broker     Topic           Delete          Admin   8 16 [data::delete_records];
    22 InitProducerId               0..=5  Broker     TransactionalId Write           Txn     8 16 [txn::init_producer_id];
    23 OffsetForLeaderEpoch         2..=4  Broker     Topic           Describe        Client  8 16 [data::offset_for_leader_epoch];
    24 AddPartitionsToTxn           0..=5  Broker     TransactionalId Write           Txn     8 16 [txn::add_partitions_to_txn];
    25 AddOffsetsToTxn              0..=4  Broker     TransactionalId Write           Txn     8 16 [txn::add_offsets_to_txn];
    26 EndTxn                       0..=5  Broker     TransactionalId Write           Txn     8 16 [txn::end_txn];
    27 WriteTxnMarkers              1..=2  Broker     Cluster         ClusterAction   Peer    8 16 [txn::write_txn_markers];
    28 TxnOffsetCommit              0..=5  Broker     TransactionalId Write           Txn     8 16 [txn::txn_offset_commit];
    29 DescribeAcls                 1..=3  Both       Cluster         Describe        Admin   8 16 [acls::describe_acls];
    30 CreateAcls                   1..=3  Both       Cluster         Alter           Admin   8 16 [acls::create_acls];
    31 DeleteAcls                   1..=3  Both       Cluster         Alter           Admin   8 16 [acls::delete_acls];
    32 DescribeConfigs              1..=4  Both       Topic           DescribeConfigs Admin  16 64 [configs::describe_configs];
    33 AlterConfigs                 0..=2  Both       Topic           AlterConfigs    Admin   8 16 [configs::alter_configs];
    34 AlterReplicaLogDirs          1..=2  Broker     Cluster         Alter           Admin   8 16 [data::alter_replica_log_dirs];
    35 DescribeLogDirs              1..=5  Broker     Cluster         Describe        Admin  16 64 [data::describe_log_dirs];
    36 SaslAuthenticate             0..=2  Both       Nothing         Any             Client  8 16 [-];
    37 CreatePartitions             0..=3  Both       Topic           Alter           Admin   8 16 [topics::create_partitions];
    38 CreateDelegationToken        1..=3  Both       User            CreateTokens    Admin   8 16 [-];
    39 RenewDelegationToken         1..=2  Both       Nothing         Any             Admin   8 16 [-];
    40 ExpireDelegationToken        1..=2  Both       Nothing         Any             Admin   8 16 [-];
    41 DescribeDelegationToken      1..=3  Both       DelegationToken Describe        Admin   8 16 [-];
    42 DeleteGroups                 0..=2  Broker     Group           Delete          Group   8 16 [groups::delete_groups];
    43 ElectLeaders                 0..=2  Both       Cluster         Alter           Admin   8 16 [topics::elect_leaders];
    44 IncrementalAlterConfigs      0..=1  Both       Topic           AlterConfigs    Admin   8 16 [configs::incremental_alter_configs];
    45 AlterPartitionReassignments  0..=1  Both       Cluster         Alter           Admin   8 16 [topics::alter_partition_reassignments];
    46 ListPartitionReassignments   0..=0  Both       Cluster         Describe        Admin   8 16 [topics::list_partition_reassignments];
    47 OffsetDelete                 0..=0  Broker     Group           Delete          Group   8 16 [groups::offset_delete];
    48 DescribeClientQuotas         0..=1  Broker     Cluster         DescribeConfigs Admin   8 16 [-];
    49 AlterClientQuotas            0..=1  Both       Cluster         AlterConfigs    Admin   8 16 [-];
    50 DescribeUserScramCredentials 0..=0  Both       Cluster         Describe        Admin   8 16 [-];
    51 AlterUserScramCredentials    0..=0  Both       Cluster         Alter           Admin   8 16 [-];
    52 Vote                         0..=2  Controller Cluster         ClusterAction   Peer    8 16 [-];
    53 BeginQuorumEpoch             0..=1  Controller Cluster         ClusterAction   Peer    8 16 [-];
    54 EndQuorumEpoch               0..=1  Controller Cluster         ClusterAction   Peer    8 16 [-];
    55 DescribeQuorum               0..=2  Both       Cluster         Describe        Admin   8 16 [cluster::describe_quorum];
    56 AlterPartition               2..=3  Controller Cluster         ClusterAction   Peer    8 16 [-];
    57 UpdateFeatures               0..=2  Both       Cluster         Alter           Admin   8 16 [cluster::update_features];
    58 Envelope                     0..=0  Controller Cluster         ClusterAction   Peer    8 16 [-];
    59 FetchSnapshot                0..=1  Controller Cluster         ClusterAction   Peer    8 16 [-];
    60 DescribeCluster              0..=2  Both       Cluster         Describe        Client  8 16 [cluster::describe_cluster];
    61 DescribeProducers            0..=0  Broker     Topic           Read            Admin   8 16 [data::describe_producers];
    62 BrokerRegistration           0..=4  Controller Cluster         ClusterAction   Peer    8 16 [-];
    63 BrokerHeartbeat              0..=2  Controller Cluster         ClusterAction   Peer    8 16 [-];
    64 UnregisterBroker             0..=0  Both       Cluster         Alter           Admin   8 16 [cluster::unregister_broker];
    65 DescribeTransactions         0..=0  Broker     TransactionalId Describe        Admin   8 16 [txn::describe_transactions];
    66 ListTransactions             0..=2  Broker     TransactionalId Describe        Admin   8 16 [txn::list_transactions];
    67 AllocateProducerIds          0..=0  Controller Cluster         ClusterAction   Peer    8 16 [-];
    68 ConsumerGroupHeartbeat       0..=1  Broker     Group           Read            Group   8 16 [groups::consumer_group_heartbeat];
    69 ConsumerGroupDescribe        0..=1  Broker     Group           Describe        Group   8 64 [groups::consumer_group_describe];
    70 ControllerRegistration       0..=0  Controller Cluster         ClusterAction   Peer    8 16 [-];
    71 GetTelemetrySubscriptions    0..=0  Broker     Nothing         Any             Client  8 16 [telemetry::get_telemetry_subscriptions];
    72 PushTelemetry                0..=0  Broker     Nothing         Any             Client  8 16 [telemetry::push_telemetry];
    73 AssignReplicasToDirs         0..=0  Controller Cluster         ClusterAction   Peer    8 16 [-];
    74 ListConfigResources          0..=1  Broker     Cluster         DescribeConfigs Admin   8 16 [configs::list_config_resources];
    75 DescribeTopicPartitions      0..=0  Broker     Topic           Describe        Client 16 64 [topics::describe_topic_partitions];
    76 ShareGroupHeartbeat          1..=1  Broker     Group           Read            Group   8 16 [-];
    77 ShareGroupDescribe           1..=1  Broker     Group           Describe        Group   8 16 [-];
    78 ShareFetch                   1..=2  Broker     Group           Read            Data    1 64 [-];
    79 ShareAcknowledge             1..=2  Broker     Group           Read            Group   8 16 [-];
    80 AddRaftVoter                 0..=1  Both       Cluster         Alter           Admin   8 16 [-];
    81 RemoveRaftVoter              0..=0  Both       Cluster         Alter           Admin   8 16 [-];
    82 UpdateRaftVoter              0..=0  Controller Cluster         ClusterAction   Peer    8 16 [-];
    83 InitializeShareGroupState    0..=0  Broker     Cluster         ClusterAction   Peer    8 16 [-];
    84 ReadShareGroupState          0..=0  Broker     Cluster         ClusterAction   Peer    8 16 [-];
    85 WriteShareGroupState         0..=1  Broker     Cluster         ClusterAction   Peer    8 16 [-];
    86 DeleteShareGroupState        0..=0  Broker     Cluster         ClusterAction   Peer    8 16 [-];
    87 ReadShareGroupStateSummary   0..=1  Broker     Cluster         ClusterAction   Peer    8 16 [-];
    88 StreamsGroupHeartbeat        0..=0  Broker     Group           Read            Group   8 16 [-];
    89 StreamsGroupDescribe         0..=0  Broker     Group           Describe        Group   8 16 [-];
    90 DescribeShareGroupOffsets    0..=1  Broker     Group           Describe        Group   8 16 [-];
    91 AlterShareGroupOffsets       0..=0  Broker     Group           Read            Group   8 16 [-];
    92 DeleteShareGroupOffsets      0..=0  Broker     Group           Delete          Group   8 16 [-];
}

fn run<Q: RequestBody, R: ResponseBody + Send + 'static>(
    ctx: &Ctx,
    body: Bytes,
    handle: fn(&Ctx, Q) -> Reply<R>,
) -> Result<Reply<Result<Body, WireError>>, WireError> {
    let (key, version) = (ctx.api_key, ctx.api_version);
    let request = wire::decode(key, version, body)?;
    Ok(handle(ctx, request).map(move |response| wire::encode(key, version, response)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::schema;

    #[test]
    fn rows_stand_at_their_key() {
        for (index, row) in rows().iter().enumerate() {
            assert_eq!(usize::try_from(row.key), Ok(index), "{}", row.name);
        }
        assert_eq!(rows().len(), 93);
    }

    #[test]
    fn names_and_versions_are_those_of_kafkas_schemas() {
        for row in rows() {
            let Some(message) = schema::message(row.key) else {
                assert_eq!(
                    (row.scope, row.versions.is_empty()),
                    (Scope::Gone, true),
                    "{}",
                    row.name
                );
                continue;
            };
            assert_eq!(message.name, row.name);
            // The newest version of InitProducerId has a schema, but is not stable in 4.3.1.
            let last = if row.name == "InitProducerId" {
                5
            } else {
                message.last
            };
            assert_eq!(row.versions, message.first..=last, "{}", row.name);
        }
    }

    #[test]
    fn a_handler_is_in_the_file_that_has_its_name() {
        let mut handlers = 0;
        for row in rows().iter().filter(|row| row.handler.is_some()) {
            let line = format!(" {} {} ", row.key, row.name);
            let line = include_str!("table.rs")
                .lines()
                .find(|text| text.starts_with("    ") && text.contains(&line));
            let file = line
                .and_then(|line| line.split(['[', ']']).nth(1))
                .and_then(|path| path.split("::").nth(1));
            assert_eq!(file, Some(snake_case(row.name).as_str()), "{}", row.name);
            handlers += 1;
        }
        assert!(handlers > 0);
    }

    fn snake_case(name: &str) -> String {
        let mut out = String::new();
        for (at, c) in name.char_indices() {
            if c.is_uppercase() && at > 0 {
                out.push('_');
            }
            out.push(c.to_ascii_lowercase());
        }
        out
    }
}
