//! The fetch sessions of a node, so many and no more (`max.incremental.fetch.session.cache.slots`).
//!
//! When a shard is full, a session that nobody has used for two minutes goes first. Else the new session may take the
//! place of one that is worth less: consumers' before followers', small before large, and only of those that have lived
//! for two minutes, so that a crowd of newcomers cannot drive one another out in turn.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::fetch_session::{FetchSession, NO_SESSION};

/// How many locks the sessions are spread over; an id tells its shard.
const SHARDS: usize = 8;
const SHARD_ID_RANGE: i32 = i32::MAX / SHARDS as i32;
/// Unused for so long, a session may go; having lived for so long, it may be compared with others.
const EVICTION_MS: i64 = 120_000;

pub struct FetchSessionCache {
    shards: Vec<Mutex<Shard>>,
    next_shard: AtomicUsize,
    random: RandomState,
}

#[derive(Default)]
struct Shard {
    slots: usize,
    sessions: HashMap<i32, Entry>,
}

struct Entry {
    session: Arc<Mutex<FetchSession>>,
    /// Of a follower, which is worth more than any consumer's.
    is_privileged: bool,
    partition_count: usize,
    created_ms: i64,
    last_used_ms: i64,
}

impl FetchSessionCache {
    pub fn new(slots: usize) -> Self {
        let shard = |index: usize| {
            // The first shards take what does not divide evenly.
            let slots = slots / SHARDS + usize::from(index < slots % SHARDS);
            Mutex::new(Shard {
                slots,
                sessions: HashMap::new(),
            })
        };
        Self {
            shards: (0..SHARDS).map(shard).collect(),
            next_shard: AtomicUsize::new(0),
            random: RandomState::new(),
        }
    }

    pub fn get(&self, id: i32) -> Option<Arc<Mutex<FetchSession>>> {
        Some(self.shard(id)?.lock().sessions.get(&id)?.session.clone())
    }

    pub fn remove(&self, id: i32) {
        if let Some(shard) = self.shard(id) {
            shard.lock().sessions.remove(&id);
        }
    }

    /// Notes that a session was used, and how large it is now.
    pub fn touch(&self, session: &Arc<Mutex<FetchSession>>, now_ms: i64) {
        let (id, partition_count) = {
            let session = session.lock();
            (session.id, session.len())
        };
        if let Some(shard) = self.shard(id)
            && let Some(entry) = shard.lock().sessions.get_mut(&id)
        {
            entry.last_used_ms = now_ms;
            entry.partition_count = partition_count;
        }
    }

    /// Makes room for a session and creates it; returns its id, or [`NO_SESSION`] if there is no room.
    pub fn create(
        &self,
        is_privileged: bool,
        partition_count: usize,
        now_ms: i64,
        create: impl FnOnce(i32) -> FetchSession,
    ) -> i32 {
        let index = self.next_shard.fetch_add(1, Ordering::Relaxed) % SHARDS;
        let Some(shard) = self.shards.get(index) else {
            return NO_SESSION;
        };
        let mut shard = shard.lock();
        if !shard.make_room(is_privileged, partition_count, now_ms) {
            return NO_SESSION;
        }
        let id = self.free_id(index, &shard);
        let entry = Entry {
            session: Arc::new(Mutex::new(create(id))),
            is_privileged,
            partition_count,
            created_ms: now_ms,
            last_used_ms: now_ms,
        };
        shard.sessions.insert(id, entry);
        id
    }

    /// Ids are random, so that a client of before a restart does not hit somebody else's session.
    fn free_id(&self, shard_index: usize, shard: &Shard) -> i32 {
        let base = shard_index as i32 * SHARD_ID_RANGE;
        let mut seed = 0u64;
        loop {
            let random = self.random.hash_one((
                shard.sessions.len(),
                self.next_shard.load(Ordering::Relaxed),
                seed,
            ));
            let id = base + (random % SHARD_ID_RANGE as u64) as i32;
            if id != NO_SESSION && !shard.sessions.contains_key(&id) {
                return id;
            }
            seed += 1;
        }
    }

    fn shard(&self, id: i32) -> Option<&Mutex<Shard>> {
        usize::try_from(id / SHARD_ID_RANGE)
            .ok()
            .and_then(|index| self.shards.get(index))
    }
}

impl Shard {
    fn make_room(&mut self, is_privileged: bool, partition_count: usize, now_ms: i64) -> bool {
        if self.sessions.len() < self.slots {
            return true;
        }
        match self.victim(is_privileged, partition_count, now_ms) {
            Some(id) => self.sessions.remove(&id).is_some(),
            None => false,
        }
    }

    fn victim(&self, is_privileged: bool, partition_count: usize, now_ms: i64) -> Option<i32> {
        let (oldest_id, oldest) = self
            .sessions
            .iter()
            .min_by_key(|(id, entry)| (entry.last_used_ms, **id))?;
        if now_ms - oldest.last_used_ms > EVICTION_MS {
            return Some(*oldest_id);
        }
        let worth = |id: &i32, entry: &Entry| (entry.is_privileged, entry.partition_count, *id);
        self.sessions
            .iter()
            .filter(|(_, entry)| {
                let has_lived = now_ms - entry.created_ms > EVICTION_MS;
                // A follower may drive out any consumer, however new.
                has_lived || (is_privileged && !entry.is_privileged)
            })
            .map(|(id, entry)| worth(id, entry))
            .min()
            .filter(|least| (is_privileged, partition_count, 0) >= *least)
            .map(|(_, _, id)| id)
    }
}

#[cfg(test)]
impl FetchSessionCache {
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().sessions.len()).sum()
    }
}
