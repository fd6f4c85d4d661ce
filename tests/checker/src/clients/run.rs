//! A run: the topics, the workers until the time is up, then every partition to its end.

use anyhow::{Context, Result, bail};
use clap::Args;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::{CreateTopicsRequest, FindCoordinatorRequest, TopicName};
use kafka_protocol::protocol::{Request, StrBytes};
use tokio::task::JoinSet;

use crate::history::{History, Isolation, Outcome};

use super::bookkeeper;
use super::copier::Copier;
use super::link::Link;
use super::reader::Reader;
use super::shared::{INPUTS, OUTPUTS, Shared};
use super::writer;

const WRITERS: usize = 2;
const CREATE_TIMEOUT_MS: i32 = 10_000;

#[derive(Args)]
pub struct Options {
    #[arg(long)]
    pub bootstrap: String,
    /// How long the workers work; the last reads come after that.
    #[arg(long)]
    pub seconds: u64,
    /// How many seconds later everything must have ended: the last restart, open transactions, the last reads.
    #[arg(long, default_value_t = 60)]
    pub patience: u64,
    /// Of what the workers choose. What the broker does is not repeated by it.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Begins the names of topics, group and transactional ids.
    #[arg(long, default_value = "checker")]
    pub name: String,
}

/// What was asked and told, also when the run broke off. Wants a `LocalSet` around it.
pub async fn run(options: &Options) -> (History, Result<()>) {
    let shared = Shared::new(options);
    let ended = work(&shared).await;
    (shared.into_history(), ended)
}

async fn work(shared: &Shared) -> Result<()> {
    prepare(shared).await?;
    let mut workers = JoinSet::new();
    for _ in 0..WRITERS {
        workers.spawn_local(writer::write(shared.clone()));
    }
    for input in 0..INPUTS {
        workers.spawn_local(Copier::new(shared, input).copy());
    }
    for isolation in [Isolation::Uncommitted, Isolation::Committed] {
        workers.spawn_local(Reader::new(shared).watch(isolation));
    }
    workers.spawn_local(bookkeeper::keep(shared.clone()));
    let mut all = Ok(());
    while let Some(ended) = workers.join_next().await {
        all = all.and(ended.context("a worker")?);
    }
    // Also when a worker broke off: what can be read may say why.
    let mut reader = Reader::new(shared);
    for partition in 0..INPUTS + OUTPUTS {
        for isolation in [Isolation::Uncommitted, Isolation::Committed] {
            reader.drain(partition, isolation).await?;
        }
    }
    all
}

/// Topics, and the coordinators' own: they are made when somebody first asks for a coordinator.
async fn prepare(shared: &Shared) -> Result<()> {
    let topic = |name, partitions: u32| {
        let topic = CreatableTopic::default()
            .with_name(TopicName(shared.text(name)))
            .with_num_partitions(partitions.cast_signed())
            .with_replication_factor(1);
        // Of some topics records are on the disk before anybody is told: another way through the broker, with the same promises.
        match shared.below(2) {
            0 => topic,
            _ => topic.with_configs(vec![
                CreatableTopicConfig::default()
                    .with_name(StrBytes::from_static_str("flush.messages"))
                    .with_value(Some(StrBytes::from_static_str("1"))),
            ]),
        }
    };
    let create = CreateTopicsRequest::default()
        .with_timeout_ms(CREATE_TIMEOUT_MS)
        .with_topics(vec![topic("in", INPUTS), topic("out", OUTPUTS)]);
    must(shared, 7, &create, |answer| {
        let mut errors = answer.topics.iter().map(|it| it.error_code);
        errors.find(|error| *error != 0).unwrap_or(0)
    })
    .await
    .context("CreateTopics")?;
    for (kind, key) in [(0, shared.group().0), (1, shared.text("copier-0"))] {
        let find = FindCoordinatorRequest::default()
            .with_key_type(kind)
            .with_coordinator_keys(vec![key]);
        must(shared, 4, &find, |answer| {
            answer.coordinators.first().map_or(-1, |it| it.error_code)
        })
        .await
        .context("FindCoordinator")?;
    }
    Ok(())
}

async fn must<Q: Request>(
    shared: &Shared,
    version: i16,
    request: &Q,
    error_of: fn(&Q::Response) -> i16,
) -> Result<()> {
    let told = Link::new(shared.clone())
        .ask(version, request, true, error_of)
        .await;
    if told.outcome != Outcome::Ok {
        bail!("error {}", told.error);
    }
    Ok(())
}
