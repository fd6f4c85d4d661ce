//! Every request that kafka-protocol knows, decoded by key: for the tests and the fuzzer, which know no handlers.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, Message as _, Request};

use crate::wire::messages::encoded_as;

/// Decodes with kafka-protocol and encodes again; `None` if it lacks the key or the version.
pub fn through_kafka_protocol(key: i16, version: i16, body: &[u8]) -> Option<Result<Vec<u8>, String>> {
    by_key(key, version, Bytes::copy_from_slice(body), true)
}

/// Decodes with kafka-protocol; `None` if it lacks the key or the version.
pub fn decode_only(key: i16, version: i16, body: &[u8]) -> Option<Result<(), String>> {
    by_key(key, version, Bytes::copy_from_slice(body), false).map(|decoded| decoded.map(drop))
}

fn go<T: Decodable + Encodable>(version: i16, mut body: Bytes, again: bool) -> Result<Vec<u8>, String> {
    let request = T::decode(&mut body, version).map_err(|e| e.to_string())?;
    if !body.is_empty() {
        return Err(format!("{} bytes left", body.len()));
    }
    let mut out = BytesMut::new();
    if again {
        request.encode(&mut out, version).map_err(|e| e.to_string())?;
    }
    Ok(out.to_vec())
}

fn by_key(key: i16, version: i16, body: Bytes, again: bool) -> Option<Result<Vec<u8>, String>> {
    macro_rules! by_key {
        ($($request:ident)*) => {
            $(if key == $request::KEY {
                let version = encoded_as(key, version);
                let known = ($request::VERSIONS.min..=$request::VERSIONS.max).contains(&version);
                return known.then(|| go::<$request>(version, body, again));
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
