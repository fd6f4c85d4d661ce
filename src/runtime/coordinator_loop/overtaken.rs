//! Which records of a log need not be replayed, because a later value of the same key says all that they said.
//!
//! A map from keys to the offsets of their last values is only needed while the log is read for the first time: whenever an
//! offset in it gives way to a later one, a bit is set for it. What is left then is one bit per offset.

#![deny(clippy::indexing_slicing)]

use ottla_storage::offset_map::{KeyHash, OffsetMap};

/// Room for the last values of three million keys. Values of keys beyond that are all replayed.
const LATEST_BYTES_MAX: usize = 128 << 20;
/// More offsets than this have no bit, and are all replayed.
const OFFSETS_MAX: u64 = 1 << 30;
/// Keys that are looked up together: the map is larger than any cache, and waits for memory that overlap are shorter.
const KEYS_TOGETHER: usize = 64;

pub(super) struct Overtaken {
    start: i64,
    bits: Vec<u64>,
}

pub(super) struct Notes {
    overtaken: Overtaken,
    latest: OffsetMap,
    gathered: Vec<(KeyHash, i64)>,
}

impl Overtaken {
    /// Nothing is.
    pub fn none() -> Self {
        Self {
            start: 0,
            bits: Vec::new(),
        }
    }

    pub fn contains(&self, offset: i64) -> bool {
        let (word, bit) = self.place(offset);
        self.bits.get(word).is_some_and(|bits| bits & bit != 0)
    }

    pub fn contains_all(&self, mut offsets: std::ops::RangeInclusive<i64>) -> bool {
        offsets.all(|offset| self.contains(offset))
    }

    fn insert(&mut self, offset: i64) {
        let (word, bit) = self.place(offset);
        if let Some(bits) = self.bits.get_mut(word) {
            *bits |= bit;
        }
    }

    fn place(&self, offset: i64) -> (usize, u64) {
        let index = offset.wrapping_sub(self.start) as u64;
        (
            usize::try_from(index / 64).unwrap_or(usize::MAX),
            1 << (index % 64),
        )
    }
}

impl Notes {
    /// For the offsets from `start` to `end`.
    pub fn begin(start: i64, end: i64) -> Self {
        let span = u64::try_from(end.saturating_sub(start))
            .unwrap_or(0)
            .min(OFFSETS_MAX);
        Self {
            overtaken: Overtaken {
                start,
                bits: vec![0; usize::try_from(span.div_ceil(64)).unwrap_or(0)],
            },
            latest: OffsetMap::growing(LATEST_BYTES_MAX),
            gathered: Vec::with_capacity(KEYS_TOGETHER),
        }
    }

    /// A value of `key`, in the order of the log.
    pub fn value_at(&mut self, key: &[u8], offset: i64) {
        self.gathered.push((self.latest.hash(key), offset));
        if self.gathered.len() == KEYS_TOGETHER {
            self.look_up();
        }
    }

    pub fn end(mut self) -> Overtaken {
        self.look_up();
        self.overtaken
    }

    fn look_up(&mut self) {
        self.latest.touch(self.gathered.iter().map(|(hash, _)| *hash));
        for (hash, offset) in self.gathered.drain(..) {
            // Without room for it the key's values are all replayed.
            if let Ok(Some(before)) = self.latest.replace(hash, offset) {
                self.overtaken.insert(before);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_but_the_last_value_of_each_key(keys in proptest::collection::vec(0u8..20, 0..400), start in 0i64..1 << 40) {
            let mut notes = Notes::begin(start, start + keys.len() as i64);
            for (offset, key) in (start..).zip(&keys) {
                notes.value_at(&[*key], offset);
            }
            let overtaken = notes.end();
            for (index, key) in keys.iter().enumerate() {
                let is_last = !keys[index + 1..].contains(key);
                prop_assert_eq!(overtaken.contains(start + index as i64), !is_last);
            }
            prop_assert!(!overtaken.contains(start - 1) && !overtaken.contains(start + 1000));
        }
    }

    #[test]
    fn a_batch_is_overtaken_when_all_of_it_is() {
        let mut notes = Notes::begin(100, 104);
        for (offset, key) in [(100, "a"), (101, "b"), (102, "a"), (103, "b")] {
            notes.value_at(key.as_bytes(), offset);
        }
        let overtaken = notes.end();
        assert!(overtaken.contains_all(100..=101) && !overtaken.contains_all(101..=102));
        assert!(!Overtaken::none().contains(0));
    }
}
