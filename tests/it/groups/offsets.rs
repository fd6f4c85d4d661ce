//! Committed offsets: by name and by id, of one group and of several, after a restart, and after their topic is gone.

use bytes::Bytes;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{
    DeleteTopicsRequest, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
};
use kafka_protocol::protocol::Decodable;
use ottla_base::schema::{Schema, Writer};
use ottla_base::{ErrorCode, Uuid, record_schema};

use super::{code, create_topic, find_coordinator, group, is_starting, start, text, topic};
use crate::client::Client;

pub fn commit_request(group_id: &str, name: &str, partition: i32, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(-1)
        .with_committed_metadata(Some(text("note")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic(name))
        .with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(group(group_id))
        .with_topics(vec![topic])
}

pub fn commit(client: &mut Client, version: i16, group_id: &str, name: &str, offset: i64) -> i16 {
    let response = client.call(version, &commit_request(group_id, name, 0, offset));
    response.topics[0].partitions[0].error_code
}

/// The offset of partition 0, and the error.
pub fn fetch(client: &mut Client, version: i16, group_id: &str, name: &str) -> (i64, i16) {
    if version < 8 {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(topic(name))
            .with_partition_indexes(vec![0]);
        let request = OffsetFetchRequest::default()
            .with_group_id(group(group_id))
            .with_topics(Some(vec![topic]));
        let response = client.call(version, &request);
        let partition = &response.topics[0].partitions[0];
        return (
            partition.committed_offset,
            response.error_code + partition.error_code,
        );
    }
    let mut response = client.call(version, &fetch_of_groups(&[group_id], Some(name)));
    while is_starting(response.groups[0].error_code) {
        response = client.call(version, &fetch_of_groups(&[group_id], Some(name)));
    }
    let partition = &response.groups[0].topics[0].partitions[0];
    (
        partition.committed_offset,
        response.groups[0].error_code + partition.error_code,
    )
}

fn fetch_of_groups(groups: &[&str], name: Option<&str>) -> OffsetFetchRequest {
    let topics = name.map(|name| {
        vec![
            OffsetFetchRequestTopics::default()
                .with_name(topic(name))
                .with_partition_indexes(vec![0]),
        ]
    });
    let of_group = |id: &&str| {
        OffsetFetchRequestGroup::default()
            .with_group_id(group(id))
            .with_member_epoch(-1)
            .with_topics(topics.clone())
    };
    OffsetFetchRequest::default().with_groups(groups.iter().map(of_group).collect())
}

#[test]
fn offsets_are_committed_and_fetched_in_all_versions() {
    let node = start();
    let mut client = node.client();
    create_topic(&mut client, "t");
    find_coordinator(&mut client);
    for version in 2..=9 {
        let group_id = format!("group-{version}");
        assert_eq!(
            commit(&mut client, version, &group_id, "t", i64::from(version)),
            0,
            "v{version}"
        );
        for fetch_version in 1..=9 {
            let fetched = fetch(&mut client, fetch_version, &group_id, "t");
            assert_eq!(
                fetched,
                (i64::from(version), 0),
                "v{version}, fetched v{fetch_version}"
            );
        }
    }
    assert_eq!(fetch(&mut client, 9, "nobody", "t"), (-1, 0));
}

#[test]
fn all_offsets_of_several_groups_at_once() {
    let node = start();
    let mut client = node.client();
    create_topic(&mut client, "t");
    create_topic(&mut client, "u");
    find_coordinator(&mut client);
    for (group_id, name, offset) in [("g", "t", 1), ("g", "u", 2), ("h", "t", 3)] {
        assert_eq!(commit(&mut client, 9, group_id, name, offset), 0);
    }
    let response = client.call(9, &fetch_of_groups(&["h", "g", "nobody"], None));
    let of_group = |index: usize| {
        let group = &response.groups[index];
        let topics = group
            .topics
            .iter()
            .map(|t| (t.name.to_string(), t.partitions[0].committed_offset));
        (
            group.group_id.to_string(),
            group.error_code,
            topics.collect::<Vec<_>>(),
        )
    };
    assert_eq!(of_group(0), ("h".to_owned(), 0, vec![("t".to_owned(), 3)]));
    assert_eq!(
        of_group(1),
        ("g".to_owned(), 0, vec![("t".to_owned(), 1), ("u".to_owned(), 2)])
    );
    assert_eq!(of_group(2), ("nobody".to_owned(), 0, Vec::new()));
    assert_eq!(
        response.groups[0].topics[0].partitions[0].metadata.as_deref(),
        Some("note")
    );
}

#[test]
fn what_cannot_be_committed() {
    let node = start();
    let mut client = node.client();
    create_topic(&mut client, "t");
    assert_eq!(
        commit(&mut client, 9, "g", "t", 1),
        code(ErrorCode::NotCoordinator)
    );
    find_coordinator(&mut client);
    assert_eq!(
        commit(&mut client, 9, "g", "unknown", 1),
        code(ErrorCode::UnknownTopicOrPartition)
    );
    let beyond = client.call(9, &commit_request("g", "t", 7, 1));
    assert_eq!(
        beyond.topics[0].partitions[0].error_code,
        code(ErrorCode::UnknownTopicOrPartition)
    );
    let mut noted = commit_request("g", "t", 0, 1);
    noted.topics[0].partitions[0].committed_metadata = Some(text(&"x".repeat(5000)));
    let noted = client.call(9, &noted);
    assert_eq!(
        noted.topics[0].partitions[0].error_code,
        code(ErrorCode::OffsetMetadataTooLarge)
    );
    for (version, error) in [(9, ErrorCode::GroupIdNotFound), (8, ErrorCode::IllegalGeneration)] {
        let mut stray = commit_request("nobody", "t", 0, 1).with_generation_id_or_member_epoch(4);
        let beyond = commit_request("nobody", "t", 7, 1);
        stray.topics[0]
            .partitions
            .extend(beyond.topics[0].partitions.iter().cloned());
        let response = client.call(version, &stray);
        let codes: Vec<i16> = response.topics[0]
            .partitions
            .iter()
            .map(|p| p.error_code)
            .collect();
        assert_eq!(
            codes,
            [code(error), code(ErrorCode::UnknownTopicOrPartition)],
            "what is not there is told so, also where the group refuses all of it"
        );
    }
}

#[test]
fn offsets_survive_a_restart_but_not_their_topic() {
    let mut node = start();
    let mut client = node.client();
    create_topic(&mut client, "t");
    create_topic(&mut client, "u");
    find_coordinator(&mut client);
    for i in 0..50 {
        assert_eq!(commit(&mut client, 9, &format!("g{}", i % 7), "t", i), 0);
        assert_eq!(commit(&mut client, 9, &format!("g{}", i % 7), "u", i), 0);
    }
    node.restart();
    let mut client = node.client();
    assert_eq!(fetch(&mut client, 9, "g0", "t"), (49, 0));
    assert_eq!(fetch(&mut client, 9, "g6", "t"), (48, 0));
    let gone = DeleteTopicsRequest::default()
        .with_topic_names(vec![topic("t")])
        .with_timeout_ms(5000);
    assert_eq!(client.call(5, &gone).responses[0].error_code, 0);
    while fetch(&mut client, 9, "g0", "t") != (-1, 0) {}
    create_topic(&mut client, "t");
    assert_eq!(fetch(&mut client, 9, "g6", "t"), (-1, 0));
    assert_eq!(fetch(&mut client, 9, "g6", "u"), (48, 0));
}

record_schema! {
    /// OffsetCommit 10, which kafka-protocol cannot encode.
    struct CommitById: versions 10..=10, flexible 8.. {
        group_id: String;
        generation: i32 = -1;
        member_id: String;
        group_instance_id: Option<String>;
        topics: Vec<CommittedTopic>;
    }

    struct CommittedTopic {
        topic_id: Uuid;
        partitions: Vec<CommittedPartition>;
    }

    struct CommittedPartition {
        partition: i32;
        offset: i64;
        leader_epoch: i32 = -1;
        metadata: Option<String>;
    }

    /// OffsetFetch 10.
    struct FetchById: versions 10..=10, flexible 6.. {
        groups: Vec<FetchedGroup>;
        require_stable: bool;
    }

    struct FetchedGroup {
        group_id: String;
        member_id: Option<String>;
        member_epoch: i32 = -1;
        topics: Option<Vec<FetchedTopic>>;
    }

    struct FetchedTopic {
        topic_id: Uuid;
        partitions: Vec<i32>;
    }
}

/// Sends a request that kafka-protocol lacks; its answer it can read.
fn call_by_id<R: Decodable>(client: &mut Client, key: i16, request: &impl Schema) -> R {
    let mut body = Writer::new();
    request.encode(&mut body, 10).unwrap();
    client.send_body(key, 10, 2, body.as_slice());
    let mut frame: Bytes = client.receive_frame().unwrap();
    // Correlation id and no tagged fields.
    let _header = frame.split_to(5);
    R::decode(&mut frame, 10).unwrap()
}

#[test]
fn topics_by_id() {
    let node = start();
    let mut client = node.client();
    let id = create_topic(&mut client, "t");
    find_coordinator(&mut client);
    let unknown = Uuid::from_u128(99);
    let partition = CommittedPartition {
        offset: 11,
        ..CommittedPartition::default()
    };
    let of_topic = |topic_id| CommittedTopic {
        topic_id,
        partitions: vec![partition.clone()],
    };
    let commit = CommitById {
        group_id: "g".to_owned(),
        topics: vec![of_topic(unknown), of_topic(id)],
        ..CommitById::default()
    };
    let committed: OffsetCommitResponse = call_by_id(&mut client, 8, &commit);
    let errors: Vec<(Uuid, i16)> = committed
        .topics
        .iter()
        .map(|topic| (topic.topic_id, topic.partitions[0].error_code))
        .collect();
    assert_eq!(errors, [(unknown, code(ErrorCode::UnknownTopicId)), (id, 0)]);
    for topics in [None, Some(vec![id, unknown])] {
        let of_topic = |topic_id| FetchedTopic {
            topic_id,
            partitions: vec![0],
        };
        let topics = topics.map(|ids| ids.into_iter().map(of_topic).collect());
        let asked = FetchedGroup {
            group_id: "g".to_owned(),
            topics,
            ..FetchedGroup::default()
        };
        let fetch = FetchById {
            groups: vec![asked],
            require_stable: true,
        };
        let fetched: OffsetFetchResponse = call_by_id(&mut client, 9, &fetch);
        let topic = &fetched.groups[0].topics[0];
        assert_eq!((topic.topic_id, topic.partitions[0].committed_offset), (id, 11));
        if let Some(topic) = fetched.groups[0].topics.get(1) {
            assert_eq!(topic.partitions[0].error_code, code(ErrorCode::UnknownTopicId));
        }
    }
    assert_eq!(fetch(&mut client, 9, "g", "t"), (11, 0));
}
