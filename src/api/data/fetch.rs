//! Fetch 4-18: stretches of segments, on their way to the socket without being read.
//!
//! A fetch that finds enough is answered at once; another waits until enough has come, something has gone wrong, or its
//! time is up. Waiting costs one entry with each of its partitions and no polling.
//!
//! Since 5 log start offsets, since 7 sessions (KIP-227), since 9 leader epochs, since 12 diverging epochs (KIP-595), since
//! 13 topics by id (KIP-516), since 15 the replica id in a tag, since 16 hints at the leader (KIP-951). Consumers are never
//! sent to a preferred replica (KIP-392), and nothing lies in tiered storage.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use ottla_base::config::{BrokerConfig, Settings};
use ottla_base::{ErrorCode, Uuid};
use ottla_storage::ReadBound;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::fetch_read::{FetchRead, ReadPlan, Target};
use super::fetch_response::{FetchAnswer, FetchedPartition, encode};
use super::fetch_session::{
    self, FetchContext, PartitionKey, PartitionNews, PartitionWant, SessionRequest, TopicKey,
};
use super::fetch_session_cache::FetchSessionCache;
use super::locate;
use crate::api::{Ctx, Reply};
use crate::wire::Body;

const TOPIC_IDS_FROM: i16 = 13;
const REPLICA_STATE_FROM: i16 = 15;
const LEADER_HINT_FROM: i16 = 16;
/// From this version on a consumer may read from a follower.
const FOLLOWER_FETCH_FROM: i16 = 11;
/// Clients up to this version do not know the error of a failed disk.
const STORAGE_ERROR_UNKNOWN_UNTIL: i16 = 5;
const READ_COMMITTED: i8 = 1;

/// What fetches of a node share.
pub struct FetchState {
    sessions: FetchSessionCache,
    /// `fetch.max.bytes`: most bytes that one answer may hold.
    bytes_max: i32,
}

impl FetchState {
    pub fn new(config: &BrokerConfig) -> Self {
        let slots = config.i32("max.incremental.fetch.session.cache.slots");
        Self {
            sessions: FetchSessionCache::new(usize::try_from(slots).unwrap_or(0)),
            bytes_max: config.i32("fetch.max.bytes"),
        }
    }
}

pub fn handle(ctx: &Ctx, request: FetchRequest) -> Reply<Body> {
    let wait_ms = u64::try_from(request.max_wait_ms).unwrap_or(0);
    let min_bytes = request
        .min_bytes
        .min(request.max_bytes.min(ctx.node.fetch.bytes_max));
    let plan_of = PlanOptions::of(ctx, &request);
    let context = match fetch_session::open(
        &ctx.node.fetch.sessions,
        session_request(ctx, request, &plan_of),
        ctx.now_ms(),
    ) {
        Ok(context) => context,
        Err(error) => return Reply::Now(session_error(ctx, error)),
    };
    let fetch = Fetch {
        plan: plan_of.plan(ctx, context.wants()),
        ctx: ctx.clone(),
        context,
        min_bytes: usize::try_from(min_bytes).unwrap_or(0),
    };
    let read = fetch.plan.read();
    if wait_ms == 0 || fetch.is_enough(&read) {
        return Reply::Now(fetch.answer(read));
    }
    let deadline = Instant::now() + Duration::from_millis(wait_ms);
    Reply::later(fetch.wait(deadline))
}

/// A fetch between its request and its answer.
struct Fetch {
    ctx: Ctx,
    context: FetchContext,
    plan: ReadPlan,
    min_bytes: usize,
}

impl Fetch {
    fn is_enough(&self, read: &FetchRead) -> bool {
        self.plan.targets.is_empty() || read.must_answer || read.bytes >= self.min_bytes
    }

    async fn wait(self, deadline: Instant) -> Body {
        let waiter = Arc::new(Notify::new());
        let partitions = self
            .plan
            .targets
            .iter()
            .filter_map(|target| target.partition.as_ref().ok());
        let registrations: Vec<_> = partitions.map(|partition| partition.register(&waiter)).collect();
        let mut read = self.plan.read();
        while !self.is_enough(&read) {
            let is_late = tokio::time::timeout_at(deadline, waiter.notified())
                .await
                .is_err();
            read = self.plan.read();
            if is_late {
                break;
            }
        }
        drop(registrations);
        self.answer(read)
    }

