//! The steps that need no group; `groups.rs` has the others.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::check::{Outcome, WAIT, equal};
use crate::cluster::{Cluster, RECORD_COUNT};

pub type Step = Box<dyn Fn(&mut Scenario) -> Outcome<()>>;

pub struct Scenario {
    pub cluster: Cluster,
    prefix: String,
    /// The first values of the group, kept from the step `group` for the step `resume`.
    pub first: Vec<Vec<u8>>,
}

/// The named steps of one part: `scenario`, `before` or `after` (a restart of the broker).
pub fn steps(part: &str) -> Vec<(String, Step)> {
    fn step(name: &str, run: impl Fn(&mut Scenario) -> Outcome<()> + 'static) -> (String, Step) {
        (name.to_owned(), Box::new(run))
    }
    match part {
        "before" => return vec![step("before", Scenario::before)],
        "after" => return vec![step("after", Scenario::after)],
        _ => {}
    }
    let mut steps = vec![step("create", Scenario::create)];
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        steps.push(step(&format!("codec-{codec}"), move |s| {
            s.filled(codec, 2, codec).map(drop)
        }));
    }
    steps.extend([
        step("group", Scenario::group),
        step("resume", Scenario::resume),
        step("rebalance", Scenario::rebalance),
        step("groups", Scenario::groups),
        step("timestamps", Scenario::timestamps),
        step("delete", Scenario::delete),
    ]);
    steps
}

impl Scenario {
    pub fn new(bootstrap: &str, prefix: &str) -> Outcome<Self> {
        Ok(Self {
            cluster: Cluster::new(bootstrap)?,
            prefix: prefix.to_owned(),
            first: Vec::new(),
        })
    }

    pub fn name(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.prefix)
    }

    /// Creates the topic, fills it, compares what comes back field by field, and returns the topic's name.
    pub fn filled(&self, suffix: &str, partitions: usize, codec: &str) -> Outcome<String> {
        let topic = self.name(suffix);
        self.cluster.create_topic(&topic, partitions as i32, &[])?;
        let sent = self.cluster.records(0, RECORD_COUNT, partitions);
        let mut acked = self.cluster.produce(&topic, &sent, codec)?;
        acked.sort_unstable();
        let dense: Vec<_> = (0..partitions)
            .flat_map(|p| (0..RECORD_COUNT / partitions).map(move |offset| (p as i32, offset as i64)))
            .collect();
        equal("acknowledged offsets", &acked, &dense)?;
        let got = self.cluster.read(&topic, partitions as i32, RECORD_COUNT)?;
        for (partition, got) in got.iter().enumerate() {
            let want: Vec<_> = sent
                .iter()
                .filter(|r| r.partition == partition as i32)
                .cloned()
                .collect();
            equal("records", got, &want)?;
        }
        Ok(topic)
    }

    fn create(&mut self) -> Outcome<()> {
        let topic = self.name("create");
        self.cluster
            .create_topic(&topic, 3, &[("retention.ms", "86400000")])?;
        equal(
            "retention.ms",
            &self.cluster.topic_config(&topic, "retention.ms")?,
            &Some("86400000".into()),
        )
    }

    fn timestamps(&mut self) -> Outcome<()> {
        let topic = self.filled("times", 2, "none")?;
        let consumer: BaseConsumer = self
            .cluster
            .consumer_config()
            .set("group.id", "unused")
            .create()?;
        // Partition 0 holds the records 0, 2, 4, ...: the first at or after +41 ms is record 42, its offset 21.
        for (partition, after_ms, want) in [
            (0, 41, Offset::Offset(21)),
            (1, 41, Offset::Offset(20)),
            (0, 0, Offset::Offset(0)),
            (1, 199, Offset::Offset(99)),
            (0, 10_000, Offset::End),
        ] {
            let mut times = TopicPartitionList::new();
            times.add_partition_offset(&topic, partition, Offset::Offset(self.cluster.base_ms + after_ms))?;
            let found = consumer.offsets_for_times(times, WAIT)?;
            let offset = found
                .find_partition(&topic, partition)
                .ok_or("the partition is not in the answer")?
                .offset();
            equal(
                &format!("offset in partition {partition} at +{after_ms} ms"),
                &offset,
                &want,
            )?;
        }
        equal(
            "watermarks",
            &consumer.fetch_watermarks(&topic, 0, WAIT)?,
            &(0, 100),
        )
    }

    fn delete(&mut self) -> Outcome<()> {
        self.cluster.delete_topic(&self.name("create"))
    }
}
