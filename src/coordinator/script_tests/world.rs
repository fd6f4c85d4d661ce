//! What a script acts on: a machine, its log, and clients that remember their member ids and generations. It does what the
//! loop does, one command at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_base::{ErrorCode, Uuid};

use super::Stage;
use super::args::Args;
use super::{consumer, goes_off, later, print};
use crate::command::*;
use crate::config::GroupConfig;
use crate::consumer::MigrationPolicy;
use crate::consumer::topics::Topics;
use crate::records::{Encoded, Record};
use crate::{GroupShard, Machine, Now, Outcome, Then, Token};

pub struct World {
    shard: GroupShard,
    config: GroupConfig,
    now: Now,
    /// Offset, producer and record; a marker of a transaction is not a record.
    log: Vec<Logged>,
    pub(super) clients: BTreeMap<String, Client>,
    pub(super) topics: Arc<Topics>,
    waiting: BTreeMap<Token, String>,
    tokens: u64,
    pub(super) fresh_ids: u128,
    append: Append,
    held: Vec<Held>,
    happened: Vec<String>,
}

/// Appended and not committed: the records, who waits for them, and what happens then.
type Held = (Vec<Record>, Vec<(Token, Reply)>, Then<GroupShard>);

enum Logged {
    Record(i64, Encoded),
    Marker(i64, bool),
}

#[derive(Default, Clone)]
pub(super) struct Client {
    pub member_id: String,
    pub generation: i32,
}

enum Append {
    Commits,
    Fails(ErrorCode),
    /// Appended, but not committed before `release`.
    Holds,
}

impl Stage for World {
    fn new() -> Self {
        let config = GroupConfig::default();
        Self {
            shard: GroupShard::new(Arc::new(config.clone())),
            config,
            now: Now {
                wall_ms: 1_000_000,
                uptime_ms: 0,
            },
            log: Vec::new(),
            clients: BTreeMap::new(),
            topics: Arc::default(),
            waiting: BTreeMap::new(),
            tokens: 0,
            fresh_ids: 0,
            append: Append::Commits,
            held: Vec::new(),
            happened: Vec::new(),
        }
    }

    fn run(&mut self, line: &str) -> Vec<String> {
        let args = Args::parse(line);
        match args.verb {
            "config" => self.configure(&args),
            "wait" => self.wait(args.name().parse().expect("milliseconds")),
            "restart" => self.restart(),
            "unload" => {
                let replies = self.shard.unloaded();
                self.answer(replies);
            }
            "append" => self.append = append_mode(args.name()),
            "release" => self.release(),
            "group" => self.happened.push(print::consumer::state(
                &self.shard,
                args.get("group").unwrap_or("g"),
            )),
            "state" => self
                .happened
                .push(print::state(&self.shard, args.get("group").unwrap_or("g"))),
            "txn" => self.commit_in_transaction(&args),
            "marker" => {
                let (producer, committed) = (args.number("pid", 1), args.name() == "commit");
                self.log.push(Logged::Marker(producer, committed));
                self.shard.end_transaction(producer, committed);
            }
            _ => {
                let command = self.command(&args);
                let token = self.token(args.name());
                let outcome = self.shard.handle(command, token, self.now);
                self.settle(outcome);
            }
        }
        self.run_ready();
        std::mem::take(&mut self.happened)
    }
}

impl World {
    /// Handles what waited for records that are written now, as the loop does before it does anything else.
    fn run_ready(&mut self) {
        while !self.shard.ready.is_empty() {
            if let Some(outcome) = self.shard.expire(self.now) {
                self.settle(outcome);
            }
        }
    }

    /// Names of those who have no answer yet.
    pub fn waiting(&self) -> Vec<&str> {
        self.waiting.values().map(String::as_str).collect()
    }

    pub fn shard(&self) -> &GroupShard {
        &self.shard
    }

    fn configure(&mut self, args: &Args<'_>) {
        self.config.max_size = args.number("max_size", self.config.max_size);
        self.config.initial_rebalance_delay_ms = args.number("delay", self.config.initial_rebalance_delay_ms);
        self.config.offset_metadata_max_chars =
            args.number("metadata", self.config.offset_metadata_max_chars);
        self.config.offsets_retention_ms = args.number("retention", self.config.offsets_retention_ms);
        if let Some(policy) = args.get("policy") {
            self.config.consumer_migration = MigrationPolicy::by_name(policy).expect("a policy");
        }
        self.config.consumer = Arc::new(consumer::config(&self.config.consumer, args));
        self.shard.config = Arc::new(self.config.clone());
    }

