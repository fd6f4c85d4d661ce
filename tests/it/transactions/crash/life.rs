//! One life of a broker and its clients, with one death in it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{GroupId, ListTransactionsRequest, OffsetFetchRequest};
use kafka_protocol::protocol::StrBytes;
use ottla::broker::Surroundings;
use ottla_base::{Clock, ErrorCode, ManualClock, SystemClock};
use ottla_storage::vfs::{DiskOp, Faults};

use super::super::producer::{Producer, Speaks, passes};
use super::super::{Client, Node, PATIENCE, fetch, state, topic_name, visible};
use super::Step::{self, Begin, End, Fenced, Move, Send, TimeOut};
use super::history::{History, Outcome, Seen};
use super::{COMMIT, LIFE, New, Old, PARTITIONS, SETTINGS, Successor, Who};

const TIMEOUT_MS: i32 = 60_000;
/// Changes that no life takes.
pub const NEVER: usize = 1 << 40;

/// Whether clients come back after the crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    ComeBack,
    AreGone,
}

pub struct Life {
    node: Node,
    clock: Arc<ManualClock>,
    faults: Arc<DiesAfter>,
    clients: Clients,
    /// Whether it has died, which it does once.
    pub died: bool,
    /// When all was done.
    pub changes_left: usize,
    /// Who has not heard of its commit then, and will not ask.
    in_doubt: Option<Who>,
    level: i16,
    producers: BTreeMap<Who, Producer>,
    history: History,
    /// For failures: what is being lived through.
    name: String,
}

/// The process is gone, and so is everybody who could ask again.
struct Lost;

impl Life {
    pub fn begin(template: &Node, level: i16, clients: Clients, changes: usize) -> Self {
        let clock = Arc::new(ManualClock::at(SystemClock.now_ms()));
        let faults = DiesAfter::changes(changes);
        let surroundings = Surroundings {
            clock: clock.clone(),
            faults: Some(faults.clone()),
        };
        Self {
            node: template.copy(&SETTINGS, surroundings),
            clock,
            faults,
            clients,
            died: false,
            changes_left: 0,
            in_doubt: None,
            level,
            producers: BTreeMap::new(),
            history: History::default(),
            name: format!("change {changes}, transaction.version {level}, clients {clients:?}"),
        }
    }

    /// Goes through everything there is to do, dies in it, and looks at what is left.
    pub fn live(&mut self) {
        if !self.node.is_up() {
            assert!(self.faults.is_dead(), "{}: the node does not start", self.name);
            self.restart();
        }
        for step in LIFE {
            if self.take(*step).is_err() {
                self.in_doubt = self.history.note_lost(*step);
                self.restart();
                break;
            }
            self.history.note(*step);
        }
        self.changes_left = self.faults.heal();
        if self.is_dying() {
            self.restart();
        }
        // Whoever looks at it now asks again.
        self.clients = Clients::ComeBack;
        self.check();
        self.check_that_all_goes_on();
    }

    fn take(&mut self, step: Step) -> Result<(), Lost> {
        match step {
            Begin(who) => {
                let producer = Producer::new(self.node.client(), who.id(), self.speaks(who), TIMEOUT_MS);
                self.producers.insert(who, producer);
                self.told(step, who, Producer::ask_to_begin)
            }
            Send(who, partition, value) => {
                self.told(step, who, |producer| producer.ask_to_send(partition, &[value]))
            }
            Move(who, offset) => self.told(step, who, |producer| producer.ask_to_move(who.id(), offset)),
            End(who, committed) => {
                self.told(step, who, |producer| producer.ask_to_end(committed))?;
                // The answer stands from here on, whether or not the end of it is seen.
                match self.until(|life| life.state(who.id()).starts_with("Complete")) {
                    Err(Lost) if self.clients == Clients::AreGone => self.history.note(step),
                    _ => return Ok(()),
                }
                Err(Lost)
            }
            TimeOut(who) => {
                self.clock.advance(i64::from(TIMEOUT_MS) + 1);
                self.until(|life| life.state(who.id()) == "CompleteAbort")
            }
            Fenced(who) => {
                for ask in [
                    |producer: &mut Producer| producer.ask_to_send(0, &["never"]),
                    |producer: &mut Producer| producer.ask_to_end(COMMIT),
                ] {
                    let answer = self.answer(step, who, ask)?;
                    assert!(answer.is_err(), "{}: {step:?} is taken", self.name);
                }
                Ok(())
            }
        }
    }

    /// With an older level nobody speaks the protocol of the newest.
    fn speaks(&self, who: Who) -> Speaks {
        match self.level {
            2 if who != Old => Speaks::Since890,
            _ => Speaks::Before890,
        }
    }

    fn told(
        &mut self,
        step: Step,
        who: Who,
        ask: impl FnMut(&mut Producer) -> Result<(), ErrorCode>,
    ) -> Result<(), Lost> {
        let answer = self.answer(step, who, ask)?;
        answer.unwrap_or_else(|error| panic!("{}: {step:?}: {}", self.name, error.name()));
        Ok(())
    }

