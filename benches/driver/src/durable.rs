//! Producers that want their records on the disk before they go on: many connections, one request of one record under way on each,
//! to partitions with `flush.messages=1`. And the floor: how often the disk can be told to sync what was appended.
//!
//! One thread has all connections, so that they cost the machine little beside the broker.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use kafka_protocol::messages::ProduceRequest;
use ottla_storage::batch::Codec;
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::errors;
use crate::floor::Scratch;
use crate::frames::{self, PRODUCE};
use crate::histogram::Histogram;
use crate::process::{Cpu, Work};
use crate::target::Target;
use crate::topics;

const PATIENCE: Duration = Duration::from_secs(30);
/// Threads of the floor: more do not make a disk sync more files at once.
const FLOOR_THREADS_MAX: usize = 16;

#[derive(Args)]
pub struct ProduceOptions {
    /// The topic is made when it is missing.
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    shape: Shape,
    /// Each has one request under way, always to the same partition.
    #[arg(long, default_value_t = 64)]
    producers: usize,
    #[arg(long, default_value_t = -1, allow_negative_numbers = true, value_parser = clap::value_parser!(i16).range(-1..=1))]
    acks: i16,
}

#[derive(Args)]
pub struct FloorOptions {
    /// Where the files are written: on the disk that the brokers have.
    #[arg(long)]
    dir: PathBuf,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Args)]
struct Shape {
    /// How long it takes.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    #[arg(long, default_value_t = 1)]
    partitions: usize,
    #[arg(long, default_value_t = 100)]
    record_bytes: usize,
}

pub async fn run(options: ProduceOptions) -> Result<()> {
    if options.acks == 0 || options.shape.partitions == 0 {
        bail!("every request needs a partition and an answer");
    }
    let mut connection = options.target.broker.connect().await?;
    let partitions = i32::try_from(options.shape.partitions)?;
    let topic = std::slice::from_ref(&options.target.topic);
    topics::create(&mut connection, topic, partitions, &[("flush.messages", "1")]).await?;
    let batch = frames::batch(1, options.shape.record_bytes, Codec::None);
    let mut producers = Vec::new();
    for number in 0..options.producers {
        producers.push(Producer::open(&options, number, batch.clone()).await?);
    }
    let meter = options.target.broker.meter()?;
    let end = Instant::now() + Duration::from_secs_f64(options.shape.seconds);
    let mut running = JoinSet::new();
    for producer in producers {
        running.spawn_local(producer.run(end));
    }
    let mut latencies = Histogram::default();
    while let Some(ended) = running.join_next().await {
        latencies.add(&ended??);
    }
    meter.end(
        "durable",
        Work {
            bytes: latencies.count() * options.shape.record_bytes as u64,
            ..Work::timed(latencies)
        },
    )
}

/// Threads that append to files of their own and sync each append.
pub fn floor(options: FloorOptions) -> Result<()> {
    let shape = &options.shape;
    let threads = shape.partitions.clamp(1, FLOOR_THREADS_MAX);
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(shape.seconds);
    let (cpu, latencies) = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn({
                    let dir = &options.dir;
                    move || sync_appends(dir, thread, threads, shape, end)
                })
            })
            .collect();
        let (mut cpu, mut latencies) = (Cpu::default(), Histogram::default());
        for worker in workers {
            let (used, measured) = worker
                .join()
                .map_err(|_| anyhow!("a thread of the floor panicked"))??;
            cpu = cpu.and(used);
            latencies.add(&measured);
        }
        Ok::<_, anyhow::Error>((cpu, latencies))
    })?;
    let work = Work {
        bytes: latencies.count() * shape.record_bytes as u64,
        ..Work::timed(latencies)
    };
    work.print("floor-durable", begun.elapsed(), cpu, None)
}

struct Producer {
    connection: Connection,
    request: Rc<ProduceRequest>,
}

impl Producer {
    /// Connects, and has one record acknowledged: it may take a moment until the new topic can be written to.
    async fn open(options: &ProduceOptions, number: usize, batch: Bytes) -> Result<Self> {
        let partition = i32::try_from(number % options.shape.partitions)?;
        let mut request = frames::produce_request(&options.target.topic, options.acks, batch);
        for data in request
            .topic_data
            .iter_mut()
            .flat_map(|topic| &mut topic.partition_data)
        {
            data.index = partition;
        }
        let mut producer = Self {
            connection: options.target.broker.connect().await?,
            request: Rc::new(request),
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            match producer.send().await? {
                errors::NONE => return Ok(producer),
                errors::UNKNOWN_TOPIC_OR_PARTITION | errors::NOT_LEADER_OR_FOLLOWER
                    if Instant::now() < deadline =>
                {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                error => bail!("Produce: error {error}"),
            }
        }
    }

    async fn run(mut self, end: Instant) -> Result<Histogram> {
        let mut latencies = Histogram::default();
        loop {
            let begun = Instant::now();
            if begun >= end {
                return Ok(latencies);
            }
            match self.send().await? {
                errors::NONE => latencies.record(begun.elapsed()),
                error => bail!("Produce: error {error}"),
            }
        }
    }

    async fn send(&mut self) -> Result<i16> {
        let answer = self.connection.call(PRODUCE, &*self.request).await?;
        let mut told = answer
            .responses
            .iter()
            .flat_map(|topic| &topic.partition_responses);
        Ok(told.next().context("an answer about nothing")?.error_code)
    }
}

/// Every `threads`th file is this thread's.
fn sync_appends(
    dir: &Path,
    thread: usize,
    threads: usize,
    shape: &Shape,
    end: Instant,
) -> Result<(Cpu, Histogram)> {
    let numbers = (thread..shape.partitions.max(1)).step_by(threads);
    let files = numbers
        .map(|number| Scratch::new(dir, number))
        .collect::<Result<Vec<_>>>()?;
    let record = vec![b'.'; shape.record_bytes];
    let before = Cpu::of_this_thread()?;
    let (mut latencies, mut position) = (Histogram::default(), 0);
    loop {
        for scratch in &files {
            let begun = Instant::now();
            if begun >= end {
                return Ok((Cpu::of_this_thread()?.since(before), latencies));
            }
            scratch.file.write_all_at(&record, position)?;
            scratch.file.sync_data()?;
            latencies.record(begun.elapsed());
        }
        position += record.len() as u64;
    }
}