    fn command(&mut self, args: &Args<'_>) -> Command {
        let group_id = args.text("group", "g");
        let instance = args.get("instance").map(str::to_owned);
        match args.verb {
            "join" => Command::Join(self.join(args)),
            "sync" => Command::Sync(self.sync(args)),
            "heartbeat" => Command::Heartbeat(Heartbeat {
                group_id,
                member_id: self.member_id(args),
                group_instance_id: instance,
                generation_id: self.generation(args),
            }),
            "leave" => Command::Leave(LeaveGroup {
                group_id,
                members: self.leaving(args, instance),
            }),
            "describe" => Command::Describe(args.names.iter().map(|name| (*name).to_owned()).collect()),
            "list" => Command::List(ListGroups {
                states: args.list("states").into_iter().map(str::to_owned).collect(),
                types: args.list("types").into_iter().map(str::to_owned).collect(),
            }),
            "delete" => Command::DeleteGroups(args.names.iter().map(|name| (*name).to_owned()).collect()),
            "commit" => Command::CommitOffsets(self.commit(args)),
            "fetch" => Command::FetchOffsets(FetchOffsets {
                group_id,
                topics: args.get("topics").map(|_| {
                    let topics = args.list("topics").into_iter().map(|name| FetchTopic {
                        topic_id: topic_id(args),
                        name: name.to_owned(),
                        partitions: vec![args.number("partition", 0)],
                    });
                    topics.collect()
                }),
                require_stable: args.names.contains(&"stable"),
                member_id: args.get("member").map(str::to_owned),
                member_epoch: args.number("epoch", -1),
            }),
            "delete-offsets" => Command::DeleteOffsets(DeleteOffsets {
                group_id,
                topics: args
                    .list("topics")
                    .into_iter()
                    .map(|name| (name.to_owned(), vec![0]))
                    .collect(),
            }),
            "topic-deleted" => Command::TopicsDeleted(vec![(topic_id(args), args.name().to_owned())]),
            "expire" => Command::ExpireOffsets,
            _ => self.consumer_command(args),
        }
    }

    fn commit(&self, args: &Args<'_>) -> CommitOffsets {
        let partition = CommitPartition {
            partition: args.number("partition", 0),
            offset: args.number("offset", 0),
            leader_epoch: args.number("epoch", -1),
            metadata: args.get("metadata").map(str::to_owned),
        };
        let topic = CommitTopic {
            topic_id: topic_id(args),
            name: args.text("topic", "t"),
            partitions: vec![partition],
        };
        let is_member = !args.name().is_empty();
        CommitOffsets {
            group_id: args.text("group", "g"),
            member_id: if is_member {
                self.member_id(args)
            } else {
                String::new()
            },
            group_instance_id: args.get("instance").map(str::to_owned),
            generation_id: if is_member {
                self.generation(args)
            } else {
                args.number("gen", -1)
            },
            knows_group_id_not_found: args.number("v", 9) >= 9,
            retention_ms: args.number("retention", -1),
            is_transactional: false,
            topics: vec![topic],
        }
    }

    fn commit_in_transaction(&mut self, args: &Args<'_>) {
        let commit = self.commit(args);
        let producer_id = args.number("pid", 1);
        let append = self.shard.commit_offsets(commit, Token(0), self.now);
        for record in append.records {
            self.append_record(producer_id, record);
        }
    }

    fn leaving(&self, args: &Args<'_>, instance: Option<String>) -> Vec<LeavingMember> {
        let named = |name: &&str| LeavingMember {
            member_id: match args.get("member") {
                Some(_) => self.member_id(args),
                None => self
                    .clients
                    .get(*name)
                    .map(|client| client.member_id.clone())
                    .unwrap_or_default(),
            },
            group_instance_id: instance.clone(),
            reason: None,
        };
        args.names.iter().map(named).collect()
    }

    /// `member=-` is none at all, else what is written, else what the client was told last.
    pub(super) fn member_id(&self, args: &Args<'_>) -> String {
        match args.get("member") {
            Some("-") => String::new(),
            Some(short) => print::long_id(short),
            None => self
                .clients
                .get(args.name())
                .map(|client| client.member_id.clone())
                .unwrap_or_default(),
        }
    }

    pub(super) fn generation(&self, args: &Args<'_>) -> i32 {
        args.number(
            "gen",
            self.clients
                .get(args.name())
                .map_or(-1, |client| client.generation),
        )
    }

