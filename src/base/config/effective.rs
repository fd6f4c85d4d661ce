//! What is in force on a node: its file with the two dynamic layers over it, and under them topics and groups.
//!
//! The layers come from the metadata image. Whoever changes them makes a new [`Effective`] and hands it to the rooms;
//! nothing here is changed in place.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::broker::BrokerConfig;
use super::def::UpdateMode;
use super::defs::{self, Scope};
use super::settings::{Settings, group_default, topic_default, value_or_default};
use super::synonyms::{broker_synonyms, broker_synonyms_without_listeners, listener_base};
use super::value::{Value, parse_value};

/// The configuration of a node at a moment.
#[derive(Clone, Debug)]
pub struct Effective {
    node: Arc<BrokerConfig>,
    /// Dynamic values of this broker, as far as they may count.
    broker: BTreeMap<String, String>,
    /// Dynamic values of all brokers, as far as they may count.
    cluster: BTreeMap<String, String>,
    /// File and layers together.
    merged: BTreeMap<String, String>,
}

impl Effective {
    /// The file alone.
    pub fn of_file(node: Arc<BrokerConfig>) -> Self {
        Self::new(node, [], [])
    }

    /// The file under the dynamic values of all brokers and those of this one. Values that may not be set dynamically
    /// or do not parse are left out, as Kafka leaves them out when it finds them in its metadata.
    pub fn new<'a>(
        node: Arc<BrokerConfig>,
        cluster: impl IntoIterator<Item = (&'a str, &'a str)>,
        broker: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let layer = |is_per_broker: bool| {
            move |(key, value): (&'a str, &'a str)| {
                may_count(key, value, is_per_broker).then(|| (key.to_owned(), value.to_owned()))
            }
        };
        let cluster: BTreeMap<_, _> = cluster.into_iter().filter_map(layer(false)).collect();
        let broker: BTreeMap<_, _> = broker.into_iter().filter_map(layer(true)).collect();
        let mut merged = node
            .all_given()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        lay_over(&mut merged, &cluster);
        lay_over(&mut merged, &broker);
        Self {
            node,
            broker,
            cluster,
            merged,
        }
    }

    /// The file underneath.
    pub fn node(&self) -> &Arc<BrokerConfig> {
        &self.node
    }

    /// What is in force for a topic that has these values of its own.
    pub fn topic<'a>(&'a self, own: impl IntoIterator<Item = (&'a str, &'a str)>) -> TopicSettings<'a> {
        TopicSettings {
            broker: self,
            own: own.into_iter().collect(),
        }
    }

    /// What is in force for a group that has these values of its own.
    pub fn group<'a>(&'a self, own: impl IntoIterator<Item = (&'a str, &'a str)>) -> GroupSettings<'a> {
        GroupSettings {
            broker: self,
            own: own.into_iter().collect(),
        }
    }

    pub(super) fn cluster_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cluster
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    pub(super) fn broker_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.broker
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The raw text in force for a broker key, unknown keys included; `None` when only its default counts.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.merged.get(key).map(String::as_str)
    }

    pub(super) fn merged(&self) -> &BTreeMap<String, String> {
        &self.merged
    }

    pub(super) fn cluster(&self) -> &BTreeMap<String, String> {
        &self.cluster
    }

    /// Where a broker key and its synonyms have values, highest first.
    pub(super) fn synonyms(&self, name: &str) -> Vec<(Origin, String, String)> {
        let names = broker_synonyms(name);
        let mut found = Vec::new();
        for origin in [
            Origin::DynamicBroker,
            Origin::DynamicDefaultBroker,
            Origin::StaticBroker,
            Origin::Default,
        ] {
            for name in &names {
                let value = match origin {
                    Origin::DynamicBroker => self.broker.get(name).map(String::as_str),
                    Origin::DynamicDefaultBroker => self.cluster.get(name).map(String::as_str),
                    Origin::StaticBroker => self.node.given(name),
                    _ => file_default(name),
                };
                found.extend(value.map(|value| (origin, name.clone(), value.to_owned())));
            }
        }
        // A synonym that counts more than the key itself is none of the key's own: a listener's, when the general key
        // is asked for.
        found
            .into_iter()
            .skip_while(|(_, synonym, _)| synonym != name)
            .collect()
    }
}

impl Settings for Effective {
    fn value(&self, key: &str) -> Option<Value> {
        value_or_default(defs::find(Scope::Broker, key)?, self.text(key))
    }
}

/// Level on which a value was found. The numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Topic = 1,
    DynamicBroker = 2,
    DynamicDefaultBroker = 3,
    StaticBroker = 4,
    Default = 5,
    ClientMetrics = 7,
    Group = 8,
}

/// A topic's values, those it does not set taken from the broker.
pub struct TopicSettings<'a> {
    broker: &'a Effective,
    own: BTreeMap<&'a str, &'a str>,
}

impl Settings for TopicSettings<'_> {
    fn value(&self, key: &str) -> Option<Value> {
        let def = defs::find(Scope::Topic, key)?;
        let own = self.own.get(key).and_then(|text| parse_value(def, text).ok());
        own.or_else(|| topic_default(self.broker, key))
    }
}

