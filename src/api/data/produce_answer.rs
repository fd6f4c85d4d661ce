//! The second half of Produce: what was appended becomes durable, is waited for, and is answered.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::produce_request::TopicProduceData;
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint as ProtocolEndpoint, PartitionProduceResponse,
    TopicProduceResponse,
};
use kafka_protocol::messages::{BrokerId, ProduceResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_base::ErrorCode;
use ottla_metadata::Image;
use ottla_storage::batch::RecordError;
use ottla_storage::{AppendError, AppendInfo};
use tokio::time::Instant;

use super::locate;
use crate::api::endpoints::Endpoint;
use crate::api::{Answered, Ctx, Reply};
use crate::replica::{Partition, Queued, ReplicaError, Turn};

const LEADER_HINT_FROM: i16 = 10;
const ACKS_NONE: i16 = 0;
const ACKS_LEADER: i16 = 1;
const ACKS_ALL: i16 = -1;

/// The request after its appends.
pub(super) struct Started {
    pub ctx: Ctx,
    pub image: Arc<Image>,
    pub acks: i16,
    pub timeout_ms: i32,
    pub topics: Vec<StartedTopic>,
}

pub(super) struct StartedTopic {
    pub topic: TopicProduceData,
    /// By name, whatever the request names it by.
    pub name: String,
    pub partitions: Vec<StartedPartition>,
}

pub(super) struct StartedPartition {
    pub index: i32,
    pub outcome: Outcome,
}

pub(super) enum Outcome {
    /// The log directory's thread has it before it.
    Queued(Arc<Partition>, Queued<Result<AppendInfo, ReplicaError>>),
    Appended(Arc<Partition>, AppendInfo),
    Failed(Failure),
}

impl Outcome {
    pub fn of(partition: Arc<Partition>, appended: Turn<Result<AppendInfo, ReplicaError>>) -> Self {
        match appended {
            Turn::Done(appended) => Self::done(partition, appended),
            Turn::Queued(queued) => Self::Queued(partition, queued),
        }
    }

    fn done(partition: Arc<Partition>, appended: Result<AppendInfo, ReplicaError>) -> Self {
        match appended {
            Ok(info) => Self::Appended(partition, info),
            Err(error) => Self::Failed(not_appended(&error, partition.log().log_start_offset())),
        }
    }

    fn appended(&self) -> Option<(&Arc<Partition>, &AppendInfo)> {
        match self {
            Self::Appended(partition, info) => Some((partition, info)),
            Self::Queued(..) | Self::Failed(_) => None,
        }
    }
}

/// Why a batch was not appended, or not acknowledged.
pub(super) struct Failure {
    pub code: ErrorCode,
    pub log_start_offset: i64,
    pub record_errors: Vec<RecordError>,
    pub message: Option<String>,
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

impl Started {
    /// The answer, at once if there is nothing to wait for.
    pub fn answer(mut self) -> Reply<ProduceResponse> {
        let (acks, needs_disk) = (self.acks, self.needs_disk());
        match acks {
            ACKS_NONE if needs_disk => Reply::eventually(self.unanswered_once_settled()),
            ACKS_NONE => match self.has_failed() {
                true => Reply::Close(FAILED_UNANSWERED),
                false => Reply::Nothing,
            },
            _ if needs_disk || (acks != ACKS_LEADER && self.is_waiting()) => {
                Reply::later(self.response_once_settled())
            }
            _ => Reply::Now(self.response()),
        }
    }

    /// The answer once everything that it promises is so.
    pub async fn answered(self) -> Answered<ProduceResponse> {
        match self.acks {
            ACKS_NONE => self.unanswered_once_settled().await,
            _ => Answered::With(self.response_once_settled().await),
        }
    }

    async fn unanswered_once_settled(mut self) -> Answered<ProduceResponse> {
        self.wait_appended().await;
        self.settle().await;
        match self.has_failed() {
            true => Answered::Close(FAILED_UNANSWERED),
            false => Answered::Nothing,
        }
    }

    async fn response_once_settled(mut self) -> ProduceResponse {
        self.wait_appended().await;
        let deadline = Instant::now() + Duration::from_millis(u64::try_from(self.timeout_ms).unwrap_or(0));
        self.settle().await;
        if self.acks == ACKS_ALL {
            self.wait_committed(deadline).await;
        }
        self.response()
    }

    fn partitions(&mut self) -> impl Iterator<Item = &mut StartedPartition> {
        self.topics
            .iter_mut()
            .flat_map(|topic| topic.partitions.iter_mut())
    }

    fn has_failed(&mut self) -> bool {
        self.partitions()
            .any(|partition| matches!(partition.outcome, Outcome::Failed(_)))
    }

    /// Whether a disk has to be waited for: one that is behind with its appends, or one that must sync them.
    fn needs_disk(&self) -> bool {
        let mut all = self.topics.iter().flat_map(|topic| &topic.partitions);
        all.any(|partition| match &partition.outcome {
            Outcome::Queued(..) => true,
            Outcome::Appended(_, info) => info.flush_due,
            Outcome::Failed(_) => false,
        })
    }

    /// Waits for the appends that are queued. They are done in the order of the requests, whoever is waited for first.
    async fn wait_appended(&mut self) {
        for started in self.partitions() {
            if let Outcome::Queued(partition, queued) = &mut started.outcome {
                let appended = queued.await.unwrap_or(Err(ReplicaError::Offline));
                started.outcome = Outcome::done(partition.clone(), appended);
            }
        }
    }

    /// Makes durable what has to be, in all partitions at once; a partition whose disk fails is told of.
    async fn settle(&mut self) {
        let settle = |started: &mut StartedPartition| {
            let (partition, info) = started.outcome.appended()?;
            Some(partition.settle(info))
        };
        let settling: Vec<_> = self.partitions().map(settle).collect();
        for (started, settling) in self.partitions().zip(settling) {
            if let Some(settling) = settling
                && let Err(error) = settling.await
            {
                started.outcome = Outcome::Failed(error.into());
            }
        }
    }

    /// Takes in the answers that are known already; true if some partition still waits for its replicas.
    fn is_waiting(&mut self) -> bool {
        let mut waiting = false;
        for started in self.partitions() {
            let Some((partition, info)) = started.outcome.appended() else {
                continue;
            };
            match partition.is_committed(info.last_offset) {
                Ok(committed) => waiting |= !committed,
                Err(code) => started.outcome = Outcome::Failed(code.into()),
            }
        }
        waiting
    }

    /// All partitions share one deadline, so waiting for them one by one is waiting for the last of them.
    async fn wait_committed(&mut self, deadline: Instant) {
        for started in self.partitions() {
            let Some((partition, info)) = started.outcome.appended() else {
                continue;
            };
            if let Err(code) = partition.wait_committed(info.last_offset, deadline).await {
                started.outcome = Outcome::Failed(code.into());
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

fn partition_response(started: StartedPartition) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(started.index);
    let failure = match started.outcome {
        Outcome::Failed(failure) => failure,
        // Nobody has waited for it.
        Outcome::Queued(..) => ErrorCode::RequestTimedOut.into(),
        Outcome::Appended(_, info) => {
            return response
                .with_base_offset(info.first_offset)
                .with_log_append_time_ms(info.log_append_time_ms)
                .with_log_start_offset(info.log_start_offset);
        }
    };
    response
        .with_error_code(failure.code.code())
        .with_base_offset(-1)
        .with_log_append_time_ms(-1)
        .with_log_start_offset(failure.log_start_offset)
        .with_record_errors(failure.record_errors.into_iter().map(record_error).collect())
        .with_error_message(failure.message.map(StrBytes::from_string))
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
