//! DeleteRecords 0-2: moves the start of a log up. What lies before it is gone for readers at once; its files go later.

use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use ottla_base::ErrorCode;
use ottla_base::ids::is_internal_topic;
use ottla_metadata::Image;

use super::locate;
use crate::api::{Ctx, Reply};

/// The low watermark where there is none to tell.
const NO_LOW_WATERMARK: i64 = -1;

/// The followers of a partition take the new start over with their next fetch; with one replica there is nothing to wait
/// for. A log may be busy rolling or syncing, so this does not run on a reactor thread.
pub fn handle(ctx: &Ctx, request: DeleteRecordsRequest) -> Reply<DeleteRecordsResponse> {
    let ctx = ctx.clone();
    Reply::later(async move {
        let deleted = tokio::task::spawn_blocking(move || delete_all(&ctx, request)).await;
        deleted.unwrap_or_default()
    })
}

fn delete_all(ctx: &Ctx, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let image = ctx.image();
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let deleted = delete(
                ctx,
                &image,
                &topic.name,
                partition.partition_index,
                partition.offset,
            );
            DeleteRecordsPartitionResult::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(deleted.err().unwrap_or(ErrorCode::None).code())
                .with_low_watermark(deleted.unwrap_or(NO_LOW_WATERMARK))
        });
        DeleteRecordsTopicResult::default()
            .with_partitions(partitions.collect())
            .with_name(topic.name)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

fn delete(ctx: &Ctx, image: &Image, topic: &str, partition: i32, offset: i64) -> Result<i64, ErrorCode> {
    let partition = locate::by_name(ctx, image, topic, partition)?;
    if is_internal_topic(topic) {
        return Err(ErrorCode::InvalidTopicException);
    }
    partition
        .delete_records_before(offset)
        .map_err(|error| error.code())
}
