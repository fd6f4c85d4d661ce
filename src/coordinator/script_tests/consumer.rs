//! Commands of consumer groups in scripts:
//!
//! - `topics t:3 u:2/a+b` sets the topics, each with its partitions and their racks; a topic's id is its place in the line,
//!   unless `#n` behind the name says another.
//! - `beat a ...` is a heartbeat of member `a`. Without `epoch=` it is in the epoch that it was told last, and without
//!   `owns=` it says nothing of what it has. `owns=-` is nothing, `owns=1:0/1:1` two partitions of topic 1.
//! - `enter a` joins: epoch 0, with everything that a join must say. `full a` says everything again.

use std::sync::Arc;

use ottla_base::{ErrorCode, Uuid};

use super::args::Args;
use super::world::World;
use crate::command::*;
use crate::config::ConsumerGroupConfig;
use crate::consumer::assignment::Partitions;
use crate::consumer::topics::{Topic, Topics};

pub fn config(config: &ConsumerGroupConfig, args: &Args<'_>) -> ConsumerGroupConfig {
    ConsumerGroupConfig {
        session_timeout_ms: args.number("consumer_session", config.session_timeout_ms),
        assignment_interval_ms: args.number("interval", config.assignment_interval_ms),
        max_size: args.number("consumer_max_size", config.max_size),
        ..config.clone()
    }
}

impl World {
    pub(super) fn consumer_command(&mut self, args: &Args<'_>) -> Command {
        match args.verb {
            "topics" => {
                let version = self.topics.version() + 1;
                let topics = args
                    .names
                    .iter()
                    .enumerate()
                    .map(|(index, text)| topic(index, text));
                self.topics = Arc::new(Topics::new(version, topics));
                Command::SetTopics(self.topics.clone())
            }
            "enter" => Command::ConsumerHeartbeat(ConsumerHeartbeat {
                member_epoch: 0,
                rebalance_timeout_ms: args.number("rebalance", 60_000),
                topic_names: Some(self::names(
                    args,
                    if args.get("regex").is_some() { "" } else { "t" },
                )),
                topic_regex: Some(args.text("regex", "")),
                owned: Some(Partitions::new()),
                ..self.beat(args)
            }),
            "full" => Command::ConsumerHeartbeat(ConsumerHeartbeat {
                rebalance_timeout_ms: args.number("rebalance", 60_000),
                topic_names: Some(self::names(args, "t")),
                ..self.beat(args)
            }),
            "beat" => Command::ConsumerHeartbeat(self.beat(args)),
            "describe-consumer" => {
                Command::DescribeConsumerGroups(args.names.iter().map(|name| (*name).to_owned()).collect())
            }
            "group-config" => Command::SetGroupConfig(
                args.name().to_owned(),
                Some(config(&ConsumerGroupConfig::default(), args)),
            ),
            verb => panic!("no such command: {verb}"),
        }
    }

    fn beat(&self, args: &Args<'_>) -> ConsumerHeartbeat {
        let told = self
            .clients
            .get(args.name())
            .map_or(0, |client| client.generation);
        ConsumerHeartbeat {
            group_id: args.text("group", "g"),
            member_id: args.text("member", args.name()),
            member_epoch: args.number("epoch", told),
            instance_id: args.get("instance").map(str::to_owned),
            rack_id: args.get("rack").map(str::to_owned),
            client_id: args.name().to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            rebalance_timeout_ms: args.number("rebalance", -1),
            topic_names: args.get("topics").map(|_| names(args, "")),
            topic_regex: args.get("regex").map(str::to_owned),
            server_assignor: args.get("assignor").map(str::to_owned),
            owned: args.get("owns").map(owned),
        }
    }

    pub(super) fn learn_epoch(&mut self, name: &str, answer: &ConsumerHeartbeatAnswer) {
        if answer.error == ErrorCode::None {
            let client = self.clients.entry(name.to_owned()).or_default();
            client.member_id.clone_from(&answer.member_id);
            client.generation = answer.member_epoch;
        }
    }
}

fn names(args: &Args<'_>, default: &str) -> Vec<String> {
    let names = args.get("topics").unwrap_or(default).split(',');
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn owned(text: &str) -> Partitions {
    let mut owned = Partitions::new();
    for pair in text.split('/').filter(|pair| *pair != "-") {
        let (topic, partition) = pair.split_once(':').expect("topic:partition");
        let topic = Uuid::from_u128(topic.parse().expect("a number"));
        let partition = partition.parse().expect("a number");
        owned.entry(topic).or_default().insert(partition);
    }
    owned
}

fn topic(index: usize, text: &str) -> Topic {
    let (text, racks) = text.split_once('/').unwrap_or((text, ""));
    let (name, partitions) = text.split_once(':').expect("name:partitions");
    let (name, id) = match name.split_once('#') {
        Some((name, id)) => (name, id.parse().expect("a number")),
        None => (name, index as u128 + 1),
    };
    let racks: Vec<String> = racks
        .split('+')
        .filter(|rack| !rack.is_empty())
        .map(str::to_owned)
        .collect();
    Topic {
        id: Uuid::from_u128(id),
        name: name.into(),
        partition_racks: vec![racks; partitions.parse().expect("a number")],
    }
}
