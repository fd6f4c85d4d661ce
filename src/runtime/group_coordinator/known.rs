//! What the shards of consumer groups are to know of the cluster: its topics, and the settings of groups.
//!
//! A shard hears of all of it when it comes to lead, and after that of what has changed. Leaders come and go without any of
//! this changing, so what a change costs is what it changes, and nothing is said of a change that says nothing new.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_base::Uuid;
use ottla_base::config::Effective;
use ottla_coordinator::Command;
use ottla_coordinator::config::ConsumerGroupConfig;
use ottla_coordinator::consumer::topics::{Topic, Topics};
use ottla_metadata::image::{self, ConfigKind, ConfigResource, Partition};
use ottla_metadata::{Delta, Image};

use super::options::{consumer_config, own_consumer_config};

/// The version of the topics before anything has been heard of any.
const NO_VERSION: i64 = 0;

/// As of the last change that was applied.
#[derive(Default)]
pub(super) struct Known {
    topics: Arc<Topics>,
    /// The racks of the brokers that have one.
    racks: BTreeMap<i32, String>,
    /// The broker's settings of consumer groups.
    pub consumer: Arc<ConsumerGroupConfig>,
    /// The groups with settings of their own that differ from the broker's.
    groups: BTreeMap<String, ConsumerGroupConfig>,
}

/// What has changed, for the shards that are there already.
pub(super) struct News {
    /// For all shards.
    pub all: Vec<Command>,
    /// For the shards of these groups.
    pub groups: Vec<(String, Command)>,
}

impl Known {
    pub fn apply(&mut self, image: &Image, delta: &Delta, broker: &Effective) -> News {
        let mut all = Vec::new();
        let is_first = self.topics.version() == NO_VERSION;
        if self.update_topics(image, delta, is_first) {
            all.push(Command::SetTopics(self.topics.clone()));
        }
        let affected: Vec<String> = if self.update_consumer(delta, broker, is_first) {
            all.push(Command::SetConsumerConfig(self.consumer.clone()));
            // Groups take from the broker what they do not set themselves.
            let own = image.configs.of_kind(ConfigKind::Group).map(|(name, _)| name);
            let had_own = self.groups.keys().map(String::as_str);
            own.chain(had_own).map(str::to_owned).collect()
        } else {
            let changed = delta.configs.iter();
            let changed = changed.filter(|resource| resource.kind == ConfigKind::Group);
            changed.map(|resource| resource.name.clone()).collect()
        };
        let changed = affected
            .into_iter()
            .filter_map(|group| self.update_group(group, image, broker));
        News {
            all,
            groups: changed.collect(),
        }
    }

    /// Everything, for a shard that is new and answers for these groups.
    pub fn everything(&self, is_of_shard: impl Fn(&str) -> bool) -> impl Iterator<Item = Command> {
        let groups = self.groups.iter().filter(move |(group, _)| is_of_shard(group));
        let groups =
            groups.map(|(group, config)| Command::SetGroupConfig(group.clone(), Some(config.clone())));
        [Command::SetTopics(self.topics.clone())]
            .into_iter()
            .chain(groups)
    }

    /// Returns whether anything has changed that groups can see.
    fn update_topics(&mut self, image: &Image, delta: &Delta, is_first: bool) -> bool {
        let version = image.offset.max(NO_VERSION + 1);
        let racks_changed = !delta.brokers.is_empty() && self.update_racks(image);
        if is_first || racks_changed {
            let topics = image.topics.iter().map(|topic| self.topic(topic));
            self.topics = Arc::new(Topics::new(version, topics));
            return true;
        }
        let is_known = |id: &Uuid| self.topics.by_id(*id).is_some();
        let gone: Vec<Uuid> = delta.deleted_topics.keys().copied().filter(is_known).collect();
        let named = delta.topics.keys().filter_map(|id| image.topics.by_id(*id));
        let changed: Vec<Topic> = named
            .map(|topic| self.topic(topic))
            .filter(|topic| self.topics.by_id(topic.id) != Some(topic))
            .collect();
        if gone.is_empty() && changed.is_empty() {
            return false;
        }
        self.topics = Arc::new(self.topics.changed(version, gone, changed));
        true
    }

