//! Topics as a bench needs them: one that is there, and many at once.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, ListOffsetsRequest, ListOffsetsResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_storage::batch::Codec;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::errors;
use crate::process::Work;
use crate::target::Broker;
use crate::{frames, produce};

const CREATE_TOPICS: i16 = 7;
const LIST_OFFSETS: i16 = 7;
pub const LATEST: i64 = -1;
const TIMEOUT_MS: i32 = 60_000;
const PATIENCE: Duration = Duration::from_secs(120);
const INTERVAL: Duration = Duration::from_millis(2);

#[derive(Args)]
pub struct CreateOptions {
    #[command(flatten)]
    broker: Broker,
    /// What the names of the topics begin with.
    #[arg(long)]
    prefix: String,
    #[arg(long)]
    topics: usize,
    /// Of each topic.
    #[arg(long)]
    partitions: i32,
    /// Then write a record to each partition.
    #[arg(long)]
    fill: bool,
}

/// Creates topics by one request; done when every partition of them answers, which may be long after the topics are promised.
pub async fn run(options: CreateOptions) -> Result<()> {
    let names: Vec<_> = (0..options.topics)
        .map(|number| format!("{}-{number}", options.prefix))
        .collect();
    let mut connection = options.broker.connect().await?;
    let meter = options.broker.meter()?;
    create(&mut connection, &names, options.partitions, &[]).await?;
    let deadline = Instant::now() + PATIENCE;
    while !are_served(&mut connection, &names, options.partitions).await? {
        if Instant::now() > deadline {
            bail!("not all partitions are served after {PATIENCE:?}");
        }
        tokio::time::sleep(INTERVAL).await;
    }
    let partitions = Work::of(options.topics as u64 * u64::try_from(options.partitions)?);
    meter.end("create", partitions)?;
    if options.fill {
        let batch = frames::batch(1, 100, Codec::None);
        for name in &names {
            let request = frames::produce_to(name, 0..options.partitions, 1, &batch);
            produce::accepted(&connection.call(frames::PRODUCE, &request).await?)?;
        }
    }
    Ok(())
}

/// Makes those that are not there.
pub async fn create(
    connection: &mut Connection,
    names: &[String],
    partitions: i32,
    configs: &[(&'static str, &'static str)],
) -> Result<()> {
    let config = |(key, value): &(&'static str, &'static str)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_static_str(key))
            .with_value(Some(StrBytes::from_static_str(value)))
    };
    let topic = |name: &String| {
        CreatableTopic::default()
            .with_name(frames::topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(configs.iter().map(config).collect())
    };
    let request = CreateTopicsRequest::default()
        .with_topics(names.iter().map(topic).collect())
        .with_timeout_ms(TIMEOUT_MS);
    let answer = connection.call(CREATE_TOPICS, &request).await?;
    let is_refused = |error| !matches!(error, errors::NONE | errors::TOPIC_ALREADY_EXISTS);
    match answer.topics.iter().find(|topic| is_refused(topic.error_code)) {
        Some(refused) => bail!(
            "CreateTopics: error {} for {:?}",
            refused.error_code,
            refused.name
        ),
        None => Ok(()),
    }
}

/// The offset and the timestamp of the first record of partition 0 that is not older, or what a special timestamp stands for.
pub async fn offset_at(connection: &mut Connection, topic: &str, timestamp_ms: i64) -> Result<(i64, i64)> {
    let answer = list_offsets(connection, &[topic.to_owned()], 1, timestamp_ms).await?;
    let mut told = answer.topics.iter().flat_map(|topic| &topic.partitions);
    let found = told.next().context("an answer about nothing")?;
    match found.error_code {
        errors::NONE => Ok((found.offset, found.timestamp)),
        error => bail!("ListOffsets: error {error}"),
    }
}

async fn are_served(connection: &mut Connection, names: &[String], partitions: i32) -> Result<bool> {
    let answer = list_offsets(connection, names, partitions, LATEST).await?;
    let mut told = answer.topics.iter().flat_map(|topic| &topic.partitions);
    Ok(told.all(|partition| partition.error_code == errors::NONE))
}

async fn list_offsets(
    connection: &mut Connection,
    names: &[String],
    partitions: i32,
    timestamp_ms: i64,
) -> Result<ListOffsetsResponse> {
    let partition = |index| {
        ListOffsetsPartition::default()
            .with_partition_index(index)
            .with_timestamp(timestamp_ms)
    };
    let topic = |name: &String| {
        ListOffsetsTopic::default()
            .with_name(frames::topic_name(name))
            .with_partitions((0..partitions).map(partition).collect())
    };
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(names.iter().map(topic).collect());
    connection.call(LIST_OFFSETS, &request).await
}
