//! Fetch sessions (KIP-227): a consumer names its partitions once, and afterwards only what changes.
//!
//! A session remembers, for each partition, what was asked for and what was last answered. An incremental fetch is all of
//! them; its answer is only those with something to say. Ids and epochs guard against a client and a broker that disagree
//! on what the session holds: any mismatch is an error, upon which the client starts again with a full fetch.
//!
//! The cache of the sessions, and which of them goes when it is full, is [`super::fetch_session_cache`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kafka_protocol::protocol::StrBytes;
use ottla_base::{ErrorCode, Uuid};
use parking_lot::Mutex;

use super::fetch_session_cache::FetchSessionCache;

/// The session id of a fetch without a session, and the epochs with a meaning of their own.
pub const NO_SESSION: i32 = 0;
const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;

/// A topic as the request names it: by name up to version 12, by id since.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TopicKey {
    Name(StrBytes),
    Id(Uuid),
}

/// A partition of a fetch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartitionKey {
    pub topic: TopicKey,
    pub partition: i32,
}

/// What is asked of one partition. Epochs are −1 when the client does not name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionWant {
    pub fetch_offset: i64,
    pub log_start_offset: i64,
    pub max_bytes: i32,
    pub current_leader_epoch: i32,
    pub last_fetched_epoch: i32,
}

/// What an answer for one partition says, as far as a session is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionNews {
    pub has_records: bool,
    pub high_watermark: i64,
    pub log_start_offset: i64,
    pub error: ErrorCode,
    pub has_diverging_epoch: bool,
}

/// The session part of a fetch request.
#[derive(Clone, Debug)]
pub struct SessionRequest {
    pub id: i32,
    pub epoch: i32,
    pub uses_topic_ids: bool,
    pub is_from_follower: bool,
    pub wants: Vec<(PartitionKey, PartitionWant)>,
    pub forgotten: Vec<PartitionKey>,
}

/// What the broker remembers of one partition of a session.
#[derive(Clone, Copy, Debug)]
struct Cached {
    want: PartitionWant,
    high_watermark: i64,
    log_start_offset: i64,
}

impl Cached {
    fn new(want: PartitionWant) -> Self {
        Self {
            want,
            high_watermark: -1,
            log_start_offset: -1,
        }
    }

    /// Takes in what is about to be answered; true if the client has to hear it. A move of the last stable offset alone
    /// is not news. After an error the partition is sent again once it has gone, whatever it then says.
    fn update(&mut self, news: &PartitionNews) -> bool {
        let has_moved =
            self.high_watermark != news.high_watermark || self.log_start_offset != news.log_start_offset;
        let is_error = news.error != ErrorCode::None;
        self.high_watermark = if is_error { -1 } else { news.high_watermark };
        self.log_start_offset = news.log_start_offset;
        has_moved || is_error || news.has_records || news.has_diverging_epoch
    }
}

/// Partitions in the order in which they are served, each at most once.
#[derive(Debug, Default)]
struct Partitions {
    order: BTreeMap<u64, (PartitionKey, Cached)>,
    places: HashMap<PartitionKey, u64>,
    next_place: u64,
}

impl Partitions {
    fn of(wants: Vec<(PartitionKey, PartitionWant)>) -> Self {
        let mut partitions = Self::default();
        for (key, want) in wants {
            partitions.put(key, want);
        }
        partitions
    }

    /// Adds a partition at the end, or changes what is asked of it where it is.
    fn put(&mut self, key: PartitionKey, want: PartitionWant) {
        let known = self.places.get(&key).and_then(|place| self.order.get_mut(place));
        match known {
            Some((_, cached)) => cached.want = want,
            None => self.push(key, Cached::new(want)),
        }
    }

    fn push(&mut self, key: PartitionKey, cached: Cached) {
        self.places.insert(key.clone(), self.next_place);
        self.order.insert(self.next_place, (key, cached));
        self.next_place += 1;
    }

    fn remove(&mut self, key: &PartitionKey) -> Option<Cached> {
        let place = self.places.remove(key)?;
        self.order.remove(&place).map(|(_, cached)| cached)
    }

    fn get_mut(&mut self, key: &PartitionKey) -> Option<&mut Cached> {
        let place = self.places.get(key)?;
        self.order.get_mut(place).map(|(_, cached)| cached)
    }

    /// A partition that was just served goes to the end, so that a busy one does not starve those behind it.
    fn move_to_end(&mut self, key: &PartitionKey) {
        if let Some(cached) = self.remove(key) {
            self.push(key.clone(), cached);
        }
    }

    fn wants(&self) -> Vec<(PartitionKey, PartitionWant)> {
        self.order
            .values()
            .map(|(key, cached)| (key.clone(), cached.want))
            .collect()
    }
}

/// One session.
#[derive(Debug)]
pub struct FetchSession {
    pub id: i32,
    uses_topic_ids: bool,
    /// The epoch that the next request must have.
    epoch: i32,
    partitions: Partitions,
}

impl FetchSession {
    pub fn len(&self) -> usize {
        self.partitions.order.len()
    }
}

