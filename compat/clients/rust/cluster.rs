//! What the steps do with a cluster: topics, records in and records out.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures_executor::block_on;
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::check::{Outcome, WAIT, equal, wait_until};

pub const RECORD_COUNT: usize = 200;

pub struct Cluster {
    pub bootstrap: String,
    pub admin: AdminClient<DefaultClientContext>,
    pub base_ms: i64,
}

/// A record as sent and as read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub partition: i32,
    pub key: Option<Vec<u8>>,
    pub value: Vec<u8>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub timestamp_ms: Option<i64>,
}

impl Cluster {
    pub fn new(bootstrap: &str) -> Outcome<Self> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let base_ms = i64::try_from(now.as_millis())? - 3_600_000;
        let admin = ClientConfig::new().set("bootstrap.servers", bootstrap).create()?;
        Ok(Self {
            bootstrap: bootstrap.to_owned(),
            admin,
            base_ms,
        })
    }

    /// Record i goes to partition i % partitions, one millisecond after record i - 1; sizes vary, one key in ten is null.
    pub fn records(&self, first: usize, count: usize, partitions: usize) -> Vec<Record> {
        (first..first + count)
            .map(|i| Record {
                partition: (i % partitions) as i32,
                key: (i % 10 != 9).then(|| format!("key-{i}").into_bytes()),
                value: format!("value-{i} {}", "compressible text, ".repeat(i % 20)).into_bytes(),
                headers: vec![
                    ("n".into(), i.to_string().into_bytes()),
                    ("bytes".into(), vec![0, 255, i as u8]),
                ],
                timestamp_ms: Some(self.base_ms + i as i64),
            })
            .collect()
    }

    pub fn create_topic(&self, topic: &str, partitions: i32, config: &[(&str, &str)]) -> Outcome<()> {
        let new = config.iter().fold(
            NewTopic::new(topic, partitions, TopicReplication::Fixed(1)),
            |new, (key, value)| new.set(key, value),
        );
        for result in block_on(
            self.admin
                .create_topics([&new], &AdminOptions::new().operation_timeout(Some(WAIT))),
        )? {
            result.map_err(|(topic, code)| format!("{topic}: {code}"))?;
        }
        wait_until("the topic's partitions", || {
            Ok(self.partition_count(topic)? == partitions as usize)
        })
    }

    pub fn delete_topic(&self, topic: &str) -> Outcome<()> {
        for result in block_on(self.admin.delete_topics(&[topic], &AdminOptions::new()))? {
            result.map_err(|(topic, code)| format!("{topic}: {code}"))?;
        }
        wait_until("topic gone", || Ok(self.partition_count(topic)? == 0))
    }

    pub fn partition_count(&self, topic: &str) -> Outcome<usize> {
        let metadata = self.admin.inner().fetch_metadata(None, WAIT)?;
        Ok(metadata
            .topics()
            .iter()
            .find(|t| t.name() == topic)
            .map_or(0, |t| t.partitions().len()))
    }

    pub fn topic_config(&self, topic: &str, key: &str) -> Outcome<Option<String>> {
        let described = block_on(
            self.admin
                .describe_configs([&ResourceSpecifier::Topic(topic)], &AdminOptions::new()),
        )?;
        let resource = described.into_iter().next().ok_or("no resource described")??;
        Ok(resource.get(key).and_then(|entry| entry.value.clone()))
    }

    /// Sends idempotently and returns (partition, offset) of every acknowledged record, in the order of the acknowledgements.
    pub fn produce(&self, topic: &str, records: &[Record], codec: &str) -> Outcome<Vec<(i32, i64)>> {
        let producer: BaseProducer<Deliveries> = self
            .config()
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", codec)
            .set("linger.ms", "20")
            .create_with_context(Deliveries::default())?;
        for record in records {
            let headers = record
                .headers
                .iter()
                .fold(OwnedHeaders::new(), |headers, (key, value)| {
                    headers.insert(Header {
                        key,
                        value: Some(value),
                    })
                });
            let mut message = BaseRecord::<[u8], [u8]>::to(topic)
                .partition(record.partition)
                .payload(&record.value)
                .headers(headers);
            message.key = record.key.as_deref();
            message.timestamp = record.timestamp_ms;
            producer.send(message).map_err(|(error, _)| error)?;
        }
        producer.flush(WAIT)?;
        let reports = std::mem::take(
            &mut *producer
                .context()
                .reports
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        Ok(reports.into_iter().collect::<Result<_, _>>()?)
    }

    /// Reads `partitions` partitions from their beginnings until `count` records came, and returns them by partition, checking that offsets are dense.
    pub fn read(&self, topic: &str, partitions: i32, count: usize) -> Outcome<Vec<Vec<Record>>> {
        let consumer: BaseConsumer = self.consumer_config().set("group.id", "unused").create()?;
        let mut from = TopicPartitionList::new();
        for partition in 0..partitions {
            from.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&from)?;
        let mut got = vec![Vec::new(); partitions as usize];
        for read in 0..count {
            let message =
                next(&consumer).map_err(|error| format!("after {read} of {count} records: {error}"))?;
            let partition = got
                .get_mut(message.partition() as usize)
                .ok_or("an unknown partition")?;
            equal("offset", &message.offset(), &(partition.len() as i64))?;
            partition.push(to_record(&message));
        }
        equal(
            "a record after the last one",
            &consumer.poll(Duration::from_millis(150)).is_some(),
            &false,
        )?;
        Ok(got)
    }

    /// For consumers: an empty fetch must not hold up their close.
    pub fn consumer_config(&self) -> ClientConfig {
        let mut config = self.config();
        config
            .set("fetch.wait.max.ms", "50")
            .set("enable.auto.commit", "false");
        config
    }

    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", "compat-rdkafka");
        config
    }
}

/// The next message. One `poll` may return early with nothing, as after a rebalance.
pub fn next(consumer: &BaseConsumer) -> Outcome<BorrowedMessage<'_>> {
    let start = Instant::now();
    while start.elapsed() < WAIT {
        if let Some(message) = consumer.poll(Duration::from_millis(500)) {
            return Ok(message?);
        }
    }
    Err(format!("silence for {WAIT:?}").into())
}

pub fn to_record(message: &impl Message) -> Record {
    let headers = message.headers().map(|headers| {
        headers
            .iter()
            .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
            .collect()
    });
    Record {
        partition: message.partition(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().unwrap_or_default().to_vec(),
        headers: headers.unwrap_or_default(),
        timestamp_ms: message.timestamp().to_millis(),
    }
}

/// Collects the delivery reports.
#[derive(Default)]
struct Deliveries {
    reports: Mutex<Vec<Result<(i32, i64), String>>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let report = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.to_string()),
        };
        self.reports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(report);
    }
}
