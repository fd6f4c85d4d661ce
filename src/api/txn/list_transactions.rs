//! ListTransactions 0-2: the transactional ids that this broker coordinates (KIP-664), by state and producer id, from
//! version 1 on by how long they have been running (KIP-994), from version 2 on by a pattern of the id (KIP-1152).

use futures::future::join_all;
use kafka_protocol::messages::list_transactions_response::TransactionState;
use kafka_protocol::messages::{
    ListTransactionsRequest, ListTransactionsResponse, ProducerId, TransactionalId,
};
use ottla_base::ErrorCode;
use ottla_coordinator::transaction::command::{ListTransactions, ListedTransaction};
use ottla_coordinator::transaction::{Command, Reply as Answer};

use super::common::error_of;
use crate::api::text::text;
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: ListTransactionsRequest) -> Reply<ListTransactionsResponse> {
    let filters = ListTransactions {
        states: request
            .state_filters
            .iter()
            .map(|state| state.as_str().to_owned())
            .collect(),
        producer_ids: request.producer_id_filters.iter().map(|id| id.0).collect(),
        duration_ms: request.duration_filter,
        id_pattern: request
            .transactional_id_pattern
            .map(|pattern| pattern.as_str().to_owned()),
    };
    // Said even by a node that has nothing to list.
    if let Err(error) = filters.check() {
        return Reply::Now(ListTransactionsResponse::default().with_error_code(error.code()));
    }
    let unknown = filters.unknown_states().map(|state| text(state.to_owned()));
    let response = ListTransactionsResponse::default().with_unknown_state_filters(unknown.collect());
    let transactions = &ctx.node.transactions;
    let partitions = transactions.led_partitions().into_iter();
    let answers =
        partitions.map(|partition| transactions.submit_to(partition, Command::List(filters.clone())));
    let answers = join_all(answers.collect::<Vec<_>>());
    Reply::later(async move {
        let mut listed = Vec::new();
        for answer in answers.await {
            match answer {
                Answer::Listed(transactions) => listed.extend(transactions.into_iter().map(state)),
                // Another broker's by now, which lists them.
                Answer::Failed(ErrorCode::NotCoordinator) => {}
                other => {
                    return ListTransactionsResponse::default().with_error_code(error_of(&other).code());
                }
            }
        }
        response.with_transaction_states(listed)
    })
}

fn state(transaction: ListedTransaction) -> TransactionState {
    TransactionState::default()
        .with_transactional_id(TransactionalId(text(transaction.transactional_id)))
        .with_producer_id(ProducerId(transaction.producer_id))
        .with_transaction_state(text(transaction.state))
}
