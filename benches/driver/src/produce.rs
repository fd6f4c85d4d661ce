//! A producer that does as little as one can: its one batch is made beforehand and sent again and again.

use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{CreateTopicsRequest, ProduceResponse, ResponseHeader, TopicName};
use kafka_protocol::protocol::{Decodable, HeaderVersion, StrBytes};

use crate::connection::Connection;
use crate::consume::Reader;
use crate::errors;
use crate::fill::{FillCodec, send};
use crate::frames::{self, PRODUCE};
use crate::histogram::Histogram;
use crate::pipeline::{Pipeline, connect};
use crate::process::{Process, Work};

const CREATE_TOPICS: i16 = 7;
const CLIENT_ID: StrBytes = StrBytes::from_static_str("bench");

/// What is sent, to a broker or to the floor.
#[derive(Args)]
pub struct Shape {
    /// Of values before compression, over the whole run.
    #[arg(long, default_value_t = 1_000_000_000)]
    bytes: u64,
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    /// Records of a request. 1,000 of 1 KiB are as much as a broker takes by default.
    #[arg(long, default_value_t = 1000)]
    batch_records: usize,
    /// Requests under way.
    #[arg(long, default_value_t = 5)]
    in_flight: usize,
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = clap::value_parser!(i16).range(-1..=1))]
    acks: i16,
    #[arg(long, default_value = "none")]
    codec: FillCodec,
    /// Records a second, however long the answers take; without it as many as are answered.
    #[arg(long)]
    rate: Option<f64>,
    /// With a rate: latencies are those until a consumer has the records.
    #[arg(long)]
    end_to_end: bool,
}

#[derive(Args)]
pub struct ProduceOptions {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Args)]
pub struct SmallOptions {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
    #[arg(long, default_value_t = 100)]
    record_bytes: usize,
    #[arg(long, default_value_t = 100)]
    in_flight: usize,
}

#[derive(Args)]
struct Target {
    /// The broker's process, whose CPU time is told of.
    #[arg(long)]
    pid: u32,
    #[arg(long)]
    bootstrap: String,
    /// With one partition; made when it is missing.
    #[arg(long)]
    topic: String,
}

pub async fn run(options: ProduceOptions) -> Result<()> {
    produce("produce", &options.target, &options.shape).await
}

pub async fn run_small(options: SmallOptions) -> Result<()> {
    let shape = Shape {
        bytes: options.requests * options.record_bytes as u64,
        record_bytes: options.record_bytes,
        batch_records: 1,
        in_flight: options.in_flight,
        acks: 1,
        codec: FillCodec::None,
        rate: None,
        end_to_end: false,
    };
    produce("produce-small", &options.target, &shape).await
}

async fn produce(phase: &str, target: &Target, shape: &Shape) -> Result<()> {
    let mut connection = Connection::open(&target.bootstrap, "bench").await?;
    create(&mut connection, &target.topic).await?;
    // Not measured: it may take a moment until the new topic can be written to.
    send(&mut connection, &target.topic, shape.batch()).await?;
    if shape.end_to_end {
        return produce_and_follow(target, shape);
    }
    let pipeline = shape.pipeline()?;
    let mut frame = shape.frame(&target.topic)?;
    let stream = connect(&target.bootstrap)?;
    let meter = Process::new(target.pid).begin()?;
    let schedule = pipeline.begin();
    let latencies = pipeline.run(&stream, &mut frame, &schedule, check)?;
    meter.end(phase, shape.work(latencies))
}

/// The same beside a consumer; the latencies are its own.
fn produce_and_follow(target: &Target, shape: &Shape) -> Result<()> {
    let pipeline = shape.pipeline()?;
    if pipeline.rate.is_none() {
        bail!("without a rate nothing is due, and nothing can be late");
    }
    let mut frame = shape.frame(&target.topic)?;
    let stream = connect(&target.bootstrap)?;
    let mut reader = Reader::at_end(&target.bootstrap, &target.topic)?;
    let meter = Process::new(target.pid).begin()?;
    let schedule = pipeline.begin();
    let latencies = thread::scope(|scope| {
        let follower = scope.spawn(|| reader.follow(&schedule, pipeline.requests, shape.batch_records));
        pipeline.run(&stream, &mut frame, &schedule, check)?;
        follower.join().map_err(|_| anyhow!("the consumer panicked"))?
    })?;
    meter.end("produce", shape.work(latencies))
}

impl Shape {
    /// The request that is sent, with its length.
    pub fn frame(&self, topic: &str) -> Result<Vec<u8>> {
        let request = frames::produce_request(topic, self.acks, self.batch());
        Ok(frames::request(PRODUCE, 0, &CLIENT_ID, &request)?.into())
    }

    pub fn pipeline(&self) -> Result<Pipeline> {
        if self.acks == 0 || self.in_flight == 0 || self.request_bytes() == 0 {
            bail!("every request needs a record, room to be under way, and an answer");
        }
        Ok(Pipeline {
            requests: self.bytes.div_ceil(self.request_bytes()),
            in_flight: self.in_flight,
            rate: self.rate.map(|rate| rate / self.batch_records as f64),
        })
    }

    pub fn work(&self, latencies: Histogram) -> Work {
        Work {
            bytes: latencies.count() * self.request_bytes(),
            ..Work::timed(latencies)
        }
    }

    fn request_bytes(&self) -> u64 {
        self.batch_records as u64 * self.record_bytes as u64
    }

    fn batch(&self) -> Bytes {
        frames::batch(self.batch_records, self.record_bytes, self.codec.into())
    }
}

/// A topic with one partition, unless it is there.
async fn create(connection: &mut Connection, topic: &str) -> Result<()> {
    let topic = CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_num_partitions(1)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(30_000);
    let answer = connection.call(CREATE_TOPICS, &request).await?;
    match answer.topics.first().map(|topic| topic.error_code) {
        Some(errors::NONE | errors::TOPIC_ALREADY_EXISTS) => Ok(()),
        error => bail!("CreateTopics: error {error:?}"),
    }
}

fn check(answer: &[u8]) -> Result<()> {
    let mut bytes = Bytes::copy_from_slice(answer);
    ResponseHeader::decode(&mut bytes, ProduceResponse::header_version(PRODUCE))?;
    let answer = ProduceResponse::decode(&mut bytes, PRODUCE)?;
    let told = answer
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses);
    match told
        .map(|partition| partition.error_code)
        .next()
        .context("an answer about nothing")?
    {
        errors::NONE => Ok(()),
        error => bail!("Produce: error {error}"),
    }
}
