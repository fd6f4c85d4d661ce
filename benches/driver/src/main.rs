//! The clients of `benches/groups` and `benches/cleaner`. They are many and cheap: one thread, one connection per member, and
//! the protocol's own messages, so that what is measured is the broker. A phase's figures are one line of JSON.

mod board;
mod classic;
mod clean;
mod connection;
mod consumer;
mod errors;
mod fill;
mod load;
mod member;
mod process;
mod scenario;

use anyhow::Result;
use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::task::LocalSet;

#[derive(Parser)]
#[command(name = "bench-driver")]
enum Command {
    /// Groups that form, rest, commit, and lose and regain a member.
    Groups(scenario::GroupOptions),
    /// Fills `__consumer_offsets`.
    FillOffsets(fill::OffsetsOptions),
    /// Fills a topic with several values of each key.
    FillKeys(fill::KeysOptions),
    /// Waits until the groups of `fill-offsets` are loaded.
    Load(load::LoadOptions),
    /// Makes the topic of `fill-keys` due for cleaning and waits until it is clean.
    Clean(clean::CleanOptions),
}

fn main() -> Result<()> {
    let command = Command::parse();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        match command {
            Command::Groups(options) => scenario::run(options).await,
            Command::FillOffsets(options) => fill::offsets(options).await,
            Command::FillKeys(options) => fill::keys(options).await,
            Command::Load(options) => load::run(options).await,
            Command::Clean(options) => clean::run(options).await,
        }
    })
}
