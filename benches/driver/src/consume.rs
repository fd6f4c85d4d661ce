//! A consumer that looks at nothing but where the next batch begins.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{FetchResponse, ResponseHeader};
use kafka_protocol::protocol::{Decodable, HeaderVersion};
use ottla_storage::batch::{BatchHeader, HEADER_BYTES};

use crate::errors;
use crate::frames::{self, FETCH};
use crate::histogram::Histogram;
use crate::pipeline::{Answers, connect};
use crate::process::Work;
use crate::schedule::Schedule;
use crate::target::Target;

/// Of one answer to a consumer that keeps up with a producer.
const FOLLOWER_MAX_BYTES: i32 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Args)]
pub struct ConsumeOptions {
    /// With one partition, and records in it.
    #[command(flatten)]
    target: Target,
    /// To receive; at its end the topic is read again.
    #[arg(long, default_value_t = 1_000_000_000)]
    bytes: u64,
    /// Of one answer.
    #[arg(long, default_value_t = 1 << 20)]
    max_bytes: i32,
    /// Consumers of the same topic, each of which reads as much.
    #[arg(long, default_value_t = 1)]
    consumers: usize,
    /// What is in no ended transaction is not read, and aborted ones are told of.
    #[arg(long)]
    read_committed: bool,
}

/// A consumer of one partition.
pub struct Reader {
    topic: String,
    max_bytes: i32,
    isolation_level: i8,
    stream: TcpStream,
    answers: Answers,
    offset: i64,
    /// As the last answer told it.
    high_watermark: i64,
}

pub fn run(options: ConsumeOptions) -> Result<()> {
    let meter = options.target.broker.meter()?;
    let all = thread::scope(|scope| {
        let consumers: Vec<_> = (0..options.consumers)
            .map(|_| scope.spawn(|| consume(&options)))
            .collect();
        let ended = consumers.into_iter().map(|consumer| consumer.join());
        ended.collect::<Result<Vec<_>, _>>()
    });
    let mut work = Work::default();
    for done in all.map_err(|_| anyhow!("a consumer panicked"))? {
        work.add(done?);
    }
    meter.end("consume", work)
}

fn consume(options: &ConsumeOptions) -> Result<Work> {
    let target = &options.target;
    let mut reader = Reader::open(&target.broker.bootstrap, &target.topic, options.max_bytes)?;
    reader.isolation_level = i8::from(options.read_committed);
    let mut latencies = Histogram::default();
    let mut bytes = 0;
    while bytes < options.bytes {
        let begun = Instant::now();
        let received = reader.fetch()?;
        latencies.record(begun.elapsed());
        if received == 0 {
            bail!("{} is empty", target.topic);
        }
        bytes += received as u64;
        if reader.is_at_end() {
            reader.begin_again();
        }
    }
    Ok(Work {
        bytes,
        ..Work::timed(latencies)
    })
}

impl Reader {
    pub fn open(bootstrap: &str, topic: &str, max_bytes: i32) -> Result<Self> {
        let stream = connect(bootstrap)?;
        Ok(Self {
            topic: topic.to_owned(),
            max_bytes,
            isolation_level: 0,
            answers: Answers::of(&stream)?,
            stream,
            offset: 0,
            high_watermark: 0,
        })
    }

    /// Reads what is there already.
    pub fn at_end(bootstrap: &str, topic: &str) -> Result<Self> {
        let mut reader = Self::open(bootstrap, topic, FOLLOWER_MAX_BYTES)?;
        while reader.fetch()? > 0 {}
        Ok(reader)
    }

    /// Reads the batches that are written from now on. Latencies are those from the time when each was due to be sent.
    pub fn follow(&mut self, schedule: &Schedule, batches: u64, batch_records: usize) -> Result<Histogram> {
        let first = self.offset;
        let mut latencies = Histogram::default();
        let mut last_received = Instant::now();
        while latencies.count() < batches {
            if self.fetch()? == 0 {
                if last_received.elapsed() > PATIENCE {
                    bail!("{} of {batches} batches have come", latencies.count());
                }
                continue;
            }
            last_received = Instant::now();
            let arrived = u64::try_from(self.offset - first)? / batch_records as u64;
            for number in latencies.count()..arrived.min(batches) {
                let due = schedule.due(number).context("a follower needs a rate")?;
                latencies.record(last_received.saturating_duration_since(due));
            }
        }
        Ok(latencies)
    }

    pub fn is_at_end(&self) -> bool {
        self.offset >= self.high_watermark
    }

    pub fn begin_again(&mut self) {
        self.offset = 0;
    }

    /// Returns how many bytes of records have come: none at the end of the log.
    pub fn fetch(&mut self) -> Result<usize> {
        let request = frames::fetch_request(&self.topic, self.offset, self.max_bytes)
            .with_isolation_level(self.isolation_level);
        let frame = frames::request(FETCH, 0, &frames::CLIENT_ID, &request)?;
        self.stream.write_all(&frame)?;
        let answer = Bytes::from(self.answers.take()?);
        let partition = partition_of(answer.clone())?;
        let records = partition.records.unwrap_or_default();
        self.high_watermark = partition.high_watermark;
        self.offset = next_offset(&records)?.unwrap_or(self.offset);
        let received = records.len();
        // Nobody else has it any more, so this does not copy.
        drop(records);
        self.answers.give_back(answer.into());
        Ok(received)
    }
}

fn partition_of(mut answer: Bytes) -> Result<PartitionData> {
    ResponseHeader::decode(&mut answer, FetchResponse::header_version(FETCH))?;
    let answer = FetchResponse::decode(&mut answer, FETCH)?;
    let mut topics = answer.responses.into_iter();
    let mut partitions = topics
        .next()
        .context("no topic in the answer")?
        .partitions
        .into_iter();
    let partition = partitions.next().context("no partition in the answer")?;
    match partition.error_code {
        errors::NONE => Ok(partition),
        error => bail!("Fetch: error {error}"),
    }
}

/// Behind the last batch that is there to its end: what `max_bytes` cut off is fetched again.
fn next_offset(mut records: &[u8]) -> Result<Option<i64>> {
    let mut next = None;
    while records.len() >= HEADER_BYTES {
        let header = BatchHeader::parse(records)?;
        let Some(rest) = records.get(header.size_bytes()..) else {
            break;
        };
        next = Some(header.next_offset());
        records = rest;
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_storage::batch::Codec;

    #[test]
    fn the_next_offset_is_behind_the_last_whole_batch() {
        let batch = frames::batch(3, 50, Codec::None);
        let mut two = batch.to_vec();
        two.extend_from_slice(&batch);
        two[batch.len()..batch.len() + 8].copy_from_slice(&3_i64.to_be_bytes());
        assert_eq!(next_offset(&two).unwrap(), Some(6));
        assert_eq!(next_offset(&two[..two.len() - 1]).unwrap(), Some(3));
        assert_eq!(next_offset(&two[..batch.len() + 20]).unwrap(), Some(3));
        assert_eq!(next_offset(&batch[..batch.len() - 1]).unwrap(), None);
        assert_eq!(next_offset(&[]).unwrap(), None);
    }
}
