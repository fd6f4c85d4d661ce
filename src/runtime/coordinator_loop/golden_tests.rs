//! A `__consumer_offsets` partition that Apache Kafka 4.3.1 wrote: classic groups with and without members, a static member,
//! consumer and share groups, a deleted group, and transactions committed, aborted and timed out. What Kafka's tools said of
//! it before it was stopped is what is loaded here.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_base::{ErrorCode, ManualClock};
use ottla_coordinator::command::*;
use ottla_coordinator::records::Record;
use ottla_coordinator::{Command, GroupConfig, GroupShard, Machine, Now, Reply, Token};
use ottla_storage::AppendOrigin;
use ottla_storage::batch::{AnyBatch, Codec, ValidBatch, records_shared};
use tokio::sync::Notify;

use super::journal::JournalError;
use super::loader::load;
use super::tests::join_group;
use super::{Journal, LoopOptions};

/// The file, one batch after the other.
struct GoldenLog(Vec<Bytes>);

impl GoldenLog {
    fn open() -> Self {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/golden/coordinator/kafka-4.3.1-consumer-offsets.log"
        );
        let mut bytes = Bytes::from(fs::read(path).unwrap());
        let mut batches = Vec::new();
        while !bytes.is_empty() {
            let size = AnyBatch::parse(&bytes).unwrap().size_bytes();
            batches.push(bytes.split_to(size));
        }
        Self(batches)
    }
}

impl Journal for GoldenLog {
    type Watch = ();

    async fn append(&self, _: ValidBatch, _: AppendOrigin) -> Result<i64, ErrorCode> {
        Err(ErrorCode::KafkaStorageError)
    }

    fn committed_end(&self) -> Result<i64, ErrorCode> {
        Ok(self.end_offset())
    }

    fn batch_bytes_max(&self) -> usize {
        1 << 20
    }

    fn watch(&self, _: &Arc<Notify>) {}

    fn start_offset(&self) -> i64 {
        0
    }

    fn end_offset(&self) -> i64 {
        AnyBatch::parse(self.0.last().unwrap()).unwrap().next_offset()
    }

    fn read(&self, offset: i64, _: usize, into: &mut Vec<u8>) -> Result<(), JournalError> {
        let holds = |batch: &&Bytes| AnyBatch::parse(batch).unwrap().last_offset() >= offset;
        into.clear();
        into.extend_from_slice(self.0.iter().find(holds).unwrap());
        Ok(())
    }
}

const NOW: Now = Now {
    wall_ms: 1_795_269_200_000,
    uptime_ms: 0,
};

struct Loaded(GroupShard);

impl Loaded {
    fn new() -> Self {
        Self::from(&GoldenLog::open())
    }

    fn from(log: &GoldenLog) -> Self {
        let options = LoopOptions {
            name: "golden".into(),
            clock: Arc::new(ManualClock::at(NOW.wall_ms)),
            codec: Codec::None,
            commit_timeout: Duration::from_secs(5),
            load_buffer_bytes: 1 << 20,
        };
        let machine = GroupShard::new(Arc::new(GroupConfig::default()));
        let (mut machine, _) = load(machine, log, &options).unwrap();
        machine.loaded(NOW);
        Self(machine)
    }

    fn ask(&mut self, command: Command) -> Reply {
        let outcome = self.0.handle(command, Token(1), NOW);
        let replies = outcome.replies.into_iter().chain(outcome.parked);
        replies.map(|(_, reply)| reply).next().expect("an answer")
    }

    /// Topic, partition, offset; an error stands in the offset's place.
    fn offsets(&mut self, group: &str) -> Vec<(String, i32, Result<i64, ErrorCode>)> {
        let fetch = FetchOffsets {
            group_id: group.to_owned(),
            topics: None,
            require_stable: true,
            member_id: None,
            member_epoch: -1,
        };
        let Reply::FetchedOffsets(topics) = self.ask(Command::FetchOffsets(fetch)) else {
            panic!("no offsets")
        };
        let mut offsets = Vec::new();
        for topic in topics {
            for partition in topic.partitions {
                let offset = partition.error.into_result().map(|()| partition.offset);
                offsets.push((topic.name.clone(), partition.partition, offset));
            }
        }
        offsets
    }
}

fn at(topic: &str, partition: i32, offset: i64) -> (String, i32, Result<i64, ErrorCode>) {
    (topic.to_owned(), partition, Ok(offset))
}

