//! What a script acts on: the machine, its log, producers that remember their ids and epochs, and a worker.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_base::ErrorCode;

use super::print;
use crate::records::Encoded;
use crate::script_tests::args::Args;
use crate::script_tests::{Stage, goes_off, later};
use crate::transaction::command::*;
use crate::transaction::shard::{StateRecord, TransactionConfig, TransactionShard, Transition};
use crate::transaction::state::{Partitions, State, Transaction};
use crate::{Machine, Now, Outcome, Then, Token};

pub struct World {
    pub(super) shard: TransactionShard,
    config: TransactionConfig,
    version: i16,
    coordinator_epoch: i32,
    now: Now,
    log: Vec<Encoded>,
    producers: BTreeMap<String, Producer>,
    waiting: BTreeMap<Token, (String, Command)>,
    tokens: u64,
    fresh_ids: i64,
    append: Append,
    held: Vec<Held>,
    /// Markers that the machine wants written, by transactional id.
    markers: BTreeMap<Arc<str>, Markers>,
    wants_ids: Vec<Arc<str>>,
    happened: Vec<String>,
}

type Held = (Vec<StateRecord>, Vec<(Token, Reply)>, Then<TransactionShard>);

#[derive(Clone)]
struct Producer {
    transactional_id: String,
    id: i64,
    epoch: i16,
}

#[derive(Clone, Copy)]
enum Append {
    Commits,
    Fails(ErrorCode),
    /// Appended, but not committed before `release`.
    Holds,
}

impl Stage for World {
    fn new() -> Self {
        let config = TransactionConfig::default();
        let mut world = Self {
            shard: TransactionShard::new(Arc::new(config.clone()), 5, 2),
            config,
            version: 2,
            coordinator_epoch: 5,
            now: Now {
                wall_ms: 1_000_000,
                uptime_ms: 0,
            },
            log: Vec::new(),
            producers: BTreeMap::new(),
            waiting: BTreeMap::new(),
            tokens: 0,
            fresh_ids: 0,
            append: Append::Commits,
            held: Vec::new(),
            markers: BTreeMap::new(),
            wants_ids: Vec::new(),
            happened: Vec::new(),
        };
        world.wait_for_work();
        world
    }

    fn run(&mut self, line: &str) -> Vec<String> {
        let args = Args::parse(line);
        match args.verb {
            "wait" => self.wait(args.name().parse().expect("milliseconds")),
            "restart" => self.restart(),
            "unload" => {
                let replies = self.shard.unloaded();
                self.answer(replies);
            }
            "append" => self.append = append_mode(&args),
            "release" => self.release(),
            "markers" => self.markers(&args),
            "ids" => self.ids(args.name() == "come"),
            "state" => self.happened.extend(print::state(&self.shard)),
            "log" => self.log(),
            "producer" => self.producer(&args),
            "put" => self.put(&args),
            "config" => self.configure(&args),
            "lose-answer" => self.lose_answer(args.name()),
            _ => {
                let command = self.command(&args);
                self.submit(args.name(), command);
            }
        }
        std::mem::take(&mut self.happened)
    }
}

impl World {
    /// A line of a random script: the outside answers only what it was asked.
    pub fn run_if_possible(&mut self, line: &str) -> Vec<String> {
        match line.strip_prefix("markers-of ") {
            Some(rest)
                if self
                    .markers
                    .contains_key(rest.split(' ').next().unwrap_or_default()) =>
            {
                self.run(&format!("markers {rest}"))
            }
            Some(_) => Vec::new(),
            None if line == "ids-if-wanted" => self.run("ids come"),
            None if line.contains("again") && !self.producers.contains_key("p") => Vec::new(),
            None => self.run(line),
        }
    }

    /// Those who have no answer yet.
    pub fn waiting(&self) -> Vec<&str> {
        let names = self.waiting.values().map(|(name, _)| name.as_str());
        names.filter(|name| *name != "work").collect()
    }

