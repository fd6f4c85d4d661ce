//! Produce 3-13: batches into logs.
//!
//! Everything up to the append happens in the order of the connection's requests; waiting for replicas, or for the disk
//! where `flush.messages` asks for it, does not hold up the next request. With acks 0 there is no answer, and a failure
//! closes the connection, which is the only way to tell.
//!
//! Since 7 zstd, since 8 errors by record, since 10 a hint at the leader (KIP-951), since 13 topics by id (KIP-516).
//! Transactions: a batch that belongs to one is refused, since this node has no transaction coordinator yet.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint as ProtocolEndpoint, PartitionProduceResponse,
    TopicProduceResponse,
};
use kafka_protocol::messages::{BrokerId, ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_base::ErrorCode;
use ottla_base::ids::is_internal_topic;
use ottla_metadata::Image;
use ottla_storage::batch::{BatchHeader, Codec, RecordError, ValidationError, ValidationRules, validate};
use ottla_storage::{AppendError, AppendInfo, AppendOrigin, LogConfig};
use tokio::time::Instant;

use super::locate;
use crate::api::endpoints::Endpoint;
use crate::api::{Answered, Ctx, Reply};
use crate::replica::{Acks, Partition, ReplicaError};

const TOPIC_IDS_FROM: i16 = 13;
const ZSTD_FROM: i16 = 7;
const LEADER_HINT_FROM: i16 = 10;
/// Kafka's own admin client may write to internal topics.
const ADMIN_CLIENT_ID: &str = "__admin_client";

pub fn handle(ctx: &Ctx, request: ProduceRequest) -> Reply<ProduceResponse> {
    let produce = Produce {
        version: ctx.api_version,
        acks: request.acks,
        image: ctx.image(),
        now_ms: ctx.now_ms(),
        transactional_id: request.transactional_id.is_some(),
        has_transactional: request.topic_data.iter().any(has_transactional_batch),
    };
    let topics: Vec<_> = request
        .topic_data
        .into_iter()
        .map(|topic| produce.topic(ctx, topic))
        .collect();
    let started = Started {
        ctx: ctx.clone(),
        image: produce.image,
        topics,
    };
    if request.acks == 0 {
        return started.unanswered();
    }
    if request.acks == 1 && !started.needs_flush() {
        return Reply::Now(started.response());
    }
    started.wait_and_answer(request.acks, request.timeout_ms)
}

/// What holds for all partitions of the request.
struct Produce {
    version: i16,
    acks: i16,
    image: Arc<Image>,
    now_ms: i64,
    transactional_id: bool,
    has_transactional: bool,
}

struct StartedTopic {
    topic: TopicProduceData,
    /// By name, whatever the request names it by.
    name: String,
    partitions: Vec<StartedPartition>,
}

struct StartedPartition {
    index: i32,
    outcome: Result<(Arc<Partition>, AppendInfo), Failure>,
}

/// Why a batch was not appended, or not acknowledged.
struct Failure {
    code: ErrorCode,
    log_start_offset: i64,
    record_errors: Vec<RecordError>,
    message: Option<String>,
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            log_start_offset: -1,
            record_errors: Vec::new(),
            message: None,
        }
    }
}

impl From<ReplicaError> for Failure {
    fn from(error: ReplicaError) -> Self {
        error.code().into()
    }
}

impl Produce {
    fn topic(&self, ctx: &Ctx, mut topic: TopicProduceData) -> StartedTopic {
        let data = std::mem::take(&mut topic.partition_data);
        let known = if self.version >= TOPIC_IDS_FROM {
            self.image
                .topics
                .by_id(topic.topic_id)
                .ok_or(ErrorCode::UnknownTopicId)
        } else {
            let found = self.image.topics.by_name(&topic.name);
            found.ok_or(ErrorCode::UnknownTopicOrPartition)
        };
        let name = known.map_or_else(|_| topic.name.to_string(), |known| known.name.to_string());
        let partitions = data.into_iter().map(|data| StartedPartition {
            index: data.index,
            outcome: match known {
                Ok(known) => self.partition(ctx, &known.name, known.id, data),
                Err(code) => Err(code.into()),
            },
        });
        StartedTopic {
            name,
            partitions: partitions.collect(),
            topic,
        }
    }