#[test]
fn every_record_is_understood_and_written_back_byte_for_byte() {
    let mut types = std::collections::BTreeMap::new();
    for batch in GoldenLog::open().0 {
        if matches!(AnyBatch::parse(&batch).unwrap(), AnyBatch::Current(header) if header.is_control()) {
            continue;
        }
        for record in records_shared(&batch, 1 << 20).unwrap() {
            let record = record.unwrap();
            let decoded = Record::decode(record.key.as_deref().unwrap(), record.value.as_deref()).unwrap();
            let encoded = decoded.encode().unwrap();
            assert_eq!(
                (Some(encoded.key), encoded.value),
                (record.key, record.value),
                "{decoded:?}"
            );
            *types.entry(decoded.type_number()).or_insert(0) += 1;
        }
    }
    // As kafka-dump-log --offsets-decoder counts them.
    let expected = [
        (1, 26),
        (2, 8),
        (3, 3),
        (5, 4),
        (6, 2),
        (7, 3),
        (8, 4),
        (10, 2),
        (11, 3),
        (12, 2),
        (13, 3),
        (14, 3),
        (15, 2),
    ];
    assert_eq!(types.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn offsets_are_those_that_kafka_had() {
    let mut loaded = Loaded::new();
    assert_eq!(
        loaded.offsets("classic-empty"),
        [at("words", 0, 50), at("words", 1, 0)]
    );
    assert_eq!(
        loaded.offsets("classic-live"),
        [at("words", 0, 54), at("words", 1, 4)]
    );
    assert_eq!(
        loaded.offsets("consumer-empty"),
        [at("words", 0, 50), at("words", 1, 0)]
    );
    assert_eq!(
        loaded.offsets("consumer-live"),
        [at("numbers", 0, 50), at("numbers", 1, 0)]
    );
    assert_eq!(loaded.offsets("simple"), [at("words", 0, 5), at("words", 1, 6)]);
    assert_eq!(
        loaded.offsets("static"),
        [at("numbers", 0, 8), at("words", 0, 52), at("words", 1, 4)]
    );
    assert_eq!(loaded.offsets("deleted"), []);
}

#[test]
fn a_transaction_that_is_open_keeps_its_offset_unstable_and_an_aborted_one_leaves_nothing() {
    /// The broker's marker for the transaction whose producer had gone.
    const TIMED_OUT_AT: i64 = 52;
    let mut log = GoldenLog::open();
    let stable = [at("numbers", 0, 30), at("numbers", 1, 31)];
    assert_eq!(Loaded::from(&log).offsets("transactional"), stable);
    log.0
        .retain(|batch| AnyBatch::parse(batch).unwrap().last_offset() < TIMED_OUT_AT);
    let unstable = ("numbers".to_owned(), 0, Err(ErrorCode::UnstableOffsetCommit));
    assert_eq!(
        Loaded::from(&log).offsets("transactional"),
        [unstable, at("numbers", 1, 31)]
    );
}

#[test]
fn groups_with_members_are_stable_and_others_empty() {
    let mut loaded = Loaded::new();
    let Reply::Listed(mut groups) = loaded.ask(Command::List(ListGroups::default())) else {
        panic!("no list")
    };
    groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
    let listed: Vec<(&str, &str, &str)> = groups
        .iter()
        .map(|group| (group.group_id.as_str(), group.group_type, group.state))
        .collect();
    let expected = [
        ("classic-empty", "classic", "Empty"),
        ("classic-live", "classic", "Stable"),
        ("consumer-empty", "consumer", "Empty"),
        ("consumer-live", "consumer", "Stable"),
        ("sharing", "share", "Empty"),
        ("simple", "classic", "Empty"),
        ("static", "classic", "Stable"),
        ("transactional", "classic", "Empty"),
    ];
    assert_eq!(listed, expected);
    let Reply::Described(groups) = loaded.ask(Command::Describe(vec!["static".to_owned()])) else {
        panic!("no description")
    };
    let member = &groups[0].members[0];
    assert_eq!(member.member_id, "one-2176a309-7cf1-4a08-8a51-03d1cfeb093f");
    assert_eq!(member.group_instance_id.as_deref(), Some("one"));
    assert_eq!(
        (groups[0].protocol_data.as_str(), member.client_id.as_str()),
        ("range", "rdkafka")
    );
    assert!(!member.assignment.is_empty());
}

#[test]
fn groups_of_other_protocols_go_only_when_empty() {
    let mut loaded = Loaded::new();
    let groups = [
        // A member of the classic protocol may join: it is told an id first.
        (
            "consumer-live",
            ErrorCode::MemberIdRequired,
            ErrorCode::NonEmptyGroup,
        ),
        (
            "sharing",
            ErrorCode::InconsistentGroupProtocol,
            ErrorCode::NonEmptyGroup,
        ),
    ];
    for (group_id, joining, deletion) in groups {
        let join = JoinGroup {
            requires_known_member_id: true,
            ..join_group(group_id, "")
        };
        let Reply::Joined(joined) = loaded.ask(Command::Join(join)) else {
            panic!("another answer")
        };
        assert_eq!(joined.error, joining, "{group_id}");
        let deleted = loaded.ask(Command::DeleteGroups(vec![group_id.to_owned()]));
        assert_eq!(
            deleted,
            Reply::DeletedGroups(vec![(group_id.to_owned(), deletion)])
        );
    }
    let deleted = loaded.ask(Command::DeleteGroups(vec!["consumer-empty".to_owned()]));
    let expected = vec![("consumer-empty".to_owned(), ErrorCode::None)];
    assert_eq!(deleted, Reply::DeletedGroups(expected));
}
