//! The controller's operations, played on an image that follows its records.

use std::sync::Arc;

use ottla_base::config::{BrokerConfig, Source};
use ottla_base::{TopicPartition, Uuid};

use super::*;
use crate::image::FeatureRange;
use crate::records::{FeatureLevelRecord, RegisterBrokerRecord};
use crate::replay::Replay;

/// Brokers by id and whether they are fenced.
pub(crate) fn cluster(brokers: &[(i32, bool)]) -> Image {
    image_of(brokers, &[("metadata.version", 30)])
}

pub(crate) fn elr_cluster(brokers: &[(i32, bool)]) -> Image {
    image_of(
        brokers,
        &[("metadata.version", 30), ("eligible.leader.replicas.version", 1)],
    )
}

fn image_of(brokers: &[(i32, bool)], features: &[(&str, i16)]) -> Image {
    let features = features.iter().map(|(name, level)| {
        let name = (*name).to_owned();
        FeatureLevelRecord {
            name,
            feature_level: *level,
        }
        .into()
    });
    let brokers = brokers.iter().map(|(id, fenced)| {
        RegisterBrokerRecord {
            broker_id: *id,
            fenced: *fenced,
            incarnation_id: Uuid::from_u128(id.unsigned_abs().into()),
            ..RegisterBrokerRecord::default()
        }
        .into()
    });
    let mut house = House::new();
    house.write(features.chain(brokers).collect());
    house.replay.image().clone()
}

/// A controller that is no broker of the cluster: brokers 1 to 4 are elsewhere.
pub(super) fn config() -> Arc<BrokerConfig> {
    let source = Source {
        file: None,
        overrides: &[("node.id".into(), "9".into())],
        environment: &|_| None,
    };
    Arc::new(BrokerConfig::load(&source).unwrap())
}

/// A controller and the image that its records make.
pub(super) struct House {
    pub(super) controller: Controller,
    replay: Replay,
    now_ms: i64,
}

impl House {
    fn new() -> Self {
        Self {
            controller: Controller::new(config(), 42),
            replay: Replay::new(Image::empty()),
            now_ms: 0,
        }
    }

    /// One node with Kafka 4.3's features, registered and unfenced.
    pub(super) fn started() -> Self {
        let mut house = Self::new();
        let features = crate::features::SUPPORTED
            .iter()
            .filter(|f| f.name != "kraft.version");
        let bootstrap = features.map(|f| {
            let name = f.name.to_owned();
            Record::from(FeatureLevelRecord {
                name,
                feature_level: f.default,
            })
        });
        let image = house.image();
        let records = house
            .controller
            .bootstrap(&image, bootstrap.collect())
            .unwrap()
            .records;
        house.write(records);
        house.join(Uuid::from_u128(1000), -1);
        house
    }

    pub(super) fn image(&self) -> Image {
        self.replay.image().clone()
    }

    fn next_offset(&self) -> i64 {
        self.replay.image().offset + 1
    }

    fn write(&mut self, records: Vec<Record>) {
        for record in records {
            let bytes = record
                .encode(self.replay.image().features.metadata_version())
                .unwrap();
            let record = Record::decode(&bytes).unwrap();
            self.replay.apply(&record, self.next_offset(), 1).unwrap();
        }
    }

    pub(super) fn done<T>(&mut self, outcome: Outcome<T>) -> T {
        self.write(outcome.records);
        outcome.response
    }

    fn register(&mut self, incarnation_id: Uuid, previous_broker_epoch: i64) -> Result<i64, Problem> {
        let features = crate::features::SUPPORTED.iter().map(|f| FeatureRange {
            name: f.name.into(),
            min_supported_version: f.min,
            max_supported_version: f.max,
        });
        let request = RegisterBroker {
            broker_id: 1,
            incarnation_id,
            features: features.collect(),
            log_dirs: vec![Uuid::from_u128(5000)],
            previous_broker_epoch,
            ..RegisterBroker::default()
        };
        let (image, now) = (self.image(), self.now_ms);
        let outcome = self.controller.register_broker(&image, &request, now)?;
        Ok(self.done(outcome))
    }

    fn heartbeat(&mut self, want_fence: bool, want_shut_down: bool) -> HeartbeatReply {
        let image = self.image();
        let request = Heartbeat {
            broker_id: 1,
            broker_epoch: image.brokers.get(&1).unwrap().epoch,
            current_metadata_offset: image.offset,
            want_fence,
            want_shut_down,
            ..Heartbeat::default()
        };
        let now = self.now_ms;
        let outcome = self.controller.heartbeat(&image, &request, now).unwrap();
        self.done(outcome)
    }

