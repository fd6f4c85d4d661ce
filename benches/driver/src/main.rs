//! The clients of the benches. They are cheap, and where there are many, one thread has them all: what is measured is the broker. A
//! phase's figures are one line of JSON.
//!
//! One request as often as it goes: [`produce`], [`consume`], and the least that the same bytes can cost: [`floor`], [`decode`]. Many who
//! wait for the disk: [`durable`]. A broker that was just launched: [`starts`], [`topics`]. Large logs: [`seek`], [`catch_up`].
//! Transactions: [`transactions`]. Groups and their logs: [`scenario`], [`fill`], [`load`], [`clean`].

mod board;
mod catch_up;
mod classic;
mod clean;
mod consume;
mod consumer;
mod decode;
mod durable;
mod errors;
mod fill;
mod floor;
mod frames;
mod histogram;
mod load;
mod member;
mod pipeline;
mod process;
mod produce;
mod scenario;
mod schedule;
mod seek;
mod starts;
mod target;
mod topics;
mod transactions;

use anyhow::Result;
use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ottla_checker::connection;
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
    /// Batches made beforehand, several requests under way on one connection.
    Produce(produce::ProduceOptions),
    /// Requests of one record each, many under way.
    ProduceSmall(produce::SmallOptions),
    /// Reads a topic and drops it, one request under way.
    Consume(consume::ConsumeOptions),
    /// Producers whose batches belong to transactions, one request after the other.
    Transactions(transactions::TransactionOptions),
    /// Producers whose records are synced before they are acknowledged.
    Durable(durable::ProduceOptions),
    /// How often the disk can sync at most.
    FloorDurable(durable::FloorOptions),
    /// Traffic at a rate beside a consumer that reads from the disk.
    CatchUp(catch_up::CatchUpOptions),
    /// Looks for records by timestamps.
    Seek(seek::SeekOptions),
    /// Waits until a broker that was just launched acknowledges a record.
    FirstAck(starts::FirstAckOptions),
    /// Opens connections and lets them rest.
    Connections(starts::ConnectionOptions),
    /// Creates many partitions at once.
    Create(topics::CreateOptions),
    /// What `produce` costs at least: receive, checksum, write to a file.
    FloorProduce(floor::ProduceOptions),
    /// What `consume` costs at least: `sendfile`.
    FloorConsume(floor::ConsumeOptions),
    /// What compressed batches cost at least: a decoder.
    FloorDecode(produce::Shape),
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
            Command::Produce(options) => produce::run(options).await,
            Command::ProduceSmall(options) => produce::run_small(options).await,
            Command::Consume(options) => consume::run(options),
            Command::Transactions(options) => transactions::run(options).await,
            Command::Durable(options) => durable::run(options).await,
            Command::FloorDurable(options) => durable::floor(options),
            Command::CatchUp(options) => catch_up::run(options).await,
            Command::Seek(options) => seek::run(options).await,
            Command::FirstAck(options) => starts::first_ack(options).await,
            Command::Connections(options) => starts::connections(options).await,
            Command::Create(options) => topics::run(options).await,
            Command::FloorProduce(options) => floor::produce(options),
            Command::FloorConsume(options) => floor::consume(options),
            Command::FloorDecode(shape) => decode::run(shape),
        }
    })
}
