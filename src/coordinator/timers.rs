//! Timers as data: what is due when, one deadline per key. Setting a key again moves its deadline.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

#[derive(Debug)]
pub struct Timers<K, A> {
    deadlines: HashMap<K, Deadline>,
    due: BTreeMap<Deadline, (K, A)>,
    scheduled: u64,
}

/// When, and which came first of those that are due at the same time.
type Deadline = (i64, u64);

impl<K: Clone + Eq + Hash, A> Timers<K, A> {
    pub fn new() -> Self {
        Self {
            deadlines: HashMap::new(),
            due: BTreeMap::new(),
            scheduled: 0,
        }
    }

    pub fn schedule(&mut self, key: K, at_ms: i64, action: A) {
        self.cancel(&key);
        self.scheduled += 1;
        let deadline = (at_ms, self.scheduled);
        self.deadlines.insert(key.clone(), deadline);
        self.due.insert(deadline, (key, action));
    }

    pub fn cancel(&mut self, key: &K) {
        if let Some(deadline) = self.deadlines.remove(key) {
            self.due.remove(&deadline);
        }
    }

    pub fn is_scheduled(&self, key: &K) -> bool {
        self.deadlines.contains_key(key)
    }

    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.due.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    /// Takes the timer that has been due for longest.
    pub fn pop_due(&mut self, now_ms: i64) -> Option<(K, A)> {
        let first = self.due.first_entry().filter(|entry| entry.key().0 <= now_ms)?;
        let (key, action) = first.remove();
        self.deadlines.remove(&key);
        Some((key, action))
    }
}

impl<K: Clone + Eq + Hash, A> Default for Timers<K, A> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_timers_come_in_order_and_once() {
        let mut timers = Timers::new();
        timers.schedule("b", 20, 1);
        timers.schedule("a", 10, 2);
        timers.schedule("c", 20, 3);
        assert_eq!(timers.next_deadline_ms(), Some(10));
        assert_eq!(timers.pop_due(9), None);
        assert_eq!(timers.pop_due(20), Some(("a", 2)));
        assert_eq!(timers.pop_due(20), Some(("b", 1)));
        assert_eq!(timers.pop_due(20), Some(("c", 3)));
        assert_eq!(timers.pop_due(20), None);
    }

    #[test]
    fn a_key_has_one_deadline() {
        let mut timers = Timers::new();
        timers.schedule("a", 10, 1);
        timers.schedule("a", 30, 2);
        assert_eq!(timers.pop_due(20), None);
        timers.cancel(&"a");
        assert_eq!(timers.next_deadline_ms(), None);
        assert_eq!(timers.pop_due(99), None);
    }
}