    fn command(&mut self, args: &Args<'_>) -> Command {
        match args.verb {
            "init" => Command::InitProducerId(self.init(args)),
            "add" => Command::AddPartitions(self.partitions(args)),
            "verify" => Command::VerifyPartitions(self.partitions(args)),
            "commit" => Command::EndTransaction(self.end(args, true)),
            "abort" => Command::EndTransaction(self.end(args, false)),
            "describe" => Command::Describe(args.text("id", args.name())),
            "list" => self.list(args),
            "expire" => Command::ExpireIds,
            "version" => {
                self.version = args.number("level", 2);
                Command::SetVersion(self.version)
            }
            other => panic!("what is {other}?"),
        }
    }

    fn list(&mut self, args: &Args<'_>) -> Command {
        let ids = args.list("pids").into_iter().map(|id| id.parse().expect("id"));
        let filters = ListTransactions {
            states: args.list("states").into_iter().map(str::to_owned).collect(),
            producer_ids: ids.collect(),
            duration_ms: args.number("longer", -1),
            id_pattern: args.get("like").map(str::to_owned),
        };
        let unknown = filters.unknown_states().map(|state| format!("no state: {state}"));
        self.happened.extend(unknown);
        Command::List(filters)
    }

    fn init(&mut self, args: &Args<'_>) -> InitProducerId {
        let known = self.producers.get(args.name());
        let expected = args.names.contains(&"again").then(|| {
            let known = known.expect("has begun before");
            (args.number("pid", known.id), args.number("epoch", known.epoch))
        });
        let id = known.map_or(args.name(), |known| &known.transactional_id);
        InitProducerId {
            transactional_id: args.text("id", id),
            timeout_ms: args.number("timeout", 60_000),
            expected,
            two_phase_commit: args.names.contains(&"2pc"),
            fresh_producer_id: None,
        }
    }

    fn partitions(&self, args: &Args<'_>) -> AddPartitions {
        let mut partitions = Partitions::new();
        for name in &args.names[1..] {
            let (topic, index) = name.rsplit_once('-').expect("topic-partition");
            let index = index.parse().expect("partition");
            partitions.entry(topic.into()).or_default().insert(index);
        }
        let producer = self.known(args);
        AddPartitions {
            transactional_id: args.text("id", &producer.transactional_id),
            producer_id: args.number("pid", producer.id),
            producer_epoch: args.number("epoch", producer.epoch),
            partitions,
            client_version: args.number("tv", if self.version >= 2 { 2 } else { 0 }),
        }
    }

    fn end(&self, args: &Args<'_>, committed: bool) -> EndTransaction {
        let producer = self.known(args);
        EndTransaction {
            transactional_id: args.text("id", &producer.transactional_id),
            producer_id: args.number("pid", producer.id),
            producer_epoch: args.number("epoch", producer.epoch),
            committed,
            client_version: args.number("tv", if self.version >= 2 { 2 } else { 0 }),
            fresh_producer_id: None,
        }
    }

    fn known(&self, args: &Args<'_>) -> Producer {
        let unknown = Producer {
            transactional_id: args.name().to_owned(),
            id: 77,
            epoch: 0,
        };
        self.producers.get(args.name()).cloned().unwrap_or(unknown)
    }

    /// A producer whose id and epoch the script knows better, or that takes over another's id.
    fn producer(&mut self, args: &Args<'_>) {
        let known = self.known(args);
        let producer = Producer {
            transactional_id: args.text("id", &known.transactional_id),
            id: args.number("pid", known.id),
            epoch: args.number("epoch", known.epoch),
        };
        self.producers.insert(args.name().to_owned(), producer);
    }

