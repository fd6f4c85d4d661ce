//! What groups of the consumer protocol cost the coordinator by their size: `cargo bench -p ottla-coordinator`. The figures are for
//! reading; it lies here because the coordinator itself may not ask for the time.

// A measurement ends where something is not as it was set up.
#![allow(clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use ottla_base::{ErrorCode, Uuid};

use ottla_coordinator::command::{Command, ConsumerHeartbeat, ConsumerHeartbeatAnswer, Reply};
use ottla_coordinator::consumer::topics::{Topic, Topics};
use ottla_coordinator::{GroupConfig, GroupShard, Machine, Now, Outcome, Then, Token};

fn main() {
    let mut small = Bench::new(10, 12);
    let joins = small.fill(1_000, 3, |_| 10);
    let beat = small.time_quiet_beats(3, 10);
    println!(
        "1,000 groups of 3: a join {:?}, a heartbeat {beat:?}",
        joins / 3_000
    );
    for (what, topics) in [("alike", [10, 10]), ("mixed", [10, 9])] {
        let mut large = Bench::new(10, 100);
        let joins = large.fill(1, 1_000, |member| topics[member % 2]);
        let beat = large.time_quiet_beats(1_000, 20);
        let from = Instant::now();
        large.now.wall_ms += 2_000;
        large.beat(0, 1_000, 0, Some(topics[0]));
        let last = from.elapsed();
        println!(
            "1 group of 1,000, {what}: a join {:?}, one that assigns {last:?}, a heartbeat {beat:?}",
            joins / 1_000
        );
    }
}

struct Bench {
    shard: GroupShard,
    now: Now,
    /// Of each group, once nothing changes in it any more.
    epochs: Vec<i32>,
}

impl Bench {
    fn new(topics: usize, partitions: usize) -> Self {
        let topic = |number: usize| Topic {
            id: Uuid::from_u128(number as u128 + 1),
            name: format!("topic-{number}").into(),
            partition_racks: vec![Vec::new(); partitions],
        };
        let mut new = Self {
            shard: GroupShard::new(Arc::new(GroupConfig::default())),
            now: Now {
                wall_ms: 1_000_000,
                uptime_ms: 0,
            },
            epochs: Vec::new(),
        };
        let topics = Topics::new(1, (0..topics).map(topic));
        new.ask(Command::SetTopics(Arc::new(topics)));
        new
    }

    fn ask(&mut self, command: Command) -> Reply {
        let Outcome {
            mut replies,
            parked,
            then,
            ..
        } = self.shard.handle(command, Token(1), self.now);
        if let Then::Resume(resume) = then {
            replies.extend(self.shard.resume(resume, Ok(()), self.now).replies);
        }
        replies.extend(parked);
        replies.pop().map(|(_, reply)| reply).expect("an answer")
    }

    fn beat(&mut self, group: usize, member: usize, epoch: i32, joins: Option<usize>) -> i32 {
        let heartbeat = ConsumerHeartbeat {
            group_id: format!("group-{group}"),
            member_id: format!("member-{member}"),
            member_epoch: epoch,
            instance_id: None,
            rack_id: None,
            client_id: "client".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            rebalance_timeout_ms: if joins.is_some() { 60_000 } else { -1 },
            topic_names: joins.map(|topics| (0..topics).map(|number| format!("topic-{number}")).collect()),
            topic_regex: None,
            server_assignor: None,
            owned: joins.map(|_| Default::default()),
        };
        match self.ask(Command::ConsumerHeartbeat(heartbeat)) {
            Reply::ConsumerHeartbeat(ConsumerHeartbeatAnswer {
                error: ErrorCode::None,
                member_epoch,
                ..
            }) => member_epoch,
            other => panic!("{other:?}"),
        }
    }

    /// Everybody joins, a little apart, and then sends heartbeats until nothing changes. Returns what the joins took.
    fn fill(&mut self, groups: usize, members: usize, topics: impl Fn(usize) -> usize) -> Duration {
        let mut joins = Duration::ZERO;
        for group in 0..groups {
            for member in 0..members {
                let from = Instant::now();
                self.beat(group, member, 0, Some(topics(member)));
                joins += from.elapsed();
            }
            self.now.wall_ms += 1_100;
            let mut epoch = 0;
            for _ in 0..4 {
                for member in 0..members {
                    epoch = self.beat(group, member, 0, Some(topics(member)));
                }
            }
            self.epochs.push(epoch);
        }
        joins
    }

    fn time_quiet_beats(&mut self, members: usize, rounds: usize) -> Duration {
        let epochs = self.epochs.clone();
        let from = Instant::now();
        for _ in 0..rounds {
            for (group, epoch) in epochs.iter().enumerate() {
                for member in 0..members {
                    assert_eq!(self.beat(group, member, *epoch, None), *epoch);
                }
            }
        }
        from.elapsed() / u32::try_from(rounds * epochs.len() * members).expect("few")
    }
}
