//! A correct broker in memory, clients that lose requests and answers, and the history that comes of it; and, on demand, a
//! broker that does one thing wrong.
//!
//! A choice moves one client by one step: it asks, the broker acts, the client is told. What is lost on the way to the broker
//! may arrive later, when its client has given up.

use std::collections::{BTreeMap, VecDeque};

use crate::history::{Action, History, Isolation, Operation, Outcome, Poll, Producer, Send};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    LosesAcknowledged,
    WritesTwice,
    ShowsAborted,
    TearsCommits,
    LetsZombiesWrite,
    KeepsAbortedOffsets,
}

pub fn run(choices: &[u64], fault: Fault) -> History {
    let mut world = World::new(fault);
    for choice in choices {
        world.step(scramble(*choice));
    }
    world.finish()
}

pub fn scramble(number: u64) -> u64 {
    let bits = number
        .wrapping_add(0x9e37_79b9_7f4a_7c15)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^ (bits >> 29)
}

const INPUTS: u32 = 2;
const PARTITIONS: u32 = 4;

struct World {
    tick: u64,
    broker: Broker,
    clients: Vec<Client>,
    late: Vec<Action>,
    last_value: u64,
    last_txn: u64,
    last_plain_id: u32,
    history: History,
}

struct Client {
    /// The partition that it copies; the others write inputs.
    input: Option<u32>,
    producer: Producer,
    position: i64,
    plan: VecDeque<Action>,
    must_init: bool,
    pending: Option<Pending>,
}

struct Pending {
    called: u64,
    action: Action,
    told: Option<Outcome>,
}

impl World {
    fn new(fault: Fault) -> Self {
        let client = |id: u32| Client {
            input: (id < INPUTS).then_some(id),
            producer: Producer { id, incarnation: 0 },
            position: 0,
            plan: VecDeque::new(),
            must_init: id < INPUTS,
            pending: None,
        };
        Self {
            tick: 0,
            broker: Broker::new(fault),
            clients: (0..4).map(client).collect(),
            late: Vec::new(),
            last_value: 0,
            last_txn: 0,
            last_plain_id: 3,
            history: History::default(),
        }
    }

    fn step(&mut self, choice: u64) {
        let (at, roll) = ((choice % 4) as usize, choice >> 8);
        self.tick += 1;
        if roll.is_multiple_of(7)
            && let Some(mut action) = self.late.pop()
        {
            self.broker.apply(&mut action);
        }
        match self.clients[at].pending.take() {
            None if roll.is_multiple_of(5) => self.poll(roll),
            None => {
                let action = self.next_action(at, roll);
                self.clients[at].pending = Some(Pending {
                    called: self.tick,
                    action,
                    told: None,
                });
            }
            Some(Pending {
                called,
                action,
                told: None,
            }) if roll.is_multiple_of(10) => {
                self.late.push(action.clone());
                self.end(at, called, action, Outcome::Unknown);
            }
            Some(mut pending) if pending.told.is_none() => {
                pending.told = Some(self.broker.apply(&mut pending.action));
                self.clients[at].pending = Some(pending);
            }
            Some(pending) => {
                let told = pending.told.filter(|_| !roll.is_multiple_of(10));
                self.end(
                    at,
                    pending.called,
                    pending.action,
                    told.unwrap_or(Outcome::Unknown),
                );
            }
        }
    }

    fn next_action(&mut self, at: usize, roll: u64) -> Action {
        let values: Vec<u64> = (1..=1 + roll % 3).map(|n| self.last_value + n).collect();
        self.last_value += 3;
        let client = &mut self.clients[at];
        let producer = client.producer;
        let Some(input) = client.input else {
            let partition = (roll >> 4) as u32 % INPUTS;
            return send(producer, None, partition, values, vec![]);
        };
        if client.must_init {
            client.producer.incarnation += 1;
            return Action::Init {
                producer: client.producer,
            };
        }
        if let Some(action) = client.plan.pop_front() {
            return action;
        }
        self.last_txn += 1;
        let txn = self.last_txn;
        if roll.is_multiple_of(6) && producer.incarnation > 1 {
            let zombie = Producer {
                incarnation: producer.incarnation - 1,
                ..producer
            };
            return send(zombie, Some(txn), INPUTS, values, vec![]);
        }
        let read = self.broker.read(input, Isolation::Committed, client.position);
        let copied: Vec<(i64, u64)> = read.into_iter().take(2).collect();
        let position = copied
            .last()
            .map_or(client.position, |(offset, _)| offset + 1)
            .max(client.position);
        for (n, (_, source)) in copied.iter().enumerate() {
            self.last_value += 1;
            let to = INPUTS + n as u32;
            client.plan.push_back(send(
                producer,
                Some(txn),
                to,
                vec![self.last_value],
                vec![*source],
            ));
        }
        client.plan.push_back(Action::End {
            producer,
            txn,
            commit: !roll.is_multiple_of(4),
        });
        Action::CommitOffset {
            producer,
            txn,
            partition: input,
            offset: position,
        }
    }

