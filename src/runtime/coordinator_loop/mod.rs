//! One loop for all coordinators: it runs a [`Machine`] of `ottla_coordinator` over a partition of its topic.
//!
//! ```text
//! commands ─┐                       ┌─► answers that need no record
//! timers  ──┼─► machine ─► outcomes ┤
//! commits ──┘                       └─► records ─► batch ─► append ─► parked ─► high watermark ─► replay, answers
//! ```
//!
//! Each loaded partition has a task of its own, so one that loads or writes slowly holds up nobody else's members. What is
//! waiting in the queue when the task comes round goes into one batch. Nothing polls: the task sleeps until a command comes,
//! the machine's next deadline, or the partition moves.
//!
//! Reading order: [`journal`] (the log as the loop needs it), [`loader`] (replay), [`overtaken`] (what it may leave out),
//! [`batches`] (outcomes into batches), [`transaction`] (those of producers),
//! [`task`] (the loop itself), [`shards`] (all partitions of a topic). [`ShardHandle`] is all that the rest of the house sees.
//!
//! Invariant: a machine's state only ever shows what is committed, plus what it keeps in memory by its own rules; an append
//! that fails is told to those who wait for it and leaves nothing else behind.

mod batches;
pub mod journal;
mod loader;
mod overtaken;
pub mod shards;
mod task;
mod transaction;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use ottla_base::{Clock, ErrorCode};
use ottla_coordinator::Machine;
use ottla_storage::batch::Codec;
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{error, info};

use super::txn_markers::TxnMarker;

pub use journal::Journal;
use task::Task;
pub use transaction::InTransaction;

/// What a loop needs to know besides its machine and its log.
#[derive(Clone)]
pub struct LoopOptions {
    /// For log lines: which partition this is.
    pub name: Arc<str>,
    pub clock: Arc<dyn Clock>,
    pub codec: Codec,
    /// For how long an answer waits for its records to be committed.
    pub commit_timeout: Duration,
    pub load_buffer_bytes: usize,
}

/// The way to one partition's machine.
pub struct ShardHandle<M: Machine> {
    commands: mpsc::UnboundedSender<Queued<M>>,
    phase: Arc<Phase>,
}

impl<M: Machine> Clone for ShardHandle<M> {
    fn clone(&self) -> Self {
        Self {
            commands: self.commands.clone(),
            phase: self.phase.clone(),
        }
    }
}

/// A command and who waits for its answer. The queue needs no bound of its own: every command is a request that its
/// connection has been admitted for.
enum Queued<M: Machine> {
    Command {
        command: M::Command,
        transaction: Option<InTransaction>,
        reply: Option<oneshot::Sender<M::Reply>>,
    },
    /// A producer's transaction has ended.
    End { marker: TxnMarker, reply: MarkerReply },
}

/// Told when the marker is committed, or why it is not.
type MarkerReply = oneshot::Sender<Result<(), ErrorCode>>;

/// Where a shard is in its life; it only ever goes on.
#[derive(Default)]
struct Phase {
    now: AtomicU8,
    closed: Notify,
}

const LOADING: u8 = 0;
const ACTIVE: u8 = 1;
/// The log could not be read, or the partition has gone: somebody else may know better.
const CLOSED: u8 = 2;

impl Phase {
    fn get(&self) -> u8 {
        self.now.load(Ordering::Acquire)
    }

