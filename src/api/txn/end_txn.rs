//! EndTxn 0-5: commits or aborts. It is answered when the decision is written; the partitions hear of it after that.
//!
//! From version 5 on (`transaction.version` 2, KIP-890) the epoch is raised at each end, and the answer has the id and epoch
//! of the next transaction.

use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId};
use ottla_coordinator::transaction::Reply as Answer;
use ottla_coordinator::transaction::command::EndTransaction;
use ottla_coordinator::transaction::state::EPOCH_BUMP_VERSION;

use super::common::{error_of, fenced_as};
use crate::api::{Ctx, Reply};

/// The first version that knows PRODUCER_FENCED.
const KNOWS_FENCED: i16 = 2;
/// The first version whose clients speak `transaction.version` 2.
const BUMPS_EPOCH: i16 = 5;

pub fn handle(ctx: &Ctx, request: EndTxnRequest) -> Reply<EndTxnResponse> {
    let version = ctx.api_version;
    let end = EndTransaction {
        transactional_id: request.transactional_id.as_str().to_owned(),
        producer_id: request.producer_id.0,
        producer_epoch: request.producer_epoch,
        committed: request.committed,
        client_version: if version >= BUMPS_EPOCH {
            EPOCH_BUMP_VERSION
        } else {
            0
        },
        fresh_producer_id: None,
    };
    let node = ctx.node.clone();
    Reply::later(async move {
        let response = EndTxnResponse::default();
        match node.transactions.end_transaction(end).await {
            Answer::Ended {
                producer_id,
                producer_epoch,
            } => response
                .with_producer_id(ProducerId(producer_id))
                .with_producer_epoch(producer_epoch),
            other => response
                .with_error_code(fenced_as(error_of(&other), version, KNOWS_FENCED).code())
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1),
        }
    })
}
