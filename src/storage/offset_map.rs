//! The last offset of every key, in memory that is bounded beforehand: what the cleaner goes by, and a coordinator that loads.
//!
//! Open addressing over slots of 24 bytes, as many as Kafka's take: a 128-bit keyed hash instead of the key, and the offset.
//! The hash is SipHash with a key drawn anew for each map, so that nobody can prepare two keys that meet.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128, SipHasher13};
use uuid::Uuid;

/// What one key costs.
pub(crate) const SLOT_BYTES: usize = 24;

#[derive(Clone, Copy, Default)]
struct Slot {
    /// Zero: the slot is free.
    hash: (u64, u64),
    offset: i64,
}

/// What stands for a key, in one map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash((u64, u64));

/// The map is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

pub struct OffsetMap {
    slots: Vec<Slot>,
    slots_max: usize,
    load_factor: f64,
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
        let wanted = (keys_max as f64 / load_factor) as usize + SLOTS_MIN;
        let slots = affordable_slots(memory_bytes).min(wanted);
        Self::with_slots(slots, slots, load_factor)
    }

    /// A map that begins small and takes at most `memory_bytes`: for a log of which nobody knows how many keys it has.
    pub fn growing(memory_bytes: usize) -> Self {
        Self::with_slots(SLOTS_MIN, affordable_slots(memory_bytes), LOAD_FACTOR_GROWING)
    }

    fn with_slots(slots: usize, slots_max: usize, load_factor: f64) -> Self {
        Self {
            slots: vec![Slot::default(); slots],
            slots_max,
            load_factor,
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
        self.replace(self.hash(key), offset).is_ok()
    }

    /// As [`Self::put`]; returns where the last record was until now.
    pub fn replace(&mut self, key: KeyHash, offset: i64) -> Result<Option<i64>, NoRoom> {
        if self.is_full() && self.slots.len() < self.slots_max {
            self.grow();
        }
        let at = self.find(key.0);
        let is_full = self.is_full();
        let slot = self.slots.get_mut(at).ok_or(NoRoom)?;
        if slot.hash != FREE {
            return Ok(Some(std::mem::replace(&mut slot.offset, offset)));
        }
        if is_full {
            return Err(NoRoom);
        }
        *slot = Slot { hash: key.0, offset };
        self.count += 1;
        Ok(None)
    }

    /// Brings the slots of these keys near, all at once: one after the other, each would be waited for.
    pub fn touch(&self, keys: impl Iterator<Item = KeyHash>) {
        let first = |key: KeyHash| self.slots.get(self.first_place(key.0));
        let sum = keys.filter_map(first).fold(0, |sum, slot| sum ^ slot.offset);
        std::hint::black_box(sum);
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).min(self.slots_max);
        let before = std::mem::replace(&mut self.slots, vec![Slot::default(); slots]);
        self.count_max = (slots as f64 * self.load_factor) as usize;
        for slot in before.into_iter().filter(|slot| slot.hash != FREE) {
            let at = self.find(slot.hash);
            if let Some(place) = self.slots.get_mut(at) {
                *place = slot;
            }
        }
    }

    pub fn get(&self, key: &[u8]) -> Option<i64> {
        let slot = self.slots.get(self.find(self.hash(key).0))?;
        (slot.hash != FREE).then_some(slot.offset)
    }

    pub fn latest_offset(&self) -> Option<i64> {
        self.latest_offset
    }

    pub fn raise_latest_offset(&mut self, to: i64) {
        self.latest_offset = self.latest_offset.max(Some(to));
    }

    pub fn hash(&self, key: &[u8]) -> KeyHash {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        hasher.write(key);
        let hash = hasher.finish128();
        match (hash.h1, hash.h2) {
            FREE => KeyHash((0, 1)),
            taken => KeyHash(taken),
        }
    }

    /// Where the search for a hash begins.
    fn first_place(&self, hash: (u64, u64)) -> usize {
        // The high bits of a product spread over any number of slots, without a division.
        ((u128::from(hash.0) * self.slots.len() as u128) >> 64) as usize
    }

    /// The slot of the hash, or the free one where it would go. There always is one: the map is never filled up.
    fn find(&self, hash: (u64, u64)) -> usize {
        let len = self.slots.len();
        let mut at = self.first_place(hash);
        while let Some(slot) = self.slots.get(at)
            && slot.hash != FREE
            && slot.hash != hash
        {
            at = if at + 1 == len { 0 } else { at + 1 };
        }
        at
    }
}

fn affordable_slots(memory_bytes: usize) -> usize {
    (memory_bytes / SLOT_BYTES).max(SLOTS_MIN)
}

const FREE: (u64, u64) = (0, 0);
const SLOTS_MIN: usize = 16;
const LOAD_FACTOR_MIN: f64 = 0.01;
/// Kafka allows 1.0; a search among slots of which none is free would not end.
const LOAD_FACTOR_MAX: f64 = 0.95;
/// Searches stay short: memory is of less account where a map may grow at all.
const LOAD_FACTOR_GROWING: f64 = 0.7;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn it_is_a_map(puts in proptest::collection::vec(0u16..300, 0..900)) {
            for mut map in [OffsetMap::new(1 << 20, 0.9, 300), OffsetMap::growing(1 << 20)] {
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
        let mut growing = OffsetMap::growing(100 * SLOT_BYTES);
        let taken = (0u32..1000)
            .filter(|key| growing.put(&key.to_be_bytes(), 1))
            .count();
        assert_eq!((taken, growing.slots.len()), (70, 100));
    }
}
