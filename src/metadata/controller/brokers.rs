//! The life of a registered broker: heartbeats, fencing, controlled shutdown, and what each does to the partitions.

use ottla_base::config::Settings as _;
use ottla_base::{ErrorCode, Uuid};

use super::{Controller, Draft, Outcome, Problem};
use crate::image::{Broker, Image, Partition, Topic};
use crate::records::{BrokerRegistrationChangeRecord, Record};

/// What the controller knows of a broker beyond the log.
#[derive(Clone, Debug)]
pub(super) struct Session {
    last_contact_ms: i64,
    /// How far the broker has applied the metadata log.
    metadata_offset: i64,
    /// The shutdown is done once every active broker has seen this offset.
    shutdown_offset: Option<i64>,
}

impl Session {
    pub(super) fn new(now_ms: i64) -> Self {
        Self {
            last_contact_ms: now_ms,
            metadata_offset: -1,
            shutdown_offset: None,
        }
    }

    pub(super) fn is_valid(&self, now_ms: i64, timeout_ms: i64) -> bool {
        now_ms - self.last_contact_ms < timeout_ms
    }
}

/// BrokerHeartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heartbeat {
    pub broker_id: i32,
    pub broker_epoch: i64,
    pub current_metadata_offset: i64,
    pub want_fence: bool,
    pub want_shut_down: bool,
    pub offline_log_dirs: Vec<Uuid>,
    /// `None` until the broker is caught up.
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeartbeatReply {
    pub is_caught_up: bool,
    pub is_fenced: bool,
    pub should_shut_down: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fenced,
    Unfenced,
    ControlledShutdown,
    ShutdownNow,
}

/// Refuses a broker that is not the one that registered last.
pub(super) fn check_epoch(image: &Image, broker_id: i32, broker_epoch: i64) -> Result<&Broker, Problem> {
    let refuse = |message: String| Problem::new(ErrorCode::StaleBrokerEpoch, message);
    let broker = image
        .brokers
        .get(&broker_id)
        .ok_or_else(|| refuse(format!("No broker registration found for broker id {broker_id}")))?;
    if broker.epoch != broker_epoch {
        return Err(refuse(format!(
            "Expected broker epoch {}, but got broker epoch {broker_epoch}",
            broker.epoch
        )));
    }
    Ok(broker)
}

impl Controller {
    /// A broker is alive and says where it wants to be.
    pub fn heartbeat(
        &mut self,
        image: &Image,
        request: &Heartbeat,
        now_ms: i64,
    ) -> Result<Outcome<HeartbeatReply>, Problem> {
        let broker = check_epoch(image, request.broker_id, request.broker_epoch)?;
        let before = state_of(broker);
        let next = self.next_state(image, broker, before, request);
        let mut draft = Draft::new(image);
        if next != before {
            self.enter(&mut draft, broker, next)?;
        }
        self.apply_directories(&mut draft, request)?;
        let session = self
            .sessions
            .entry(broker.id)
            .or_insert_with(|| Session::new(now_ms));
        session.last_contact_ms = now_ms;
        session.metadata_offset = request.current_metadata_offset;
        if next == State::ControlledShutdown && session.shutdown_offset.is_none() {
            session.shutdown_offset = Some(image.offset + draft.records.len() as i64);
        }
        let reply = HeartbeatReply {
            is_caught_up: request.current_metadata_offset >= broker.epoch,
            is_fenced: matches!(next, State::Fenced | State::ShutdownNow),
            should_shut_down: next == State::ShutdownNow,
        };
        if reply.is_fenced {
            self.sessions.remove(&broker.id);
        }
        Ok(Outcome {
            records: draft.records,
            response: reply,
        })
    }