/// How a fetch request and its session belong together, from the request to its answer.
pub enum FetchContext {
    /// No session, and none wanted.
    Sessionless(Vec<(PartitionKey, PartitionWant)>),
    /// All partitions are named; the answer may open a session.
    Full {
        wants: Vec<(PartitionKey, PartitionWant)>,
        uses_topic_ids: bool,
        is_from_follower: bool,
    },
    /// The partitions of a session, as they were when the request came.
    Incremental {
        session: Arc<Mutex<FetchSession>>,
        wants: Vec<(PartitionKey, PartitionWant)>,
        epoch: i32,
    },
}

/// Which partitions are answered, and what the answer says of the session.
#[derive(Debug, PartialEq, Eq)]
pub struct SessionAnswer {
    pub error: ErrorCode,
    pub session_id: i32,
    /// For each partition of the request, in its order, whether it is part of the answer.
    pub included: Vec<bool>,
}

/// Finds the session of a request, closes the one it wants closed, and notes what it changes.
pub fn open(
    cache: &FetchSessionCache,
    request: SessionRequest,
    now_ms: i64,
) -> Result<FetchContext, ErrorCode> {
    if request.epoch == INITIAL_EPOCH || request.epoch == FINAL_EPOCH {
        if request.id != NO_SESSION {
            cache.remove(request.id);
        }
        let wants = Partitions::of(request.wants).wants();
        if request.epoch == FINAL_EPOCH {
            return Ok(FetchContext::Sessionless(wants));
        }
        return Ok(FetchContext::Full {
            wants,
            uses_topic_ids: request.uses_topic_ids,
            is_from_follower: request.is_from_follower,
        });
    }
    let session = cache.get(request.id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
    let (wants, epoch, is_empty) = continue_session(&mut session.lock(), request)?;
    if is_empty {
        cache.remove(session.lock().id);
        return Ok(FetchContext::Sessionless(wants));
    }
    cache.touch(&session, now_ms);
    Ok(FetchContext::Incremental {
        session,
        wants,
        epoch,
    })
}

type Continued = (Vec<(PartitionKey, PartitionWant)>, i32, bool);

fn continue_session(session: &mut FetchSession, request: SessionRequest) -> Result<Continued, ErrorCode> {
    if session.epoch != request.epoch {
        return Err(ErrorCode::InvalidFetchSessionEpoch);
    }
    if session.uses_topic_ids != request.uses_topic_ids {
        return Err(ErrorCode::FetchSessionTopicIdError);
    }
    for (key, want) in request.wants {
        session.partitions.put(key, want);
    }
    for key in &request.forgotten {
        session.partitions.remove(key);
    }
    session.epoch = next_epoch(session.epoch);
    Ok((session.partitions.wants(), session.epoch, session.len() == 0))
}

/// Epochs wrap to 1: 0 opens a session and negative ones have none.
fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

impl FetchContext {
    pub fn wants(&self) -> &[(PartitionKey, PartitionWant)] {
        match self {
            Self::Sessionless(wants) | Self::Full { wants, .. } | Self::Incremental { wants, .. } => wants,
        }
    }

    /// Decides what of `news`, one for each of [`FetchContext::wants`] in order, goes into the answer.
    pub fn answer(&self, cache: &FetchSessionCache, news: &[PartitionNews], now_ms: i64) -> SessionAnswer {
        match self {
            Self::Sessionless(wants) => SessionAnswer {
                error: ErrorCode::None,
                session_id: NO_SESSION,
                included: vec![true; wants.len()],
            },
            Self::Full {
                wants,
                uses_topic_ids,
                is_from_follower,
            } => {
                let create = |id| new_session(id, *uses_topic_ids, wants, news);
                SessionAnswer {
                    error: ErrorCode::None,
                    session_id: cache.create(*is_from_follower, wants.len(), now_ms, create),
                    included: vec![true; wants.len()],
                }
            }
            Self::Incremental {
                session,
                wants,
                epoch,
            } => answer_incremental(&mut session.lock(), wants, *epoch, news),
        }
    }
}

fn new_session(
    id: i32,
    uses_topic_ids: bool,
    wants: &[(PartitionKey, PartitionWant)],
    news: &[PartitionNews],
) -> FetchSession {
    let mut partitions = Partitions::default();
    for ((key, want), news) in wants.iter().zip(news) {
        let mut cached = Cached::new(*want);
        cached.update(news);
        partitions.push(key.clone(), cached);
    }
    FetchSession {
        id,
        uses_topic_ids,
        epoch: next_epoch(INITIAL_EPOCH),
        partitions,
    }
}

fn answer_incremental(
    session: &mut FetchSession,
    wants: &[(PartitionKey, PartitionWant)],
    epoch: i32,
    news: &[PartitionNews],
) -> SessionAnswer {
    // Another request has used the session meanwhile: this one must have been a duplicate.
    if session.epoch != epoch {
        return SessionAnswer {
            error: ErrorCode::InvalidFetchSessionEpoch,
            session_id: session.id,
            included: vec![false; wants.len()],
        };
    }
    let mut included = Vec::with_capacity(wants.len());
    for ((key, _), news) in wants.iter().zip(news) {
        let is_news = session
            .partitions
            .get_mut(key)
            .is_some_and(|cached| cached.update(news));
        if is_news && news.has_records {
            session.partitions.move_to_end(key);
        }
        included.push(is_news);
    }
    SessionAnswer {
        error: ErrorCode::None,
        session_id: session.id,
        included,
    }
}

#[cfg(test)]
#[path = "fetch_session_tests.rs"]
mod tests;
