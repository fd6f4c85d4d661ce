//! A coordinator with its log: what is appended is committed at once, or held, or fails; a restart reads the log again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ottla_base::{ErrorCode, Uuid};

use crate::classic::{ClassicGroup, State};
use crate::command::{Command, Reply};
use crate::config::{ConsumerGroupConfig, GroupConfig};
use crate::consumer::topics::{Topic, Topics};
use crate::records::{Encoded, GroupMetadataValue, Record};
use crate::{GroupShard, Machine, Now, Outcome, Then, Token};

pub const GROUP: &str = "g";
pub const TOPIC: &str = "t";

pub struct Coordinator {
    shard: GroupShard,
    topics: Arc<Topics>,
    partitions: usize,
    log: Vec<Encoded>,
    now: Now,
    tokens: u64,
    answers: BTreeMap<Token, Reply>,
    held: VecDeque<Held>,
    holds: bool,
    fails: bool,
    epoch: Option<i32>,
}

struct Held {
    records: Vec<Record>,
    parked: Vec<(Token, Reply)>,
    then: Then<GroupShard>,
}

impl Coordinator {
    pub fn new() -> Self {
        let mut new = Self {
            shard: shard(),
            topics: Arc::default(),
            partitions: 2,
            log: Vec::new(),
            now: Now {
                wall_ms: 1_000_000,
                uptime_ms: 0,
            },
            tokens: 0,
            answers: BTreeMap::new(),
            held: VecDeque::new(),
            holds: false,
            fails: false,
            epoch: None,
        };
        new.grow();
        new
    }

    pub fn now_ms(&self) -> i64 {
        self.now.uptime_ms
    }

    pub fn ask(&mut self, command: Command) -> Token {
        self.tokens += 1;
        let token = Token(self.tokens);
        let outcome = self.shard.handle(command, token, self.now);
        self.settle(outcome);
        self.run_due();
        token
    }

    pub fn answer(&mut self, token: Token) -> Option<Reply> {
        self.answers.remove(&token)
    }

    pub fn has_answer(&self, token: Token) -> bool {
        self.answers.contains_key(&token)
    }

    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    pub fn all_partitions(&self) -> BTreeSet<(Uuid, i32)> {
        let topic = self.topics.by_name(TOPIC).expect("is there");
        let numbers = 0..topic.partition_racks.len();
        numbers
            .map(|number| (topic.id, i32::try_from(number).expect("few")))
            .collect()
    }

    pub fn grow(&mut self) {
        self.partitions += 1;
        let topic = Topic {
            id: Uuid::from_u128(1),
            name: TOPIC.into(),
            partition_racks: vec![Vec::new(); self.partitions],
        };
        self.topics = Arc::new(Topics::new(self.topics.version() + 1, [topic]));
        self.ask(Command::SetTopics(self.topics.clone()));
    }

    pub fn wait(&mut self, ms: i64) {
        let until_ms = self.now.uptime_ms + ms;
        while let Some(at_ms) = self.shard.next_deadline_ms().filter(|at_ms| *at_ms <= until_ms) {
            self.advance((at_ms - self.now.uptime_ms).max(0));
            self.expire();
        }
        self.advance(until_ms - self.now.uptime_ms);
    }

    pub fn fail_next(&mut self) {
        self.fails = true;
    }

    pub fn hold(&mut self) {
        self.holds = true;
    }

    pub fn release(&mut self) {
        self.holds = false;
        while let Some(held) = self.held.pop_front() {
            self.commit(held);
        }
        self.run_due();
    }

    /// Whoever waits is told to look for the coordinator again.
    pub fn restart(&mut self) {
        let replies = self.shard.unloaded();
        self.answers.extend(replies);
        for held in std::mem::take(&mut self.held) {
            let failed = held.parked.into_iter().map(|(token, _)| token);
            self.answers
                .extend(failed.map(|token| (token, Reply::Failed(ErrorCode::NotCoordinator))));
        }
        self.holds = false;
        self.shard = self.replayed(&self.log);
        // A generation of a classic group in which nobody was assigned anything yet is forgotten.
        self.epoch = self.epoch.filter(|_| self.shard.consumer.contains(GROUP));
        let outcome = self.shard.loaded(self.now);
        self.settle(outcome);
        self.ask(Command::SetTopics(self.topics.clone()));
    }

