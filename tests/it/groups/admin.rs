//! What administrators see and delete.

use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest, OffsetDeleteRequest,
};
use ottla_base::ErrorCode;

use super::member::{join, leave, sync};
use super::offsets::{commit, fetch};
use super::{code, create_topic, find_coordinator, group, start, text, topic};

#[test]
fn groups_are_described_in_all_versions() {
    let node = start();
    let mut client = node.client();
    find_coordinator(&mut client);
    let member = join(&mut client, 9, "g");
    sync(&mut client, 5, &member, b"mine");
    for version in 0..=6 {
        let request = DescribeGroupsRequest::default()
            .with_groups(vec![group("nobody"), group("g")])
            .with_include_authorized_operations(version >= 3);
        let response = client.call(version, &request);
        let missing = &response.groups[0];
        assert_eq!(missing.group_id, group("nobody"));
        assert_eq!(missing.group_state.as_str(), "Dead");
        let error = if version < 6 {
            ErrorCode::None
        } else {
            ErrorCode::GroupIdNotFound
        };
        assert_eq!(missing.error_code, code(error), "v{version}");
        let described = &response.groups[1];
        assert_eq!(
            (described.error_code, described.group_state.as_str()),
            (0, "Stable")
        );
        assert_eq!(
            (described.protocol_type.as_str(), described.protocol_data.as_str()),
            ("consumer", "range")
        );
        assert_eq!(described.members.len(), 1);
        let described = &described.members[0];
        assert_eq!(
            (described.member_id.as_str(), described.client_id.as_str()),
            (member.id.as_str(), "it")
        );
        assert_eq!(described.client_host.as_str(), "/127.0.0.1");
        assert_eq!(&described.member_assignment[..], b"mine");
        assert_eq!(described.member_metadata.len(), 13);
    }
}

#[test]
fn groups_are_listed_in_all_versions() {
    let node = start();
    let mut client = node.client();
    assert_eq!(client.call(5, &ListGroupsRequest::default()).groups, []);
    create_topic(&mut client, "t");
    find_coordinator(&mut client);
    for i in 0..10 {
        assert_eq!(commit(&mut client, 9, &format!("empty-{i}"), "t", i), 0);
    }
    let member = join(&mut client, 9, "stable");
    sync(&mut client, 5, &member, b"");
    for version in 0..=5 {
        let response = client.call(version, &ListGroupsRequest::default());
        assert_eq!(
            (response.error_code, response.groups.len()),
            (0, 11),
            "v{version}"
        );
    }
    let filtered = |states: &[&str], types: &[&str]| {
        ListGroupsRequest::default()
            .with_states_filter(states.iter().map(|state| text(state)).collect())
            .with_types_filter(types.iter().map(|kind| text(kind)).collect())
    };
    let stable = client.call(5, &filtered(&["stable"], &[])).groups;
    assert_eq!(stable.len(), 1);
    assert_eq!(stable[0].group_id, group("stable"));
    assert_eq!(
        (stable[0].group_state.as_str(), stable[0].group_type.as_str()),
        ("Stable", "classic")
    );
    assert_eq!(
        client.call(5, &filtered(&["Empty"], &["Classic"])).groups.len(),
        10
    );
    assert_eq!(client.call(5, &filtered(&[], &["share"])).groups, []);
}

#[test]
fn groups_are_deleted_when_nobody_is_in_them() {
    let node = start();
    let mut client = node.client();
    create_topic(&mut client, "t");
    find_coordinator(&mut client);
    let member = join(&mut client, 9, "g");
    assert_eq!(commit(&mut client, 9, "h", "t", 5), 0);
    let delete = |ids: &[&str]| {
        DeleteGroupsRequest::default().with_groups_names(ids.iter().map(|id| group(id)).collect())
    };
    let response = client.call(2, &delete(&["g", "h", "nobody", "h"]));
    let mut results: Vec<(String, i16)> = response
        .results
        .iter()
        .map(|result| (result.group_id.to_string(), result.error_code))
        .collect();
    results.sort();
    let expected = [
        ("g".to_owned(), code(ErrorCode::NonEmptyGroup)),
        ("h".to_owned(), 0),
        ("nobody".to_owned(), code(ErrorCode::GroupIdNotFound)),
    ];
    assert_eq!(results, expected);
    assert_eq!(fetch(&mut client, 9, "h", "t"), (-1, 0));
    assert_eq!(leave(&mut client, 5, &member), 0);
    for version in 0..=1 {
        let response = client.call(version, &delete(&["g"]));
        let expected = if version == 0 {
            ErrorCode::None
        } else {
            ErrorCode::GroupIdNotFound
        };
        assert_eq!(response.results[0].error_code, code(expected));
    }
}

#[test]
fn offsets_are_deleted_unless_a_member_reads_the_topic() {
    let node = start();
    let mut client = node.client();
    create_topic(&mut client, "t");
    create_topic(&mut client, "u");
    find_coordinator(&mut client);
    for name in ["t", "u"] {
        assert_eq!(commit(&mut client, 9, "g", name, 5), 0);
    }
    let member = join(&mut client, 9, "g");
    sync(&mut client, 5, &member, b"");
    let of_topic = |name: &str| {
        let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
        OffsetDeleteRequestTopic::default()
            .with_name(topic(name))
            .with_partitions(vec![partition])
    };
    let request = OffsetDeleteRequest::default()
        .with_group_id(group("g"))
        .with_topics(vec![of_topic("t"), of_topic("u"), of_topic("unknown")]);
    let response = client.call(0, &request);
    let errors: Vec<i16> = response
        .topics
        .iter()
        .map(|topic| topic.partitions[0].error_code)
        .collect();
    let expected = [
        ErrorCode::GroupSubscribedToTopic,
        ErrorCode::None,
        ErrorCode::UnknownTopicOrPartition,
    ];
    assert_eq!(errors, expected.map(code));
    assert_eq!(fetch(&mut client, 9, "g", "t"), (5, 0));
    assert_eq!(fetch(&mut client, 9, "g", "u"), (-1, 0));
    let nobody = client.call(0, &request.with_group_id(group("nobody")));
    assert_eq!(nobody.error_code, code(ErrorCode::GroupIdNotFound));
}
