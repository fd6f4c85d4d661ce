//! Clients as the coordinator sees them: each asks one thing at a time, and acts on what it has only as it has been told.

use std::collections::BTreeSet;

use bytes::{BufMut, Bytes, BytesMut};
use ottla_base::schema::{Schema, Writer};
use ottla_base::{ErrorCode, Uuid};

use super::coordinator::{Coordinator, GROUP, TOPIC};
use crate::Token;
use crate::command::*;
use crate::consumer::assignment::Partitions;
use crate::consumer_protocol::{self, Assignment, Subscription};

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Consumer,
    ConsumerByRegex,
    /// Of the classic protocol; gives everything up before it joins again.
    Eager,
    /// Gives up what it is not assigned any more, and joins once more then.
    Cooperative,
}

const CONSUMER_SESSION_MS: i64 = 45_000;
const CLASSIC_SESSION_MS: i32 = 10_000;
/// So long that a session ends first.
const REBALANCE_TIMEOUT_MS: i32 = 600_000;

#[derive(Debug, PartialEq)]
enum Phase {
    Join,
    Sync,
    Member,
    GivenUp,
}

#[derive(Debug)]
pub struct Client {
    name: String,
    kind: Kind,
    instance_id: Option<String>,
    member_id: String,
    /// Or generation.
    epoch: i32,
    phase: Phase,
    owned: Partitions,
    asked: Option<Token>,
    asked_ms: i64,
    heard_ms: i64,
    fresh_id: u128,
    /// Everybody's metadata, if it leads a classic group.
    led: Vec<JoinedMember>,
    /// The topics that it assigned last.
    led_version: i64,
    skips_assignment: bool,
}

impl Client {
    pub fn new(number: usize, kind: Kind, instance_id: Option<String>) -> Self {
        let name = format!("m{number}");
        let is_consumer = matches!(kind, Kind::Consumer | Kind::ConsumerByRegex);
        Self {
            member_id: if is_consumer { name.clone() } else { String::new() },
            name,
            kind,
            instance_id,
            epoch: 0,
            phase: Phase::Join,
            owned: Partitions::new(),
            asked: None,
            asked_ms: 0,
            heard_ms: i64::MAX,
            fresh_id: (number as u128) << 32,
            led: Vec::new(),
            led_version: 0,
            skips_assignment: false,
        }
    }

