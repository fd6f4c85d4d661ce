//! A history, sorted by what the rules ask for.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{
    Action, History, Isolation, Operation, Outcome, Partition, Poll, Producer, Send, TxnId, Value,
};

pub struct Index<'h> {
    pub sends: Vec<(&'h Operation, &'h Send)>,
    pub polls: Vec<(&'h Operation, &'h Poll)>,
    /// Reads of committed offsets that were answered.
    pub offset_reads: Vec<(&'h Operation, Partition, i64)>,
    /// Commits of offsets outside of transactions.
    pub set_offsets: Vec<(&'h Operation, Partition, i64)>,
    pub transactions: BTreeMap<TxnId, Transaction<'h>>,
    /// When each incarnation was called and known to be in charge, by id and incarnation.
    pub inits: BTreeMap<Producer, &'h Operation>,
    /// Which of `sends` wrote a value.
    pub send_of: BTreeMap<Value, usize>,
    /// Where a value was read, by whomever.
    pub places: BTreeMap<Value, BTreeSet<(Partition, i64)>>,
    finals: BTreeMap<(Partition, Isolation), Held>,
    /// What anybody read under read_committed.
    pub committed_values: BTreeSet<Value>,
}

/// What a partition holds in the end.
#[derive(Default)]
pub struct Held {
    pub by_offset: BTreeMap<i64, Value>,
    pub values: BTreeSet<Value>,
}

#[derive(Default)]
pub struct Transaction<'h> {
    /// Which of `sends` belong to it.
    pub sends: Vec<usize>,
    pub offsets: Vec<(&'h Operation, Partition, i64)>,
    pub ends: Vec<(&'h Operation, bool)>,
    pub producer: Option<Producer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Committed,
    Aborted,
    /// Nobody was told; all of it counts, or nothing.
    Unknown,
}

impl Transaction<'_> {
    pub fn fate(&self) -> Fate {
        let commits = self.ends.iter().filter(|(_, commit)| *commit);
        let outcomes: BTreeSet<Outcome> = commits.map(|(operation, _)| operation.outcome).collect();
        match (
            outcomes.contains(&Outcome::Ok),
            outcomes.contains(&Outcome::Unknown),
        ) {
            (true, _) => Fate::Committed,
            (false, true) => Fate::Unknown,
            (false, false) => Fate::Aborted,
        }
    }

    /// Before this moment nobody had asked to commit it.
    pub fn commit_called(&self) -> u64 {
        let commits = self.ends.iter().filter(|(_, commit)| *commit);
        commits
            .map(|(operation, _)| operation.called)
            .min()
            .unwrap_or(u64::MAX)
    }
}

impl<'h> Index<'h> {
    pub fn new(history: &'h History) -> Self {
        let mut index = Self {
            sends: Vec::new(),
            polls: Vec::new(),
            offset_reads: Vec::new(),
            set_offsets: Vec::new(),
            transactions: BTreeMap::new(),
            inits: BTreeMap::new(),
            send_of: BTreeMap::new(),
            places: BTreeMap::new(),
            finals: BTreeMap::new(),
            committed_values: BTreeSet::new(),
        };
        for operation in &history.operations {
            index.add(operation);
        }
        index.sends.sort_by_key(|(operation, _)| operation.called);
        index.polls.sort_by_key(|(operation, _)| operation.called);
        for (at, (_, send)) in index.sends.iter().enumerate() {
            index.send_of.extend(send.values.iter().map(|value| (*value, at)));
            if let Some(txn) = send.txn {
                let transaction = index.transactions.entry(txn).or_default();
                transaction.sends.push(at);
                transaction.producer = Some(send.producer);
            }
        }
        index
    }

    fn add(&mut self, operation: &'h Operation) {
        match &operation.action {
            Action::Init { producer } => {
                self.inits.insert(*producer, operation);
            }
            Action::Send(send) => self.sends.push((operation, send)),
            Action::CommitOffset {
                producer,
                txn,
                partition,
                offset,
            } => {
                let transaction = self.transactions.entry(*txn).or_default();
                transaction.offsets.push((operation, *partition, *offset));
                transaction.producer = Some(*producer);
            }
            Action::SetOffset { partition, offset } => {
                self.set_offsets.push((operation, *partition, *offset));
            }
            Action::End {
                producer,
                txn,
                commit,
            } => {
                let transaction = self.transactions.entry(*txn).or_default();
                transaction.ends.push((operation, *commit));
                transaction.producer = Some(*producer);
            }
            Action::Poll(poll) if operation.outcome == Outcome::Ok => self.add_poll(operation, poll),
            Action::Committed { partition, offset } if operation.outcome == Outcome::Ok => {
                self.offset_reads.push((operation, *partition, *offset));
            }
            // Read nothing, says nothing.
            Action::Poll(_) | Action::Committed { .. } => {}
        }
    }

    fn add_poll(&mut self, operation: &'h Operation, poll: &'h Poll) {
        self.polls.push((operation, poll));
        for (offset, value) in &poll.records {
            self.places
                .entry(*value)
                .or_default()
                .insert((poll.partition, *offset));
            if poll.isolation == Isolation::Committed {
                self.committed_values.insert(*value);
            }
        }
        if poll.is_final {
            let held = self.finals.entry((poll.partition, poll.isolation)).or_default();
            held.by_offset.extend(poll.records.iter().copied());
            held.values.extend(poll.records.iter().map(|(_, value)| *value));
        }
    }

    /// Nothing when nobody read the partition to its end.
    pub fn last_read(&self, partition: Partition, isolation: Isolation) -> Option<&Held> {
        self.finals.get(&(partition, isolation))
    }

    pub fn partitions(&self) -> BTreeSet<Partition> {
        self.finals.keys().map(|(partition, _)| *partition).collect()
    }

    /// The offset of a send's first value: as told, or else as read.
    pub fn offset_of(&self, send: &Send) -> Option<i64> {
        send.offset.or_else(|| {
            let places = self.places.get(send.values.first()?)?;
            let mut here = places
                .iter()
                .filter(|(partition, _)| *partition == send.partition);
            here.next().map(|(_, offset)| *offset)
        })
    }

    /// Whether a value counts in the end, as far as anybody can tell: its transaction is committed, or it needs none.
    pub fn must_count(&self, operation: &Operation, send: &Send) -> bool {
        let fate = send.txn.and_then(|txn| self.transactions.get(&txn));
        operation.outcome == Outcome::Ok && fate.is_none_or(|txn| txn.fate() == Fate::Committed)
    }

    /// When a later incarnation of the same producer was known to be in charge.
    pub fn fenced_at(&self, producer: Producer) -> u64 {
        self.later_inits(producer)
            .filter(|operation| operation.outcome == Outcome::Ok)
            .map(|operation| operation.done)
            .min()
            .unwrap_or(u64::MAX)
    }

    /// When a later incarnation was first asked for: from then on the broker may end what this one had begun.
    pub fn fencing_called(&self, producer: Producer) -> u64 {
        self.later_inits(producer)
            .map(|operation| operation.called)
            .min()
            .unwrap_or(u64::MAX)
    }

    fn later_inits(&self, producer: Producer) -> impl Iterator<Item = &'h Operation> + '_ {
        let next = Producer {
            incarnation: producer.incarnation.saturating_add(1),
            ..producer
        };
        self.inits
            .range(next..)
            .take_while(move |(later, _)| later.id == producer.id)
            .map(|(_, operation)| *operation)
    }
}

/// For each span the largest figure of those that had ended before it began. What overlaps may go either way.
pub fn largest_before(spans: &[Span]) -> Vec<Option<i64>> {
    let mut by_call: Vec<usize> = (0..spans.len()).collect();
    let mut by_end = by_call.clone();
    by_call.sort_by_key(|at| spans[*at].called);
    by_end.sort_by_key(|at| spans[*at].done);
    let mut ended = by_end.into_iter().peekable();
    let mut largest = None;
    let mut found = vec![None; spans.len()];
    for at in by_call {
        while let Some(end) = ended.next_if(|end| spans[*end].done < spans[at].called) {
            largest = largest.max(Some(spans[end].figure));
        }
        found[at] = largest;
    }
    found
}

/// A stretch of time and a figure that was true at its end.
#[derive(Clone, Copy)]
pub struct Span {
    pub called: u64,
    pub done: u64,
    pub figure: i64,
}
