//! The steps of a group's life: consume and commit, go on, rebalance, describe, and both halves of a broker restart.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;

use crate::check::{Outcome, WAIT, equal, wait_until};
use crate::cluster::{RECORD_COUNT, next};
use crate::scenario::Scenario;

impl Scenario {
    pub fn group(&mut self) -> Outcome<()> {
        let topic = self.filled("group", 2, "none")?;
        self.first = self.consume_and_commit(&topic, &self.name("g"), 80)?;
        Ok(())
    }

    pub fn resume(&mut self) -> Outcome<()> {
        let rest = self.consume_and_commit(&self.name("group"), &self.name("g"), RECORD_COUNT - 80)?;
        let mut all: Vec<_> = self.first.iter().cloned().chain(rest).collect();
        let mut want: Vec<_> = self
            .cluster
            .records(0, RECORD_COUNT, 2)
            .into_iter()
            .map(|r| r.value)
            .collect();
        all.sort();
        want.sort();
        equal("values before and after the commit", &all, &want)
    }

    pub fn rebalance(&mut self) -> Outcome<()> {
        let (topic, group) = (self.name("rebalance"), self.name("rg"));
        self.cluster.create_topic(&topic, 4, &[])?;
        let a = self.member(&topic, &group)?;
        pump_until("one member owns all 4 partitions", &[&a], || {
            Ok(owned(&a)?.len() == 4)
        })?;
        let b = self.member(&topic, &group)?;
        pump_until("2 partitions each", &[&a, &b], || {
            Ok(owned(&a)?.len() == 2 && owned(&b)?.len() == 2)
        })?;
        let both: BTreeSet<i32> = owned(&a)?.union(&owned(&b)?).copied().collect();
        equal("partitions of both members", &both, &BTreeSet::from([0, 1, 2, 3]))?;
        equal("described group", &self.described(&group)?, &("Stable".into(), 2))?;
        drop(b);
        pump_until("the one that stays takes over", &[&a], || {
            Ok(owned(&a)?.len() == 4)
        })?;
        let sent = self.cluster.records(0, 40, 4);
        self.cluster.produce(&topic, &sent, "none")?;
        let mut got = BTreeSet::new();
        wait_until("40 records after the take-over", || {
            if let Some(message) = a.poll(Duration::from_millis(100)) {
                got.insert(message?.payload().unwrap_or_default().to_vec());
            }
            Ok(got.len() == sent.len())
        })?;
        equal(
            "records after the take-over",
            &got,
            &sent.into_iter().map(|r| r.value).collect(),
        )
    }

    pub fn groups(&mut self) -> Outcome<()> {
        let group = self.name("rg");
        let listed = self.cluster.admin.inner().fetch_group_list(None, WAIT)?;
        let found = listed
            .groups()
            .iter()
            .find(|g| g.name() == group)
            .ok_or("the group is not listed")?;
        equal("protocol type", &found.protocol_type(), &"consumer")?;
        equal(
            "group after both members left",
            &self.described(&group)?,
            &("Empty".into(), 0),
        )
    }

    pub fn before(&mut self) -> Outcome<()> {
        let topic = self.filled("restart", 2, "none")?;
        self.consume_and_commit(&topic, &self.name("restart-g"), 120)
            .map(drop)
    }

    pub fn after(&mut self) -> Outcome<()> {
        let (topic, group) = (self.name("restart"), self.name("restart-g"));
        equal(
            "group after the restart",
            &self.described(&group)?,
            &("Empty".into(), 0),
        )?;
        self.cluster
            .produce(&topic, &self.cluster.records(RECORD_COUNT, 100, 2), "none")?;
        let values = self.consume_and_commit(&topic, &group, 180)?;
        let numbers: BTreeSet<usize> = values.iter().filter_map(|value| number_of(value)).collect();
        equal("distinct records after the restart", &numbers.len(), &180)?;
        equal(
            "records produced after the restart",
            &numbers.range(RECORD_COUNT..).count(),
            &100,
        )
    }

    /// Takes exactly `count` records, commits behind them, checks the commit, and leaves the group.
    fn consume_and_commit(&self, topic: &str, group: &str, count: usize) -> Outcome<Vec<Vec<u8>>> {
        let member = self.member(topic, group)?;
        let mut values = Vec::new();
        let mut last = None;
        while values.len() < count {
            let message = next(&member)
                .map_err(|error| format!("after {} of {count} records: {error}", values.len()))?;
            values.push(message.payload().unwrap_or_default().to_vec());
            last = Some((message.partition(), message.offset() + 1));
        }
        member.commit(&member.position()?, CommitMode::Sync)?;
        let committed = member.committed(WAIT)?;
        let (partition, next) = last.ok_or("nothing was asked for")?;
        let found = committed.find_partition(topic, partition).map(|p| p.offset());
        equal("committed offset", &found, &Some(rdkafka::Offset::Offset(next)))?;
        Ok(values)
    }

    fn member(&self, topic: &str, group: &str) -> Outcome<BaseConsumer> {
        let consumer: BaseConsumer = self
            .cluster
            .consumer_config()
            .set("group.id", group)
            .set("auto.offset.reset", "earliest")
            .set("session.timeout.ms", "10000")
            .set("heartbeat.interval.ms", "300")
            .create()?;
        consumer.subscribe(&[topic])?;
        Ok(consumer)
    }

    /// State and number of members. A coordinator that has just come up may say that it is still loading.
    fn described(&self, group: &str) -> Outcome<(String, usize)> {
        let mut described = (String::new(), 0);
        wait_until("the group's description", || {
            let list = match self.cluster.admin.inner().fetch_group_list(Some(group), WAIT) {
                Err(KafkaError::GroupListFetch(RDKafkaErrorCode::CoordinatorLoadInProgress)) => {
                    return Ok(false);
                }
                list => list?,
            };
            let Some(found) = list.groups().first() else {
                return Ok(false);
            };
            described = (found.state().to_owned(), found.members().len());
            Ok(true)
        })?;
        Ok(described)
    }
}

fn owned(member: &BaseConsumer) -> Outcome<BTreeSet<i32>> {
    Ok(member
        .assignment()?
        .elements()
        .iter()
        .map(|p| p.partition())
        .collect())
}

/// Polls all members in turn, as consumers must to take part in a rebalance, until the condition holds.
fn pump_until(
    what: &str,
    members: &[&BaseConsumer],
    mut condition: impl FnMut() -> Outcome<bool>,
) -> Outcome<()> {
    wait_until(what, || {
        for member in members {
            if let Some(message) = member.poll(Duration::from_millis(50)) {
                message?;
            }
        }
        condition()
    })
}

fn number_of(value: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(value).ok()?;
    text.strip_prefix("value-")?.split(' ').next()?.parse().ok()
}
