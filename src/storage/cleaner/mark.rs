//! What a log remembers of its cleaning: how far it went, and whether somebody is at it.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

const IDLE: u8 = 0;
const IN_PROGRESS: u8 = 1;
const UNCLEANABLE: u8 = 2;

const NEVER: i64 = -1;

pub(crate) struct CleaningMark {
    /// The first offset that was not cleaned yet: `cleaner-offset-checkpoint`.
    cleaned_to: AtomicI64,
    state: AtomicU8,
}

impl Default for CleaningMark {
    fn default() -> Self {
        Self {
            cleaned_to: AtomicI64::new(NEVER),
            state: AtomicU8::new(IDLE),
        }
    }
}

impl CleaningMark {
    pub fn cleaned_to(&self) -> Option<i64> {
        Some(self.cleaned_to.load(Ordering::Acquire)).filter(|offset| *offset >= 0)
    }

    pub fn set_cleaned_to(&self, offset: i64) {
        self.cleaned_to.store(offset, Ordering::Release);
    }

    pub fn is_idle(&self) -> bool {
        self.state.load(Ordering::Acquire) == IDLE
    }

    pub fn is_in_progress(&self) -> bool {
        self.state.load(Ordering::Acquire) == IN_PROGRESS
    }

    pub fn is_uncleanable(&self) -> bool {
        self.state.load(Ordering::Acquire) == UNCLEANABLE
    }

    /// `None` when another thread is at it, or cleaning has failed before.
    pub fn claim(&self) -> Option<Claim<'_>> {
        self.state
            .compare_exchange(IDLE, IN_PROGRESS, Ordering::AcqRel, Ordering::Acquire)
            .ok()
            .map(|_| Claim(self))
    }
}

/// The right to clean a log. Dropped by a panic, it leaves the log marked: what panics once would panic again.
pub(crate) struct Claim<'a>(&'a CleaningMark);

impl Claim<'_> {
    /// Gives the log up until the next start.
    pub fn mark_uncleanable(self) {
        self.0.state.store(UNCLEANABLE, Ordering::Release);
        std::mem::forget(self);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let state = if std::thread::panicking() {
            UNCLEANABLE
        } else {
            IDLE
        };
        self.0.state.store(state, Ordering::Release);
    }
}
