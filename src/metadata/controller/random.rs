//! A small seeded generator, so that ids and placements are random in life and repeatable in tests.

use ottla_base::Uuid;

/// SplitMix64. Not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A version 4 id that Kafka accepts: never one of the reserved ones, and its text never begins with a dash, which its tools
    /// would take for an option.
    pub fn uuid(&mut self) -> Uuid {
        loop {
            let bits = (u128::from(self.next_u64()) << 64) | u128::from(self.next_u64());
            let id = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
            if !ottla_base::ids::uuid_to_string(id).starts_with('-') {
                return id;
            }
        }
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.next_u64() % (i as u64 + 1);
            items.swap(i, j as usize);
        }
    }
}