    /// Fences one broker that has not been heard of for a session; ask again until the response is `None`. The broker of this
    /// process is left alone: it is alive as long as its controller is, and a clock that jumps proves nothing.
    pub fn fence_stale(&mut self, image: &Image, now_ms: i64) -> Result<Outcome<Option<i32>>, Problem> {
        let timeout_ms = self.config.i32("broker.session.timeout.ms").into();
        let stale = image.brokers.values().find(|broker| {
            let session = self.sessions.get(&broker.id);
            !broker.fenced
                && Some(broker.id) != self.own_broker()
                && session.is_none_or(|s| !s.is_valid(now_ms, timeout_ms))
        });
        let Some(broker) = stale else {
            return Ok(Outcome::nothing(None));
        };
        let mut draft = Draft::new(image);
        self.enter(&mut draft, broker, State::Fenced)?;
        self.sessions.remove(&broker.id);
        Ok(Outcome {
            records: draft.records,
            response: Some(broker.id),
        })
    }

    fn next_state(&self, image: &Image, broker: &Broker, before: State, request: &Heartbeat) -> State {
        match before {
            State::Fenced | State::ShutdownNow => match request {
                Heartbeat {
                    want_shut_down: true, ..
                } => State::ShutdownNow,
                Heartbeat { want_fence: true, .. } => State::Fenced,
                _ if request.current_metadata_offset >= broker.epoch => State::Unfenced,
                _ => State::Fenced,
            },
            State::Unfenced => match request {
                Heartbeat {
                    want_fence: true,
                    want_shut_down: true,
                    ..
                } => State::ShutdownNow,
                Heartbeat { want_fence: true, .. } => State::Fenced,
                Heartbeat {
                    want_shut_down: true, ..
                } if leads_anything(image, broker.id) => State::ControlledShutdown,
                Heartbeat {
                    want_shut_down: true, ..
                } => State::ShutdownNow,
                _ => State::Unfenced,
            },
            State::ControlledShutdown if leads_anything(image, broker.id) => State::ControlledShutdown,
            State::ControlledShutdown if self.others_have_seen_shutdown(image, broker.id) => {
                State::ShutdownNow
            }
            State::ControlledShutdown => State::ControlledShutdown,
        }
    }

    /// A broker may stop only when everybody else knows that it leads nothing any more.
    fn others_have_seen_shutdown(&self, image: &Image, broker_id: i32) -> bool {
        let offset_of = |id: i32| self.sessions.get(&id).map(|session| session.metadata_offset);
        let Some(shutdown_offset) = self.sessions.get(&broker_id).and_then(|s| s.shutdown_offset) else {
            return true;
        };
        image
            .brokers
            .values()
            .filter(|broker| broker.is_active() && broker.id != broker_id)
            .filter_map(|broker| offset_of(broker.id))
            .all(|offset| offset >= shutdown_offset)
    }

    /// The records of a broker's change of state, partitions included.
    fn enter(&self, draft: &mut Draft, broker: &Broker, state: State) -> Result<(), Problem> {
        let mut change = BrokerRegistrationChangeRecord {
            broker_id: broker.id,
            broker_epoch: broker.epoch,
            ..BrokerRegistrationChangeRecord::default()
        };
        match state {
            State::Unfenced => {
                change.fenced = -1;
                draft.push(change)?;
                let records = self.partitions_without_leader(&draft.image);
                draft.extend(records)
            }
            State::ControlledShutdown => {
                change.in_controlled_shutdown = 1;
                draft.push(change)?;
                let records = self.partitions_without(&draft.image, broker.id);
                draft.extend(records)
            }
            State::Fenced | State::ShutdownNow => {
                let records = self.partitions_without(&draft.image, broker.id);
                draft.extend(records)?;
                change.fenced = 1;
                draft.push(change)
            }
        }
    }

