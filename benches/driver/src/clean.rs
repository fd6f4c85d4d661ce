//! Makes a compacted topic due for cleaning and waits until the broker has cleaned it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use kafka_protocol::messages::IncrementalAlterConfigsRequest;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use crate::errors;
use crate::process::Work;
use crate::target::Target;

const INCREMENTAL_ALTER_CONFIGS: i16 = 1;
const OF_A_TOPIC: i8 = 2;
const SET: i8 = 0;
const PATIENCE: Duration = Duration::from_secs(300);
const INTERVAL: Duration = Duration::from_millis(5);

#[derive(Args)]
pub struct CleanOptions {
    /// With one partition.
    #[command(flatten)]
    target: Target,
    /// The broker's cleaner-offset-checkpoint.
    #[arg(long)]
    checkpoint: PathBuf,
}

pub async fn run(options: CleanOptions) -> Result<()> {
    let mut connection = options.target.broker.connect().await?;
    let ratio = AlterableConfig::default()
        .with_name(StrBytes::from_static_str("min.cleanable.dirty.ratio"))
        .with_config_operation(SET)
        .with_value(Some(StrBytes::from_static_str("0.01")));
    let topic = AlterConfigsResource::default()
        .with_resource_type(OF_A_TOPIC)
        .with_resource_name(StrBytes::from_string(options.target.topic.clone()))
        .with_configs(vec![ratio]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![topic]);
    let meter = options.target.broker.meter()?;
    let deadline = Instant::now() + PATIENCE;
    let answer = connection.call(INCREMENTAL_ALTER_CONFIGS, &request).await?;
    if let Some(refused) = answer
        .responses
        .iter()
        .find(|told| told.error_code != errors::NONE)
    {
        bail!("IncrementalAlterConfigs: error {}", refused.error_code);
    }
    while !is_cleaned(&options) {
        if Instant::now() > deadline {
            bail!("the log is not cleaned after {PATIENCE:?}");
        }
        tokio::time::sleep(INTERVAL).await;
    }
    meter.end("clean", Work::of(1))
}

fn is_cleaned(options: &CleanOptions) -> bool {
    let entry = format!("{} 0 ", options.target.topic);
    let text = std::fs::read_to_string(&options.checkpoint).unwrap_or_default();
    text.lines().any(|line| line.starts_with(&entry))
}
