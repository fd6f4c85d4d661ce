//! The tables agree with kafka-protocol, and no body that is cut or has a wrong length gets past the check.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, Message as _, Request};

use super::sample::{Form, Length, Sample, sample};
use super::{Message, check, message};
use crate::wire::WireError;
use crate::wire::messages::encoded_as;

/// Decodes with kafka-protocol and encodes again; `None` if it lacks the key or the version.
fn through_kafka_protocol(key: i16, version: i16, body: &[u8]) -> Option<Result<Vec<u8>, String>> {
    fn go<T: Decodable + Encodable>(version: i16, body: &[u8]) -> Result<Vec<u8>, String> {
        let mut rest = Bytes::copy_from_slice(body);
        let request = T::decode(&mut rest, version).map_err(|e| e.to_string())?;
        if !rest.is_empty() {
            return Err(format!("{} bytes left", rest.len()));
        }
        let mut out = BytesMut::new();
        request.encode(&mut out, version).map_err(|e| e.to_string())?;
        Ok(out.to_vec())
    }
    macro_rules! by_key {
        ($($request:ident)*) => {
            $(if key == $request::KEY {
                let version = encoded_as(key, version);
                let known = ($request::VERSIONS.min..=$request::VERSIONS.max).contains(&version);
                return known.then(|| go::<$request>(version, body));
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

/// Every key and version, filled and with nulls.
fn every_sample(mut test: impl FnMut(&Message, i16, &Sample)) {
    for key in 0..=92 {
        let Some(message) = message(key) else {
            assert!((4..=7).contains(&key), "key {key} has no shape");
            continue;
        };
        assert_eq!(message.key, key);
        for version in message.first..=message.last {
            test(message, version, &sample(message, version, false));
            test(message, version, &sample(message, version, true));
        }
    }
}

#[test]
fn whole_requests_pass_and_kafka_protocol_reads_them_the_same_way() {
    let mut lacking = Vec::new();
    every_sample(|message, version, sample| {
        let body = &sample.body;
        assert_eq!(
            check(message.key, version, body),
            Ok(()),
            "{} {version}",
            message.name
        );
        match through_kafka_protocol(message.key, version, body) {
            Some(again) => assert_eq!(again.as_ref(), Ok(body), "{} {version}", message.name),
            None => lacking.push(format!("{} {version}", message.name)),
        }
    });
    lacking.dedup();
    let known = [
        "OffsetCommit 10",
        "OffsetFetch 10",
        "InitProducerId 6",
        "WriteTxnMarkers 2",
        "BrokerHeartbeat 2",
        "ShareFetch 2",
        "ShareAcknowledge 2",
        "AddRaftVoter 1",
        "WriteShareGroupState 1",
        "ReadShareGroupStateSummary 1",
        "StreamsGroupHeartbeat 0",
        "StreamsGroupDescribe 0",
        "DescribeShareGroupOffsets 1",
    ];
    assert_eq!(lacking, known);
}

#[test]
fn a_request_cut_at_any_byte_is_refused() {
    every_sample(|message, version, sample| {
        for end in 0..sample.body.len() {
            let result = check(message.key, version, &sample.body[..end]);
            assert!(result.is_err(), "{} {version} cut at {end}", message.name);
        }
    });
}

#[test]
fn a_byte_too_many_is_refused() {
    every_sample(|message, version, sample| {
        let mut body = sample.body.clone();
        body.push(0);
        assert_eq!(
            check(message.key, version, &body),
            Err(WireError::TrailingBytes(1)),
            "{} {version}",
            message.name
        );
    });
}

#[test]
fn a_wrong_length_is_refused_wherever_it_stands() {
    let mut cases = 0;
    every_sample(|message, version, sample| {
        for length in &sample.lengths {
            for body in wrong_lengths(&sample.body, *length) {
                cases += 1;
                let result = check(message.key, version, &body);
                assert!(
                    result.is_err(),
                    "{} {version}: {length:?} in {body:x?}",
                    message.name
                );
            }
        }
    });
    assert!(cases > 10_000, "only {cases} cases");
}

/// The body with the length replaced by -2, by null where there is none, by one more than what is left, by the largest
/// value, and by a varint that never ends.
fn wrong_lengths(body: &[u8], length: Length) -> Vec<Vec<u8>> {
    let width = match length.form {
        Form::Int16 => 2,
        Form::Int32 => 4,
        Form::Uvarint | Form::Plain => 1,
    };
    let (before, behind) = (&body[..length.at], &body[length.at + width..]);
    let with = |bytes: &[u8]| [before, bytes, behind].concat();
    let left = behind.len();
    let mut bodies = match length.form {
        Form::Int16 => vec![
            with(&(-2i16).to_be_bytes()),
            with(&u16::try_from(left + 1).unwrap().to_be_bytes()),
            with(&i16::MAX.to_be_bytes()),
        ],
        Form::Int32 => vec![
            with(&(-2i32).to_be_bytes()),
            with(&u32::try_from(left + 1).unwrap().to_be_bytes()),
            with(&i32::MAX.to_be_bytes()),
        ],
        Form::Uvarint => vec![
            with(&uvarint(left + 2)),
            with(&uvarint(i32::MAX as usize)),
            with(&[0xff, 0xff, 0xff, 0xff, 0x0f]),
            with(&[0xff; 6]),
        ],
        Form::Plain => vec![
            with(&uvarint(left + 1)),
            with(&[0xff, 0xff, 0xff, 0xff, 0x0f]),
            with(&[0xff; 6]),
        ],
    };
    if !length.nullable {
        bodies.extend(match length.form {
            Form::Int16 => Some(with(&[0xff; 2])),
            Form::Int32 => Some(with(&[0xff; 4])),
            Form::Uvarint => Some(with(&[0])),
            Form::Plain => None,
        });
    }
    bodies
}

fn uvarint(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

#[test]
fn many_small_elements_do_not_become_much_memory() {
    // Metadata 12: a topic is at least 18 bytes; empty structures in flexible LeaveGroup members are 4.
    let members = 1_000_000u32;
    let mut body = vec![2, b'g'];
    body.extend(uvarint(members as usize + 1));
    for _ in 0..members {
        body.extend([1, 0, 0, 0]);
    }
    body.push(0);
    let result = check(13, 5, &body);
    assert!(
        matches!(result, Err(WireError::Field { field: "Members", .. })),
        "{result:?}"
    );
}