    fn join(&mut self, incarnation_id: Uuid, previous: i64) -> i64 {
        let epoch = self.register(incarnation_id, previous).unwrap();
        assert!(self.heartbeat(true, false).is_fenced);
        assert!(!self.heartbeat(false, false).is_fenced);
        epoch
    }

    pub(super) fn create(&mut self, topic: CreateTopic) -> Result<CreatedTopic, Problem> {
        let image = self.image();
        let outcome = self.controller.create_topics(&image, &[topic], false);
        self.done(outcome).pop().unwrap().1
    }
}

pub(super) fn topic(name: &str, partitions: i32) -> CreateTopic {
    CreateTopic {
        name: name.into(),
        partitions,
        replication_factor: 1,
        ..CreateTopic::default()
    }
}

/// What Apache Kafka 4.3.1 writes over two lives of a node: leader epochs go up by two for each restart.
#[test]
fn a_node_lives_stops_and_lives_again() {
    let mut house = House::started();
    house.create(topic("t", 2)).unwrap();
    let leader = |house: &House| house.replay.image().partition("t", 1).unwrap().leader;
    let epoch = house.image().brokers.get(&1).unwrap().epoch;
    assert_eq!(leader(&house), 1);
    let first = house.heartbeat(false, true);
    assert_eq!((first.is_fenced, first.should_shut_down), (false, false));
    let image = house.image();
    let p = image.partition("t", 1).unwrap();
    assert_eq!(
        (p.leader, &p.isr, &p.elr, &p.last_known_elr),
        (-1, &vec![], &vec![1], &vec![1])
    );
    assert!(image.brokers.get(&1).unwrap().in_controlled_shutdown);
    assert!(house.heartbeat(false, true).should_shut_down);
    assert!(house.image().brokers.get(&1).unwrap().fenced);
    // The next life says at which epoch the last one ended.
    house.join(Uuid::from_u128(1001), epoch);
    let image = house.image();
    let p = image.partition("t", 1).unwrap();
    assert_eq!((p.leader, p.leader_epoch, p.leader_recovery), (1, 2, 0));
    assert_eq!((&p.isr, &p.elr, &p.last_known_elr), (&vec![1], &vec![], &vec![]));
}

#[test]
fn a_node_that_crashed_comes_back_recovering() {
    let mut house = House::started();
    house.create(topic("t", 1)).unwrap();
    let refused = house.register(Uuid::from_u128(1001), -1).unwrap_err();
    assert_eq!(refused.code, ErrorCode::DuplicateBrokerRegistration);
    house.now_ms += 9_000;
    house.join(Uuid::from_u128(1001), -1);
    let image = house.image();
    let p = image.partition("t", 0).unwrap();
    assert_eq!((p.leader, &p.isr, p.leader_recovery), (1, &vec![1], 1));
}

#[test]
fn a_silent_broker_is_fenced() {
    let mut house = House::started();
    house.create(topic("t", 1)).unwrap();
    let image = house.image();
    assert_eq!(
        house.controller.fence_stale(&image, 8_999).unwrap().response,
        None
    );
    let outcome = house.controller.fence_stale(&image, 9_000).unwrap();
    assert_eq!(house.done(outcome), Some(1));
    assert_eq!(house.replay.image().partition("t", 0).unwrap().leader, -1);
    assert!(!house.heartbeat(false, false).is_fenced);
    assert_eq!(house.replay.image().partition("t", 0).unwrap().leader, 1);
}

#[test]
fn topics_are_created_as_asked_or_refused_with_the_reason() {
    let mut house = House::started();
    let refused = |house: &mut House, topic: CreateTopic| house.create(topic).unwrap_err().code;
    let made = house.create(topic("a.b", 3)).unwrap();
    assert_eq!((made.partitions, made.replication_factor), (3, 1));
    let p = house.image().partition("a.b", 2).unwrap().as_ref().clone();
    assert_eq!((p.leader, p.leader_epoch, p.partition_epoch), (1, 0, 0));
    assert_eq!(p.directories, vec![Uuid::from_u128(5000)]);
    assert_eq!(
        refused(&mut house, topic("a.b", 1)),
        ErrorCode::TopicAlreadyExists
    );
    assert_eq!(
        refused(&mut house, topic("a_b", 1)),
        ErrorCode::InvalidTopicException
    );
    for name in ["", ".", "..", "a b", "ä", &"x".repeat(250)] {
        assert_eq!(
            refused(&mut house, topic(name, 1)),
            ErrorCode::InvalidTopicException,
            "{name}"
        );
    }
    assert_eq!(
        refused(&mut house, topic("__cluster_metadata", 1)),
        ErrorCode::InvalidRequest
    );
    assert_eq!(refused(&mut house, topic("c", 0)), ErrorCode::InvalidPartitions);
    assert_eq!(
        refused(&mut house, topic("c", 10_001)),
        ErrorCode::PolicyViolation
    );
    let wide = CreateTopic {
        replication_factor: 2,
        ..topic("c", 1)
    };
    assert_eq!(refused(&mut house, wide), ErrorCode::InvalidReplicationFactor);
    let none = CreateTopic {
        replication_factor: 0,
        ..topic("c", 1)
    };
    assert_eq!(refused(&mut house, none), ErrorCode::InvalidReplicationFactor);
    let config = |value: Option<&str>| CreateTopic {
        configs: vec![("retention.ms".into(), value.map(Into::into))],
        ..topic("c", 1)
    };
    assert_eq!(
        refused(&mut house, config(Some("soon"))),
        ErrorCode::InvalidConfig
    );
    assert_eq!(refused(&mut house, config(None)), ErrorCode::InvalidConfig);
    house.create(config(Some("5"))).unwrap();
    let image = house.image();
    assert_eq!(
        image.configs.value(&ConfigResource::topic("c"), "retention.ms"),
        Some("5")
    );
    let defaults = CreateTopic {
        replication_factor: -1,
        ..topic("d", -1)
    };
    assert_eq!(house.create(defaults).unwrap().partitions, 1);
}