    /// Returns whether what the broker sets for consumer groups has changed.
    fn update_consumer(&mut self, delta: &Delta, broker: &Effective, is_first: bool) -> bool {
        let is_broker = |resource: &ConfigResource| resource.kind == ConfigKind::Broker;
        if !is_first && !delta.configs.iter().any(is_broker) {
            return false;
        }
        let consumer = consumer_config(broker);
        let has_changed = consumer != *self.consumer;
        self.consumer = Arc::new(consumer);
        has_changed
    }

    fn update_racks(&mut self, image: &Image) -> bool {
        let brokers = image.brokers.values();
        let racks = brokers.filter_map(|broker| Some((broker.id, broker.rack.clone()?)));
        let racks: BTreeMap<i32, String> = racks.collect();
        let has_changed = racks != self.racks;
        self.racks = racks;
        has_changed
    }

    fn topic(&self, topic: &image::Topic) -> Topic {
        let racks = |partition: &Arc<Partition>| {
            let racks = partition.replicas.iter().filter_map(|id| self.racks.get(id));
            racks.cloned().collect()
        };
        Topic {
            id: topic.id,
            name: topic.name.clone(),
            partition_racks: topic.partitions.values().map(racks).collect(),
        }
    }

    /// Returns what the group's shard is to hear, if it is anything new.
    fn update_group(
        &mut self,
        group: String,
        image: &Image,
        broker: &Effective,
    ) -> Option<(String, Command)> {
        let own = image
            .configs
            .get(&ConfigResource::new(ConfigKind::Group, group.as_str()));
        let own = own.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let config = own_consumer_config(broker, &own.collect());
        let differs = config != *self.consumer;
        let config = differs.then_some(config);
        let before = match config.clone() {
            Some(config) => self.groups.insert(group.clone(), config),
            None => self.groups.remove(&group),
        };
        (before != config).then(|| (group.clone(), Command::SetGroupConfig(group, config)))
    }
}

#[cfg(test)]
mod tests {
    use ottla_base::config::BrokerConfig;
    use ottla_base::config::broker::Source;
    use ottla_metadata::Record;
    use ottla_metadata::records::{
        ConfigRecord, PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord, RemoveTopicRecord,
        TopicRecord,
    };

    use super::*;

    const TOPIC: Uuid = Uuid::from_u128(5);

    #[derive(Default)]
    struct World {
        image: Image,
        known: Known,
    }

    impl World {
        /// Applies the records as one change, and says what shards hear of it.
        fn change(&mut self, records: &[Record]) -> Vec<String> {
            let mut delta = Delta::default();
            for record in records {
                let offset = self.image.offset + 1;
                self.image.apply(record, offset, &mut delta).unwrap();
            }
            let source = Source {
                file: None,
                overrides: &[],
                environment: &|_| None,
            };
            let file = Arc::new(BrokerConfig::load(&source).unwrap());
            let dynamic = self.image.configs.get(&ConfigResource::cluster_default());
            let dynamic = dynamic.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            let news = self
                .known
                .apply(&self.image, &delta, &Effective::new(file, dynamic, []));
            let groups = news.groups.into_iter().map(|(_, command)| command);
            news.all
                .into_iter()
                .chain(groups)
                .map(|one| shown(&one))
                .collect()
        }
    }

    fn shown(command: &Command) -> String {
        match command {
            Command::SetTopics(topics) => {
                let one = |name: &str| {
                    let topic = topics.by_name(name).unwrap();
                    format!(" {name} {:?}", topic.partition_racks)
                };
                let all: String = topics.names().map(one).collect();
                format!("topics of {}:{all}", topics.version())
            }
            Command::SetConsumerConfig(config) => {
                format!("assignments every {} ms", config.assignment_interval_ms)
            }
            Command::SetGroupConfig(group, Some(config)) => format!(
                "{group}: session {} heartbeat {} assignment {}",
                config.session_timeout_ms, config.heartbeat_interval_ms, config.assignment_interval_ms
            ),
            Command::SetGroupConfig(group, None) => format!("{group}: as the broker"),
            other => panic!("{other:?}"),
        }
    }

