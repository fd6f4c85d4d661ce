//! A cluster of four brokers in which anything may happen: brokers start, stop, crash and fall silent, topics come and go,
//! replicas move, leaders report ISRs. After each step the state of every partition must make sense, and what is elected
//! without being in sync must be marked as such.

use ottla_base::{TopicPartition, Uuid};
use proptest::collection::vec;
use proptest::prelude::*;

use super::tests::config;
use super::*;
use crate::features::{ELR_VERSION, METADATA_VERSION, SUPPORTED};
use crate::image::FeatureRange;
use crate::image::topics::RECOVERING;
use crate::records::FeatureLevelRecord;
use crate::replay::Replay;

#[derive(Clone, Debug)]
enum Step {
    /// A new process; the flag says whether it remembers a clean stop.
    Start(i32, bool),
    Heartbeat(i32),
    Stop(i32),
    /// Time passes, and the brokers that stay silent are fenced.
    Silence(Vec<i32>),
    Create(u8, u8),
    Delete(u8),
    Reassign(u8, Vec<i32>),
    Cancel(u8),
    /// The leader reports the ISR made of those of its replicas that the bits choose.
    ReportIsr(u8, u8),
    Elect(u8, bool),
    AllowUnclean(u8, bool),
    Unregister(i32),
}

fn step() -> impl Strategy<Value = Step> {
    let broker = || 1i32..=4;
    prop_oneof![
        3 => (broker(), any::<bool>()).prop_map(|(id, clean)| Step::Start(id, clean)),
        6 => broker().prop_map(Step::Heartbeat),
        2 => broker().prop_map(Step::Stop),
        2 => vec(broker(), 0..3).prop_map(Step::Silence),
        3 => (1u8..4, 1u8..4).prop_map(|(partitions, factor)| Step::Create(partitions, factor)),
        1 => any::<u8>().prop_map(Step::Delete),
        3 => (any::<u8>(), vec(broker(), 1..4)).prop_map(|(at, to)| Step::Reassign(at, to)),
        1 => any::<u8>().prop_map(Step::Cancel),
        6 => (any::<u8>(), any::<u8>()).prop_map(|(at, bits)| Step::ReportIsr(at, bits)),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(at, unclean)| Step::Elect(at, unclean)),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(at, on)| Step::AllowUnclean(at, on)),
        1 => broker().prop_map(Step::Unregister),
    ]
}

struct World {
    controller: Controller,
    replay: Replay,
    now_ms: i64,
    incarnations: u128,
    topics: u32,
}

impl World {
    fn new(elr: bool, min_isr: u8) -> Self {
        let mut world = Self {
            controller: Controller::new(config(), 3),
            replay: Replay::new(Image::empty()),
            now_ms: 0,
            incarnations: 1000,
            topics: 0,
        };
        let level = |name: &str, feature_level| {
            Record::from(FeatureLevelRecord {
                name: name.into(),
                feature_level,
            })
        };
        world.write(vec![
            level(METADATA_VERSION, 30),
            level(ELR_VERSION, i16::from(elr)),
        ]);
        world.set(
            ConfigResource::cluster_default(),
            "min.insync.replicas",
            &min_isr.to_string(),
        );
        world
    }

    fn image(&self) -> Image {
        self.replay.image().clone()
    }

    fn write(&mut self, records: Vec<Record>) {
        for record in records {
            let offset = self.replay.image().offset + 1;
            self.replay.apply(&record, offset, 1).unwrap();
        }
    }

    fn set(&mut self, resource: ConfigResource, name: &str, value: &str) {
        let record = crate::records::ConfigRecord {
            resource_type: resource.kind.code(),
            resource_name: resource.name,
            name: name.into(),
            value: Some(value.into()),
        };
        self.write(vec![record.into()]);
    }

