//! DescribeTransactions 0: what transactional ids are doing (KIP-664).

use futures::future::join_all;
use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, TopicName, TransactionalId,
};
use ottla_coordinator::transaction::command::Description;
use ottla_coordinator::transaction::{Command, Reply as Answer};

use super::common::error_of;
use crate::api::text::text;
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: DescribeTransactionsRequest) -> Reply<DescribeTransactionsResponse> {
    let states = request.transactional_ids.into_iter().map(|id| {
        let describe = Command::Describe(id.as_str().to_owned());
        let answer = ctx.node.transactions.submit(&id, describe);
        async move { state(id, answer.await) }
    });
    let states = join_all(states.collect::<Vec<_>>());
    Reply::later(async move { DescribeTransactionsResponse::default().with_transaction_states(states.await) })
}

fn state(id: TransactionalId, answer: Answer) -> TransactionState {
    let state = TransactionState::default().with_transactional_id(id);
    match answer {
        Answer::Described(found) => described(state, &found),
        other => state.with_error_code(error_of(&other).code()),
    }
}

fn described(state: TransactionState, found: &Description) -> TransactionState {
    let topics = found.partitions.iter().map(|(topic, indexes)| {
        TopicData::default()
            .with_topic(TopicName(text(topic.to_string())))
            .with_partitions(indexes.iter().copied().collect())
    });
    state
        .with_transaction_state(text(found.state))
        .with_transaction_timeout_ms(found.timeout_ms)
        .with_transaction_start_time_ms(found.start_ms)
        .with_producer_id(ProducerId(found.producer_id))
        .with_producer_epoch(found.producer_epoch)
        .with_topics(topics.collect())
}
