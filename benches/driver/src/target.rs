//! What the commands are told: which broker is measured, which of its topics, and when it was launched.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use nix::time::{ClockId, clock_gettime};

use crate::connection::Connection;
use crate::frames::CLIENT_ID;
use crate::process::{Meter, Process};

#[derive(Args)]
pub struct Broker {
    /// The broker's process, whose CPU time is told of.
    #[arg(long)]
    pub pid: u32,
    #[arg(long)]
    pub bootstrap: String,
}

#[derive(Args)]
pub struct Target {
    #[command(flatten)]
    pub broker: Broker,
    #[arg(long)]
    pub topic: String,
}

/// A broker that was launched a moment ago.
#[derive(Args)]
pub struct Launched {
    #[command(flatten)]
    pub broker: Broker,
    /// When it was, in seconds of the machine's monotonic clock.
    #[arg(long)]
    since: f64,
}

impl Broker {
    pub async fn connect(&self) -> Result<Connection> {
        Connection::open(&self.bootstrap, &CLIENT_ID).await
    }

    pub fn meter(&self) -> Result<Meter> {
        Process::new(self.pid).begin()
    }
}

impl Launched {
    /// Of a phase that began with the process.
    pub fn meter(&self) -> Result<Meter> {
        let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
        let ago = now.saturating_sub(Duration::try_from_secs_f64(self.since)?);
        let begun = Instant::now();
        Ok(Process::new(self.broker.pid).since_its_start(begun.checked_sub(ago).unwrap_or(begun)))
    }
}