    /// False if the shard was closed while it loaded.
    fn activate(&self) -> bool {
        self.now
            .compare_exchange(LOADING, ACTIVE, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    fn close(&self) {
        self.now.store(CLOSED, Ordering::Release);
        self.closed.notify_one();
    }
}

impl<M: Machine> ShardHandle<M> {
    /// Loads the partition and serves it until the handle is [closed](Self::close).
    pub fn open(
        machine: M,
        journal: impl Journal,
        options: LoopOptions,
        runtime: &tokio::runtime::Handle,
    ) -> Self {
        let (sender, commands) = mpsc::unbounded_channel();
        let phase = Arc::new(Phase::default());
        let handle = Self {
            commands: sender,
            phase: phase.clone(),
        };
        let journal = Arc::new(journal);
        if journal.start_offset() == journal.end_offset() && phase.activate() {
            // Nothing to load: as in a topic that was made a moment ago, and whose first request waits.
            runtime.spawn(Task::new(machine, journal, options, commands, phase).run());
            return handle;
        }
        runtime.spawn(async move {
            let name = options.name.clone();
            match load(machine, journal.clone(), options.clone()).await {
                Ok(machine) if phase.activate() => {
                    Task::new(machine, journal, options, commands, phase).run().await
                }
                Ok(_) => {}
                Err(error) => {
                    phase.close();
                    error!(partition = %name, %error, "the coordinator's records cannot be loaded");
                }
            }
        });
        handle
    }

    /// Hands a command over; it is in the queue when this returns. The answer comes later.
    pub fn submit(&self, command: M::Command) -> impl Future<Output = M::Reply> + Send + use<M> {
        self.submit_in(None, command)
    }

    /// As [`Self::submit`]; what the command has to write becomes part of the transaction.
    pub fn submit_in(
        &self,
        transaction: Option<InTransaction>,
        command: M::Command,
    ) -> impl Future<Output = M::Reply> + Send + use<M> {
        let queued = self.enqueue(|reply| Queued::Command {
            command,
            transaction,
            reply: Some(reply),
        });
        async move {
            match queued {
                // The task is gone: it has no answer any more.
                Ok(answer) => answer
                    .await
                    .unwrap_or_else(|_| M::failure(ErrorCode::NotCoordinator)),
                Err(error) => M::failure(error),
            }
        }
    }

    /// Writes the marker that ends a producer's transaction behind all that was submitted before.
    pub fn end_transaction(
        &self,
        marker: TxnMarker,
    ) -> impl Future<Output = Result<(), ErrorCode>> + Send + use<M> {
        let queued = self.enqueue(|reply| Queued::End { marker, reply });
        async move { queued?.await.unwrap_or(Err(ErrorCode::NotCoordinator)) }
    }

    /// As [`Self::submit`], but while the partition loads the command waits for the end of that.
    pub fn submit_after_load(&self, command: M::Command) -> impl Future<Output = M::Reply> + Send + use<M> {
        let (reply, answer) = oneshot::channel();
        let queued = Queued::Command {
            command,
            transaction: None,
            reply: Some(reply),
        };
        // What cannot be sent is dropped, and with it the way of its answer.
        let _ = self.commands.send(queued);
        async move {
            answer
                .await
                .unwrap_or_else(|_| M::failure(ErrorCode::NotCoordinator))
        }
    }

    /// Hands over a command whose answer nobody waits for. While the partition loads it waits for the end of that: what it
    /// tells of (a topic that is gone) may concern what is being loaded.
    pub fn notify(&self, command: M::Command) {
        if self.phase.get() != CLOSED {
            // A task that is gone has unloaded: there is nothing left to be told.
            let _ = self.commands.send(Queued::Command {
                command,
                transaction: None,
                reply: None,
            });
        }
    }

    pub fn is_loading(&self) -> bool {
        self.phase.get() == LOADING
    }

    /// Whether nobody is served any more: closed, or never loaded.
    pub fn is_closed(&self) -> bool {
        self.phase.get() == CLOSED
    }

    /// The partition is not ours any more: whoever waits is told so, and the task ends.
    pub fn close(&self) {
        self.phase.close();
    }

    fn enqueue<R>(
        &self,
        queued: impl FnOnce(oneshot::Sender<R>) -> Queued<M>,
    ) -> Result<oneshot::Receiver<R>, ErrorCode> {
        match self.phase.get() {
            LOADING => return Err(ErrorCode::CoordinatorLoadInProgress),
            ACTIVE => {}
            _ => return Err(ErrorCode::NotCoordinator),
        }
        let (reply, answer) = oneshot::channel();
        self.commands
            .send(queued(reply))
            .map_err(|_| ErrorCode::NotCoordinator)?;
        Ok(answer)
    }
}

async fn load<M: Machine>(
    machine: M,
    journal: Arc<impl Journal>,
    options: LoopOptions,
) -> Result<M, loader::LoadError> {
    let (name, begun) = (options.name.clone(), Instant::now());
    let loading = tokio::task::spawn_blocking(move || loader::load(machine, &*journal, &options));
    let (machine, summary) = loading.await.map_err(|_| loader::LoadError::Stopped)??;
    info!(
        partition = %name,
        records = summary.records,
        bytes = summary.bytes,
        elapsed_ms = begun.elapsed().as_millis(),
        "coordinator loaded"
    );
    Ok(machine)
}