    /// The answer to what is asked until it is neither an error that passes nor that of a process whose disk is gone.
    fn answer(
        &mut self,
        step: Step,
        who: Who,
        mut ask: impl FnMut(&mut Producer) -> Result<(), ErrorCode>,
    ) -> Result<Result<(), ErrorCode>, Lost> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let producer = self.producers.get_mut(&who).expect("it has begun");
            let answer = ask(producer);
            if answer.is_err() && self.is_dying() {
                self.die()?;
                continue;
            }
            match answer {
                Err(error) if passes(error) => {
                    assert!(
                        Instant::now() < deadline,
                        "{}: {step:?}: {}",
                        self.name,
                        error.name()
                    );
                    sleep(Duration::from_millis(1));
                }
                answer => return Ok(answer),
            }
        }
    }

    fn until(&mut self, holds: impl Fn(&mut Self) -> bool) -> Result<(), Lost> {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "{}: it never comes", self.name);
            if self.is_dying() {
                self.die()?;
            }
            sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn is_dying(&self) -> bool {
        !self.died && self.faults.is_dead()
    }

    fn die(&mut self) -> Result<(), Lost> {
        if self.clients == Clients::AreGone {
            return Err(Lost);
        }
        self.restart();
        Ok(())
    }

    /// Another process opens what is there, on a disk that works.
    fn restart(&mut self) {
        self.died = true;
        let was_up = self.node.is_up();
        self.node.close();
        // Whoever came up has taken the mark of the clean stop away, and could not write it again.
        let was_clean = was_up && self.node.data().join(".kafka_cleanshutdown").exists();
        assert!(!was_clean, "{}: it was no crash", self.name);
        self.node.restart_in(Surroundings {
            clock: self.clock.clone(),
            faults: None,
        });
        for producer in self.producers.values_mut() {
            producer.client = self.node.client();
        }
    }

    fn state(&mut self, transactional_id: &'static str) -> String {
        state(&self.node, transactional_id).transaction_state.to_string()
    }

    fn check(&mut self) {
        // Whoever has left something open has had its time after that.
        self.clock.advance(i64::from(TIMEOUT_MS) + 1);
        let settled = self.until(Self::is_settled);
        assert!(settled.is_ok(), "{}: it dies once", self.name);
        let seen = self.seen();
        let possible = [Outcome::Aborted, Outcome::Committed].map(|outcome| self.history.seen(outcome));
        assert!(
            possible.contains(&seen),
            "{}: {seen:?} is none of {possible:?}",
            self.name
        );
        if let Some(who) = self.in_doubt {
            let told = self.answer(End(who, COMMIT), who, |producer| producer.ask_to_end(COMMIT));
            let is_told = told.is_ok_and(|told| told.is_ok());
            assert_eq!(is_told, seen == possible[1], "{}: asked once more", self.name);
        }
    }

    fn is_settled(&mut self) -> bool {
        let listed = self.node.client().call(1, &ListTransactionsRequest::default());
        let mut states = listed.transaction_states.iter();
        listed.error_code == 0
            && states.all(|one| {
                let state = one.transaction_state.as_str();
                state == "Empty" || state.starts_with("Complete")
            })
    }

    /// Nothing hangs: each id begins anew, and what it commits is read.
    fn check_that_all_goes_on(&mut self) {
        let mut before = self.seen();
        for (who, last) in [(Successor, 1000), (Old, 2000)] {
            for step in [
                Begin(who),
                Send(who, 0, "last"),
                Send(who, 1, "last"),
                Move(who, last),
                End(who, COMMIT),
            ] {
                let taken = self.take(step);
                assert!(taken.is_ok(), "{}: it dies once", self.name);
            }
            for partition in 0..PARTITIONS {
                before
                    .values
                    .entry(partition)
                    .or_default()
                    .push("last".to_owned());
            }
            before.offsets.insert(who.id(), last);
        }
        assert_eq!(self.seen(), before, "{}: in the end", self.name);
    }

    /// What is read, which must be all there is: nothing is open any more.
    fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        let mut client = self.node.client();
        for partition in 0..PARTITIONS {
            let data = fetch(&mut client, partition);
            let ends = (data.last_stable_offset, data.high_watermark);
            assert_eq!(ends.0, ends.1, "{}: something hangs in {partition}", self.name);
            let values = visible(&data);
            if !values.is_empty() {
                seen.values.insert(partition, values);
            }
        }
        for group in [New.id(), Old.id()] {
            let (error, offset) = fetch_offset(&mut client, group);
            assert_eq!(error, 0, "{}: the offset of {group}", self.name);
            if offset >= 0 {
                seen.offsets.insert(group, offset);
            }
        }
        seen
    }
}

/// The stable offset of partition 0: an error as long as a transaction holds another.
fn fetch_offset(client: &mut Client, group: &'static str) -> (i16, i64) {
    let topic = OffsetFetchRequestTopics::default()
        .with_name(topic_name())
        .with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(StrBytes::from_static_str(group)))
        .with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default()
        .with_groups(vec![group])
        .with_require_stable(true);
    let response = client.call(8, &request);
    let group = &response.groups[0];
    let partition = group.topics.first().and_then(|topic| topic.partitions.first());
    partition.map_or((group.error_code, -1), |partition| {
        (
            group.error_code.max(partition.error_code),
            partition.committed_offset,
        )
    })
}

/// Lets so many changes of the disk happen; then nothing happens any more.
struct DiesAfter {
    left: AtomicUsize,
}

impl DiesAfter {
    fn changes(left: usize) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(left),
        })
    }

    /// Whoever has not died yet will not; returns what was left.
    fn heal(&self) -> usize {
        let healed = |left| (left > 0).then_some(NEVER);
        let before = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, healed);
        before.unwrap_or(0)
    }

    fn is_dead(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }
}

impl Faults for DiesAfter {
    fn before(&self, _: DiskOp, _: &Path) -> io::Result<()> {
        // The last one is never used up, so that whoever finds none left knows that one was refused.
        let taken = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match taken {
            Ok(2..) => Ok(()),
            _ => Err(io::Error::other("the process is gone")),
        }
    }
}
