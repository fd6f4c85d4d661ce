//! A producer that does as little as one can: its one batch is made beforehand and sent again and again.

use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use kafka_protocol::messages::{ProduceResponse, ResponseHeader};
use kafka_protocol::protocol::{Decodable, HeaderVersion};

use crate::consume::Reader;
use crate::errors;
use crate::fill::{FillCodec, send};
use crate::frames::{self, PRODUCE};
use crate::histogram::Histogram;
use crate::pipeline::{Pipeline, connect};
use crate::process::Work;
use crate::target::Target;
use crate::topics;

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
    shape.prepare(target).await?;
    let meter = target.broker.meter()?;
    let latencies = match shape.end_to_end {
        true => shape.produce_and_follow(target),
        false => shape.produce(target),
    }?;
    meter.end(phase, shape.work(latencies))
}

impl Shape {
    /// Makes the topic, if it must, and waits until it can be written to: that is no part of what is measured.
    pub async fn prepare(&self, target: &Target) -> Result<()> {
        let mut connection = target.broker.connect().await?;
        topics::create(&mut connection, std::slice::from_ref(&target.topic), 1, &[]).await?;
        send(&mut connection, &target.topic, self.batch()).await
    }

    fn produce(&self, target: &Target) -> Result<Histogram> {
        let pipeline = self.pipeline()?;
        let mut frame = self.frame(&target.topic)?;
        let stream = connect(&target.broker.bootstrap)?;
        pipeline.run(&stream, &mut frame, &pipeline.begin(), check)
    }

    /// The same beside a consumer; the latencies are its own.
    pub fn produce_and_follow(&self, target: &Target) -> Result<Histogram> {
        let pipeline = self.pipeline()?;
        if pipeline.rate.is_none() {
            bail!("without a rate nothing is due, and nothing can be late");
        }
        let bootstrap = &target.broker.bootstrap;
        let mut frame = self.frame(&target.topic)?;
        let stream = connect(bootstrap)?;
        let mut reader = Reader::at_end(bootstrap, &target.topic)?;
        let schedule = pipeline.begin();
        thread::scope(|scope| {
            let follower = scope.spawn(|| reader.follow(&schedule, pipeline.requests, self.batch_records));
            pipeline.run(&stream, &mut frame, &schedule, check)?;
            follower.join().map_err(|_| anyhow!("the consumer panicked"))?
        })
    }

    /// The request that is sent, with its length.
    pub fn frame(&self, topic: &str) -> Result<Vec<u8>> {
        let request = frames::produce_request(topic, self.acks, self.batch());
        Ok(frames::request(PRODUCE, 0, &frames::CLIENT_ID, &request)?.into())
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

    pub fn batch(&self) -> Bytes {
        frames::batch(self.batch_records, self.record_bytes, self.codec.into())
    }
}

fn check(answer: &[u8]) -> Result<()> {
    let mut bytes = Bytes::copy_from_slice(answer);
    ResponseHeader::decode(&mut bytes, ProduceResponse::header_version(PRODUCE))?;
    accepted(&ProduceResponse::decode(&mut bytes, PRODUCE)?)
}

/// Every batch must have been taken.
pub fn accepted(answer: &ProduceResponse) -> Result<()> {
    let told = answer
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses);
    let mut codes = told.map(|partition| partition.error_code).peekable();
    codes.peek().context("an answer about nothing")?;
    match codes.find(|code| *code != errors::NONE) {
        Some(error) => bail!("Produce: error {error}"),
        None => Ok(()),
    }
}