    fn end(&mut self, at: usize, called: u64, action: Action, outcome: Outcome) {
        self.learn(at, &action, outcome);
        self.record(called, action, outcome);
        let client = &mut self.clients[at];
        if let (Some(input), Some(Action::Init { producer })) =
            (client.input, self.history.operations.last().map(|it| &it.action))
            && outcome == Outcome::Ok
            && *producer == client.producer
        {
            let offset = self.broker.committed(input);
            client.position = offset.max(0);
            self.record_now(Action::Committed {
                partition: input,
                offset,
            });
        }
    }

    fn learn(&mut self, at: usize, action: &Action, outcome: Outcome) {
        let client = &mut self.clients[at];
        match (action, outcome) {
            (Action::Send(send), _) if client.input.is_some() && send.producer != client.producer => {}
            (Action::Init { .. }, Outcome::Ok) => {
                client.must_init = false;
                client.plan.clear();
            }
            (_, Outcome::Ok) => {
                if let Action::End { commit: true, .. } = action {
                    let input = client.input.unwrap_or_default();
                    client.position = self.broker.committed(input).max(0);
                }
            }
            (_, Outcome::Failed | Outcome::Unknown) if client.input.is_some() => {
                client.must_init = true;
                client.plan.clear();
            }
            // Whoever cannot tell what became of a batch goes on under another id.
            (_, Outcome::Failed | Outcome::Unknown) => {
                self.last_plain_id += 1;
                client.producer.id = self.last_plain_id;
            }
        }
    }

    fn poll(&mut self, roll: u64) {
        let partition = (roll >> 4) as u32 % PARTITIONS;
        let isolation = [Isolation::Uncommitted, Isolation::Committed][(roll >> 12) as usize % 2];
        let end = self.broker.logs[partition as usize].len() as u64;
        let poll = self
            .broker
            .poll(partition, isolation, ((roll >> 16) % (end + 1)) as i64, false);
        self.record_now(Action::Poll(poll));
    }

    fn record_now(&mut self, action: Action) {
        self.tick += 1;
        let called = self.tick;
        self.record(called, action, Outcome::Ok);
    }

    fn record(&mut self, called: u64, action: Action, outcome: Outcome) {
        self.tick += 1;
        self.history.operations.push(Operation {
            called,
            done: self.tick,
            action,
            outcome,
        });
    }

    fn finish(mut self) -> History {
        for at in 0..self.clients.len() {
            if let Some(pending) = self.clients[at].pending.take() {
                self.end(at, pending.called, pending.action, Outcome::Unknown);
            }
            if self.clients[at].input.is_some() {
                self.tick += 1;
                self.clients[at].must_init = true;
                let mut action = self.next_action(at, 0);
                let outcome = self.broker.apply(&mut action);
                let called = self.tick;
                self.end(at, called, action, outcome);
            }
        }
        for partition in 0..PARTITIONS {
            for isolation in [Isolation::Uncommitted, Isolation::Committed] {
                let poll = self.broker.poll(partition, isolation, 0, true);
                self.record_now(Action::Poll(poll));
            }
        }
        self.history
    }
}

fn send(producer: Producer, txn: Option<u64>, partition: u32, values: Vec<u64>, sources: Vec<u64>) -> Action {
    Action::Send(Send {
        producer,
        txn,
        partition,
        values,
        sources,
        offset: None,
    })
}

struct Broker {
    fault: Fault,
    applied: u64,
    /// A value, or a marker, and the transaction.
    logs: Vec<Vec<(Option<u64>, Option<u64>)>>,
    incarnations: BTreeMap<u32, u32>,
    open: BTreeMap<u32, Open>,
    /// Ended transactions, and whether they count.
    ended: BTreeMap<u64, bool>,
    offsets: BTreeMap<u32, i64>,
}

struct Open {
    txn: u64,
    offsets: Vec<(u32, i64)>,
}

impl Broker {
    fn new(fault: Fault) -> Self {
        Self {
            fault,
            applied: 0,
            logs: vec![Vec::new(); PARTITIONS as usize],
            incarnations: BTreeMap::new(),
            open: BTreeMap::new(),
            ended: BTreeMap::new(),
            offsets: BTreeMap::new(),
        }
    }

