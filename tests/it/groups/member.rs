//! The life of members: join, sync, heartbeat, leave.

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use ottla_base::ErrorCode;

use super::{code, find_coordinator, group, is_starting, start, text};
use crate::client::Client;
use crate::node::Node;

/// Who has joined.
pub struct Member {
    pub group_id: String,
    pub id: String,
    pub generation: i32,
}

pub fn join_request(group_id: &str, member_id: &str) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff"));
    JoinGroupRequest::default()
        .with_group_id(group(group_id))
        .with_member_id(text(member_id))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
}

/// Joins as a client does: from version 4 on in two steps.
fn join_answer(client: &mut Client, version: i16, group_id: &str, member_id: &str) -> JoinGroupResponse {
    let response = client.call(version, &join_request(group_id, member_id));
    if response.error_code != code(ErrorCode::MemberIdRequired) {
        return response;
    }
    assert!(version >= 4 && member_id.is_empty());
    client.call(version, &join_request(group_id, &response.member_id))
}

pub fn join(client: &mut Client, version: i16, group_id: &str) -> Member {
    let joined = join_answer(client, version, group_id, "");
    assert_eq!(joined.error_code, 0, "v{version}");
    assert_eq!(joined.leader, joined.member_id, "v{version}");
    assert_eq!(joined.members.len(), 1, "v{version}");
    assert_eq!(joined.protocol_name.as_deref(), Some("range"), "v{version}");
    assert_eq!(
        joined.protocol_type.as_deref(),
        (version >= 7).then_some("consumer"),
        "v{version}"
    );
    Member {
        group_id: group_id.to_owned(),
        id: joined.member_id.to_string(),
        generation: joined.generation_id,
    }
}

fn sync_request(member: &Member, version: i16, assignment: Option<&'static [u8]>) -> SyncGroupRequest {
    let assigned = assignment.map(|assignment| {
        SyncGroupRequestAssignment::default()
            .with_member_id(text(&member.id))
            .with_assignment(Bytes::from_static(assignment))
    });
    let request = SyncGroupRequest::default()
        .with_group_id(group(&member.group_id))
        .with_member_id(text(&member.id))
        .with_generation_id(member.generation)
        .with_assignments(assigned.into_iter().collect());
    match version {
        5.. => request
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text("range"))),
        _ => request,
    }
}

pub fn sync(client: &mut Client, version: i16, member: &Member, assignment: &'static [u8]) {
    let synced = client.call(version, &sync_request(member, version, Some(assignment)));
    assert_eq!(
        (synced.error_code, &synced.assignment[..]),
        (0, assignment),
        "v{version}"
    );
}

fn heartbeat_request(member: &Member) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(group(&member.group_id))
        .with_member_id(text(&member.id))
        .with_generation_id(member.generation)
}

pub fn heartbeat(client: &mut Client, version: i16, member: &Member) -> i16 {
    client.call(version, &heartbeat_request(member)).error_code
}

pub fn leave(client: &mut Client, version: i16, member: &Member) -> i16 {
    let request = LeaveGroupRequest::default().with_group_id(group(&member.group_id));
    if version < 3 {
        return client
            .call(version, &request.with_member_id(text(&member.id)))
            .error_code;
    }
    let identity = MemberIdentity::default().with_member_id(text(&member.id));
    let left = client.call(version, &request.with_members(vec![identity]));
    assert_eq!(left.error_code, 0);
    left.members[0].error_code
}

#[test]
fn a_member_joins_syncs_beats_and_leaves_in_all_versions() {
    let node = start();
    let mut client = node.client();
    find_coordinator(&mut client);
    for version in 0..=9 {
        let group_id = format!("group-{version}");
        let member = join(&mut client, version, &group_id);
        sync(&mut client, version.min(5), &member, b"everything");
        assert_eq!(heartbeat(&mut client, version.min(4), &member), 0, "v{version}");
        assert_eq!(leave(&mut client, version.min(5), &member), 0, "v{version}");
        assert_eq!(
            heartbeat(&mut client, version.min(4), &member),
            code(ErrorCode::UnknownMemberId)
        );
        assert_eq!(
            leave(&mut client, version.min(5), &member),
            code(ErrorCode::UnknownMemberId)
        );
    }
}