#[test]
fn manual_assignments_are_checked() {
    let mut house = House::started();
    let manual = |assignments: &[(i32, &[i32])]| CreateTopic {
        assignments: assignments.iter().map(|(i, r)| (*i, r.to_vec())).collect(),
        replication_factor: -1,
        ..topic("m", -1)
    };
    for wrong in [
        &[(1, &[1][..])][..],
        &[(0, &[])],
        &[(0, &[1, 1])],
        &[(0, &[7])],
        &[(0, &[-1])],
    ] {
        let code = house.create(manual(wrong)).unwrap_err().code;
        assert_eq!(code, ErrorCode::InvalidReplicaAssignment, "{wrong:?}");
    }
    let both = CreateTopic {
        partitions: 1,
        ..manual(&[(0, &[1])])
    };
    assert_eq!(house.create(both).unwrap_err().code, ErrorCode::InvalidRequest);
    assert_eq!(
        house.create(manual(&[(0, &[1]), (1, &[1])])).unwrap().partitions,
        2
    );
}

#[test]
fn validate_only_writes_nothing() {
    let mut house = House::started();
    let image = house.image();
    let outcome = house.controller.create_topics(&image, &[topic("v", 1)], true);
    assert!(outcome.records.is_empty());
    assert!(outcome.response[0].1.is_ok());
}

#[test]
fn partitions_are_added_and_topics_deleted() {
    let mut house = House::started();
    let id = house.create(topic("t", 1)).unwrap().id;
    let grow = |house: &mut House, count, assignments: Option<Vec<Vec<i32>>>| {
        let image = house.image();
        let request = CreatePartitions {
            topic: "t".into(),
            count,
            assignments,
        };
        let outcome = house.controller.create_partitions(&image, &[request], false);
        house
            .done(outcome)
            .pop()
            .unwrap()
            .1
            .map_err(|problem| problem.code)
    };
    assert_eq!(grow(&mut house, 1, None), Err(ErrorCode::InvalidPartitions));
    assert_eq!(
        grow(&mut house, 3, Some(vec![vec![1]])),
        Err(ErrorCode::InvalidReplicaAssignment)
    );
    assert_eq!(grow(&mut house, 3, None), Ok(()));
    assert_eq!(house.image().topics.by_name("t").unwrap().partitions.len(), 3);
    let image = house.image();
    let outcome = house
        .controller
        .delete_topics(&image, &[id, Uuid::from_u128(3), id]);
    assert_eq!(outcome.records.len(), 1);
    let results: Vec<bool> = house.done(outcome).iter().map(|(_, r)| r.is_ok()).collect();
    assert_eq!(results, vec![true, false, true]);
    assert!(house.image().topics.is_empty());
}

#[test]
fn producer_ids_come_in_blocks_that_never_repeat() {
    let mut house = House::started();
    let epoch = house.image().brokers.get(&1).unwrap().epoch;
    for first in [0, 1000, 2000] {
        let outcome = house
            .controller
            .allocate_producer_ids(&house.image(), 1, epoch)
            .unwrap();
        assert_eq!(house.done(outcome), ProducerIdBlock { first, count: 1000 });
    }
    let stale = house
        .controller
        .allocate_producer_ids(&house.image(), 1, epoch - 1);
    assert_eq!(stale.unwrap_err().code, ErrorCode::StaleBrokerEpoch);
}