    /// The partition that a random byte stands for.
    fn pick(&self, at: u8) -> Option<TopicPartition> {
        let image = self.replay.image();
        let all: Vec<TopicPartition> = image
            .topics
            .iter()
            .flat_map(|t| {
                t.partitions
                    .keys()
                    .map(|i| TopicPartition::new(t.name.clone(), *i))
            })
            .collect();
        (!all.is_empty()).then(|| all[usize::from(at) % all.len()].clone())
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Start(id, clean) => self.start(*id, *clean),
            Step::Heartbeat(id) => self.heartbeat(*id, false),
            Step::Stop(id) => self.heartbeat(*id, true),
            Step::Silence(silent) => self.silence(silent),
            Step::Unregister(id) => {
                let outcome = self.controller.unregister_broker(&self.image(), *id);
                self.write(outcome.map(|o| o.records).unwrap_or_default());
            }
            Step::Create(partitions, factor) => self.create(*partitions, *factor),
            other => self.run_on_partition(other),
        }
    }

    fn run_on_partition(&mut self, step: &Step) {
        let image = self.image();
        let at = match step {
            Step::Delete(at) | Step::Reassign(at, _) | Step::Cancel(at) => *at,
            Step::ReportIsr(at, _) | Step::Elect(at, _) | Step::AllowUnclean(at, _) => *at,
            _ => return,
        };
        let Some(id) = self.pick(at) else { return };
        let topic = image.topics.by_name(&id.topic).unwrap();
        let records = match step {
            Step::Delete(_) => self.controller.delete_topics(&image, &[topic.id]).records,
            Step::Reassign(_, to) => self.reassign(&image, id, Some(to.clone())),
            Step::Cancel(_) => self.reassign(&image, id, None),
            Step::ReportIsr(_, bits) => self.report_isr(&image, topic, id.partition, *bits),
            Step::Elect(_, unclean) => {
                let kind = if *unclean {
                    ElectionKind::Unclean
                } else {
                    ElectionKind::Preferred
                };
                self.controller.elect_leaders(&image, kind, Some(&[id])).records
            }
            Step::AllowUnclean(_, on) => {
                let topic = ConfigResource::topic(&*topic.name);
                self.set(topic, "unclean.leader.election.enable", &on.to_string());
                self.controller.elect_unclean_where_allowed(&self.image()).records
            }
            _ => Vec::new(),
        };
        self.write(records);
    }

    fn start(&mut self, id: i32, clean: bool) {
        self.incarnations += 1;
        let image = self.image();
        let features = SUPPORTED.iter().map(|f| FeatureRange {
            name: f.name.into(),
            min_supported_version: f.min,
            max_supported_version: f.max,
        });
        let known = image.brokers.get(&id).map_or(-1, |broker| broker.epoch);
        let request = RegisterBroker {
            broker_id: id,
            incarnation_id: Uuid::from_u128(self.incarnations),
            features: features.collect(),
            log_dirs: vec![Uuid::from_u128(5000 + id as u128)],
            previous_broker_epoch: if clean { known } else { -1 },
            rack: (id % 2 == 0).then(|| "even".into()),
            ..RegisterBroker::default()
        };
        if let Ok(outcome) = self.controller.register_broker(&image, &request, self.now_ms) {
            self.write(outcome.records);
            self.heartbeat(id, false);
        }
    }

    fn heartbeat(&mut self, id: i32, want_shut_down: bool) {
        let image = self.image();
        let Some(broker) = image.brokers.get(&id) else {
            return;
        };
        let request = Heartbeat {
            broker_id: id,
            broker_epoch: broker.epoch,
            current_metadata_offset: image.offset,
            want_shut_down,
            ..Heartbeat::default()
        };
        let outcome = self.controller.heartbeat(&image, &request, self.now_ms).unwrap();
        self.write(outcome.records);
    }

    fn silence(&mut self, silent: &[i32]) {
        self.now_ms += 8_000;
        for id in (1..=4).filter(|id| !silent.contains(id)) {
            let image = self.image();
            if image.active_broker(id).is_some() {
                self.heartbeat(id, false);
            }
        }
        self.now_ms += 2_000;
        while let Outcome {
            records,
            response: Some(_),
        } = self.controller.fence_stale(&self.image(), self.now_ms).unwrap()
        {
            self.write(records);
        }
    }

    fn create(&mut self, partitions: u8, factor: u8) {
        self.topics += 1;
        let topic = CreateTopic {
            name: format!("t{}", self.topics),
            partitions: partitions.into(),
            replication_factor: factor.into(),
            ..CreateTopic::default()
        };
        let outcome = self.controller.create_topics(&self.image(), &[topic], false);
        self.write(outcome.records);
    }

    fn reassign(&self, image: &Image, partition: TopicPartition, replicas: Option<Vec<i32>>) -> Vec<Record> {
        let request = Reassignment { partition, replicas };
        self.controller
            .alter_reassignments(image, &[request], true)
            .records
    }

    fn report_isr(&self, image: &Image, topic: &Topic, partition_id: i32, bits: u8) -> Vec<Record> {
        let partition = &topic.partitions[&partition_id];
        let Some(leader) = image.brokers.get(&partition.leader) else {
            return Vec::new();
        };
        let isr = partition
            .replicas
            .iter()
            .filter(|id| **id == leader.id || bits & (1 << **id) != 0)
            .map(|id| IsrMember {
                broker_id: *id,
                broker_epoch: -1,
            });
        let request = AlterPartition {
            topic_id: topic.id,
            partition_id,
            leader_epoch: partition.leader_epoch,
            isr: isr.collect(),
            leader_recovery: 0,
            partition_epoch: partition.partition_epoch,
        };
        let outcome = self
            .controller
            .alter_partition(image, leader.id, leader.epoch, &[request]);
        outcome.unwrap().records
    }
}

