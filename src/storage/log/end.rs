//! The end of a log as readers see it: the next offset and the position that belongs to it, always as a pair.
//!
//! A sequence lock: the writer makes the version odd, changes the fields, makes it even again; a reader that saw two
//! different versions, or an odd one, looks again. There is one writer at a time, the holder of the log's lock.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};

/// The offset behind the last record, and where in which segment it will be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub offset: i64,
    pub segment_base: i64,
    pub position: u64,
}

pub(super) struct LogEnd {
    version: AtomicU64,
    offset: AtomicI64,
    segment_base: AtomicI64,
    position: AtomicU64,
}

impl LogEnd {
    pub fn new(end: End) -> Self {
        Self {
            version: AtomicU64::new(0),
            offset: AtomicI64::new(end.offset),
            segment_base: AtomicI64::new(end.segment_base),
            position: AtomicU64::new(end.position),
        }
    }

    pub fn store(&self, end: End) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        self.offset.store(end.offset, Ordering::Relaxed);
        self.segment_base.store(end.segment_base, Ordering::Relaxed);
        self.position.store(end.position, Ordering::Relaxed);
        self.version.store(version + 2, Ordering::Release);
    }

    pub fn load(&self) -> End {
        loop {
            let before = self.version.load(Ordering::Acquire);
            let end = End {
                offset: self.offset.load(Ordering::Relaxed),
                segment_base: self.segment_base.load(Ordering::Relaxed),
                position: self.position.load(Ordering::Relaxed),
            };
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == before {
                return end;
            }
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn readers_never_see_half_an_end() {
        let at = |n: i64| End {
            offset: n,
            segment_base: n * 2,
            position: n as u64 * 3,
        };
        let end = Arc::new(LogEnd::new(at(0)));
        let reader = {
            let end = Arc::clone(&end);
            std::thread::spawn(move || {
                let mut last = 0;
                while last < 20_000 {
                    let seen = end.load();
                    assert_eq!(seen, at(seen.offset));
                    assert!(seen.offset >= last);
                    last = seen.offset;
                }
            })
        };
        for n in 1..=20_000 {
            end.store(at(n));
        }
        reader.join().unwrap();
    }
}