    /// A record as somebody else may have left it, loaded.
    fn put(&mut self, args: &Args<'_>) {
        self.producer(args);
        let producer = self.known(args);
        let mut transaction = Transaction::new(producer.id, args.number("timeout", 60_000), self.now.wall_ms);
        transaction.previous_producer_id = producer.id;
        transaction.producer_epoch = producer.epoch;
        if args.get("state") == Some("Ongoing") {
            transaction.state = State::Ongoing;
            transaction.start_ms = self.now.wall_ms;
        }
        let record = StateRecord {
            transactional_id: args.name().into(),
            transaction: Some(transaction),
            value_version: 1,
        };
        self.log.push(TransactionShard::encode(&record).expect("encodes"));
        self.shard.replay(0, -1, record, self.now);
        self.shard.watch_timeout(&args.name().into(), self.now);
    }

    fn configure(&mut self, args: &Args<'_>) {
        self.config.two_phase_commit = args.names.contains(&"2pc");
        self.config.max_timeout_ms = args.number("max_timeout", self.config.max_timeout_ms);
        self.coordinator_epoch = args.number("epoch", self.coordinator_epoch);
        self.shard.config = Arc::new(self.config.clone());
    }

    pub(super) fn submit(&mut self, name: &str, command: Command) {
        let token = self.token(name, command.clone());
        let outcome = self.shard.handle(command, token, self.now);
        self.settle(outcome);
    }

    /// What the partitions answered: `error=` for the ones named, or for all.
    fn markers(&mut self, args: &Args<'_>) {
        let markers = self
            .markers
            .remove(args.name())
            .expect("the machine wants markers");
        let error = args.get("error").map_or(ErrorCode::None, named_error);
        let named = &args.names[1..];
        let all = markers.partitions.iter();
        let each = all.flat_map(|(topic, indexes)| indexes.iter().map(move |index| (topic.clone(), *index)));
        let results = each.map(|(topic, index)| {
            let is_named = named.is_empty() || named.contains(&format!("{topic}-{index}").as_str());
            (topic, index, if is_named { error } else { ErrorCode::None })
        });
        let written = MarkersWritten {
            transactional_id: markers.transactional_id.clone(),
            producer_id: markers.producer_id,
            producer_epoch: markers.producer_epoch,
            results: results.collect(),
        };
        self.submit("", Command::MarkersWritten(written));
    }

    /// The controller has ids for transactions that ran out of time, or has none.
    fn ids(&mut self, come: bool) {
        for id in std::mem::take(&mut self.wants_ids) {
            self.fresh_ids += 1;
            let fetched = match come {
                true => Ok(self.fresh_ids),
                false => Err(ErrorCode::CoordinatorNotAvailable),
            };
            self.submit("", Command::ProducerIdFetched(id, fetched));
        }
    }

    fn wait_for_work(&mut self) {
        let token = self.token("work", Command::NextWork);
        let outcome = self.shard.handle(Command::NextWork, token, self.now);
        self.settle(outcome);
    }

    fn token(&mut self, name: &str, command: Command) -> Token {
        self.tokens += 1;
        self.waiting
            .insert(Token(self.tokens), (name.to_owned(), command));
        Token(self.tokens)
    }

    fn settle(&mut self, outcome: Outcome<TransactionShard>) {
        self.answer(outcome.replies);
        if outcome.records.is_empty() {
            return;
        }
        match self.append {
            Append::Commits => self.committed(outcome.records, outcome.parked, outcome.then),
            Append::Holds => self.held.push((outcome.records, outcome.parked, outcome.then)),
            Append::Fails(error) => {
                let failed = outcome.parked.into_iter();
                self.answer(failed.map(|(token, _)| (token, Reply::Failed(error))).collect());
                self.resume(outcome.then, Err(error));
            }
        }
    }

    fn committed(
        &mut self,
        records: Vec<StateRecord>,
        parked: Vec<(Token, Reply)>,
        then: Then<TransactionShard>,
    ) {
        for record in records {
            self.happened.push(print::record(&record));
            self.log.push(TransactionShard::encode(&record).expect("encodes"));
            if matches!(then, Then::Replay) {
                self.shard.replay(0, -1, record, self.now);
            }
        }
        self.resume(then, Ok(()));
        self.answer(parked);
    }

