//! The watch over reactor threads that are inside of a log directory: it finds those that do not come out.
//!
//! A thread that goes in takes a slot. While slots change, one more thread looks at them every [`CALM_MS`], and again after
//! [`LOOK_MS`] if somebody was inside: a slot that is as it was then holds a thread that waits for its disk. (A look costs 25
//! microseconds, most of it for being woken: every 2 ms they were 6 % of the CPU of a broker with little to do.) That
//! directory is stuck until the thread is out. As long as
//! there is one, a task without work is given to the runtime at each look, which wakes a thread that then waits for the
//! sockets: the one that hangs may have been the one that did.
//!
//! When nothing goes on, nobody looks: whoever goes in next wakes the watch. Without a clock that is two steps whose order
//! matters: first the slot is taken, then it is asked whether somebody watches; the watch first says that it does not, then
//! looks at the slots once more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;

const LOOK_MS: u64 = 2;
/// Until the next look when nobody was inside.
const CALM_MS: u64 = 10;
/// After so many looks at slots that do not change the watch rests.
const QUIET_LOOKS_MAX: u32 = 2;
/// A watch that has rested for so long ends its thread.
const REST_MAX: Duration = Duration::from_secs(10);
/// The part of a slot that says who is inside: the number of the directory, from 1.
const INSIDE_BITS: u32 = 8;
const INSIDE_MASK: u64 = (1 << INSIDE_BITS) - 1;

pub(super) struct Watch {
    /// How often somebody went in, and where whoever is inside went to; 0 there when it is free.
    slots: Vec<AtomicU64>,
    /// By directory.
    stuck: Vec<AtomicBool>,
    is_watching: AtomicBool,
    thread: Mutex<Option<Thread>>,
    runtime: Option<Handle>,
}

/// A slot that is taken.
pub(super) struct Slot<'a>(&'a AtomicU64);

impl Slot<'_> {
    pub fn leave(&self) {
        self.0.fetch_and(!INSIDE_MASK, Ordering::SeqCst);
    }
}

impl Watch {
    pub fn new(dirs: usize, slots: usize, runtime: Option<Handle>) -> Arc<Self> {
        Arc::new(Self {
            slots: (0..slots).map(|_| AtomicU64::new(0)).collect(),
            stuck: (0..dirs).map(|_| AtomicBool::new(false)).collect(),
            is_watching: AtomicBool::new(false),
            thread: Mutex::new(None),
            runtime,
        })
    }

    /// Whether a thread hangs in the directory.
    pub fn is_stuck(&self, dir: usize) -> bool {
        self.stuck
            .get(dir)
            .is_none_or(|stuck| stuck.load(Ordering::Acquire))
    }

    /// A slot for a thread that goes into a directory, if one is free.
    pub fn enter(self: &Arc<Self>, dir: usize) -> Option<Slot<'_>> {
        let inside = u64::try_from(dir + 1)
            .ok()
            .filter(|inside| *inside <= INSIDE_MASK)?;
        let slot = self.slots.iter().find(|slot| {
            let before = slot.load(Ordering::Relaxed);
            let taken = ((before >> INSIDE_BITS).wrapping_add(1) << INSIDE_BITS) | inside;
            before & INSIDE_MASK == 0
                && slot
                    .compare_exchange(before, taken, Ordering::SeqCst, Ordering::Relaxed)
                    .is_ok()
        })?;
        if !self.is_watching.load(Ordering::SeqCst) {
            self.wake();
        }
        Some(Slot(slot))
    }

    fn wake(self: &Arc<Self>) {
        if self.is_watching.swap(true, Ordering::SeqCst) {
            return;
        }
        let mut thread = self.thread.lock();
        if let Some(thread) = &*thread {
            return thread.unpark();
        }
        let watch = self.clone();
        let started = thread::Builder::new()
            .name("log-dir-watch".to_owned())
            .spawn(move || watch.run());
        match started {
            Ok(started) => *thread = Some(started.thread().clone()),
            // Whoever goes in next tries again.
            Err(error) => {
                tracing::error!(%error, "nobody watches over the log directories");
                self.is_watching.store(false, Ordering::SeqCst);
            }
        }
    }

    fn run(&self) {
        let mut seen = vec![0; self.slots.len()];
        let mut quiet_looks = 0;
        loop {
            let is_anybody_inside = seen.iter().any(|slot| slot & INSIDE_MASK != 0);
            let pause_ms = if is_anybody_inside { LOOK_MS } else { CALM_MS };
            thread::sleep(Duration::from_millis(pause_ms));
            match self.look(&mut seen) {
                true => quiet_looks = 0,
                false => quiet_looks += 1,
            }
            if quiet_looks < QUIET_LOOKS_MAX {
                continue;
            }
            quiet_looks = 0;
            self.is_watching.store(false, Ordering::SeqCst);
            if self.look(&mut seen) {
                // Whoever went in meanwhile may have woken us already.
                self.is_watching.store(true, Ordering::SeqCst);
            } else if self.rests_for_good() {
                return;
            }
        }
    }

    /// Notes which directories are stuck; false if nobody is inside and nobody was since the last look.
    fn look(&self, seen: &mut [u64]) -> bool {
        let mut is_busy = false;
        let mut stuck = vec![false; self.stuck.len()];
        for (slot, seen) in self.slots.iter().zip(seen) {
            let now = slot.load(Ordering::SeqCst);
            let inside = usize::try_from(now & INSIDE_MASK).unwrap_or(0);
            is_busy |= now != *seen || inside > 0;
            if now == *seen
                && let Some(stuck) = inside.checked_sub(1).and_then(|dir| stuck.get_mut(dir))
            {
                *stuck = true;
            }
            *seen = now;
        }
        for (is_stuck, was_stuck) in stuck.iter().zip(&self.stuck) {
            was_stuck.store(*is_stuck, Ordering::Release);
        }
        if let Some(runtime) = &self.runtime
            && stuck.contains(&true)
        {
            runtime.spawn(async {});
        }
        is_busy
    }

    /// Waits until somebody goes in; true if nobody does for so long that the thread is not needed.
    fn rests_for_good(&self) -> bool {
        let begun = std::time::Instant::now();
        while !self.is_watching.load(Ordering::SeqCst) {
            thread::park_timeout(REST_MAX);
            let mut thread = self.thread.lock();
            if !self.is_watching.load(Ordering::SeqCst) && begun.elapsed() >= REST_MAX {
                *thread = None;
                return true;
            }
        }
        false
    }
}
