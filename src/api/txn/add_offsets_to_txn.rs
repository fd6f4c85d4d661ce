//! AddOffsetsToTxn 0-4: the partition of `__consumer_offsets` that a group belongs to enters a transaction, so that offsets
//! can be committed with it. Clients that speak `transaction.version` 2 leave it to TxnOffsetCommit.

use kafka_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use ottla_base::ErrorCode;
use ottla_coordinator::transaction::command::AddPartitions;
use ottla_coordinator::transaction::{Command, Reply as Answer};

use super::common::{error_of, fenced_as};
use crate::api::{Ctx, Reply};
use crate::runtime::group_coordinator::internal_topics::CONSUMER_OFFSETS;

/// The first version that knows PRODUCER_FENCED.
const KNOWS_FENCED: i16 = 2;

pub fn handle(ctx: &Ctx, request: AddOffsetsToTxnRequest) -> Reply<AddOffsetsToTxnResponse> {
    let partition = ctx.node.groups.partition_for(&request.group_id);
    let add = AddPartitions {
        transactional_id: request.transactional_id.as_str().to_owned(),
        producer_id: request.producer_id.0,
        producer_epoch: request.producer_epoch,
        partitions: [(CONSUMER_OFFSETS.into(), [partition].into())].into(),
        client_version: 0,
    };
    let answer = ctx
        .node
        .transactions
        .submit(&request.transactional_id, Command::AddPartitions(add));
    let version = ctx.api_version;
    Reply::later(async move {
        let error = match answer.await {
            Answer::Done => ErrorCode::None,
            other => fenced_as(error_of(&other), version, KNOWS_FENCED),
        };
        AddOffsetsToTxnResponse::default().with_error_code(error.code())
    })
}