    pub fn state(&self) -> &'static str {
        match (
            self.shard.groups.get(GROUP),
            self.shard.consumer.groups.get(GROUP),
        ) {
            (Some(group), None) => group.state().name(),
            (None, Some(group)) => group.state().name(),
            (None, None) => "Dead",
            (Some(_), Some(_)) => "both",
        }
    }

    /// The generation or epoch of the group only goes up, as long as somebody is in it to have heard of it.
    fn check_epoch(&mut self) {
        let epoch = self.epoch_with_members();
        if let (Some(before), Some(now)) = (self.epoch, epoch) {
            assert!(now >= before, "epoch {now} after {before}");
        }
        self.epoch = epoch;
    }

    fn epoch_with_members(&self) -> Option<i32> {
        let classic = self.shard.groups.get(GROUP);
        let classic = classic
            .filter(|group| group.members().len() > 0)
            .map(|group| group.generation);
        let consumer = self.shard.consumer.groups.get(GROUP);
        let consumer = consumer
            .filter(|group| group.members().len() > 0)
            .map(|group| group.epoch);
        classic.or(consumer)
    }

    /// A replay of the log gives what is in memory, and so does one of what compaction leaves of it.
    pub fn check_log(&self) {
        // What a classic group is between two generations is in memory only; so is a static member that has come back, until
        // its record is committed or its coming is undone.
        let is_settled = |group: &ClassicGroup| group.is_in(State::Stable);
        let with_classic = self.held.is_empty() && self.shard.groups.get(GROUP).is_none_or(is_settled);
        let snapshot = |shard: &GroupShard| snapshot(shard, with_classic);
        let expected = snapshot(&self.shard);
        assert_eq!(snapshot(&self.replayed(&self.log)), expected, "a replay");
        let mut last: BTreeMap<&[u8], usize> = BTreeMap::new();
        for (index, record) in self.log.iter().enumerate() {
            last.insert(&record.key, index);
        }
        let is_last = |(index, record): &(usize, &Encoded)| last.get(&record.key[..]) == Some(index);
        let kept: Vec<Encoded> = self
            .log
            .iter()
            .enumerate()
            .filter(is_last)
            .map(|(_, r)| r.clone())
            .collect();
        assert_eq!(snapshot(&self.replayed(&kept)), expected, "compacted");
        let without_tombstones: Vec<Encoded> = kept.into_iter().filter(|r| r.value.is_some()).collect();
        assert_eq!(
            snapshot(&self.replayed(&without_tombstones)),
            expected,
            "without tombstones"
        );
    }

    fn replayed(&self, log: &[Encoded]) -> GroupShard {
        let mut shard = shard();
        for (offset, record) in (0..).zip(log) {
            let record = GroupShard::decode(&record.key, record.value.as_deref()).expect("decodes");
            shard.replay(offset, -1, record, self.now);
        }
        shard
    }

    fn settle(&mut self, outcome: Outcome<GroupShard>) {
        self.check_epoch();
        self.answers.extend(outcome.replies);
        if outcome.records.is_empty() {
            return;
        }
        let held = Held {
            records: outcome.records,
            parked: outcome.parked,
            then: outcome.then,
        };
        if std::mem::take(&mut self.fails) {
            return self.fail(held, ErrorCode::CoordinatorNotAvailable);
        }
        match self.holds {
            true => self.held.push_back(held),
            false => self.commit(held),
        }
    }

    fn commit(&mut self, held: Held) {
        for record in &held.records {
            self.log.push(record.encode().expect("encodes"));
        }
        match held.then {
            Then::Nothing => {}
            Then::Replay => {
                for record in held.records {
                    self.shard.replay(0, -1, record, self.now);
                }
            }
            Then::Resume(resume) => {
                let outcome = self.shard.resume(resume, Ok(()), self.now);
                self.settle(outcome);
            }
        }
        self.answers.extend(held.parked);
        self.check_epoch();
    }

    fn fail(&mut self, held: Held, error: ErrorCode) {
        let failed = held
            .parked
            .into_iter()
            .map(|(token, _)| (token, Reply::Failed(error)));
        self.answers.extend(failed);
        if let Then::Resume(resume) = held.then {
            let outcome = self.shard.resume(resume, Err(error), self.now);
            self.settle(outcome);
        }
    }

    fn run_due(&mut self) {
        while self
            .shard
            .next_deadline_ms()
            .is_some_and(|at_ms| at_ms <= self.now.uptime_ms)
        {
            self.expire();
        }
    }

    fn expire(&mut self) {
        if let Some(outcome) = self.shard.expire(self.now) {
            self.settle(outcome);
        }
    }

    fn advance(&mut self, ms: i64) {
        self.now.wall_ms += ms;
        self.now.uptime_ms += ms;
    }
}

fn shard() -> GroupShard {
    let consumer = ConsumerGroupConfig {
        assignment_interval_ms: 1_000,
        ..ConsumerGroupConfig::default()
    };
    GroupShard::new(Arc::new(GroupConfig {
        initial_rebalance_delay_ms: 0,
        consumer: Arc::new(consumer),
        ..GroupConfig::default()
    }))
}

/// All that the log has to say of the group.
fn snapshot(shard: &GroupShard, with_classic: bool) -> Vec<Record> {
    let mut records = Vec::new();
    if let Some(group) = shard.consumer.groups.get(GROUP) {
        records.extend(group.creation_records());
        let regexes = group
            .regexes
            .iter()
            .map(|(regex, resolved)| resolved.record(GROUP, regex));
        records.extend(regexes);
    }
    let classic = shard.groups.get(GROUP).filter(|group| group.members().len() > 0);
    if let Some(group) = classic.filter(|_| with_classic) {
        let record = group.metadata_record(|member| member.assignment.clone());
        if let Record::GroupMetadata(key, Some(value)) = record {
            // Since when it is stable is not written down, only since when the assignment was waited for.
            let value = GroupMetadataValue {
                current_state_timestamp: 0,
                ..value
            };
            records.push(Record::GroupMetadata(key, Some(value)));
        }
    }
    records
}
