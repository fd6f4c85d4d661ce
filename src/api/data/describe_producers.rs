//! DescribeProducers 0: who has produced idempotently or in transactions to a partition, and how far (KIP-664).

use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};
use kafka_protocol::protocol::StrBytes;
use ottla_base::{ErrorCode, topic_name};
use ottla_metadata::Image;
use ottla_storage::ProducerSummary;

use super::locate;
use crate::api::{Ctx, Reply};

const NO_TOPIC: &str = "This server does not host this topic-partition.";

pub fn handle(ctx: &Ctx, request: DescribeProducersRequest) -> Reply<DescribeProducersResponse> {
    let ctx = ctx.clone();
    Reply::later(async move { describe(&ctx, request).await })
}

async fn describe(ctx: &Ctx, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let image = ctx.image();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        // Kafka words the error for a topic that is not there, and leaves the one for a partition without words.
        let message = image.topics.by_name(&topic.name).is_none().then_some(NO_TOPIC);
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for index in topic.partition_indexes {
            let producers = producers(ctx, &image, &topic.name, index).await;
            partitions.push(partition_response(index, producers, message));
        }
        topics.push(
            TopicResponse::default()
                .with_partitions(partitions)
                .with_name(topic.name),
        );
    }
    DescribeProducersResponse::default().with_topics(topics)
}

async fn producers(
    ctx: &Ctx,
    image: &Image,
    topic: &str,
    index: i32,
) -> Result<Vec<ProducerSummary>, ErrorCode> {
    if topic_name::problem(topic).is_some() {
        return Err(ErrorCode::InvalidTopicException);
    }
    let partition = locate::by_name(ctx, image, topic, index)?;
    let producers = partition.active_producers().done().await;
    producers.ok_or(ErrorCode::UnknownServerError)
}

fn partition_response(
    index: i32,
    producers: Result<Vec<ProducerSummary>, ErrorCode>,
    message: Option<&'static str>,
) -> PartitionResponse {
    let response = PartitionResponse::default().with_partition_index(index);
    match producers {
        Ok(producers) => response.with_active_producers(producers.iter().map(producer_state).collect()),
        Err(error) => response
            .with_error_code(error.code())
            .with_error_message(message.map(StrBytes::from_static_str)),
    }
}

fn producer_state(producer: &ProducerSummary) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(producer.producer_id))
        .with_producer_epoch(i32::from(producer.producer_epoch))
        .with_last_sequence(producer.last_sequence)
        .with_last_timestamp(producer.last_timestamp_ms)
        .with_coordinator_epoch(producer.coordinator_epoch)
        .with_current_txn_start_offset(producer.current_txn_start_offset)
}