    /// Dirs that went offline take their replicas out of the ISRs; cordoned dirs are noted.
    fn apply_directories(&self, draft: &mut Draft, request: &Heartbeat) -> Result<(), Problem> {
        let version = draft.image.features.metadata_version();
        let Some(broker) = draft.image.brokers.get(&request.broker_id).cloned() else {
            return Ok(());
        };
        let mut change = BrokerRegistrationChangeRecord {
            broker_id: broker.id,
            broker_epoch: broker.epoch,
            ..BrokerRegistrationChangeRecord::default()
        };
        let is_offline = |id: &Uuid| request.offline_log_dirs.contains(id);
        let went_offline: Vec<Uuid> = broker.directories.iter().copied().filter(is_offline).collect();
        if version.has_directories() && !went_offline.is_empty() {
            change.log_dirs = broker
                .directories
                .iter()
                .copied()
                .filter(|id| !is_offline(id))
                .collect();
            draft.push(change.clone())?;
            let records = self.partitions_in_directories(&draft.image, broker.id, &went_offline);
            draft.extend(records)?;
            change.log_dirs = Vec::new();
        }
        let mut cordoned = request.cordoned_log_dirs.clone();
        cordoned.iter_mut().for_each(|dirs| dirs.sort());
        if version.has_cordoned_dirs() && cordoned.is_some() && cordoned != broker.cordoned_directories {
            change.cordoned_log_dirs = cordoned;
            draft.push(change)?;
        }
        Ok(())
    }

    /// Partitions that have no leader and can have one now.
    pub(super) fn partitions_without_leader(&self, image: &Image) -> Vec<Record> {
        self.changes(image, |partition| !partition.has_leader(), |_| {})
    }

    /// Takes the broker out of every ISR and away from every leadership.
    pub(super) fn partitions_without(&self, image: &Image, broker_id: i32) -> Vec<Record> {
        let concerns = |partition: &Partition| partition.isr.contains(&broker_id);
        self.changes(image, concerns, |change| {
            change.leaving = Some(broker_id);
            change.isr.retain(|id| *id != broker_id);
        })
    }

    /// As [`Self::partitions_without`], and out of every ELR too: the broker may have lost what it had.
    pub(super) fn partitions_after_unclean_shutdown(&self, image: &Image, broker_id: i32) -> Vec<Record> {
        let concerns =
            |partition: &Partition| partition.isr.contains(&broker_id) || partition.elr.contains(&broker_id);
        self.changes(image, concerns, |change| {
            change.leaving = Some(broker_id);
            change.unclean_shutdown = Some(broker_id);
            change.isr.retain(|id| *id != broker_id);
        })
    }

    fn partitions_in_directories(&self, image: &Image, broker_id: i32, directories: &[Uuid]) -> Vec<Record> {
        let concerns = |partition: &Partition| {
            let directory = partition.directory_of(broker_id);
            partition.isr.contains(&broker_id) && directory.is_some_and(|id| directories.contains(&id))
        };
        self.changes(image, concerns, |change| {
            change.leaving = Some(broker_id);
            change.isr.retain(|id| *id != broker_id);
        })
    }

    fn changes(
        &self,
        image: &Image,
        concerns: impl Fn(&Partition) -> bool,
        change: impl Fn(&mut super::PartitionChange<'_>),
    ) -> Vec<Record> {
        let rules = self.rules(image);
        let mut records = Vec::new();
        for topic in image.topics.iter() {
            let mut concerned = topic.partitions.iter().filter(|(_, p)| concerns(p)).peekable();
            if concerned.peek().is_none() {
                continue;
            }
            let rules = rules.of(image, topic);
            for (partition_id, partition) in concerned {
                let mut builder = rules.change(image, topic, *partition_id, partition);
                change(&mut builder);
                records.extend(builder.build().map(Record::from));
            }
        }
        records
    }
}

fn state_of(broker: &Broker) -> State {
    match broker {
        Broker { fenced: true, .. } => State::Fenced,
        Broker {
            in_controlled_shutdown: true,
            ..
        } => State::ControlledShutdown,
        _ => State::Unfenced,
    }
}

fn leads_anything(image: &Image, broker_id: i32) -> bool {
    let leads = |topic: &Topic| topic.partitions.values().any(|p| p.leader == broker_id);
    image.topics.iter().any(|topic| leads(topic))
}