    fn token(&mut self, name: &str) -> Token {
        self.tokens += 1;
        self.waiting.insert(Token(self.tokens), name.to_owned());
        Token(self.tokens)
    }

    fn settle(&mut self, outcome: Outcome<GroupShard>) {
        self.answer(outcome.replies);
        if outcome.records.is_empty() {
            return;
        }
        match self.append {
            Append::Commits => self.committed(outcome.records, outcome.parked, outcome.then),
            Append::Holds => self.held.push((outcome.records, outcome.parked, outcome.then)),
            Append::Fails(error) => {
                let failed = outcome
                    .parked
                    .into_iter()
                    .map(|(token, _)| (token, Reply::Failed(error)))
                    .collect();
                self.answer(failed);
                self.resume(outcome.then, Err(error));
            }
        }
    }

    fn committed(&mut self, records: Vec<Record>, parked: Vec<(Token, Reply)>, then: Then<GroupShard>) {
        for record in records {
            self.happened.push(print::record(&record));
            match then {
                Then::Replay => self.append_record(-1, record),
                _ => self
                    .log
                    .push(Logged::Record(-1, record.encode().expect("encodes"))),
            }
        }
        self.resume(then, Ok(()));
        self.answer(parked);
    }

    fn resume(&mut self, then: Then<GroupShard>, appended: Result<(), ErrorCode>) {
        if let Then::Resume(resume) = then {
            let outcome = self.shard.resume(resume, appended, self.now);
            self.settle(outcome);
        }
    }

    fn append_record(&mut self, producer_id: i64, record: Record) {
        self.log
            .push(Logged::Record(producer_id, record.encode().expect("encodes")));
        self.shard
            .replay(self.log.len() as i64 - 1, producer_id, record, self.now);
    }

    fn release(&mut self) {
        self.append = Append::Commits;
        for (records, parked, then) in std::mem::take(&mut self.held) {
            self.committed(records, parked, then);
        }
    }

    /// Lets time pass, one timer at a time.
    fn wait(&mut self, by_ms: i64) {
        let until = later(self.now, by_ms);
        while goes_off(&self.shard, &mut self.now, until) {
            if let Some(outcome) = self.shard.expire(self.now) {
                self.settle(outcome);
            }
        }
        self.now = until;
    }

    fn restart(&mut self) {
        let replies = self.shard.unloaded();
        self.answer(replies);
        // What was appended and not committed is gone, and those who wait for it are told by the loop.
        self.held.clear();
        self.waiting.clear();
        self.shard = GroupShard::new(Arc::new(self.config.clone()));
        self.shard.consumer.topics = self.topics.clone();
        for (offset, logged) in self.log.iter().enumerate() {
            match logged {
                Logged::Record(producer_id, encoded) => {
                    let record = GroupShard::decode(&encoded.key, encoded.value.as_deref()).expect("decodes");
                    self.shard.replay(offset as i64, *producer_id, record, self.now);
                }
                Logged::Marker(producer_id, committed) => {
                    self.shard.end_transaction(*producer_id, *committed)
                }
            }
        }
        let outcome = self.shard.loaded(self.now);
        self.settle(outcome);
    }

    fn answer(&mut self, replies: Vec<(Token, Reply)>) {
        for (token, reply) in replies {
            let name = self.waiting.remove(&token).expect("nobody is answered twice");
            self.learn(&name, &reply);
            let name = if name.is_empty() { "-".to_owned() } else { name };
            self.happened.push(format!("{name}: {}", print::reply(&reply)));
        }
    }

    fn learn(&mut self, name: &str, reply: &Reply) {
        if let Reply::ConsumerHeartbeat(answer) = reply {
            self.learn_epoch(name, answer);
        }
        if let Reply::Joined(joined) = reply {
            let client = self.clients.entry(name.to_owned()).or_default();
            if joined.error == ErrorCode::None {
                *client = Client {
                    member_id: joined.member_id.clone(),
                    generation: joined.generation_id,
                };
            } else if joined.error == ErrorCode::MemberIdRequired {
                client.member_id.clone_from(&joined.member_id);
            }
        }
    }
}

fn append_mode(name: &str) -> Append {
    match name {
        "commits" => Append::Commits,
        "holds" => Append::Holds,
        "fails" => Append::Fails(ErrorCode::CoordinatorNotAvailable),
        other => panic!("append {other}"),
    }
}

fn topic_id(args: &Args<'_>) -> Uuid {
    Uuid::from_u128(args.number("topic_id", 0))
}