    pub fn owned(&self) -> impl Iterator<Item = (Uuid, i32)> + '_ {
        let pairs = |(topic, numbers): (&Uuid, &BTreeSet<i32>)| {
            let topic = *topic;
            numbers
                .iter()
                .map(move |number| (topic, *number))
                .collect::<Vec<_>>()
        };
        self.owned.iter().flat_map(pairs)
    }

    pub fn has_given_up(&self) -> bool {
        self.phase == Phase::GivenUp
    }

    pub fn is_late_at(&self, now_ms: i64, coordinator: &Coordinator) -> bool {
        let session_ms = match self.is_classic() {
            true => i64::from(CLASSIC_SESSION_MS),
            false => CONSUMER_SESSION_MS,
        };
        // Those who wait for the others to join are not expected to say anything.
        let waits = self.asked.is_some_and(|token| !coordinator.has_answer(token));
        // An answer that it has not looked at yet is as old as its question.
        let heard_ms = match self.asked {
            Some(_) => self.asked_ms,
            None => self.heard_ms,
        };
        !waits && now_ms.saturating_sub(heard_ms) >= session_ms
    }

    /// Takes the answer that it waits for, if it is there, and asks the next thing.
    pub fn tick(&mut self, coordinator: &mut Coordinator) {
        if let Some(token) = self.asked {
            let Some(reply) = coordinator.answer(token) else {
                return;
            };
            self.asked = None;
            self.heard_ms = self.asked_ms;
            self.hear(reply, coordinator);
            return;
        }
        let leads_stale = !self.led.is_empty() && self.led_version < coordinator.topics().version();
        if self.phase == Phase::Member && leads_stale {
            self.phase = Phase::Join;
        }
        let command = match (self.is_classic(), &self.phase) {
            (_, Phase::GivenUp) => return,
            (false, _) => self.heartbeat(),
            (true, Phase::Join) => self.join(coordinator),
            (true, Phase::Sync) => self.sync(coordinator),
            (true, Phase::Member) => Command::Heartbeat(Heartbeat {
                group_id: GROUP.to_owned(),
                member_id: self.member_id.clone(),
                group_instance_id: self.instance_id.clone(),
                generation_id: self.epoch,
            }),
        };
        self.asked_ms = coordinator.now_ms();
        self.asked = Some(coordinator.ask(command));
    }

    pub fn leave(&mut self, coordinator: &mut Coordinator) {
        self.owned.clear();
        let command = match self.is_classic() {
            false => {
                self.epoch = match self.instance_id {
                    Some(_) => -2,
                    None => -1,
                };
                self.heartbeat()
            }
            true if self.instance_id.is_some() => return,
            true => Command::Leave(LeaveGroup {
                group_id: GROUP.to_owned(),
                members: vec![LeavingMember {
                    member_id: self.member_id.clone(),
                    group_instance_id: None,
                    reason: None,
                }],
            }),
        };
        coordinator.ask(command);
    }

    fn is_classic(&self) -> bool {
        matches!(self.kind, Kind::Eager | Kind::Cooperative)
    }

    fn heartbeat(&mut self) -> Command {
        let joins = self.epoch == 0;
        if joins {
            self.owned.clear();
        }
        let by_regex = self.kind == Kind::ConsumerByRegex;
        Command::ConsumerHeartbeat(ConsumerHeartbeat {
            group_id: GROUP.to_owned(),
            member_id: self.member_id.clone(),
            member_epoch: self.epoch,
            instance_id: self.instance_id.clone(),
            rack_id: None,
            client_id: self.name.clone(),
            client_host: "/127.0.0.1".to_owned(),
            rebalance_timeout_ms: REBALANCE_TIMEOUT_MS,
            topic_names: Some(if by_regex {
                Vec::new()
            } else {
                vec![TOPIC.to_owned()]
            }),
            topic_regex: Some(if by_regex { "[t]".to_owned() } else { String::new() }),
            server_assignor: None,
            owned: Some(self.owned.clone()),
        })
    }

    fn join(&mut self, coordinator: &Coordinator) -> Command {
        if self.kind == Kind::Eager {
            self.owned.clear();
        }
        self.fresh_id += 1;
        self.led.clear();
        let owned = Assignment::of(&self.owned, coordinator.topics()).assigned_partitions;
        let metadata = Subscription {
            topics: vec![TOPIC.to_owned()],
            owned_partitions: owned,
            ..Subscription::default()
        };
        Command::Join(JoinGroup {
            group_id: GROUP.to_owned(),
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
            client_id: self.name.clone(),
            client_host: "/127.0.0.1".to_owned(),
            protocol_type: "consumer".to_owned(),
            protocols: vec![Protocol {
                name: "range".to_owned(),
                metadata: versioned(&metadata, 1),
            }],
            session_timeout_ms: CLASSIC_SESSION_MS,
            rebalance_timeout_ms: REBALANCE_TIMEOUT_MS,
            reason: None,
            requires_known_member_id: true,
            supports_skipping_assignment: true,
            fresh_id: Uuid::from_u128(self.fresh_id),
        })
    }

    /// The leader leaves everything where it is, and gives what is free to everybody in turn.
    fn sync(&mut self, coordinator: &Coordinator) -> Command {
        // Of an assignment that it did not make itself it cannot know what it is of.
        self.led_version = match self.skips_assignment {
            true => 0,
            false => coordinator.topics().version(),
        };
        let mut targets: Vec<(String, Partitions)> = Vec::new();
        let mut free = coordinator.all_partitions();
        for member in &self.led {
            let (_, subscription) =
                consumer_protocol::decode::<Subscription>(&member.metadata).expect("is ours");
            let mut owned = subscription.owned(coordinator.topics());
            for (topic, numbers) in &mut owned {
                numbers.retain(|number| free.remove(&(*topic, *number)));
            }
            targets.push((member.member_id.clone(), owned));
        }
        for (index, (topic, number)) in free.into_iter().enumerate() {
            let count = targets.len().max(1);
            if let Some((_, target)) = targets.get_mut(index % count) {
                target.entry(topic).or_default().insert(number);
            }
        }
        let assign = |(id, target): (String, Partitions)| {
            let assignment = Assignment::of(&target, coordinator.topics());
            (id, assignment.to_bytes(1).expect("encodes"))
        };
        Command::Sync(SyncGroup {
            group_id: GROUP.to_owned(),
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
            generation_id: self.epoch,
            protocol_type: None,
            protocol_name: None,
            assignments: targets.into_iter().map(assign).collect(),
        })
    }

    fn hear(&mut self, reply: Reply, coordinator: &Coordinator) {
        match reply {
            Reply::ConsumerHeartbeat(answer) => self.hear_consumer(answer),
            Reply::Joined(joined) => self.hear_joined(joined),
            Reply::Synced(synced) => self.hear_synced(synced, coordinator),
            Reply::Heartbeat(error) => self.hear_error(error),
            // It asks again.
            Reply::Failed(_) => {}
            other => panic!("{other:?}"),
        }
    }

    fn hear_consumer(&mut self, answer: ConsumerHeartbeatAnswer) {
        match answer.error {
            ErrorCode::None => {
                self.epoch = answer.member_epoch;
                if let Some(assignment) = answer.assignment {
                    self.owned = assignment;
                }
            }
            ErrorCode::UnreleasedInstanceId | ErrorCode::FencedInstanceId => {
                self.owned.clear();
                self.phase = Phase::GivenUp;
            }
            _ => {
                self.owned.clear();
                self.epoch = 0;
            }
        }
    }

    fn hear_joined(&mut self, joined: Joined) {
        match joined.error {
            ErrorCode::None => {
                self.epoch = joined.generation_id;
                self.member_id = joined.member_id;
                self.led = joined.members;
                self.skips_assignment = joined.skip_assignment;
                self.phase = Phase::Sync;
            }
            ErrorCode::MemberIdRequired => self.member_id = joined.member_id,
            error => self.hear_error(error),
        }
    }

    fn hear_synced(&mut self, synced: Synced, coordinator: &Coordinator) {
        if synced.error != ErrorCode::None {
            return self.hear_error(synced.error);
        }
        let assigned = match synced.assignment.is_empty() {
            true => Partitions::new(),
            false => {
                let decoded = consumer_protocol::decode::<Assignment>(&synced.assignment);
                decoded.expect("is ours").1.partitions(coordinator.topics())
            }
        };
        let has = |(topic, number): (Uuid, i32)| {
            assigned
                .get(&topic)
                .is_some_and(|numbers| numbers.contains(&number))
        };
        let gives_up = self.owned().any(|partition| !has(partition));
        self.phase = match gives_up {
            true => Phase::Join,
            false => Phase::Member,
        };
        self.owned = assigned;
    }

    fn hear_error(&mut self, error: ErrorCode) {
        match error {
            ErrorCode::None | ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator => {}
            ErrorCode::RebalanceInProgress => self.phase = Phase::Join,
            ErrorCode::IllegalGeneration => {
                self.owned.clear();
                self.phase = Phase::Join;
            }
            ErrorCode::UnknownMemberId => {
                self.owned.clear();
                self.member_id.clear();
                self.phase = Phase::Join;
            }
            ErrorCode::FencedInstanceId => {
                self.owned.clear();
                self.phase = Phase::GivenUp;
            }
            other => panic!("{}: {other}", self.name),
        }
    }
}

fn versioned(message: &impl Schema, version: i16) -> Bytes {
    let mut writer = Writer::new();
    message.encode(&mut writer, version).expect("encodes");
    let mut out = BytesMut::new();
    out.put_i16(version);
    out.put_slice(&writer.into_bytes());
    out.freeze()
}
