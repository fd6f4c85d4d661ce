//! A broker that has just been launched: how long it takes until it acknowledges a record, and what idle connections cost it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use kafka_protocol::messages::ApiVersionsRequest;
use kafka_protocol::protocol::StrBytes;
use ottla_storage::batch::Codec;
use tokio::time::Instant;

use crate::frames;
use crate::process::Work;
use crate::target::{Broker, Launched};
use crate::{produce, topics};

const API_VERSIONS: i16 = 3;
const PATIENCE: Duration = Duration::from_secs(120);
const INTERVAL: Duration = Duration::from_millis(2);

#[derive(Args)]
pub struct FirstAckOptions {
    #[command(flatten)]
    launched: Launched,
    /// Its partition 0 is written to.
    #[arg(long)]
    topic: String,
    /// Make the topic first: that is part of the start of an empty broker.
    #[arg(long)]
    create: bool,
}

#[derive(Args)]
pub struct ConnectionOptions {
    #[command(flatten)]
    broker: Broker,
    #[arg(long, default_value_t = 5000)]
    count: usize,
    /// Until what they have left behind is seen.
    #[arg(long, default_value_t = 1.0)]
    rest_seconds: f64,
}

/// From the launch until the answer to a record; CPU time is that since then too.
pub async fn first_ack(options: FirstAckOptions) -> Result<()> {
    let meter = options.launched.meter()?;
    let deadline = Instant::now() + PATIENCE;
    // Nobody listens for a while, and then somebody who does not know the topic yet.
    while let Err(error) = acknowledged(&options).await {
        if Instant::now() > deadline {
            return Err(error.context(format!("no acknowledgement within {PATIENCE:?}")));
        }
        tokio::time::sleep(INTERVAL).await;
    }
    meter.end("first-ack", Work::of(1))
}

async fn acknowledged(options: &FirstAckOptions) -> Result<()> {
    let mut connection = options.launched.broker.connect().await?;
    if options.create {
        topics::create(&mut connection, std::slice::from_ref(&options.topic), 1, &[]).await?;
    }
    let request = frames::produce_request(&options.topic, 1, frames::batch(1, 100, Codec::None));
    produce::accepted(&connection.call(frames::PRODUCE, &request).await?)
}

/// Opens connections, one after the other, each with the first request of every client, and looks at the broker's memory.
pub async fn connections(options: ConnectionOptions) -> Result<()> {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("bench"))
        .with_client_software_version(StrBytes::from_static_str("1"));
    let meter = options.broker.meter()?;
    let mut open = Vec::with_capacity(options.count);
    for number in 0..options.count {
        let mut connection = options
            .broker
            .connect()
            .await
            .with_context(|| format!("connection {number}; see ulimit -n"))?;
        let answer = connection.call(API_VERSIONS, &request).await?;
        if answer.api_keys.is_empty() {
            bail!("ApiVersions: error {}", answer.error_code);
        }
        open.push(connection);
    }
    tokio::time::sleep(Duration::try_from_secs_f64(options.rest_seconds)?).await;
    meter.end("connections", Work::of(open.len() as u64))
}
