//! AddPartitionsToTxn 0-5: partitions enter a transaction, all of them or none.
//!
//! Up to version 3 a client asks, for one transaction. From version 4 on brokers do, for many: before they append the first
//! batch of a transaction they add its partitions, or verify that they are in it (KIP-890).

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, TransactionalId};
use ottla_base::ErrorCode;
use ottla_coordinator::transaction::command::AddPartitions;
use ottla_coordinator::transaction::state::{EPOCH_BUMP_VERSION, Partitions};
use ottla_coordinator::transaction::{Command, Reply as Answer};
use ottla_metadata::Image;

use super::common::{error_of, fenced_as};
use crate::api::{Ctx, Reply};

/// The first version that knows PRODUCER_FENCED.
const KNOWS_FENCED: i16 = 2;
/// The first version that brokers send, for several transactions.
const BATCHED: i16 = 4;

/// What became of each partition, by topic and index.
type Results = BTreeMap<(Arc<str>, i32), ErrorCode>;

pub fn handle(ctx: &Ctx, request: AddPartitionsToTxnRequest) -> Reply<AddPartitionsToTxnResponse> {
    let version = ctx.api_version;
    let transactions = match version < BATCHED {
        true => vec![of_client(request)],
        false => request.transactions,
    };
    let image = ctx.image();
    let results: Vec<_> = transactions
        .into_iter()
        .map(|transaction| ask(ctx, &image, transaction))
        .collect();
    Reply::later(async move {
        let results = join_all(results).await.into_iter();
        let response = AddPartitionsToTxnResponse::default();
        if version < BATCHED {
            let topics = results.flat_map(|(_, topics)| topics).collect();
            return response.with_results_by_topic_v3_and_below(topics);
        }
        let result = |(id, topics): (TransactionalId, Vec<AddPartitionsToTxnTopicResult>)| {
            AddPartitionsToTxnResult::default()
                .with_transactional_id(id)
                .with_topic_results(topics)
        };
        response.with_results_by_transaction(results.map(result).collect())
    })
}

fn of_client(request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnTransaction {
    AddPartitionsToTxnTransaction::default()
        .with_transactional_id(request.v3_and_below_transactional_id)
        .with_producer_id(request.v3_and_below_producer_id)
        .with_producer_epoch(request.v3_and_below_producer_epoch)
        .with_topics(request.v3_and_below_topics)
}

/// Hands the transaction to its coordinator at once; the answer comes later.
fn ask(
    ctx: &Ctx,
    image: &Image,
    transaction: AddPartitionsToTxnTransaction,
) -> impl Future<Output = (TransactionalId, Vec<AddPartitionsToTxnTopicResult>)> + Send + use<> {
    let version = ctx.api_version;
    let refused = unknown_partitions(image, &transaction.topics);
    let answer = refused.is_none().then(|| {
        let add = AddPartitions {
            transactional_id: transaction.transactional_id.as_str().to_owned(),
            producer_id: transaction.producer_id.0,
            producer_epoch: transaction.producer_epoch,
            partitions: partitions(&transaction.topics),
            client_version: if version >= BATCHED { EPOCH_BUMP_VERSION } else { 0 },
        };
        let command = match transaction.verify_only {
            true => Command::VerifyPartitions(add),
            false => Command::AddPartitions(add),
        };
        ctx.node
            .transactions
            .submit(&transaction.transactional_id, command)
    });
    async move {
        let (results, error) = match answer {
            None => (refused.unwrap_or_default(), ErrorCode::OperationNotAttempted),
            Some(answer) => match answer.await {
                Answer::Done => (Results::new(), ErrorCode::None),
                Answer::Verified(verified) => (of_verified(verified), ErrorCode::UnknownServerError),
                other => (Results::new(), fenced_as(error_of(&other), version, KNOWS_FENCED)),
            },
        };
        let topics = transaction.topics.into_iter();
        (
            transaction.transactional_id,
            topics.map(|topic| topic_result(topic, &results, error)).collect(),
        )
    }
}

/// The partitions that are not there, if there are such.
fn unknown_partitions(image: &Image, topics: &[AddPartitionsToTxnTopic]) -> Option<Results> {
    let mut unknown = Results::new();
    for topic in topics {
        let known = image.topics.by_name(&topic.name);
        let is_known = |index: &i32| known.is_some_and(|known| known.partitions.contains_key(index));
        for index in topic.partitions.iter().filter(|index| !is_known(index)) {
            let name: Arc<str> = topic.name.as_str().into();
            unknown.insert((name, *index), ErrorCode::UnknownTopicOrPartition);
        }
    }
    (!unknown.is_empty()).then_some(unknown)
}

fn partitions(topics: &[AddPartitionsToTxnTopic]) -> Partitions {
    let mut partitions = Partitions::new();
    for topic in topics {
        partitions
            .entry(topic.name.as_str().into())
            .or_default()
            .extend(&topic.partitions);
    }
    partitions
}

fn of_verified(verified: Vec<(Arc<str>, i32, ErrorCode)>) -> Results {
    let results = verified
        .into_iter()
        .map(|(topic, index, error)| ((topic, index), error));
    results.collect()
}

/// The request's partitions in its order; `error` holds for those without a result of their own.
fn topic_result(
    topic: AddPartitionsToTxnTopic,
    results: &Results,
    error: ErrorCode,
) -> AddPartitionsToTxnTopicResult {
    let name: Arc<str> = topic.name.as_str().into();
    let partition = |index: i32| {
        let own = results.get(&(name.clone(), index)).copied();
        AddPartitionsToTxnPartitionResult::default()
            .with_partition_index(index)
            .with_partition_error_code(own.unwrap_or(error).code())
    };
    AddPartitionsToTxnTopicResult::default()
        .with_results_by_partition(topic.partitions.iter().map(|index| partition(*index)).collect())
        .with_name(topic.name)
}
