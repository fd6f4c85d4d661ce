//! The queue of a log directory: its own thread, which does what it is asked for in order.
//!
//! There is a thread as long as there is work for it: it is started by the first job and leaves when it was idle for a while.
//! What waits is bounded by what its askers may have under way, and is let go of with them.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

/// A thread that had nothing to do for so long leaves.
const IDLE_MAX: Duration = Duration::from_secs(10);

pub(super) struct Queue {
    thread_name: String,
    /// Jobs that are not done.
    open: AtomicUsize,
    jobs: Mutex<Jobs>,
    wake: Condvar,
}

struct Jobs {
    waiting: VecDeque<Arc<dyn Job>>,
    thread: QueueThread,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum QueueThread {
    Absent,
    Asleep,
    Busy,
}

impl Queue {
    pub fn new(thread_name: String) -> Arc<Self> {
        Arc::new(Self {
            thread_name,
            open: AtomicUsize::new(0),
            jobs: Mutex::new(Jobs {
                waiting: VecDeque::new(),
                thread: QueueThread::Absent,
            }),
            wake: Condvar::new(),
        })
    }

    /// Whether all that was asked for is done.
    pub fn is_empty(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    /// Has `work` done behind all that was asked for before.
    pub fn push<T: Send + 'static>(self: &Arc<Self>, work: impl FnOnce() -> T + Send + 'static) -> Queued<T> {
        let (sender, outcome) = oneshot::channel();
        let job = Arc::new(JobOf(Mutex::new(Some(move || {
            // Who asked may be gone; what was begun is done all the same.
            let _ = sender.send(work());
        }))));
        self.submit(job.clone());
        Queued { job, outcome }
    }

    fn submit(self: &Arc<Self>, job: Arc<dyn Job>) {
        self.open.fetch_add(1, Ordering::AcqRel);
        let mut jobs = self.jobs.lock();
        jobs.waiting.push_back(job);
        match jobs.thread {
            QueueThread::Busy => {}
            QueueThread::Asleep => {
                self.wake.notify_one();
            }
            QueueThread::Absent => self.start(&mut jobs),
        }
    }

    fn start(self: &Arc<Self>, jobs: &mut Jobs) {
        let queue = self.clone();
        let started = std::thread::Builder::new()
            .name(self.thread_name.clone())
            .spawn(move || while queue.work_off() {});
        match started {
            Ok(_) => jobs.thread = QueueThread::Busy,
            Err(error) => {
                tracing::error!(thread = %self.thread_name, %error, "no thread to write with");
                // Dropped, they tell those who wait that there is no outcome.
                self.open.fetch_sub(jobs.waiting.len(), Ordering::AcqRel);
                jobs.waiting.clear();
            }
        }
    }

    /// Does what waits; false when there was nothing for so long that the thread leaves.
    fn work_off(&self) -> bool {
        let mut jobs = self.jobs.lock();
        while jobs.waiting.is_empty() {
            jobs.thread = QueueThread::Asleep;
            let is_over = self.wake.wait_for(&mut jobs, IDLE_MAX).timed_out();
            if is_over && jobs.waiting.is_empty() {
                jobs.thread = QueueThread::Absent;
                return false;
            }
        }
        jobs.thread = QueueThread::Busy;
        let due = std::mem::take(&mut jobs.waiting);
        drop(jobs);
        for job in due {
            if catch_unwind(AssertUnwindSafe(|| job.run())).is_err() {
                tracing::error!(thread = %self.thread_name, "a write panicked");
            }
            self.open.fetch_sub(1, Ordering::AcqRel);
        }
        true
    }
}

/// The outcome of what was asked for; `None` if there is none, because the work panicked or there is no thread for it.
/// Dropped, it takes the work back if that has not begun.
pub struct Queued<T> {
    job: Arc<dyn Job>,
    outcome: oneshot::Receiver<T>,
}

impl<T> Future for Queued<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.outcome).poll(context).map(Result::ok)
    }
}

impl<T> Drop for Queued<T> {
    fn drop(&mut self) {
        self.job.take_back();
    }
}

trait Job: Send + Sync {
    fn run(&self);
    /// Frees what the work holds, if it has not begun.
    fn take_back(&self);
}

struct JobOf<W>(Mutex<Option<W>>);

impl<W: FnOnce() + Send> Job for JobOf<W> {
    fn run(&self) {
        let work = self.0.lock().take();
        if let Some(work) = work {
            work();
        }
    }

    fn take_back(&self) {
        drop(self.0.lock().take());
    }
}
