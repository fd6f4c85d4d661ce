//! Writes inputs, as an idempotent producer without transactions.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use crate::history::Outcome;

use super::producer::{Producer, Speaks};
use super::shared::{INPUTS, Shared};

const PAUSE: Duration = Duration::from_millis(10);

/// Whoever cannot tell what became of a batch goes on as somebody else.
pub async fn write(shared: Shared) -> Result<()> {
    while !shared.is_over() {
        let mut producer = Producer::new(&shared, None, Speaks::Since890);
        if producer.init().await != Outcome::Ok {
            continue;
        }
        while !shared.is_over() && shared.below(200) > 0 {
            let partition = u32::try_from(shared.below(u64::from(INPUTS)))?;
            let values = (0..=shared.below(3)).map(|_| shared.number()).collect();
            if producer.send(None, partition, values, vec![]).await? != Outcome::Ok {
                break;
            }
            sleep(PAUSE).await;
        }
    }
    Ok(())
}
