//! TxnOffsetCommit 0-5: how far a group has read, as a part of a producer's transaction. The offsets count when it commits.
//!
//! Since 2 leader epochs, since 3 the member that the producer commits for (KIP-447), since 4 TRANSACTION_ABORTABLE, since 5
//! the request itself brings the group into the transaction (KIP-890). The partition of `__consumer_offsets` is one of the
//! transaction's, and is verified like any other.
//!
//! A partition that is not there is told so, also where the group refuses the commit as a whole.

use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use ottla_base::{ErrorCode, Uuid};
use ottla_coordinator::command::{CommitOffsets, CommitPartition, CommitTopic};
use ottla_coordinator::{Command, Reply as Answer};
use ottla_metadata::Image;

use super::verification::{Support, Target, Verification};
use crate::api::{Ctx, Reply};
use crate::runtime::InTransaction;
use crate::runtime::group_coordinator::internal_topics::CONSUMER_OFFSETS;

/// The first version whose clients know that a coordinator may still be loading.
const LOADING_KNOWN_FROM: i16 = 2;

pub fn handle(ctx: &Ctx, request: TxnOffsetCommitRequest) -> Reply<TxnOffsetCommitResponse> {
    let image = ctx.image();
    let topics: Vec<CommitTopic> = request
        .topics
        .iter()
        .filter_map(|topic| known_part(&image, topic))
        .collect();
    if topics.is_empty() {
        return Reply::Now(response(&image, &request, &mut || ErrorCode::None));
    }
    if request.group_id.is_empty() {
        return Reply::Now(response(&image, &request, &mut || ErrorCode::InvalidGroupId));
    }
    let ctx = ctx.clone();
    Reply::later(async move {
        let errors = commit(&ctx, &request, topics).await;
        let mut each = errors.into_each();
        response(&image, &request, &mut || client_code(each(), ctx.api_version))
    })
}

/// What became of the partitions that the coordinator was asked for.
enum Errors {
    All(ErrorCode),
    Each(Vec<ErrorCode>),
}

impl Errors {
    /// One after the other.
    fn into_each(self) -> Box<dyn FnMut() -> ErrorCode + Send> {
        match self {
            Self::All(error) => Box::new(move || error),
            Self::Each(errors) => {
                let mut errors = errors.into_iter();
                Box::new(move || errors.next().unwrap_or(ErrorCode::UnknownServerError))
            }
        }
    }
}

async fn commit(ctx: &Ctx, request: &TxnOffsetCommitRequest, topics: Vec<CommitTopic>) -> Errors {
    let transaction = match verify(ctx, request).await {
        Ok(transaction) => transaction,
        Err(error) => return Errors::All(unverified(error)),
    };
    let commit = CommitOffsets {
        group_id: request.group_id.to_string(),
        member_id: request.member_id.to_string(),
        group_instance_id: request.group_instance_id.as_ref().map(ToString::to_string),
        generation_id: request.generation_id,
        knows_group_id_not_found: false,
        retention_ms: -1,
        is_transactional: true,
        topics,
    };
    let answer = ctx
        .node
        .groups
        .submit_in(&request.group_id, transaction, Command::CommitOffsets(commit));
    match answer.await {
        Answer::Offsets(results) => {
            let partitions = results.into_iter().flat_map(|topic| topic.partitions);
            Errors::Each(partitions.map(|(_, error)| error).collect())
        }
        Answer::Failed(error) => Errors::All(error),
        _ => Errors::All(ErrorCode::UnknownServerError),
    }
}

/// The transaction to write in, once it is known that the group's partition belongs to it.
async fn verify(ctx: &Ctx, request: &TxnOffsetCommitRequest) -> Result<InTransaction, ErrorCode> {
    let index = ctx.node.groups.partition_for(&request.group_id);
    let partition = ctx.node.replicas.by_name(CONSUMER_OFFSETS, index);
    let verification = Verification {
        node: ctx.node.clone(),
        transactional_id: request.transactional_id.to_string(),
        producer_id: request.producer_id.0,
        producer_epoch: request.producer_epoch,
        support: Support::of_txn_offset_commit(ctx.api_version),
        targets: vec![Target {
            partition: partition.ok_or(ErrorCode::CoordinatorNotAvailable)?,
            base_sequence: -1,
        }],
    };
    let mut verified = verification.complete(verification.begin()).await;
    Ok(InTransaction {
        producer_id: request.producer_id.0,
        producer_epoch: request.producer_epoch,
        guard: verified.pop().unwrap_or(Ok(None))?,
    })
}

/// What is wrong with the partition, in the words of a group coordinator.
fn unverified(error: ErrorCode) -> ErrorCode {
    match error {
        // Clients try again without looking for another coordinator.
        ErrorCode::NetworkException => ErrorCode::CoordinatorLoadInProgress,
        ErrorCode::UnknownTopicOrPartition => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        other => other,
    }
}

fn client_code(error: ErrorCode, version: i16) -> ErrorCode {
    match error {
        ErrorCode::CoordinatorLoadInProgress if version < LOADING_KNOWN_FROM => {
            ErrorCode::CoordinatorNotAvailable
        }
        other => other,
    }
}

fn is_known(image: &Image, topic: &str, partition: i32) -> bool {
    let topic = image.topics.by_name(topic);
    topic.is_some_and(|topic| topic.partitions.contains_key(&partition))
}

/// The part of a topic that the coordinator is asked for, if there is any. The records bear no topic id, as in Kafka.
fn known_part(image: &Image, topic: &TxnOffsetCommitRequestTopic) -> Option<CommitTopic> {
    let known = |partition: &&TxnOffsetCommitRequestPartition| {
        is_known(image, &topic.name, partition.partition_index)
    };
    let partitions: Vec<CommitPartition> = topic.partitions.iter().filter(known).map(to_commit).collect();
    let is_any = !partitions.is_empty();
    is_any.then(|| CommitTopic {
        topic_id: Uuid::nil(),
        name: topic.name.to_string(),
        partitions,
    })
}

fn to_commit(partition: &TxnOffsetCommitRequestPartition) -> CommitPartition {
    CommitPartition {
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.as_ref().map(ToString::to_string),
    }
}

/// The request's topics in its order; `committed` is asked for each partition that the coordinator was asked for.
fn response(
    image: &Image,
    request: &TxnOffsetCommitRequest,
    committed: &mut dyn FnMut() -> ErrorCode,
) -> TxnOffsetCommitResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let partition = |partition: &TxnOffsetCommitRequestPartition| {
            let index = partition.partition_index;
            let error = match is_known(image, &topic.name, index) {
                true => committed(),
                false => ErrorCode::UnknownTopicOrPartition,
            };
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(index)
                .with_error_code(error.code())
        };
        topics.push(
            TxnOffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(topic.partitions.iter().map(partition).collect()),
        );
    }
    TxnOffsetCommitResponse::default().with_topics(topics)
}
