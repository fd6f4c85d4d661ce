//! Produce 3-13: batches into logs.
//!
//! Everything up to the append happens in the order of the connection's requests; waiting for replicas, or for the disk
//! where `flush.messages` asks for it, does not hold up the next request. With acks 0 there is no answer, and a failure
//! closes the connection, which is the only way to tell.
//!
//! The first batch of a transaction in a partition is appended when the transaction's coordinator has said that it is open
//! (KIP-890); such a request is worked on alone, so that nothing behind it is appended before it.
//!
//! Since 7 zstd, since 8 errors by record, since 10 a hint at the leader (KIP-951), since 11 TRANSACTION_ABORTABLE, since 12
//! the request adds its partitions to the transaction, since 13 topics by id (KIP-516).

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};
use ottla_base::ErrorCode;
use ottla_base::ids::is_internal_topic;
use ottla_metadata::Image;
use ottla_storage::batch::{BatchHeader, Codec, ValidationError, ValidationRules, validate};
use ottla_storage::{AppendOrigin, LogConfig};

use super::locate;
use super::produce_answer::{Failure, Outcome, Started, StartedPartition, StartedTopic};
use crate::api::txn::verification::{Support, Target, Verification, Verified};
use crate::api::{Ctx, Reply};
use crate::replica::{Acks, Partition};

const TOPIC_IDS_FROM: i16 = 13;
const ZSTD_FROM: i16 = 7;
/// Kafka's own admin client may write to internal topics.
const ADMIN_CLIENT_ID: &str = "__admin_client";

pub fn handle(ctx: &Ctx, request: ProduceRequest) -> Reply<ProduceResponse> {
    let mut produce = Produce::prepare(ctx, request);
    let verification = match produce.verification() {
        Ok(verification) => verification,
        Err(code) => {
            produce.fail_all(code);
            None
        }
    };
    let Some(verification) = verification else {
        return produce.append().answer();
    };
    let begun = match verification.begin().settled() {
        Ok(verified) => {
            produce.verified(verified, verification.support);
            return produce.append().answer();
        }
        Err(begun) => begun,
    };
    Reply::alone(async move {
        let verified = verification.complete(begun).await;
        produce.verified(verified, verification.support);
        produce.append().answered().await
    })
}

/// The request before its appends.
struct Produce {
    ctx: Ctx,
    image: Arc<Image>,
    acks: i16,
    timeout_ms: i32,
    transactional_id: Option<String>,
    has_transactional: bool,
    topics: Vec<PreparedTopic>,
}

struct PreparedTopic {
    topic: TopicProduceData,
    /// By name, whatever the request names it by.
    name: String,
    partitions: Vec<PreparedPartition>,
}

struct PreparedPartition {
    index: i32,
    outcome: Result<Prepared, Failure>,
}

/// A batch and where it goes.
struct Prepared {
    partition: Arc<Partition>,
    batch: Bytes,
    /// Of a batch that belongs to a transaction.
    transactional: Option<BatchHeader>,
    origin: AppendOrigin,
}

impl Produce {
    fn prepare(ctx: &Ctx, request: ProduceRequest) -> Self {
        let mut produce = Self {
            ctx: ctx.clone(),
            image: ctx.image(),
            acks: request.acks,
            timeout_ms: request.timeout_ms,
            transactional_id: request.transactional_id.map(|id| id.to_string()),
            has_transactional: request.topic_data.iter().any(has_transactional_batch),
            topics: Vec::new(),
        };
        let topics = request.topic_data.into_iter();
        produce.topics = topics.map(|topic| produce.topic(topic)).collect();
        produce
    }

    fn topic(&self, mut topic: TopicProduceData) -> PreparedTopic {
        let data = std::mem::take(&mut topic.partition_data);
        let known = if self.ctx.api_version >= TOPIC_IDS_FROM {
            self.image
                .topics
                .by_id(topic.topic_id)
                .ok_or(ErrorCode::UnknownTopicId)
        } else {
            let found = self.image.topics.by_name(&topic.name);
            found.ok_or(ErrorCode::UnknownTopicOrPartition)
        };
        let name = known.map_or_else(|_| topic.name.to_string(), |known| known.name.to_string());
        let partitions = data.into_iter().map(|data| PreparedPartition {
            index: data.index,
            outcome: match known {
                Ok(known) => self.partition(&known.name, known.id, data),
                Err(code) => Err(code.into()),
            },
        });
        PreparedTopic {
            name,
            partitions: partitions.collect(),
            topic,
        }
    }

    fn partition(
        &self,
        topic: &str,
        topic_id: ottla_base::Uuid,
        data: PartitionProduceData,
    ) -> Result<Prepared, Failure> {
        self.acks()?;
        if self.has_transactional && self.transactional_id.is_none() {
            return Err(ErrorCode::TransactionalIdAuthorizationFailed.into());
        }
        if is_internal_topic(topic) && self.ctx.client_id() != ADMIN_CLIENT_ID {
            return Err(ErrorCode::InvalidTopicException.into());
        }
        let partition = locate::by_id(&self.ctx, &self.image, topic_id, data.index)?;
        partition.check_leader(crate::replica::NO_EPOCH)?;
        let batch = data.records.unwrap_or_default();
        // What cannot be read is no part of a transaction; validation says what is wrong with it.
        let header = BatchHeader::parse(&batch).ok();
        let codec = header.map(|header| header.codec());
        if codec == Some(Ok(Codec::Zstd)) && self.ctx.api_version < ZSTD_FROM {
            return Err(ErrorCode::UnsupportedCompressionType.into());
        }
        Ok(Prepared {
            partition,
            batch,
            transactional: header.filter(is_of_transaction),
            origin: AppendOrigin::Client,
        })
    }

