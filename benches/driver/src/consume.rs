//! A consumer that looks at nothing but where the next batch begins.

use std::io::Write;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use kafka_protocol::messages::{FetchResponse, ResponseHeader};
use kafka_protocol::protocol::{Decodable, HeaderVersion, StrBytes};
use ottla_storage::batch::{BatchHeader, HEADER_BYTES};

use crate::errors;
use crate::frames::{self, FETCH};
use crate::histogram::Histogram;
use crate::pipeline::{Answers, connect};
use crate::process::{Process, Work};

const CLIENT_ID: StrBytes = StrBytes::from_static_str("bench");

#[derive(Args)]
pub struct ConsumeOptions {
    /// The broker's process, whose CPU time is told of.
    #[arg(long)]
    pid: u32,
    #[arg(long)]
    bootstrap: String,
    /// With one partition, and records in it.
    #[arg(long)]
    topic: String,
    /// To receive; at its end the topic is read again.
    #[arg(long, default_value_t = 1_000_000_000)]
    bytes: u64,
    /// Of one answer.
    #[arg(long, default_value_t = 1 << 20)]
    max_bytes: i32,
    /// Consumers of the same topic, each of which reads as much.
    #[arg(long, default_value_t = 1)]
    consumers: usize,
}

pub fn run(options: ConsumeOptions) -> Result<()> {
    let meter = Process::new(options.pid).begin()?;
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
    let mut stream = connect(&options.bootstrap)?;
    let mut answers = Answers::of(&stream)?;
    let mut work = Work::default();
    let mut latencies = Histogram::default();
    let mut offset = 0;
    while work.bytes < options.bytes {
        let request = frames::fetch_request(&options.topic, offset, options.max_bytes);
        let frame = frames::request(FETCH, 0, &CLIENT_ID, &request)?;
        let begun = Instant::now();
        stream.write_all(&frame)?;
        let answer = Bytes::from(answers.take()?);
        latencies.record(begun.elapsed());
        let records = records_of(answer.clone())?;
        match next_offset(&records)? {
            Some(next) => offset = next,
            None if offset == 0 => bail!("{} is empty", options.topic),
            None => offset = 0,
        }
        work.bytes += records.len() as u64;
        // Nobody else has it any more, so this does not copy.
        drop(records);
        answers.give_back(answer.into());
    }
    Ok(Work {
        bytes: work.bytes,
        ..Work::timed(latencies)
    })
}

fn records_of(mut answer: Bytes) -> Result<Bytes> {
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
        errors::NONE => Ok(partition.records.unwrap_or_default()),
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