#[test]
fn a_second_member_makes_the_first_one_join_again() {
    let node = start();
    let (mut first, mut second) = (node.client(), node.client());
    find_coordinator(&mut first);
    let alone = join(&mut first, 9, "g");
    sync(&mut first, 5, &alone, b"all");
    let id = second.call(9, &join_request("g", "")).member_id;
    let waiting = second.send(9, &join_request("g", &id));
    while heartbeat(&mut first, 4, &alone) == 0 {}
    assert_eq!(
        heartbeat(&mut first, 4, &alone),
        code(ErrorCode::RebalanceInProgress)
    );
    let leader = first.call(9, &join_request("g", &alone.id));
    let follower: JoinGroupResponse = second.receive::<JoinGroupRequest>(9, waiting);
    assert_eq!((leader.generation_id, leader.members.len()), (2, 2));
    assert_eq!((follower.generation_id, follower.members.len()), (2, 0));
    assert_eq!(follower.leader.as_str(), alone.id);
    // The follower waits for what the leader has not assigned yet.
    let follower = Member {
        group_id: "g".to_owned(),
        id: id.to_string(),
        generation: 2,
    };
    let waiting = second.send(5, &sync_request(&follower, 5, None));
    let leader = Member {
        generation: 2,
        ..alone
    };
    sync(&mut first, 5, &leader, b"leader's");
    assert_eq!(second.receive::<SyncGroupRequest>(5, waiting).assignment.len(), 0);
}

#[test]
fn a_request_behind_one_that_waits_has_to_wait_as_in_kafka() {
    let node = Node::start_with(&[("group.initial.rebalance.delay.ms", "300")]);
    let mut client = node.client();
    find_coordinator(&mut client);
    let id = client.call(9, &join_request("g", "")).member_id;
    let member = Member {
        group_id: "g".to_owned(),
        id: id.to_string(),
        generation: 0,
    };
    let join = client.send(9, &join_request("g", &id));
    let heartbeat = client.send(4, &heartbeat_request(&member));
    assert_eq!(client.receive::<JoinGroupRequest>(9, join).generation_id, 1);
    // It was sent while the member was joining, and looked at when it had joined.
    assert_eq!(
        client.receive::<HeartbeatRequest>(4, heartbeat).error_code,
        code(ErrorCode::IllegalGeneration)
    );
}

#[test]
fn what_is_wrong_with_a_request() {
    let node = start();
    let mut client = node.client();
    let nobody = Member {
        group_id: "g".to_owned(),
        id: "m".to_owned(),
        generation: 1,
    };
    // Nobody coordinates before somebody has asked who does.
    assert_eq!(
        heartbeat(&mut client, 4, &nobody),
        code(ErrorCode::NotCoordinator)
    );
    find_coordinator(&mut client);
    assert_eq!(
        heartbeat(&mut client, 4, &nobody),
        code(ErrorCode::UnknownMemberId)
    );
    let unnamed = Member {
        group_id: String::new(),
        ..nobody
    };
    assert_eq!(
        heartbeat(&mut client, 4, &unnamed),
        code(ErrorCode::InvalidGroupId)
    );
    let joined = client.call(9, &join_request("", ""));
    assert_eq!(joined.error_code, code(ErrorCode::InvalidGroupId));
    let hurried = client.call(9, &join_request("g", "").with_session_timeout_ms(1));
    assert_eq!(hurried.error_code, code(ErrorCode::InvalidSessionTimeout));
    let unprotocolled = SyncGroupRequest::default().with_group_id(group("g"));
    assert_eq!(
        client.call(5, &unprotocolled).error_code,
        code(ErrorCode::InconsistentGroupProtocol)
    );
}

#[test]
fn a_group_survives_a_restart_with_its_members() {
    let mut node = start();
    let mut client = node.client();
    find_coordinator(&mut client);
    let member = join(&mut client, 9, "g");
    sync(&mut client, 5, &member, b"mine");
    node.restart();
    let mut client = node.client();
    let mut synced = client.call(5, &sync_request(&member, 5, None));
    while is_starting(synced.error_code) {
        synced = client.call(5, &sync_request(&member, 5, None));
    }
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"mine"[..]));
    assert_eq!(heartbeat(&mut client, 4, &member), 0);
    assert_eq!(leave(&mut client, 5, &member), 0);
}