    fn answer(self, read: FetchRead) -> Body {
        let version = self.ctx.api_version;
        let news: Vec<PartitionNews> = read.partitions.iter().map(news).collect();
        let session = self
            .context
            .answer(&self.ctx.node.fetch.sessions, &news, self.ctx.now_ms());
        let image = self.ctx.image();
        let mut endpoints = Vec::new();
        let mut partitions = Vec::new();
        let answered = self
            .context
            .wants()
            .iter()
            .zip(read.partitions)
            .zip(&session.included);
        for (((key, _), mut partition), _) in answered.filter(|(_, included)| **included) {
            let wants_hint = matches!(
                partition.error,
                ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch
            );
            if version >= LEADER_HINT_FROM
                && wants_hint
                && let TopicKey::Id(id) = &key.topic
                && let Some(topic) = image.topics.by_id(*id)
                && let Some(hint) = locate::leader_hint(&self.ctx, &image, &topic.name, key.partition)
            {
                partition.current_leader = Some((hint.leader_id, hint.leader_epoch));
                locate::add_endpoint(&mut endpoints, hint.endpoint);
            }
            if version <= STORAGE_ERROR_UNKNOWN_UNTIL && partition.error == ErrorCode::KafkaStorageError {
                partition.error = ErrorCode::NotLeaderOrFollower;
            }
            partitions.push((key.topic.clone(), partition));
        }
        let answer = FetchAnswer {
            throttle_time_ms: 0,
            error: session.error,
            session_id: session.session_id,
            partitions,
            node_endpoints: endpoints,
        };
        encode(answer, version)
    }
}

fn news(partition: &FetchedPartition) -> PartitionNews {
    PartitionNews {
        has_records: partition.records_bytes() > 0,
        high_watermark: partition.high_watermark,
        log_start_offset: partition.log_start_offset,
        error: partition.error,
        has_diverging_epoch: partition.diverging_epoch.is_some(),
    }
}

fn session_error(ctx: &Ctx, error: ErrorCode) -> Body {
    let answer = FetchAnswer {
        throttle_time_ms: 0,
        error,
        session_id: fetch_session::NO_SESSION,
        partitions: Vec::new(),
        node_endpoints: Vec::new(),
    };
    encode(answer, ctx.api_version)
}

/// What of the request holds for all its partitions.
struct PlanOptions {
    replica_id: i32,
    bound: ReadBound,
    leader_only: bool,
    max_bytes: usize,
}

impl PlanOptions {
    fn of(ctx: &Ctx, request: &FetchRequest) -> Self {
        let replica_id = if ctx.api_version >= REPLICA_STATE_FROM {
            request.replica_state.replica_id.0
        } else {
            request.replica_id.0
        };
        let is_from_follower = replica_id >= 0;
        let bound = match (is_from_follower, request.isolation_level) {
            (true, _) => ReadBound::LogEnd,
            (false, READ_COMMITTED) => ReadBound::LastStable,
            (false, _) => ReadBound::HighWatermark,
        };
        Self {
            replica_id,
            bound,
            leader_only: is_from_follower || ctx.api_version < FOLLOWER_FETCH_FROM,
            max_bytes: usize::try_from(request.max_bytes.min(ctx.node.fetch.bytes_max)).unwrap_or(0),
        }
    }

    fn plan(self, ctx: &Ctx, wants: &[(PartitionKey, PartitionWant)]) -> ReadPlan {
        let image = ctx.image();
        let targets = wants.iter().map(|(key, want)| Target {
            index: key.partition,
            want: *want,
            partition: match &key.topic {
                TopicKey::Name(name) => locate::by_name(ctx, &image, name, key.partition),
                TopicKey::Id(id) => locate::by_id(ctx, &image, *id, key.partition),
            },
        });
        ReadPlan {
            targets: targets.collect(),
            replica_id: self.replica_id,
            bound: self.bound,
            leader_only: self.leader_only,
            max_bytes: self.max_bytes,
        }
    }
}

fn session_request(ctx: &Ctx, request: FetchRequest, options: &PlanOptions) -> SessionRequest {
    let uses_topic_ids = ctx.api_version >= TOPIC_IDS_FROM;
    let topic_key = |name: &kafka_protocol::messages::TopicName, id: Uuid| {
        if uses_topic_ids {
            TopicKey::Id(id)
        } else {
            TopicKey::Name(name.0.clone())
        }
    };
    let wants_of = |topic: FetchTopic| {
        let key = topic_key(&topic.topic, topic.topic_id);
        topic.partitions.into_iter().map(move |partition| {
            let topic = key.clone();
            (
                PartitionKey {
                    topic,
                    partition: partition.partition,
                },
                want(&partition),
            )
        })
    };
    let forgotten_of = |topic: ForgottenTopic| {
        let key = topic_key(&topic.topic, topic.topic_id);
        topic.partitions.into_iter().map(move |partition| PartitionKey {
            topic: key.clone(),
            partition,
        })
    };
    SessionRequest {
        id: request.session_id,
        epoch: request.session_epoch,
        uses_topic_ids,
        is_from_follower: options.replica_id >= 0,
        wants: request.topics.into_iter().flat_map(wants_of).collect(),
        forgotten: request
            .forgotten_topics_data
            .into_iter()
            .flat_map(forgotten_of)
            .collect(),
    }
}

fn want(partition: &FetchPartition) -> PartitionWant {
    PartitionWant {
        fetch_offset: partition.fetch_offset,
        log_start_offset: partition.log_start_offset,
        max_bytes: partition.partition_max_bytes,
        current_leader_epoch: partition.current_leader_epoch,
        last_fetched_epoch: partition.last_fetched_epoch,
    }
}
