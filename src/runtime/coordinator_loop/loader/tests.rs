//! Loads that find less than they expect, and loads that leave out what is overtaken.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_base::{ErrorCode, ManualClock};
use ottla_coordinator::command::{FetchOffsets, ListGroups};
use ottla_coordinator::records::{GroupKey, GroupMetadataValue, OffsetCommitKey, OffsetCommitValue, Record};
use ottla_coordinator::{Command, GroupConfig, GroupShard, Reply, Token};
use ottla_storage::AppendOrigin;
use ottla_storage::batch::control::end_txn_marker;
use ottla_storage::batch::{BatchBuilder, BatchOptions, Codec, ValidBatch};
use proptest::prelude::*;
use tokio::sync::Notify;

use super::*;

#[test]
fn a_log_whose_last_records_are_gone_is_loaded() {
    // What a crash right behind a roll leaves when all before it is compacted away: an end, and no record that leads to it.
    let log = Batches {
        lost: 10,
        ..Batches::default()
    };
    let (_, summary) = load(shard(), &log, &options()).unwrap();
    assert_eq!(summary.records, 0);
}

fn shard() -> GroupShard {
    GroupShard::new(Arc::new(GroupConfig::default()))
}

fn options() -> LoopOptions {
    LoopOptions {
        name: "test".into(),
        clock: Arc::new(ManualClock::at(1_000)),
        codec: Codec::None,
        commit_timeout: Duration::from_secs(5),
        load_buffer_bytes: 1 << 20,
    }
}

const NOW: Now = Now {
    wall_ms: 1_000,
    uptime_ms: 0,
};

/// One batch for each offset.
#[derive(Default)]
struct Batches {
    bytes: Vec<u8>,
    starts: Vec<usize>,
    /// Offsets at the end of which nothing is left.
    lost: i64,
}

impl Batches {
    fn push(&mut self, batch: &[u8]) {
        let mut batch = ValidBatch::trusted(&Bytes::copy_from_slice(batch)).unwrap();
        batch.place(self.end_offset(), 0);
        self.starts.push(self.bytes.len());
        self.bytes.extend_from_slice(&batch.header_bytes());
        self.bytes.extend_from_slice(&batch.body);
    }
}

impl Journal for Batches {
    type Watch = ();

    async fn append(&self, _: ValidBatch, _: AppendOrigin) -> Result<i64, ErrorCode> {
        Err(ErrorCode::NotLeaderOrFollower)
    }

    fn committed_end(&self) -> Result<i64, ErrorCode> {
        Ok(self.end_offset())
    }

    fn batch_bytes_max(&self) -> usize {
        1000
    }

    fn watch(&self, _: &Arc<Notify>) {}

    fn start_offset(&self) -> i64 {
        0
    }

    fn end_offset(&self) -> i64 {
        self.starts.len() as i64 + self.lost
    }

    /// The last batch is cut.
    fn read(&self, offset: i64, _: usize, into: &mut Vec<u8>) -> Result<(), JournalError> {
        const BYTES: usize = 5000;
        into.clear();
        if let Some(start) = self.starts.get(offset as usize) {
            let rest = &self.bytes[*start..];
            into.extend_from_slice(&rest[..rest.len().min(BYTES)]);
        }
        Ok(())
    }
}

/// What one batch says.
#[derive(Clone, Debug)]
enum Said {
    /// By a producer in a transaction, or by nobody.
    Offset(u8, i32, Option<i64>),
    NoOffset(u8, i32),
    Group(u8),
    NoGroup(u8),
    Ended(i64, EndTxn),
}

const GROUPS: u8 = 3;

fn said() -> impl Strategy<Value = Said> {
    let producer = prop_oneof![4 => Just(None), 1 => (0i64..2).prop_map(Some)];
    let end = prop_oneof![Just(EndTxn::Commit), Just(EndTxn::Abort)];
    prop_oneof![
        8 => (0..GROUPS, 0i32..3, producer).prop_map(|(group, partition, producer)| Said::Offset(group, partition, producer)),
        1 => (0..GROUPS, 0i32..3).prop_map(|(group, partition)| Said::NoOffset(group, partition)),
        1 => (0..GROUPS).prop_map(Said::Group),
        1 => (0..GROUPS).prop_map(Said::NoGroup),
        1 => (0i64..2, end).prop_map(|(producer, end)| Said::Ended(producer, end)),
    ]
}

