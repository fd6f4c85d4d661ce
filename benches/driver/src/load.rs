//! Waits until a broker that has just been started answers for the groups of [`crate::fill`].

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{GroupId, OffsetFetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use crate::errors;
use crate::fill::{TOPIC, group_name};
use crate::process::Work;
use crate::target::Launched;

const OFFSET_FETCH: i16 = 8;
const PATIENCE: Duration = Duration::from_secs(300);
const INTERVAL: Duration = Duration::from_millis(10);

#[derive(Args)]
pub struct LoadOptions {
    #[command(flatten)]
    launched: Launched,
    /// Whether there is anything to load: without it the first answer will do, whatever it says.
    #[arg(long)]
    is_filled: bool,
}

/// From the launch until the first answer; so is the CPU time.
pub async fn run(options: LoadOptions) -> Result<()> {
    let meter = options.launched.meter()?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Nobody listens for a while, and then somebody who does not know its partitions yet.
        if let Ok(true) = is_loaded(&options).await {
            return meter.end("load", Work::of(1));
        }
        if Instant::now() > deadline {
            bail!("the groups are not loaded after {PATIENCE:?}");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn is_loaded(options: &LoadOptions) -> Result<bool> {
    let mut connection = options.launched.broker.connect().await?;
    let topic = OffsetFetchRequestTopics::default()
        .with_name(TopicName(StrBytes::from_static_str(TOPIC)))
        .with_partition_indexes((0..100).collect());
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(StrBytes::from_string(group_name(0))))
        .with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]);
    loop {
        let answer = connection.call(OFFSET_FETCH, &request).await?;
        let Some(group) = answer.groups.first() else {
            bail!("no group in the answer");
        };
        let offsets = group.topics.iter().flat_map(|topic| &topic.partitions);
        let known = offsets
            .filter(|partition| partition.committed_offset >= 0)
            .count();
        if group.error_code == errors::NONE {
            return match options.is_filled && known == 0 {
                true => bail!("the group's offsets are lost"),
                false => Ok(true),
            };
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