/// What must hold of every partition at any time.
fn check(image: &Image) {
    for topic in image.topics.iter() {
        for (index, p) in &topic.partitions {
            let what = || format!("{}-{index}: {p:?}", topic.name);
            let inside = |ids: &[i32]| ids.iter().all(|id| p.replicas.contains(id));
            let mut unique = p.replicas.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(unique.len(), p.replicas.len(), "a replica twice: {}", what());
            assert_eq!(p.directories.len(), p.replicas.len(), "{}", what());
            assert!(
                inside(&p.isr) && inside(&p.adding) && inside(&p.removing),
                "{}",
                what()
            );
            assert!(inside(&p.elr), "{}", what());
            assert!(
                !p.elr.iter().any(|id| p.isr.contains(id)),
                "in ISR and ELR: {}",
                what()
            );
            assert!(!p.adding.iter().any(|id| p.removing.contains(id)), "{}", what());
            if p.has_leader() {
                assert!(p.isr.contains(&p.leader), "a leader out of sync: {}", what());
                let active = |id: &i32| image.active_broker(*id).is_some();
                assert!(p.isr.iter().all(active), "a dead member of the ISR: {}", what());
            }
            if !image.features.is_elr_enabled() {
                assert!(!p.isr.is_empty() && p.elr.is_empty(), "{}", what());
            }
        }
    }
}

/// What must hold between two moments: epochs only go up, and who was neither in sync nor eligible leads only as recovering.
fn check_change(step: &Step, before: &Image, after: &Image) {
    let is_report = matches!(step, Step::ReportIsr(..));
    for topic in after.topics.iter() {
        let Some(old) = before.topics.by_id(topic.id) else {
            continue;
        };
        for (index, new) in &topic.partitions {
            let Some(old) = old.partitions.get(index) else {
                continue;
            };
            let what = || format!("{}-{index}: {old:?} -> {new:?}", topic.name);
            assert!(new.leader_epoch >= old.leader_epoch, "{}", what());
            assert!(new.partition_epoch >= old.partition_epoch, "{}", what());
            assert!(
                new == old || new.partition_epoch > old.partition_epoch,
                "{}",
                what()
            );
            if new.leader != old.leader {
                assert!(new.leader_epoch > old.leader_epoch, "{}", what());
                // The old leader can vouch for the new one: its report of the ISR is what ends a reassignment.
                let is_vouched = is_report && old.replicas.contains(&new.leader);
                let was_safe = old.isr.contains(&new.leader) || old.elr.contains(&new.leader);
                let is_clean = new.leader == -1 || was_safe || is_vouched;
                assert!(is_clean || new.leader_recovery == RECOVERING, "{}", what());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]
    #[test]
    fn partitions_make_sense_whatever_happens(
        steps in vec(step(), 1..80),
        elr: bool,
        min_isr in 1u8..3,
    ) {
        let mut world = World::new(elr, min_isr);
        for id in 1..=4 {
            world.start(id, true);
        }
        for step in &steps {
            let before = world.image();
            world.run(step);
            let after = world.image();
            check(&after);
            check_change(step, &before, &after);
        }
        let image = world.image();
        let mut rebuilt = Replay::new(Image::empty());
        for record in image.records() {
            let bytes = record.encode(image.features.metadata_version()).unwrap();
            rebuilt.apply(&Record::decode(&bytes).unwrap(), image.offset, 1).unwrap();
        }
        prop_assert_eq!(rebuilt.image(), &image);
    }
}

/// The steps do something: without this the test above could pass on an empty world.
#[test]
fn the_world_turns() {
    let mut world = World::new(true, 1);
    for id in 1..=4 {
        world.start(id, true);
    }
    world.run(&Step::Create(3, 3));
    world.run(&Step::ReportIsr(0, 0));
    let alone = world.image().partition("t1", 0).unwrap().as_ref().clone();
    assert_eq!(alone.isr, vec![alone.leader]);
    let others: Vec<i32> = (1..=4).filter(|id| *id != alone.leader).collect();
    world.run(&Step::Silence(vec![alone.leader]));
    let eligible = world.image().partition("t1", 0).unwrap().as_ref().clone();
    assert_eq!((eligible.leader, &eligible.elr), (-1, &vec![alone.leader]));
    assert!(others.iter().all(|id| world.image().active_broker(*id).is_some()));
    world.run(&Step::Heartbeat(alone.leader));
    assert_eq!(world.image().partition("t1", 0).unwrap().leader, alone.leader);
}
