//! Lanes: the way into each log directory, so that a disk that hangs holds up its own directory and nothing else.
//!
//! What writes to a log takes microseconds as long as the page cache takes the bytes, less than it costs to hand them to
//! another thread. So it is done at once, on the reactor thread where the request arrived, as long as nothing waits before it
//! ([`Lanes::run`]). But any write may hang: for a disk that is slow, full of other work, frozen. Three rules make that
//! harmless:
//!
//! - Only so many reactor threads may be inside of a directory, and inside of all together: at least one is always free
//!   ([`watch`], where each of them has a slot while it is inside).
//! - A directory in which one of them has been for longer than a moment is stuck. Everything else that is to be written
//!   there goes to the directory's own thread ([`queue`]) and whoever asked for it waits without a thread.
//! - What one connection starts in order is done in order: nothing is done at once while something is queued, and the queue
//!   is worked off in order.
//!
//! A reactor thread that is inside may have been the one that waits for the sockets, and may have woken a task that it was
//! going to run next. The watch wakes another thread for the sockets; [`Lanes::let_go_of_woken`] sees to the task.

mod queue;
#[cfg(test)]
mod tests;
mod watch;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ottla_base::Uuid;
use tokio::runtime::Handle;
use tokio::task;

use queue::Queue;
pub use queue::Queued;
use watch::Watch;

/// The lanes of all log directories.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    watch: Arc<Watch>,
    /// How many reactor threads may be inside of one directory.
    inside_max: usize,
}

struct Lane {
    dir: Uuid,
    inside: AtomicUsize,
    queue: Arc<Queue>,
}

/// What became of some work: it is done, or waits for its turn.
pub enum Turn<T> {
    Done(T),
    Queued(Queued<T>),
}

impl<T> Turn<T> {
    /// The outcome, when it is there; `None` if there is none, because the work panicked.
    pub async fn done(self) -> Option<T> {
        match self {
            Self::Done(outcome) => Some(outcome),
            Self::Queued(queued) => queued.await,
        }
    }
}

thread_local! {
    /// The task that has woken others since it began to run here, and the lane in which it did so.
    static WOKEN: Cell<Option<(task::Id, usize)>> = const { Cell::new(None) };
}

impl Lanes {
    /// For the directories with these ids, and the runtime of the caller; without one nothing is done at once.
    pub fn new(dirs: &[Uuid]) -> Self {
        let runtime = Handle::try_current().ok();
        let threads = runtime
            .as_ref()
            .map_or(1, |runtime| runtime.metrics().num_workers());
        let inside_max = match dirs.len() {
            0 | 1 => threads - 1,
            // Another directory finds half of them free.
            _ => threads.div_ceil(2).min(threads - 1),
        };
        let lanes = dirs.iter().enumerate().map(|(number, dir)| Lane {
            dir: *dir,
            inside: AtomicUsize::new(0),
            queue: Queue::new(format!("log-dir-{number}")),
        });
        Self {
            lanes: lanes.collect(),
            watch: Watch::new(dirs.len(), threads - 1, runtime),
            inside_max,
        }
    }

    /// Does `work` in a directory, at once if nothing is in the way, else behind all that was asked for before.
    pub fn run<T: Send + 'static>(&self, dir: Uuid, work: impl FnOnce() -> T + Send + 'static) -> Turn<T> {
        let number = self.number_of(dir);
        match self.enter(number) {
            Some(_inside) => Turn::Done(work()),
            None => Turn::Queued(self.lanes[number].queue.push(work)),
        }
    }

    /// As [`Self::run`], but never at once: for tasks that have woken others and would hold them up.
    pub fn queue<T: Send + 'static>(
        &self,
        dir: Uuid,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Queued<T> {
        self.lanes[self.number_of(dir)].queue.push(work)
    }

    /// Notes that work in a directory has woken tasks.
    pub fn note_woken(&self, dir: Uuid) {
        if let Some(task) = task::try_id() {
            WOKEN.set(Some((task, self.number_of(dir))));
        }
    }

    fn enter(&self, number: usize) -> Option<Inside<'_>> {
        let lane = &self.lanes[number];
        if !lane.queue.is_empty() || self.watch.is_stuck(number) {
            return None;
        }
        if lane.inside.fetch_add(1, Ordering::AcqRel) >= self.inside_max {
            lane.inside.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        let Some(slot) = self.watch.enter(number) else {
            lane.inside.fetch_sub(1, Ordering::AcqRel);
            return None;
        };
        self.let_go_of_woken(number);
        Some(Inside { lane, slot })
    }

    /// The task that was woken last waits in a place of this thread from which no other takes it. If it was woken by the task
    /// that now runs, and for another directory, it must not wait for this one: another task takes its place.
    fn let_go_of_woken(&self, number: usize) {
        if let Some((task, lane)) = WOKEN.take()
            && lane != number
            && task::try_id() == Some(task)
        {
            tokio::spawn(async {});
        }
    }

    /// A directory that is not known shares the lane of the first.
    fn number_of(&self, dir: Uuid) -> usize {
        self.lanes.iter().position(|lane| lane.dir == dir).unwrap_or(0)
    }
}

/// A reactor thread is inside of a directory.
struct Inside<'a> {
    lane: &'a Lane,
    slot: watch::Slot<'a>,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.slot.leave();
        self.lane.inside.fetch_sub(1, Ordering::AcqRel);
    }
}