    fn partition(
        &self,
        ctx: &Ctx,
        topic: &str,
        topic_id: ottla_base::Uuid,
        data: PartitionProduceData,
    ) -> Result<(Arc<Partition>, AppendInfo), Failure> {
        let acks = match self.acks {
            -1 => Acks::All,
            0 | 1 => Acks::Leader,
            _ => return Err(ErrorCode::InvalidRequiredAcks.into()),
        };
        if self.has_transactional && !self.transactional_id {
            return Err(ErrorCode::TransactionalIdAuthorizationFailed.into());
        }
        if is_internal_topic(topic) && ctx.client_id() != ADMIN_CLIENT_ID {
            return Err(ErrorCode::InvalidTopicException.into());
        }
        let partition = locate::by_id(ctx, &self.image, topic_id, data.index)?;
        partition.check_leader(crate::replica::NO_EPOCH)?;
        let batch = data.records.unwrap_or_default();
        self.check_header(&batch)?;
        let log = partition.log();
        let batch = validate(batch, &rules(&log.config()), self.now_ms)
            .map_err(|error| refused(error, log.log_start_offset()))?;
        let info = partition.append(batch, AppendOrigin::Client, acks, self.now_ms);
        let info = info.map_err(|error| not_appended(&error, log.log_start_offset()))?;
        Ok((partition, info))
    }

    /// What depends on the version of the request, and on what this node can do.
    fn check_header(&self, batch: &[u8]) -> Result<(), Failure> {
        let Ok(header) = BatchHeader::parse(batch) else {
            // Validation says what is wrong with it.
            return Ok(());
        };
        if header.codec() == Ok(Codec::Zstd) && self.version < ZSTD_FROM {
            return Err(ErrorCode::UnsupportedCompressionType.into());
        }
        if header.is_transactional() {
            return Err(ErrorCode::InvalidTxnState.into());
        }
        Ok(())
    }
}

/// A producer that is out of step is told where the log starts: what it missed may have been deleted.
fn not_appended(error: &ReplicaError, log_start_offset: i64) -> Failure {
    tracing::debug!(%error, "produce failed");
    let is_producers = matches!(
        error,
        ReplicaError::Append(AppendError::InvalidProducerEpoch(_) | AppendError::OutOfOrderSequence(_))
    );
    Failure {
        log_start_offset: if is_producers { log_start_offset } else { -1 },
        ..error.code().into()
    }
}

fn has_transactional_batch(topic: &TopicProduceData) -> bool {
    topic.partition_data.iter().any(|data| {
        let batch = data.records.as_deref().unwrap_or_default();
        BatchHeader::parse(batch).is_ok_and(|header| header.is_transactional())
    })
}

fn rules(config: &LogConfig) -> ValidationRules {
    ValidationRules {
        max_message_bytes: usize::try_from(config.max_message_bytes).unwrap_or(0),
        compact: config.cleanup_compact,
        compression: config.compression,
        timestamp_type: config.timestamp_type,
        before_max_ms: config.timestamp_before_max_ms,
        after_max_ms: config.timestamp_after_max_ms,
        allow_control: false,
        client: true,
    }
}

fn refused(error: ValidationError, log_start_offset: i64) -> Failure {
    let code = match &error {
        ValidationError::Corrupt => ErrorCode::CorruptMessage,
        ValidationError::TooLarge { .. } => ErrorCode::MessageTooLarge,
        ValidationError::InvalidRecord { .. } => ErrorCode::InvalidRecord,
        ValidationError::InvalidTimestamp { .. } => ErrorCode::InvalidTimestamp,
        ValidationError::UnsupportedCompression => ErrorCode::UnsupportedCompressionType,
    };
    match error {
        ValidationError::InvalidRecord { errors, message }
        | ValidationError::InvalidTimestamp { errors, message } => Failure {
            code,
            log_start_offset,
            record_errors: errors,
            message: Some(message),
        },
        _ => code.into(),
    }
}

/// The request after its appends.
struct Started {
    ctx: Ctx,
    image: Arc<Image>,
    topics: Vec<StartedTopic>,
}

impl Started {
    fn partitions(&mut self) -> impl Iterator<Item = &mut StartedPartition> {
        self.topics
            .iter_mut()
            .flat_map(|topic| topic.partitions.iter_mut())
    }

    fn needs_flush(&self) -> bool {
        let mut all = self.topics.iter().flat_map(|topic| &topic.partitions);
        all.any(|partition| matches!(&partition.outcome, Ok((_, info)) if info.flush_due))
    }