/// A group's values, those it does not set taken from the broker.
pub struct GroupSettings<'a> {
    broker: &'a Effective,
    own: BTreeMap<&'a str, &'a str>,
}

impl Settings for GroupSettings<'_> {
    fn value(&self, key: &str) -> Option<Value> {
        let def = defs::find(Scope::Group, key)?;
        let own = self.own.get(key).and_then(|text| parse_value(def, text).ok());
        own.or_else(|| group_default(self.broker, key))
    }
}

/// The default of a key that a file may hold. Kafka does not count the keys that exist only as dynamic ones.
fn file_default(name: &str) -> Option<&'static str> {
    let is_dynamic_only = defs::DYNAMIC_ONLY.iter().any(|def| def.name == name);
    defs::find(Scope::Broker, name)
        .filter(|_| !is_dynamic_only)?
        .default
        .value()
}

/// Lays a layer over the values so far. What it sets hides every synonym below it, whatever their own order is: hours
/// set dynamically win over milliseconds in the file.
fn lay_over(merged: &mut BTreeMap<String, String>, layer: &BTreeMap<String, String>) {
    for (key, value) in layer {
        for synonym in broker_synonyms_without_listeners(key) {
            merged.remove(synonym);
        }
        merged.insert(key.clone(), value.clone());
    }
}

fn may_count(key: &str, value: &str, is_per_broker: bool) -> bool {
    let base = listener_base(key);
    let Some(def) = defs::find(Scope::Broker, base.unwrap_or(key)) else {
        return true;
    };
    if parse_value(def, value).is_err() {
        return false;
    }
    match (base, def.update_mode) {
        (Some(base), _) => is_per_broker || super::alter::is_cluster_listener_key(base),
        (None, UpdateMode::ReadOnly) => false,
        (None, _) if super::alter::is_security_key(key) => false,
        (None, UpdateMode::PerBroker) => is_per_broker,
        (None, UpdateMode::ClusterWide) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::broker::Source;
    use super::*;

    fn node(overrides: &[(&str, &str)]) -> Arc<BrokerConfig> {
        let overrides: Vec<_> = overrides
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let source = Source {
            file: None,
            overrides: &overrides,
            environment: &|_| None,
        };
        Arc::new(BrokerConfig::load(&source).expect("a good file"))
    }

    #[test]
    fn layers_win_from_the_inside_out() {
        let node = node(&[("log.retention.ms", "1000"), ("message.max.bytes", "5000")]);
        let file = Effective::of_file(node.clone());
        assert_eq!(file.topic([]).i64("retention.ms"), 1000);
        let both = Effective::new(
            node,
            [("log.retention.ms", "2000"), ("message.max.bytes", "6000")],
            [("message.max.bytes", "7000")],
        );
        assert_eq!(both.topic([]).i64("retention.ms"), 2000);
        assert_eq!(both.i32("message.max.bytes"), 7000);
        assert_eq!(
            both.topic([("max.message.bytes", "8000")])
                .i32("max.message.bytes"),
            8000
        );
    }

    #[test]
    fn a_dynamic_value_hides_its_synonyms_in_the_file() {
        let node = node(&[("log.flush.interval.ms", "10")]);
        let effective = Effective::new(node, [("log.retention.ms", "60000")], []);
        assert_eq!(effective.log_retention_ms(), 60_000);
        assert_eq!(effective.topic([]).i64("flush.ms"), 10);
        assert_eq!(effective.log_roll_ms(), 7 * 24 * 3_600_000);
    }

    #[test]
    fn what_may_not_be_dynamic_does_not_count() {
        let node = node(&[]);
        let effective = Effective::new(
            node,
            [
                ("num.partitions", "9"),
                ("log.retention.ms", "soon"),
                ("cordoned.log.dirs", "*"),
            ],
            [("ssl.keystore.location", "/k"), ("node.id", "4")],
        );
        assert_eq!(effective.i32("num.partitions"), 1);
        assert_eq!(effective.log_retention_ms(), 7 * 24 * 3_600_000);
        assert!(effective.cluster.is_empty() && effective.broker.is_empty());
    }

    #[test]
    fn a_topic_value_that_no_longer_parses_counts_as_absent() {
        let effective = Effective::of_file(node(&[]));
        assert_eq!(
            effective.topic([("retention.ms", "soon")]).i64("retention.ms"),
            604_800_000
        );
        assert_eq!(effective.topic([]).value("internal.segment.bytes"), None);
        assert_eq!(effective.topic([]).i64("flush.ms"), i64::MAX);
    }

    #[test]
    fn groups_fall_back_to_the_broker() {
        let effective = Effective::of_file(node(&[("group.consumer.session.timeout.ms", "50000")]));
        assert_eq!(effective.group([]).i32("consumer.session.timeout.ms"), 50_000);
        assert_eq!(
            effective.group([]).string("share.auto.offset.reset").as_deref(),
            Some("latest")
        );
    }
}
