//! InitProducerId 0-5: an id for an idempotent producer, so that what it sends twice is written once; and an id and an epoch
//! for a transactional one, which fences whoever used its transactional id before. From version 3 on a producer may name
//! the id and epoch it has, to go on after an error (KIP-360).
//!
//! Version 6 (two-phase commit) has a schema and is not stable in Kafka 4.3.1.

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use ottla_base::ErrorCode;
use ottla_coordinator::transaction::Reply as Answer;
use ottla_coordinator::transaction::command::InitProducerId;

use super::common::{error_of, fenced_as};
use crate::api::{Ctx, Reply};

const NONE: i64 = -1;

/// The first version that knows PRODUCER_FENCED.
const KNOWS_FENCED: i16 = 4;

pub fn handle(ctx: &Ctx, request: InitProducerIdRequest) -> Reply<InitProducerIdResponse> {
    // Who has an id and wants its epoch raised must name both.
    if (request.producer_id.0 == NONE) != (i64::from(request.producer_epoch) == NONE) {
        return Reply::Now(failed(ErrorCode::InvalidRequest));
    }
    let node = ctx.node.clone();
    let Some(transactional_id) = request.transactional_id else {
        return Reply::later(async move {
            match node.producer_ids.next().await {
                Ok(producer_id) => initialized(producer_id, 0),
                Err(error) => failed(error),
            }
        });
    };
    let init = InitProducerId {
        transactional_id: transactional_id.as_str().to_owned(),
        timeout_ms: request.transaction_timeout_ms,
        expected: (request.producer_id.0 != NONE).then_some((request.producer_id.0, request.producer_epoch)),
        ..InitProducerId::default()
    };
    let version = ctx.api_version;
    Reply::later(async move {
        match node.transactions.init_producer_id(init).await {
            Answer::Initialized {
                producer_id,
                producer_epoch,
            } => initialized(producer_id, producer_epoch),
            other => failed(fenced_as(error_of(&other), version, KNOWS_FENCED)),
        }
    })
}

fn initialized(producer_id: i64, producer_epoch: i16) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_producer_id(ProducerId(producer_id))
        .with_producer_epoch(producer_epoch)
}

fn failed(error: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(error.code())
        .with_producer_id(ProducerId(NONE))
        .with_producer_epoch(-1)
}