    fn resume(&mut self, then: Then<TransactionShard>, appended: Result<(), ErrorCode>) {
        if let Then::Resume(transition) = then {
            let transition: Transition = transition;
            let outcome = self.shard.resume(transition, appended, self.now);
            self.settle(outcome);
        }
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
            while let Some(outcome) = self.shard.expire(self.now) {
                self.settle(outcome);
            }
        }
        self.now = until;
    }

    /// What was appended and not committed is gone; so are markers that were on their way.
    fn restart(&mut self) {
        self.held.clear();
        self.waiting.clear();
        self.markers.clear();
        self.coordinator_epoch += 1;
        let config = Arc::new(self.config.clone());
        self.shard = TransactionShard::new(config, self.coordinator_epoch, self.version);
        for encoded in &self.log {
            let record = TransactionShard::decode(&encoded.key, encoded.value.as_deref()).expect("decodes");
            self.shard.replay(0, -1, record, self.now);
        }
        let outcome = self.shard.loaded(self.now);
        self.settle(outcome);
        self.wait_for_work();
        self.wait(0);
    }

    /// The latest record, as bytes.
    fn log(&mut self) {
        let last = self.log.last().expect("something is written");
        self.happened.push(print::bytes(last));
    }

    fn answer(&mut self, replies: Vec<(Token, Reply)>) {
        for (token, reply) in replies {
            let (name, command) = self.waiting.remove(&token).expect("nobody is answered twice");
            match reply {
                Reply::NeedsProducerId => self.again_with_fresh_id(&name, command),
                Reply::Work(work) => self.take(work),
                Reply::Done if name.is_empty() => {}
                reply => {
                    self.learn(&name, &command, &reply);
                    self.happened.push(format!("{name}: {}", print::reply(&reply)));
                }
            }
        }
    }

    fn again_with_fresh_id(&mut self, name: &str, mut command: Command) {
        self.fresh_ids += 1;
        match &mut command {
            Command::InitProducerId(request) => request.fresh_producer_id = Some(self.fresh_ids),
            Command::EndTransaction(request) => request.fresh_producer_id = Some(self.fresh_ids),
            other => panic!("{other:?} never needs an id"),
        }
        self.submit(name, command);
    }

    fn take(&mut self, work: Vec<Work>) {
        for work in work {
            self.happened.push(format!("work: {}", print::work(&work)));
            match work {
                Work::WriteMarkers(markers) => {
                    self.markers.insert(markers.transactional_id.clone(), markers);
                }
                Work::FetchProducerId(id) => self.wants_ids.push(id),
            }
        }
        self.wait_for_work();
    }

    fn learn(&mut self, name: &str, command: &Command, reply: &Reply) {
        let (id, epoch) = match reply {
            Reply::Initialized {
                producer_id,
                producer_epoch,
            }
            | Reply::Ended {
                producer_id,
                producer_epoch,
            } if *producer_id >= 0 => (*producer_id, *producer_epoch),
            _ => return,
        };
        let transactional_id = match command {
            Command::InitProducerId(request) => request.transactional_id.clone(),
            Command::EndTransaction(request) => request.transactional_id.clone(),
            _ => return,
        };
        let producer = Producer {
            transactional_id,
            id,
            epoch,
        };
        self.producers.insert(name.to_owned(), producer);
    }

    /// The producer never heard of its last raise of the epoch.
    fn lose_answer(&mut self, name: &str) {
        let producer = self.producers.get_mut(name).expect("has begun");
        producer.epoch -= 1;
    }
}

fn append_mode(args: &Args<'_>) -> Append {
    match args.name() {
        "commits" => Append::Commits,
        "holds" => Append::Holds,
        "fails" => Append::Fails(
            args.get("error")
                .map_or(ErrorCode::CoordinatorNotAvailable, named_error),
        ),
        other => panic!("append {other}"),
    }
}

fn named_error(name: &str) -> ErrorCode {
    (-1..200)
        .filter_map(ErrorCode::from_code)
        .find(|error| error.name() == name)
        .unwrap_or_else(|| panic!("no error is called {name}"))
}
