//! Writes logs for a broker to load or to clean: a `__consumer_offsets` of many commits, and a topic with many values of each
//! key. Always the same bytes, but for the time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use ottla_coordinator::records::{
    GroupKey, GroupMetadataValue, MemberMetadata, OffsetCommitKey, OffsetCommitValue, Record,
};
use ottla_storage::batch::{BatchBuilder, BatchOptions, Codec};
use tokio::time::Instant;

use crate::connection::Connection;
use crate::errors;
use crate::frames::{PRODUCE, produce_request};
use crate::process::Work;
use crate::scenario::await_coordinator;
use crate::target::{Broker, Target};

const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// Brokers take records for internal topics from this client only.
const ADMIN_CLIENT_ID: &str = "__admin_client";
/// Of records that are not compressed yet; below the largest message of any default configuration.
const BATCH_BYTES: usize = 900_000;

#[derive(Args)]
pub struct OffsetsOptions {
    #[command(flatten)]
    broker: Broker,
    /// Of the records, in MB.
    #[arg(long)]
    megabytes: usize,
    /// Groups, each with offsets of 100 partitions.
    #[arg(long, default_value_t = 2000)]
    groups: u64,
}

#[derive(Args)]
pub struct KeysOptions {
    #[command(flatten)]
    target: Target,
    #[arg(long)]
    megabytes: usize,
    /// How many of a hundred records repeat an earlier key.
    #[arg(long, default_value_t = 50)]
    duplicates_percent: u64,
    #[arg(long, default_value_t = 1000)]
    value_bytes: usize,
    #[arg(long, default_value = "none")]
    codec: FillCodec,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum FillCodec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl From<FillCodec> for Codec {
    fn from(codec: FillCodec) -> Self {
        match codec {
            FillCodec::None => Self::None,
            FillCodec::Gzip => Self::Gzip,
            FillCodec::Snappy => Self::Snappy,
            FillCodec::Lz4 => Self::Lz4,
            FillCodec::Zstd => Self::Zstd,
        }
    }
}

/// Commits in batches of a few, as a coordinator under load writes them; every now and then a group's own record.
pub async fn offsets(options: OffsetsOptions) -> Result<()> {
    const PARTITIONS: u64 = 100;
    const RECORDS_PER_GROUP_RECORD: u64 = 200;
    const BATCH_RECORDS: i32 = 20;
    await_coordinator(&options.broker.bootstrap).await?;
    let mut connection = Connection::open(&options.broker.bootstrap, ADMIN_CLIENT_ID).await?;
    let meter = options.broker.meter()?;
    let (mut random, now_ms) = (Random(1), now_ms());
    let mut sent_bytes = 0;
    let mut number = 0;
    while sent_bytes < options.megabytes * 1_000_000 {
        let mut batch = BatchBuilder::new(BatchOptions::default());
        while batch.record_count() < BATCH_RECORDS {
            let group = random.below(options.groups);
            let record = match number % RECORDS_PER_GROUP_RECORD {
                0 => group_record(group, now_ms),
                _ => commit_record(group, random.below(PARTITIONS), number, now_ms),
            };
            let encoded = record.encode()?;
            batch.append(now_ms, Some(&encoded.key), encoded.value.as_deref(), &[]);
            number += 1;
        }
        let batch = batch.build();
        sent_bytes += batch.len();
        send(&mut connection, CONSUMER_OFFSETS, batch).await?;
    }
    meter.end("fill", Work::written(number, sent_bytes))
}

/// Records of text with some order in it, so that a codec has something to do.
pub async fn keys(options: KeysOptions) -> Result<()> {
    let mut connection = options.target.broker.connect().await?;
    let meter = options.target.broker.meter()?;
    let (mut random, now_ms) = (Random(2), now_ms());
    let record_bytes = options.value_bytes + 30;
    let records = (options.megabytes * 1_000_000 / record_bytes) as u64;
    let keys = (records * (100 - options.duplicates_percent.min(99)) / 100).max(1);
    let mut sent_bytes = 0;
    let mut number = 0;
    while number < records {
        let mut batch = BatchBuilder::new(BatchOptions {
            codec: options.codec.into(),
            ..BatchOptions::default()
        });
        while number < records && batch.size_bytes() < BATCH_BYTES / 60 {
            // Every key once, and then some of them again.
            let key = if number < keys { number } else { random.below(keys) };
            let key = format!("key-{key:012}");
            let value = value(&mut random, options.value_bytes);
            batch.append(now_ms, Some(key.as_bytes()), Some(&value), &[]);
            number += 1;
        }
        let batch = batch.build();
        sent_bytes += batch.len();
        send(&mut connection, &options.target.topic, batch).await?;
    }
    meter.end("fill", Work::written(number, sent_bytes))
}

/// Sends until the broker has the topic, which it may just have been told to create.
pub async fn send(connection: &mut Connection, topic: &str, batch: Bytes) -> Result<()> {
    let request = produce_request(topic, 1, batch);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = connection.call(PRODUCE, &request).await?;
        let told = answer
            .responses
            .iter()
            .flat_map(|topic| &topic.partition_responses);
        match told.map(|partition| partition.error_code).next() {
            Some(errors::NONE) => return Ok(()),
            // The topic was made a moment ago.
            Some(errors::UNKNOWN_TOPIC_OR_PARTITION | errors::NOT_LEADER_OR_FOLLOWER)
                if Instant::now() < deadline =>
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            error => bail!("Produce: error {error:?}"),
        }
    }
}

