//! Looks for records by their timestamps, all over a log.

use anyhow::{Result, bail};
use clap::Args;
use tokio::time::Instant;

use crate::fill::Random;
use crate::histogram::Histogram;
use crate::process::Work;
use crate::target::Target;
use crate::topics::offset_at;

const MAX_TIMESTAMP: i64 = -3;

#[derive(Args)]
pub struct SeekOptions {
    /// With one partition, written over more than a moment.
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 1000)]
    count: u64,
}

/// One question at a time, always the same ones of the same log.
pub async fn run(options: SeekOptions) -> Result<()> {
    let target = &options.target;
    let mut connection = target.broker.connect().await?;
    let (_, oldest_ms) = offset_at(&mut connection, &target.topic, 0).await?;
    let (_, newest_ms) = offset_at(&mut connection, &target.topic, MAX_TIMESTAMP).await?;
    let span_ms = u64::try_from(newest_ms - oldest_ms)?;
    let mut random = Random(4);
    let mut latencies = Histogram::default();
    let meter = target.broker.meter()?;
    for _ in 0..options.count {
        let timestamp_ms = oldest_ms + i64::try_from(random.below(span_ms + 1))?;
        let begun = Instant::now();
        let (offset, found_ms) = offset_at(&mut connection, &target.topic, timestamp_ms).await?;
        latencies.record(begun.elapsed());
        if offset < 0 || found_ms < timestamp_ms {
            bail!("looking for {timestamp_ms}: offset {offset} of {found_ms}");
        }
    }
    meter.end("seek", Work::timed(latencies))
}