    fn apply(&mut self, action: &mut Action) -> Outcome {
        self.applied += 1;
        let done = match action {
            Action::Init { producer } => self.init(*producer),
            Action::Send(send) => self.send(send),
            Action::CommitOffset {
                producer,
                txn,
                partition,
                offset,
            } => self
                .enter(*producer, *txn)
                .map(|open| open.offsets.push((*partition, *offset))),
            Action::End {
                producer,
                txn,
                commit,
            } => {
                let owned = self.enter(*producer, *txn).is_some();
                owned.then(|| self.end(producer.id, *commit))
            }
            Action::Poll(_) | Action::Committed { .. } | Action::SetOffset { .. } => None,
        };
        done.map_or(Outcome::Failed, |()| Outcome::Ok)
    }

    fn init(&mut self, producer: Producer) -> Option<()> {
        let current = self.incarnations.entry(producer.id).or_default();
        if *current >= producer.incarnation {
            return None;
        }
        *current = producer.incarnation;
        self.end(producer.id, false);
        Some(())
    }

    fn send(&mut self, send: &mut Send) -> Option<()> {
        match send.txn {
            Some(_) if self.fault == Fault::LetsZombiesWrite => {}
            Some(txn) => {
                self.enter(send.producer, txn)?;
            }
            None => {}
        }
        let log = &mut self.logs[send.partition as usize];
        send.offset = Some(log.len() as i64);
        if self.fault == Fault::LosesAcknowledged && self.applied.is_multiple_of(5) {
            return Some(());
        }
        let times = match self.fault {
            Fault::WritesTwice if self.applied.is_multiple_of(5) => 2,
            _ => 1,
        };
        for _ in 0..times {
            log.extend(send.values.iter().map(|value| (Some(*value), send.txn)));
        }
        Some(())
    }

    /// The open transaction of the producer in charge; it opens with the first request.
    fn enter(&mut self, producer: Producer, txn: u64) -> Option<&mut Open> {
        if self.incarnations.get(&producer.id) != Some(&producer.incarnation) || self.ended.contains_key(&txn)
        {
            return None;
        }
        let open = self
            .open
            .entry(producer.id)
            .or_insert(Open { txn, offsets: vec![] });
        (open.txn == txn).then_some(open)
    }

    fn end(&mut self, id: u32, commit: bool) {
        let Some(open) = self.open.remove(&id) else {
            return;
        };
        for log in &mut self.logs {
            if log.iter().any(|(_, txn)| *txn == Some(open.txn)) {
                log.push((None, None));
            }
        }
        self.ended.insert(open.txn, commit);
        if commit || self.fault == Fault::KeepsAbortedOffsets {
            self.offsets.extend(open.offsets);
        }
    }

    fn committed(&self, partition: u32) -> i64 {
        self.offsets.get(&partition).copied().unwrap_or(-1)
    }

    fn poll(&self, partition: u32, isolation: Isolation, from: i64, is_final: bool) -> Poll {
        Poll {
            isolation,
            partition,
            from,
            is_final,
            high_watermark: self.logs[partition as usize].len() as i64,
            last_stable_offset: self.stable(partition),
            records: self.read(partition, isolation, from),
        }
    }

    fn stable(&self, partition: u32) -> i64 {
        let log = &self.logs[partition as usize];
        let open = |txn: &Option<u64>| txn.is_some_and(|txn| !self.ended.contains_key(&txn));
        log.iter().position(|(_, txn)| open(txn)).unwrap_or(log.len()) as i64
    }

    fn read(&self, partition: u32, isolation: Isolation, from: i64) -> Vec<(i64, u64)> {
        let log = &self.logs[partition as usize];
        let counts = |txn: &Option<u64>| match (isolation, txn, self.fault) {
            (Isolation::Uncommitted, ..) | (_, None, _) | (_, _, Fault::ShowsAborted) => true,
            (_, Some(_), Fault::TearsCommits) if partition == PARTITIONS - 1 => false,
            (_, Some(txn), _) => self.ended.get(txn) == Some(&true),
        };
        let limit = match isolation {
            Isolation::Committed => self.stable(partition),
            Isolation::Uncommitted => log.len() as i64,
        };
        let entries = (0..limit).zip(log).filter(|(offset, _)| *offset >= from);
        entries
            .filter(|(_, (_, txn))| counts(txn))
            .filter_map(|(offset, (value, _))| Some((offset, (*value)?)))
            .collect()
    }
}
