//! InitProducerId 0-5: an id for an idempotent producer, so that what it sends twice is written once.
//!
//! Transactions are not served yet: a request with a transactional id is told so, which its client takes as final.

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use ottla_base::ErrorCode;
use tracing::warn;

use crate::api::{Ctx, Reply};

const NONE: i64 = -1;

pub fn handle(ctx: &Ctx, request: InitProducerIdRequest) -> Reply<InitProducerIdResponse> {
    // Who has an id and wants its epoch raised must name both.
    if (request.producer_id.0 == NONE) != (i64::from(request.producer_epoch) == NONE) {
        return Reply::Now(failed(ErrorCode::InvalidRequest));
    }
    match &request.transactional_id {
        None => {}
        Some(id) if id.is_empty() => return Reply::Now(failed(ErrorCode::InvalidRequest)),
        Some(id) => {
            warn!(
                transactional_id = id.as_str(),
                "a producer asks for transactions, which are not served yet"
            );
            return Reply::Now(failed(ErrorCode::UnsupportedVersion));
        }
    }
    let node = ctx.node.clone();
    Reply::later(async move {
        match node.producer_ids.next().await {
            Ok(id) => InitProducerIdResponse::default()
                .with_producer_id(ProducerId(id))
                .with_producer_epoch(0),
            Err(error) => failed(error),
        }
    })
}

fn failed(error: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(error.code())
        .with_producer_id(ProducerId(NONE))
        .with_producer_epoch(-1)
}