impl Said {
    fn producer_id(&self) -> i64 {
        match self {
            Self::Offset(_, _, Some(producer_id)) => *producer_id,
            _ => NO_PRODUCER,
        }
    }

    /// Each value is another: its offset is where it stands.
    fn record(&self, offset: i64) -> Option<Record> {
        let key = |group: &u8, partition: &i32| OffsetCommitKey {
            group: format!("g{group}"),
            topic: "t".to_owned(),
            partition: *partition,
        };
        let group_key = |group: &u8| GroupKey {
            group: format!("g{group}"),
        };
        Some(match self {
            Self::Offset(group, partition, _) => {
                let value = OffsetCommitValue {
                    offset,
                    ..OffsetCommitValue::default()
                };
                Record::OffsetCommit(key(group, partition), Some(value))
            }
            Self::NoOffset(group, partition) => Record::OffsetCommit(key(group, partition), None),
            Self::Group(group) => {
                let value = GroupMetadataValue {
                    protocol_type: format!("of {offset}"),
                    ..GroupMetadataValue::default()
                };
                Record::GroupMetadata(group_key(group), Some(value))
            }
            Self::NoGroup(group) => Record::GroupMetadata(group_key(group), None),
            Self::Ended(..) => return None,
        })
    }

    fn batch(&self, offset: i64) -> Bytes {
        let Some(record) = self.record(offset) else {
            let Self::Ended(producer_id, end) = self else {
                unreachable!()
            };
            return end_txn_marker(*end, *producer_id, 0, 0, 1);
        };
        let mut batch = BatchBuilder::new(BatchOptions {
            producer_id: self.producer_id(),
            transactional: self.producer_id() != NO_PRODUCER,
            ..BatchOptions::default()
        });
        let encoded = record.encode().unwrap();
        batch.append(1, Some(&encoded.key), encoded.value.as_deref(), &[]);
        batch.build()
    }
}

/// All that a client can ask of it.
fn state(shard: &mut GroupShard) -> Vec<String> {
    let mut ask = |command| format!("{:?}", shard.handle(command, Token(1), NOW).replies);
    let fetch = |group| FetchOffsets {
        group_id: format!("g{group}"),
        topics: None,
        require_stable: true,
        member_id: None,
        member_epoch: -1,
    };
    let mut state: Vec<String> = (0..GROUPS)
        .map(|group| ask(Command::FetchOffsets(fetch(group))))
        .collect();
    let ids = (0..GROUPS).map(|group| format!("g{group}")).collect();
    state.push(ask(Command::Describe(ids)));
    let filter = ListGroups {
        states: Vec::new(),
        types: Vec::new(),
    };
    let Some((_, Reply::Listed(mut listed))) =
        shard.handle(Command::List(filter), Token(1), NOW).replies.pop()
    else {
        panic!("no list")
    };
    listed.sort_by(|a, b| a.group_id.cmp(&b.group_id));
    state.push(format!("{listed:?}"));
    state
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_left_out_makes_no_difference(script in proptest::collection::vec(said(), 1000..1100)) {
        let mut log = Batches::default();
        let mut in_full = shard();
        for (offset, said) in (0..).zip(&script) {
            log.push(&said.batch(offset));
            match (said.record(offset), said) {
                (Some(record), _) => in_full.replay(offset, said.producer_id(), record, NOW),
                (None, Said::Ended(producer_id, end)) => in_full.end_transaction(*producer_id, *end == EndTxn::Commit),
                (None, _) => {}
            }
        }
        let (mut loaded, summary) = load(shard(), &log, &options()).unwrap();
        prop_assert_eq!(state(&mut loaded), state(&mut in_full));
        let markers = script.iter().filter(|said| matches!(said, Said::Ended(..))).count();
        prop_assert_eq!(summary.records as usize, script.len() - markers);
    }
}