    /// acks 0.
    fn unanswered(mut self) -> Reply<ProduceResponse> {
        let failed = self.partitions().any(|partition| partition.outcome.is_err());
        if !self.needs_flush() {
            return if failed {
                Reply::Close(FAILED_UNANSWERED)
            } else {
                Reply::Nothing
            };
        }
        Reply::eventually(async move {
            self.settle().await;
            match self.partitions().any(|partition| partition.outcome.is_err()) {
                true => Answered::Close(FAILED_UNANSWERED),
                false => Answered::Nothing,
            }
        })
    }

    /// acks 1 and all.
    fn wait_and_answer(mut self, acks: i16, timeout_ms: i32) -> Reply<ProduceResponse> {
        let deadline = Instant::now() + Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
        if !self.needs_flush() && !self.is_waiting() {
            return Reply::Now(self.response());
        }
        Reply::later(async move {
            self.settle().await;
            if acks == -1 {
                self.wait_committed(deadline).await;
            }
            self.response()
        })
    }

    /// Makes durable what has to be; a partition whose disk fails is told of.
    async fn settle(&mut self) {
        for started in self.partitions() {
            let Ok((partition, info)) = &started.outcome else {
                continue;
            };
            if let Err(error) = partition.settle(info).await {
                started.outcome = Err(error.into());
            }
        }
    }

    /// Takes in the answers that are known already; true if some partition still waits for its replicas.
    fn is_waiting(&mut self) -> bool {
        let mut waiting = false;
        for started in self.partitions() {
            let Ok((partition, info)) = &started.outcome else {
                continue;
            };
            match partition.is_committed(info.last_offset) {
                Ok(committed) => waiting |= !committed,
                Err(code) => started.outcome = Err(code.into()),
            }
        }
        waiting
    }

    /// All partitions share one deadline, so waiting for them one by one is waiting for the last of them.
    async fn wait_committed(&mut self, deadline: Instant) {
        for started in self.partitions() {
            let Ok((partition, info)) = &started.outcome else {
                continue;
            };
            if let Err(code) = partition.wait_committed(info.last_offset, deadline).await {
                started.outcome = Err(code.into());
            }
        }
    }

    fn response(self) -> ProduceResponse {
        let mut endpoints = Vec::new();
        let version = self.ctx.api_version;
        let responses = self.topics.into_iter().map(|started| {
            let answer = |partition: StartedPartition| {
                let index = partition.index;
                let answer = partition_response(partition);
                if version < LEADER_HINT_FROM || answer.error_code != ErrorCode::NotLeaderOrFollower.code() {
                    return answer;
                }
                match locate::leader_hint(&self.ctx, &self.image, &started.name, index) {
                    Some(hint) => {
                        locate::add_endpoint(&mut endpoints, hint.endpoint);
                        answer.with_current_leader(
                            LeaderIdAndEpoch::default()
                                .with_leader_id(BrokerId(hint.leader_id))
                                .with_leader_epoch(hint.leader_epoch),
                        )
                    }
                    None => answer,
                }
            };
            TopicProduceResponse::default()
                .with_name(started.topic.name)
                .with_topic_id(started.topic.topic_id)
                .with_partition_responses(started.partitions.into_iter().map(answer).collect())
        });
        let responses = responses.collect();
        ProduceResponse::default()
            .with_responses(responses)
            .with_node_endpoints(endpoints.into_iter().map(protocol_endpoint).collect())
    }
}

const FAILED_UNANSWERED: &str = "a produce request with acks=0 failed";

fn partition_response(started: StartedPartition) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(started.index);
    match started.outcome {
        Ok((_, info)) => response
            .with_base_offset(info.first_offset)
            .with_log_append_time_ms(info.log_append_time_ms)
            .with_log_start_offset(info.log_start_offset),
        Err(failure) => response
            .with_error_code(failure.code.code())
            .with_base_offset(-1)
            .with_log_append_time_ms(-1)
            .with_log_start_offset(failure.log_start_offset)
            .with_record_errors(failure.record_errors.into_iter().map(record_error).collect())
            .with_error_message(failure.message.map(StrBytes::from_string)),
    }
}

fn record_error(error: RecordError) -> BatchIndexAndErrorMessage {
    BatchIndexAndErrorMessage::default()
        .with_batch_index(error.index)
        .with_batch_index_error_message(Some(StrBytes::from_string(error.message)))
}

fn protocol_endpoint(endpoint: Endpoint) -> ProtocolEndpoint {
    ProtocolEndpoint::default()
        .with_node_id(BrokerId(endpoint.id))
        .with_host(endpoint.host)
        .with_port(endpoint.port)
        .with_rack(endpoint.rack)
}