/// The name of one of the groups whose offsets are written.
pub fn group_name(number: u64) -> String {
    format!("application-{number:06}-readers")
}

pub const TOPIC: &str = "orders.completed.v1";

fn commit_record(group: u64, partition: u64, number: u64, now_ms: i64) -> Record {
    let key = OffsetCommitKey {
        group: group_name(group),
        topic: TOPIC.to_owned(),
        partition: partition as i32,
    };
    let value = OffsetCommitValue {
        offset: number as i64,
        leader_epoch: 0,
        commit_timestamp: now_ms,
        ..OffsetCommitValue::default()
    };
    Record::OffsetCommit(key, Some(value))
}

fn group_record(group: u64, now_ms: i64) -> Record {
    let member = |number: usize| MemberMetadata {
        member_id: format!("consumer-{number}-5f1c0000-0000-4000-8000-{group:012}"),
        client_id: format!("consumer-{number}"),
        client_host: "/10.0.0.1".to_owned(),
        rebalance_timeout: 300_000,
        session_timeout: 45_000,
        // Version 0 of a subscription to no topic, and of an assignment of none: all that is read of them here.
        subscription: Bytes::from_static(&[0; 10]),
        assignment: Bytes::from_static(&[0; 10]),
        ..MemberMetadata::default()
    };
    let value = GroupMetadataValue {
        protocol_type: "consumer".to_owned(),
        generation: 1,
        protocol: Some("range".to_owned()),
        leader: Some(member(0).member_id),
        current_state_timestamp: now_ms,
        members: (0..3).map(member).collect(),
    };
    let key = GroupKey {
        group: group_name(group),
    };
    Record::GroupMetadata(key, Some(value))
}

pub fn value(random: &mut Random, bytes: usize) -> Vec<u8> {
    const WORDS: [&[u8]; 8] = [
        b"order ",
        b"customer ",
        b"paid ",
        b"shipped ",
        b"1000 ",
        b"EUR ",
        b"Berlin ",
        b"status=",
    ];
    let mut value = Vec::with_capacity(bytes + 16);
    while value.len() < bytes {
        let bits = random.next();
        for word in 0..8 {
            value.extend_from_slice(WORDS[(bits >> (word * 8)) as usize % WORDS.len()]);
        }
        value.extend_from_slice(format!("{:x} ", bits >> 24).as_bytes());
    }
    value.truncate(bytes);
    value
}

pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Numbers that look random and are the same in every run (splitmix64).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}