    fn acks(&self) -> Result<Acks, ErrorCode> {
        match self.acks {
            -1 => Ok(Acks::All),
            0 | 1 => Ok(Acks::Leader),
            _ => Err(ErrorCode::InvalidRequiredAcks),
        }
    }

    /// What has to be known of the transaction before anything is appended; nothing if there is none.
    fn verification(&self) -> Result<Option<Verification>, ErrorCode> {
        let mut producer = None;
        let mut targets = Vec::new();
        for prepared in self.transactional() {
            let Some(header) = prepared.transactional else {
                continue;
            };
            let found = (header.producer_id, header.producer_epoch);
            if *producer.get_or_insert(found) != found {
                return Err(ErrorCode::InvalidProducerIdMapping);
            }
            targets.push(Target {
                partition: prepared.partition.clone(),
                base_sequence: header.base_sequence,
            });
        }
        let (Some((producer_id, producer_epoch)), Some(id)) = (producer, &self.transactional_id) else {
            return Ok(None);
        };
        Ok(Some(Verification {
            node: self.ctx.node.clone(),
            transactional_id: id.clone(),
            producer_id,
            producer_epoch,
            support: Support::of_produce(self.ctx.api_version),
            targets,
        }))
    }

    /// The batches of transactions, in the order of the request.
    fn transactional(&self) -> impl Iterator<Item = &Prepared> {
        let partitions = self.topics.iter().flat_map(|topic| &topic.partitions);
        let prepared = partitions.filter_map(|partition| partition.outcome.as_ref().ok());
        prepared.filter(|prepared| prepared.transactional.is_some())
    }

    /// Takes in what became of the verification, in the order of its targets.
    fn verified(&mut self, verified: Vec<Verified>, support: Support) {
        let partitions = self.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        let targets = partitions.filter(
            |partition| matches!(&partition.outcome, Ok(prepared) if prepared.transactional.is_some()),
        );
        for (target, verified) in targets.zip(verified) {
            match verified {
                Ok(None) => {}
                Ok(Some(guard)) => {
                    if let Ok(prepared) = &mut target.outcome {
                        prepared.origin = AppendOrigin::VerifiedClient(guard);
                    }
                }
                Err(code) => target.outcome = Err(unverified(code, support)),
            }
        }
    }

    fn fail_all(&mut self, code: ErrorCode) {
        for partition in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            partition.outcome = Err(code.into());
        }
    }

    fn append(self) -> Started {
        let (acks, now_ms) = (self.acks(), self.ctx.now_ms());
        let append = |partition: PreparedPartition| StartedPartition {
            index: partition.index,
            outcome: match partition.outcome.and_then(|prepared| Ok((prepared, acks?))) {
                Ok((prepared, acks)) => prepared.append(acks, now_ms),
                Err(failure) => Outcome::Failed(failure),
            },
        };
        let topics = self.topics.into_iter().map(|topic| StartedTopic {
            name: topic.name,
            partitions: topic.partitions.into_iter().map(append).collect(),
            topic: topic.topic,
        });
        Started {
            topics: topics.collect(),
            ctx: self.ctx,
            image: self.image,
            acks: self.acks,
            timeout_ms: self.timeout_ms,
        }
    }
}

impl Prepared {
    fn append(self, acks: Acks, now_ms: i64) -> Outcome {
        let log = self.partition.log();
        match validate(self.batch, &rules(&log.config()), now_ms) {
            Ok(batch) => {
                let appended = self.partition.append(batch, self.origin, acks, now_ms);
                Outcome::of(self.partition, appended)
            }
            Err(error) => Outcome::Failed(refused(error, log.log_start_offset())),
        }
    }
}

/// Codes of coordinators are news to producers: they are told one that makes them try again without asking for metadata.
fn unverified(code: ErrorCode, support: Support) -> Failure {
    let told = match code {
        ErrorCode::NetworkException
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator => ErrorCode::NotEnoughReplicas,
        ErrorCode::ConcurrentTransactions if support != Support::AddsPartitions => {
            ErrorCode::NotEnoughReplicas
        }
        other => other,
    };
    Failure {
        message: Some(format!(
            "it could not be verified that the transaction is open: {code:?}"
        )),
        ..told.into()
    }
}

fn has_transactional_batch(topic: &TopicProduceData) -> bool {
    topic.partition_data.iter().any(|data| {
        let batch = data.records.as_deref().unwrap_or_default();
        BatchHeader::parse(batch).is_ok_and(|header| header.is_transactional())
    })
}

fn is_of_transaction(header: &BatchHeader) -> bool {
    header.is_transactional() && header.has_producer_id()
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
