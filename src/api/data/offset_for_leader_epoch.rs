//! OffsetForLeaderEpoch 2-4: where a leader epoch ended, by which readers find out that their log differs (KIP-320).

use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use ottla_base::ErrorCode;
use ottla_metadata::Image;

use super::locate;
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: OffsetForLeaderEpochRequest) -> Reply<OffsetForLeaderEpochResponse> {
    let image = ctx.image();
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            answer(
                partition.partition,
                end_offset(ctx, &image, &topic.topic, partition),
            )
        });
        OffsetForLeaderTopicResult::default()
            .with_partitions(partitions.collect())
            .with_topic(topic.topic)
    });
    Reply::Now(OffsetForLeaderEpochResponse::default().with_topics(topics.collect()))
}

fn end_offset(
    ctx: &Ctx,
    image: &Image,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<Option<(i32, i64)>, ErrorCode> {
    let partition = locate::by_name(ctx, image, topic, asked.partition)?;
    partition
        .end_offset_for_epoch(asked.current_leader_epoch, asked.leader_epoch)
        .map_err(|error| error.code())
}

fn answer(partition: i32, found: Result<Option<(i32, i64)>, ErrorCode>) -> EpochEndOffset {
    let (error, (epoch, end_offset)) = match found {
        Ok(found) => (ErrorCode::None, found.unwrap_or((-1, -1))),
        Err(error) => (error, (-1, -1)),
    };
    EpochEndOffset::default()
        .with_partition(partition)
        .with_error_code(error.code())
        .with_leader_epoch(epoch)
        .with_end_offset(end_offset)
}