    fn topic(name: &str) -> Record {
        Record::Topic(TopicRecord {
            name: name.into(),
            topic_id: TOPIC,
        })
    }

    fn partition(index: i32, replicas: &[i32]) -> Record {
        Record::Partition(PartitionRecord {
            topic_id: TOPIC,
            partition_id: index,
            replicas: replicas.to_vec(),
            ..PartitionRecord::default()
        })
    }

    fn broker(id: i32, rack: Option<&str>) -> Record {
        Record::RegisterBroker(RegisterBrokerRecord {
            broker_id: id,
            rack: rack.map(str::to_owned),
            ..RegisterBrokerRecord::default()
        })
    }

    fn config(kind: ConfigKind, resource: &str, name: &str, value: Option<&str>) -> Record {
        Record::Config(ConfigRecord {
            resource_type: kind.code(),
            resource_name: resource.into(),
            name: name.into(),
            value: value.map(str::to_owned),
        })
    }

    #[test]
    fn topics_are_told_when_groups_can_see_a_change() {
        let mut world = World::default();
        assert_eq!(world.change(&[broker(1, None)]), ["topics of 1:"]);
        let created = [topic("t"), partition(0, &[1, 2])];
        assert_eq!(world.change(&created), ["topics of 3: t [[]]"]);
        let leader = PartitionChangeRecord {
            topic_id: TOPIC,
            partition_id: 0,
            leader: 2,
            ..PartitionChangeRecord::default()
        };
        assert_eq!(world.change(&[leader.into()]), [""; 0]);
        assert_eq!(world.change(&[broker(2, None)]), [""; 0]);
        assert_eq!(
            world.change(&[broker(2, Some("b"))]),
            [r#"topics of 6: t [["b"]]"#]
        );
        assert_eq!(
            world.change(&[partition(1, &[1])]),
            [r#"topics of 7: t [["b"], []]"#]
        );
        let gone = RemoveTopicRecord { topic_id: TOPIC };
        assert_eq!(world.change(&[gone.into()]), ["topics of 8:"]);
    }

    #[test]
    fn groups_hear_of_their_settings_within_the_brokers_bounds() {
        const GROUP: ConfigKind = ConfigKind::Group;
        const INTERVAL: &str = "group.consumer.assignment.interval.ms";
        let mut world = World::default();
        world.change(&[broker(1, None)]);
        let heartbeat = |value| config(GROUP, "g", "consumer.heartbeat.interval.ms", value);
        let share = config(GROUP, "other", "share.auto.offset.reset", Some("earliest"));
        assert_eq!(
            world.change(&[heartbeat(Some("1")), share]),
            [""; 0],
            "the least is what the broker has anyway"
        );
        let changed = world.change(&[heartbeat(Some("7000"))]);
        assert_eq!(changed, ["g: session 45000 heartbeat 7000 assignment 1000"]);
        let of_all = config(ConfigKind::Broker, "", INTERVAL, Some("300"));
        assert_eq!(
            world.change(&[of_all]),
            [
                "assignments every 300 ms",
                "g: session 45000 heartbeat 7000 assignment 300"
            ]
        );
        let everything = world.known.everything(|group| group == "g");
        let everything: Vec<String> = everything.map(|command| shown(&command)).collect();
        assert_eq!(
            everything[1..],
            ["g: session 45000 heartbeat 7000 assignment 300"]
        );
        assert_eq!(world.known.everything(|_| false).count(), 1);
        assert_eq!(world.change(&[heartbeat(None)]), ["g: as the broker"]);
    }
}
