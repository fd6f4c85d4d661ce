//! The loop of one partition: commands in, records out, answers when they are due.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ottla_base::ErrorCode;
use ottla_coordinator::{Machine, Now, Outcome, Then, Token};
use ottla_storage::batch::ValidBatch;
use ottla_storage::batch::control::EndTxn;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::batches::{self, Refused, Unit};
use super::transaction::{self, InTransaction};
use super::{ACTIVE, Journal, LoopOptions, MarkerReply, Phase, Queued};
use crate::runtime::txn_markers::TxnMarker;

/// Commands that are handled before what they wrote is appended.
const COMMANDS_PER_ROUND_MAX: usize = 512;
/// For how long a task without deadlines sleeps.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) struct Task<M: Machine, J: Journal> {
    machine: M,
    journal: Arc<J>,
    options: LoopOptions,
    commands: mpsc::UnboundedReceiver<Queued<M>>,
    phase: Arc<Phase>,
    started: Instant,
    /// Wakes the task when records may have been committed.
    moved: Arc<Notify>,
    _watch: J::Watch,
    waiting: HashMap<Token, oneshot::Sender<M::Reply>>,
    tokens: u64,
    /// What this round has to write.
    units: Vec<Unit<M>>,
    /// Appended, not committed, in the order of the log.
    parked: VecDeque<Parked<M>>,
    /// The next command: the one that woke us, or an exclusive one that waits for what is parked.
    next: Option<Queued<M>>,
    /// Whether an exclusive command's records are among the parked ones: nothing may pass it.
    is_blocked: bool,
}

struct Parked<M: Machine> {
    written: Written<M>,
    first_offset: i64,
    /// When those who wait for it are told that it takes too long.
    deadline: Instant,
}

enum Written<M: Machine> {
    Records(Unit<M>),
    /// The reply is gone when it was given too late to wait for.
    End {
        producer_id: i64,
        committed: bool,
        reply: Option<MarkerReply>,
    },
}

impl<M: Machine> Parked<M> {
    fn next_offset(&self) -> i64 {
        self.first_offset
            + match &self.written {
                Written::Records(unit) => unit.records.len() as i64,
                Written::End { .. } => 1,
            }
    }

    fn somebody_waits(&self) -> bool {
        match &self.written {
            Written::Records(unit) => !unit.parked.is_empty() || matches!(unit.then, Then::Resume(_)),
            Written::End { reply, .. } => reply.is_some(),
        }
    }
}

impl<M: Machine, J: Journal> Task<M, J> {
    pub(super) fn new(
        machine: M,
        journal: Arc<J>,
        options: LoopOptions,
        commands: mpsc::UnboundedReceiver<Queued<M>>,
        phase: Arc<Phase>,
    ) -> Self {
        let moved = Arc::new(Notify::new());
        Self {
            machine,
            _watch: journal.watch(&moved),
            journal,
            options,
            commands,
            phase,
            started: Instant::now(),
            moved,
            waiting: HashMap::new(),
            tokens: 0,
            units: Vec::new(),
            parked: VecDeque::new(),
            next: None,
            is_blocked: false,
        }
    }

    pub(super) async fn run(mut self) {
        let outcome = self.machine.loaded(self.now());
        self.absorb(outcome);
        self.settle().await;
        while self.phase.get() == ACTIVE {
            self.wait().await;
            self.round().await;
        }
        self.unload();
    }