#[test]
fn features_go_up_and_carefully_down() {
    let house = House::started();
    let update = |name: &str, level, upgrade_type| FeatureUpdate {
        name: name.into(),
        level,
        upgrade_type,
    };
    let try_it = |update: FeatureUpdate| {
        let outcome = house.controller.update_features(&house.image(), &[update], false);
        outcome.map(|o| o.records.len()).map_err(|problem| problem.code)
    };
    use UpgradeType::*;
    let refused = Err(ErrorCode::InvalidUpdateVersion);
    assert_eq!(try_it(update("transaction.version", 2, Upgrade)), Ok(0));
    assert_eq!(try_it(update("transaction.version", 1, Upgrade)), refused);
    assert_eq!(try_it(update("transaction.version", 1, SafeDowngrade)), Ok(1));
    assert_eq!(try_it(update("metadata.version", 29, SafeDowngrade)), refused);
    assert_eq!(try_it(update("metadata.version", 31, Upgrade)), refused);
    assert_eq!(try_it(update("nonsense", 1, Upgrade)), refused);
}

#[test]
fn elections_on_request() {
    let mut house = House::started();
    house.create(topic("t", 1)).unwrap();
    let elect = |kind, partitions: Option<&[TopicPartition]>| {
        let outcome = house.controller.elect_leaders(&house.image(), kind, partitions);
        outcome
            .response
            .into_iter()
            .map(|(_, r)| r.map_err(|p| p.code))
            .collect::<Vec<_>>()
    };
    let t = |partition| [TopicPartition::new("t", partition)];
    assert_eq!(
        elect(ElectionKind::Preferred, Some(&t(0))),
        vec![Err(ErrorCode::ElectionNotNeeded)]
    );
    assert_eq!(
        elect(ElectionKind::Unclean, Some(&t(1))),
        vec![Err(ErrorCode::UnknownTopicOrPartition)]
    );
    assert_eq!(elect(ElectionKind::Preferred, None), vec![]);
}

#[test]
fn a_reassignment_to_the_same_node_is_nothing_and_cancelling_none_is_refused() {
    let mut house = House::started();
    house.create(topic("t", 1)).unwrap();
    let reassign = |replicas: Option<Vec<i32>>| {
        let request = Reassignment {
            partition: TopicPartition::new("t", 0),
            replicas,
        };
        let mut outcome = house
            .controller
            .alter_reassignments(&house.image(), &[request], true);
        (
            outcome.response.pop().unwrap().1.map_err(|p| p.code),
            outcome.records.len(),
        )
    };
    assert_eq!(reassign(Some(vec![1])), (Ok(()), 0));
    assert_eq!(
        reassign(Some(vec![2])),
        (Err(ErrorCode::InvalidReplicaAssignment), 0)
    );
    assert_eq!(reassign(None), (Err(ErrorCode::NoReassignmentInProgress), 0));
    assert!(ongoing_reassignments(&house.image(), None).is_empty());
}

#[test]
fn a_leader_reports_its_isr() {
    let mut house = House::started();
    let topic_id = house.create(topic("t", 1)).unwrap().id;
    let image = house.image();
    let broker_epoch = image.brokers.get(&1).unwrap().epoch;
    let request = AlterPartition {
        topic_id,
        partition_id: 0,
        leader_epoch: 0,
        isr: vec![IsrMember {
            broker_id: 1,
            broker_epoch,
        }],
        leader_recovery: 0,
        partition_epoch: 0,
    };
    let ask = |request: AlterPartition| {
        let outcome = house
            .controller
            .alter_partition(&image, 1, broker_epoch, &[request])
            .unwrap();
        outcome.response.into_iter().next().unwrap().map(|p| p.isr)
    };
    assert_eq!(ask(request.clone()), Ok(vec![1]));
    assert_eq!(
        ask(AlterPartition {
            leader_epoch: 1,
            ..request.clone()
        }),
        Err(ErrorCode::NotController)
    );
    assert_eq!(
        ask(AlterPartition {
            leader_epoch: -1,
            ..request.clone()
        }),
        Err(ErrorCode::FencedLeaderEpoch)
    );
    assert_eq!(
        ask(AlterPartition {
            partition_epoch: -1,
            ..request.clone()
        }),
        Err(ErrorCode::InvalidUpdateVersion)
    );
    assert_eq!(
        ask(AlterPartition {
            isr: vec![],
            ..request.clone()
        }),
        Err(ErrorCode::InvalidRequest)
    );
    let old = IsrMember {
        broker_id: 1,
        broker_epoch: broker_epoch - 1,
    };
    assert_eq!(
        ask(AlterPartition {
            isr: vec![old],
            ..request
        }),
        Err(ErrorCode::IneligibleReplica)
    );
}
