//! The last offset of every key, in memory that is bounded beforehand.
//!
//! Open addressing over slots of 24 bytes, as many as Kafka's take: a 128-bit keyed hash instead of the key, and the offset.
//! The hash is SipHash with a key drawn anew for each map, so that nobody can prepare two keys that meet.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128, SipHasher13};
use uuid::Uuid;

/// What one key costs.
pub(super) const SLOT_BYTES: usize = 24;

#[derive(Clone, Copy, Default)]
struct Slot {
    /// Zero: the slot is free.
    hash: (u64, u64),
    offset: i64,
}

pub(super) struct OffsetMap {
    slots: Vec<Slot>,
    count: usize,
    count_max: usize,
    key: (u64, u64),
    /// The last offset that the map has been told of, with or without a key.
    latest_offset: Option<i64>,
}

impl OffsetMap {
    /// A map of at most `memory_bytes`, and of no more slots than `keys_max` keys need, filled up to `load_factor`.
    pub fn new(memory_bytes: usize, load_factor: f64, keys_max: usize) -> Self {
        let load_factor = load_factor.clamp(LOAD_FACTOR_MIN, LOAD_FACTOR_MAX);
        let affordable = (memory_bytes / SLOT_BYTES).max(SLOTS_MIN);
        let wanted = (keys_max as f64 / load_factor) as usize + SLOTS_MIN;
        let slots = affordable.min(wanted);
        Self {
            slots: vec![Slot::default(); slots],
            count: 0,
            count_max: (slots as f64 * load_factor) as usize,
            key: Uuid::new_v4().as_u64_pair(),
            latest_offset: None,
        }
    }

    pub fn is_full(&self) -> bool {
        self.count >= self.count_max
    }

    /// Notes that the last record of `key` so far is at `offset`. False when there is no room for one more key.
    pub fn put(&mut self, key: &[u8], offset: i64) -> bool {
        let hash = self.hash(key);
        let at = self.find(hash);
        let is_full = self.is_full();
        let Some(slot) = self.slots.get_mut(at) else {
            return false;
        };
        if slot.hash == FREE {
            if is_full {
                return false;
            }
            slot.hash = hash;
            self.count += 1;
        }
        slot.offset = offset;
        true
    }

    pub fn get(&self, key: &[u8]) -> Option<i64> {
        let slot = self.slots.get(self.find(self.hash(key)))?;
        (slot.hash != FREE).then_some(slot.offset)
    }

    pub fn latest_offset(&self) -> Option<i64> {
        self.latest_offset
    }

    pub fn raise_latest_offset(&mut self, to: i64) {
        self.latest_offset = self.latest_offset.max(Some(to));
    }

    fn hash(&self, key: &[u8]) -> (u64, u64) {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        hasher.write(key);
        let hash = hasher.finish128();
        match (hash.h1, hash.h2) {
            FREE => (0, 1),
            taken => taken,
        }
    }

    /// The slot of the hash, or the free one where it would go. There always is one: the map is never filled up.
    fn find(&self, hash: (u64, u64)) -> usize {
        let len = self.slots.len();
        // The high bits of a product spread over any number of slots, without a division.
        let mut at = ((u128::from(hash.0) * len as u128) >> 64) as usize;
        while let Some(slot) = self.slots.get(at)
            && slot.hash != FREE
            && slot.hash != hash
        {
            at = if at + 1 == len { 0 } else { at + 1 };
        }
        at
    }
}

const FREE: (u64, u64) = (0, 0);
const SLOTS_MIN: usize = 16;
const LOAD_FACTOR_MIN: f64 = 0.01;
/// Kafka allows 1.0; a search among slots of which none is free would not end.
const LOAD_FACTOR_MAX: f64 = 0.95;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn it_is_a_map(puts in proptest::collection::vec(0u16..300, 0..900)) {
            let mut map = OffsetMap::new(1 << 20, 0.9, 300);
            let mut model = HashMap::new();
            for (offset, key) in puts.iter().enumerate() {
                prop_assert!(map.put(&key.to_be_bytes(), offset as i64));
                model.insert(key, offset as i64);
            }
            for key in 0u16..310 {
                prop_assert_eq!(map.get(&key.to_be_bytes()), model.get(&key).copied());
            }
        }
    }

    #[test]
    fn memory_is_bounded_and_known_keys_still_fit() {
        let mut map = OffsetMap::new(100 * SLOT_BYTES, 0.9, usize::MAX >> 8);
        assert_eq!(map.slots.len(), 100);
        let taken = (0u32..1000).filter(|key| map.put(&key.to_be_bytes(), 1)).count();
        assert_eq!(taken, 90);
        assert!(map.is_full() && map.put(&0u32.to_be_bytes(), 2));
        assert_eq!(map.get(&0u32.to_be_bytes()), Some(2));
        assert_eq!(OffsetMap::new(1 << 30, 0.9, 10).slots.len(), 27);
    }
}