    async fn wait(&mut self) {
        if self.next.is_some() && self.is_settled() {
            return;
        }
        let may_take = self.next.is_none() && !self.is_blocked;
        let deadline = self.next_deadline();
        tokio::select! {
            queued = self.commands.recv(), if may_take => match queued {
                Some(queued) => self.next = Some(queued),
                // All handles are gone: nobody can ask any more.
                None => self.phase.close(),
            },
            () = self.moved.notified(), if !self.parked.is_empty() => {}
            () = self.phase.closed.notified() => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    }

    async fn round(&mut self) {
        for _ in 0..COMMANDS_PER_ROUND_MAX {
            let Some(queued) = self.next_command() else { break };
            self.handle(queued).await;
        }
        while let Some(outcome) = self.machine.expire(self.now()) {
            self.absorb(outcome);
        }
        self.settle().await;
        self.give_up_on_late();
    }

    /// What deletes must know all that there is, so it waits until everything before it is committed, and everything behind
    /// it waits for it.
    fn next_command(&mut self) -> Option<Queued<M>> {
        if self.is_blocked {
            return None;
        }
        let next = self.next.take().or_else(|| self.commands.try_recv().ok())?;
        if is_exclusive(&next) && !self.is_settled() {
            self.next = Some(next);
            return None;
        }
        Some(next)
    }

    async fn handle(&mut self, queued: Queued<M>) {
        let is_exclusive = is_exclusive(&queued);
        match queued {
            Queued::Command {
                command,
                transaction,
                reply,
            } => {
                self.tokens += 1;
                let token = Token(self.tokens);
                if let Some(reply) = reply {
                    self.waiting.insert(token, reply);
                }
                let outcome = self.machine.handle(command, token, self.now());
                self.absorb_in(transaction, outcome);
            }
            Queued::End { marker, reply } => self.end_transaction(marker, reply).await,
        }
        self.is_blocked = is_exclusive && !self.is_settled();
    }

    /// The marker's place is behind what its transaction has written, so that goes first.
    async fn end_transaction(&mut self, marker: TxnMarker, reply: MarkerReply) {
        self.append().await;
        let appended = match marker.batch(self.options.clock.now_ms()) {
            Ok(batch) => self.journal.append(batch, marker.origin()).await,
            Err(error) => Err(error),
        };
        match appended {
            Ok(first_offset) => self.parked.push_back(Parked {
                written: Written::End {
                    producer_id: marker.producer_id,
                    committed: marker.kind == EndTxn::Commit,
                    reply: Some(reply),
                },
                first_offset,
                deadline: Instant::now() + self.options.commit_timeout,
            }),
            Err(error) => drop(reply.send(Err(told(error)))),
        }
    }

    fn absorb(&mut self, outcome: Outcome<M>) {
        self.absorb_in(None, outcome);
    }

    /// Sends what can be sent, and takes note of what is to be written.
    fn absorb_in(&mut self, transaction: Option<InTransaction>, mut outcome: Outcome<M>) {
        for (token, reply) in std::mem::take(&mut outcome.replies) {
            self.answer(token, reply);
        }
        if outcome.records.is_empty() {
            return;
        }
        match batches::units(outcome, transaction, self.journal.batch_bytes_max()) {
            Ok(units) => self.units.extend(units),
            Err(Refused { parked, then, error }) => self.fail(parked, then, error),
        }
    }

    /// Appends what is to be written and goes on with what is committed, until there is nothing more to do.
    async fn settle(&mut self) {
        loop {
            self.append().await;
            self.go_on_with_committed();
            if self.units.is_empty() {
                break;
            }
        }
        if self.is_settled() {
            self.is_blocked = false;
        }
    }

    fn is_settled(&self) -> bool {
        self.parked.is_empty() && self.units.is_empty()
    }

    async fn append(&mut self) {
        let batch_bytes_max = self.journal.batch_bytes_max();
        while !self.units.is_empty() {
            let units = batches::take_batch(&mut self.units, batch_bytes_max);
            let batch = batches::build(&units, self.options.codec, self.options.clock.now_ms());
            let origin = transaction::origin(units.first().and_then(|unit| unit.transaction));
            let appended = match ValidBatch::trusted(&batch) {
                Ok(batch) => self.journal.append(batch, origin).await,
                Err(_) => Err(ErrorCode::UnknownServerError),
            };
            match appended {
                Ok(first_offset) => self.park(units, first_offset),
                Err(error) => {
                    for unit in units {
                        self.fail(unit.parked, unit.then, told(error));
                    }
                }
            }
        }
    }

    fn park(&mut self, units: Vec<Unit<M>>, mut first_offset: i64) {
        let deadline = Instant::now() + self.options.commit_timeout;
        for unit in units {
            let parked = Parked {
                written: Written::Records(unit),
                first_offset,
                deadline,
            };
            first_offset = parked.next_offset();
            self.parked.push_back(parked);
        }
    }

    fn go_on_with_committed(&mut self) {
        // Without leadership nothing can be said of what was appended; the news of it closes the shard.
        let Ok(committed_end) = self.journal.committed_end() else {
            return;
        };
        while self
            .parked
            .front()
            .is_some_and(|parked| parked.next_offset() <= committed_end)
        {
            let Some(parked) = self.parked.pop_front() else {
                return;
            };
            match parked.written {
                Written::Records(unit) => self.go_on(unit, parked.first_offset),
                Written::End {
                    producer_id,
                    committed,
                    reply,
                } => {
                    self.machine.end_transaction(producer_id, committed);
                    // Who asked may be gone; the transaction has ended all the same.
                    let _ = reply.map(|reply| reply.send(Ok(())));
                }
            }
        }
    }

    fn go_on(&mut self, unit: Unit<M>, first_offset: i64) {
        let producer_id = transaction::producer_id(unit.transaction);
        let now = self.now();
        match unit.then {
            Then::Replay => {
                for (offset, record) in (first_offset..).zip(unit.records) {
                    self.machine.replay(offset, producer_id, record, now);
                }
            }
            Then::Nothing => {}
            Then::Resume(resume) => {
                let outcome = self.machine.resume(resume, Ok(()), now);
                self.absorb(outcome);
            }
        }
        for (token, reply) in unit.parked {
            self.answer(token, reply);
        }
    }

    fn fail(&mut self, parked: Vec<(Token, M::Reply)>, then: Then<M>, error: ErrorCode) {
        for (token, _) in parked {
            self.answer(token, M::failure(error));
        }
        if let Then::Resume(resume) = then {
            let outcome = self.machine.resume(resume, Err(error), self.now());
            self.absorb(outcome);
        }
    }

    /// The replicas take too long: whoever waits is told so, but what was appended may be committed yet.
    fn give_up_on_late(&mut self) {
        let now = Instant::now();
        let mut late = Vec::new();
        for parked in self
            .parked
            .iter_mut()
            .filter(|parked| parked.deadline <= now && parked.somebody_waits())
        {
            let unit = match &mut parked.written {
                Written::Records(unit) => unit,
                Written::End { reply, .. } => {
                    let _ = reply
                        .take()
                        .map(|reply| reply.send(Err(told(ErrorCode::RequestTimedOut))));
                    continue;
                }
            };
            let resume = match std::mem::replace(&mut unit.then, Then::Nothing) {
                Then::Resume(resume) => Then::Resume(resume),
                then => {
                    unit.then = then;
                    Then::Nothing
                }
            };
            late.push((std::mem::take(&mut unit.parked), resume));
        }
        for (parked, then) in late {
            self.fail(parked, then, told(ErrorCode::RequestTimedOut));
        }
    }

    fn unload(&mut self) {
        let error = ErrorCode::NotCoordinator;
        for (token, reply) in self.machine.unloaded() {
            self.answer(token, reply);
        }
        self.commands.close();
        let queued = self
            .next
            .take()
            .into_iter()
            .chain(std::iter::from_fn(|| self.commands.try_recv().ok()));
        // Whoever waits for a marker learns it from the end of its channel.
        let replies = queued.filter_map(|queued| match queued {
            Queued::Command { reply, .. } => reply,
            Queued::End { .. } => None,
        });
        for reply in replies.chain(self.waiting.drain().map(|(_, reply)| reply)) {
            let _ = reply.send(M::failure(error));
        }
    }

    fn answer(&mut self, token: Token, reply: M::Reply) {
        if let Some(waiting) = self.waiting.remove(&token) {
            // Who asked may be gone; what it asked for has been done all the same.
            let _ = waiting.send(reply);
        }
    }

    fn now(&self) -> Now {
        let uptime_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        Now {
            wall_ms: self.options.clock.now_ms(),
            uptime_ms,
        }
    }

    fn next_deadline(&self) -> Instant {
        let timer = self.machine.next_deadline_ms();
        let timer =
            timer.map(|at_ms| self.started + Duration::from_millis(u64::try_from(at_ms).unwrap_or(0)));
        let late = self
            .parked
            .iter()
            .find(|parked| parked.somebody_waits())
            .map(|parked| parked.deadline);
        timer
            .into_iter()
            .chain(late)
            .min()
            .unwrap_or_else(|| Instant::now() + LONG)
    }
}

fn is_exclusive<M: Machine>(queued: &Queued<M>) -> bool {
    matches!(queued, Queued::Command { command, .. } if M::is_exclusive(command))
}

/// What those who wait are told when an append fails: clients know these three as reasons to look again.
fn told(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition | ErrorCode::NotEnoughReplicas | ErrorCode::RequestTimedOut => {
            ErrorCode::CoordinatorNotAvailable
        }
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge | ErrorCode::InvalidFetchSize => {
            ErrorCode::UnknownServerError
        }
        other => other,
    }
}
