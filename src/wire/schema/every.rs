//! Every request and answer that kafka-protocol knows, decoded by key: for the tests and the fuzzer, which know no handlers.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, Message, Request};

use crate::wire::messages::encoded_as;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    ReadRequest,
    /// Read it and write it again.
    RepeatRequest,
    ReadAnswer,
}

/// Decodes a request and encodes it again; `None` if kafka-protocol lacks the key or the version.
pub fn through_kafka_protocol(key: i16, version: i16, body: &[u8]) -> Option<Result<Vec<u8>, String>> {
    by_key(Task::RepeatRequest, key, version, body)
}

/// Decodes a request; `None` if kafka-protocol lacks the key or the version.
pub fn decode_only(key: i16, version: i16, body: &[u8]) -> Option<Result<(), String>> {
    by_key(Task::ReadRequest, key, version, body).map(|read| read.map(drop))
}

/// Decodes the body of an answer; `None` if kafka-protocol lacks the key or the version.
pub fn decode_answer(key: i16, version: i16, body: &[u8]) -> Option<Result<(), String>> {
    // Here only the request looks like that of the version before.
    const OWN_ANSWER: (i16, i16) = (ApiKey::DescribeLogDirs as i16, 5);
    if (key, version) == OWN_ANSWER {
        return None;
    }
    by_key(Task::ReadAnswer, key, version, body).map(|read| read.map(drop))
}

fn go<T: Message + Decodable + Encodable>(
    task: Task,
    version: i16,
    body: &[u8],
) -> Option<Result<Vec<u8>, String>> {
    let known = (T::VERSIONS.min..=T::VERSIONS.max).contains(&version);
    known.then(|| {
        let mut body = Bytes::copy_from_slice(body);
        let message = T::decode(&mut body, version).map_err(|e| e.to_string())?;
        if !body.is_empty() {
            return Err(format!("{} bytes left", body.len()));
        }
        let mut out = BytesMut::new();
        if task == Task::RepeatRequest {
            message.encode(&mut out, version).map_err(|e| e.to_string())?;
        }
        Ok(out.to_vec())
    })
}

fn by_key(task: Task, key: i16, version: i16, body: &[u8]) -> Option<Result<Vec<u8>, String>> {
    macro_rules! by_key {
        ($($request:ident)*) => {
            $(if key == $request::KEY {
                let version = encoded_as(key, version);
                return match task {
                    Task::ReadAnswer => go::<<$request as Request>::Response>(task, version, body),
                    Task::ReadRequest | Task::RepeatRequest => go::<$request>(task, version, body),
                };
            })*
        };
    }
    by_key! {
        ProduceRequest FetchRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest OffsetFetchRequest
        FindCoordinatorRequest JoinGroupRequest HeartbeatRequest LeaveGroupRequest SyncGroupRequest
        DescribeGroupsRequest ListGroupsRequest SaslHandshakeRequest ApiVersionsRequest CreateTopicsRequest
        DeleteTopicsRequest DeleteRecordsRequest InitProducerIdRequest OffsetForLeaderEpochRequest
        AddPartitionsToTxnRequest AddOffsetsToTxnRequest EndTxnRequest WriteTxnMarkersRequest
        TxnOffsetCommitRequest DescribeAclsRequest CreateAclsRequest DeleteAclsRequest DescribeConfigsRequest
        AlterConfigsRequest AlterReplicaLogDirsRequest DescribeLogDirsRequest SaslAuthenticateRequest
        CreatePartitionsRequest CreateDelegationTokenRequest RenewDelegationTokenRequest
        ExpireDelegationTokenRequest DescribeDelegationTokenRequest DeleteGroupsRequest ElectLeadersRequest
        IncrementalAlterConfigsRequest AlterPartitionReassignmentsRequest ListPartitionReassignmentsRequest
        OffsetDeleteRequest DescribeClientQuotasRequest AlterClientQuotasRequest
        DescribeUserScramCredentialsRequest AlterUserScramCredentialsRequest VoteRequest BeginQuorumEpochRequest
        EndQuorumEpochRequest DescribeQuorumRequest AlterPartitionRequest UpdateFeaturesRequest EnvelopeRequest
        FetchSnapshotRequest DescribeClusterRequest DescribeProducersRequest BrokerRegistrationRequest
        BrokerHeartbeatRequest UnregisterBrokerRequest DescribeTransactionsRequest ListTransactionsRequest
        AllocateProducerIdsRequest ConsumerGroupHeartbeatRequest ConsumerGroupDescribeRequest
        ControllerRegistrationRequest GetTelemetrySubscriptionsRequest PushTelemetryRequest
        AssignReplicasToDirsRequest ListConfigResourcesRequest DescribeTopicPartitionsRequest
        ShareGroupHeartbeatRequest ShareGroupDescribeRequest ShareFetchRequest ShareAcknowledgeRequest
        AddRaftVoterRequest RemoveRaftVoterRequest UpdateRaftVoterRequest InitializeShareGroupStateRequest
        ReadShareGroupStateRequest WriteShareGroupStateRequest DeleteShareGroupStateRequest
        ReadShareGroupStateSummaryRequest DescribeShareGroupOffsetsRequest AlterShareGroupOffsetsRequest
        DeleteShareGroupOffsetsRequest
    }
    None
}
