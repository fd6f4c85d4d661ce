//! What DescribeConfigs shows: every key with its value, where that comes from, and where else it has values.

use std::collections::BTreeMap;

use super::def::{ConfigDef, Kind};
use super::defs::{self, Scope};
use super::effective::{Effective, Origin};
use super::settings::{Settings, group_default, topic_default, value_or_default};
use super::synonyms::{self, listener_base};
use super::value::{Value, parse_value};

/// One key of a resource, ready for the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// `None` when there is none or nobody may see it.
    pub value: Option<String>,
    pub origin: Origin,
    pub is_sensitive: bool,
    pub is_read_only: bool,
    /// Highest first; the first is the one in force.
    pub synonyms: Vec<Synonym>,
    /// `None` for a key that nobody knows.
    pub kind: Option<Kind>,
    pub doc: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    pub name: String,
    pub value: Option<String>,
    pub origin: Origin,
}

/// A topic with these values of its own.
pub fn topic(effective: &Effective, own: &BTreeMap<&str, &str>) -> Vec<Entry> {
    let default = |def: &ConfigDef| topic_default(effective, def.name);
    let inherited = |def: &ConfigDef| match synonyms::topic_default(def.name) {
        Some(broker_key) => broker_synonyms(effective, broker_key, def.is_sensitive()),
        None => Vec::new(),
    };
    resource(Scope::Topic, Origin::Topic, own, default, inherited)
}

/// A group with these values of its own; a group nobody has configured shows the defaults.
pub fn group(effective: &Effective, own: &BTreeMap<&str, &str>) -> Vec<Entry> {
    let default = |def: &ConfigDef| group_default(effective, def.name);
    let inherited = |def: &ConfigDef| match synonyms::group_default(def.name) {
        Some(broker_key) => broker_synonyms(effective, &broker_key, def.is_sensitive()),
        None => own_default(def),
    };
    resource(Scope::Group, Origin::Group, own, default, inherited)
}

/// A client-metrics subscription with these values of its own.
pub fn client_metrics(own: &BTreeMap<&str, &str>) -> Vec<Entry> {
    let default = |def: &ConfigDef| value_or_default(def, None);
    resource(Scope::ClientMetrics, Origin::ClientMetrics, own, default, |_| {
        Vec::new()
    })
}

/// This broker: every key with the value in force, and what its file holds besides.
pub fn broker(effective: &Effective) -> Vec<Entry> {
    let known = defs::broker().filter(|def| !def.internal).map(|def| {
        let value = effective.value(def.name).map(|value| value.to_text());
        broker_entry(effective, def.name, value)
    });
    let is_shown = |name: &str| defs::broker().any(|def| def.name == name && !def.internal);
    let others = effective.merged().iter().filter(|(name, _)| !is_shown(name));
    let others = others.map(|(name, value)| broker_entry(effective, name, Some(value.clone())));
    known.chain(others).collect()
}

/// The dynamic values of all brokers, and nothing else.
pub fn cluster_default(effective: &Effective) -> Vec<Entry> {
    let entry = |(name, value): (&String, &String)| {
        let mut entry = broker_entry(effective, name, Some(value.clone()));
        entry
            .synonyms
            .retain(|synonym| synonym.origin == Origin::DynamicDefaultBroker);
        entry.origin = entry
            .synonyms
            .first()
            .map_or(Origin::Default, |synonym| synonym.origin);
        entry
    };
    effective.cluster().iter().map(entry).collect()
}

/// Topics, groups and subscriptions: their keys, then values of keys that nobody knows.
fn resource(
    scope: Scope,
    own_origin: Origin,
    own: &BTreeMap<&str, &str>,
    default: impl Fn(&ConfigDef) -> Option<Value>,
    inherited: impl Fn(&ConfigDef) -> Vec<Synonym>,
) -> Vec<Entry> {
    let known = defs::all(scope).filter(|def| !def.internal).map(|def| {
        let own_value = own.get(def.name).map(|text| parse_value(def, text));
        let value = match &own_value {
            Some(Ok(value)) => Some(value.clone()),
            _ => default(def),
        };
        let value = value.map(|value| value.to_text()).filter(|_| !def.is_sensitive());
        let mut synonyms = inherited(def);
        if matches!(own_value, Some(Ok(_))) {
            synonyms.insert(
                0,
                Synonym {
                    name: def.name.to_owned(),
                    value: value.clone(),
                    origin: own_origin,
                },
            );
        }
        Entry {
            name: def.name.to_owned(),
            value,
            origin: first_origin(&synonyms),
            is_sensitive: def.is_sensitive(),
            is_read_only: false,
            synonyms,
            kind: Some(def.kind),
            doc: Some(def.doc),
        }
    });
    let is_unknown = |name: &str| defs::find(scope, name).is_none();
    let unknown = own.keys().filter(|name| is_unknown(name)).map(|name| Entry {
        name: (*name).to_owned(),
        value: None,
        origin: own_origin,
        is_sensitive: true,
        is_read_only: false,
        synonyms: vec![Synonym {
            name: (*name).to_owned(),
            value: None,
            origin: own_origin,
        }],
        kind: None,
        doc: None,
    });
    known.chain(unknown).collect()
}

fn broker_entry(effective: &Effective, name: &str, value: Option<String>) -> Entry {
    let def = defs::find(Scope::Broker, name);
    let kind = kind_of(name);
    // Of a key that nobody knows it cannot be told whether it is a secret.
    let is_sensitive = kind.is_none_or(|kind| kind == Kind::Password);
    let synonyms = broker_synonyms(effective, name, is_sensitive);
    Entry {
        name: name.to_owned(),
        value: value.filter(|_| !is_sensitive),
        origin: first_origin(&synonyms),
        is_sensitive,
        is_read_only: def.is_none_or(ConfigDef::is_read_only),
        synonyms,
        kind,
        doc: def.map(|def| def.doc),
    }
}

fn kind_of(name: &str) -> Option<Kind> {
    let kind = |name: &str| defs::find(Scope::Broker, name).map(|def| def.kind);
    kind(name).or_else(|| {
        listener_base(name)?;
        synonyms::broker_synonyms(name)
            .iter()
            .find_map(|synonym| kind(synonym))
    })
}

fn broker_synonyms(effective: &Effective, name: &str, is_sensitive: bool) -> Vec<Synonym> {
    let found = effective.synonyms(name).into_iter();
    found
        .map(|(origin, name, value)| Synonym {
            name,
            value: Some(value).filter(|_| !is_sensitive),
            origin,
        })
        .collect()
}

fn own_default(def: &ConfigDef) -> Vec<Synonym> {
    let synonym = |value: &str| Synonym {
        name: def.name.to_owned(),
        value: Some(value.to_owned()).filter(|_| !def.is_sensitive()),
        origin: Origin::Default,
    };
    def.default.value().map(synonym).into_iter().collect()
}

fn first_origin(synonyms: &[Synonym]) -> Origin {
    synonyms.first().map_or(Origin::Default, |synonym| synonym.origin)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::broker::{BrokerConfig, Source};
    use super::*;

    fn effective(given: &[(&str, &str)], cluster: &[(&str, &str)], broker: &[(&str, &str)]) -> Effective {
        let given: Vec<_> = given
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let source = Source {
            file: None,
            overrides: &given,
            environment: &|_| None,
        };
        let node = Arc::new(BrokerConfig::load(&source).expect("a good file"));
        Effective::new(node, cluster.iter().copied(), broker.iter().copied())
    }

    fn find(entries: Vec<Entry>, name: &str) -> Entry {
        entries
            .into_iter()
            .find(|entry| entry.name == name)
            .expect("the key")
    }

    fn chain(entry: &Entry) -> Vec<(Origin, &str, Option<&str>)> {
        entry
            .synonyms
            .iter()
            .map(|s| (s.origin, s.name.as_str(), s.value.as_deref()))
            .collect()
    }

    #[test]
    fn a_topic_key_lists_every_level_below_it() {
        let effective = effective(
            &[("log.retention.hours", "5")],
            &[("log.retention.ms", "2000")],
            &[("log.retention.ms", "3000")],
        );
        let own = BTreeMap::from([("retention.ms", "1000")]);
        let entry = find(topic(&effective, &own), "retention.ms");
        assert_eq!(
            (entry.value.as_deref(), entry.origin),
            (Some("1000"), Origin::Topic)
        );
        assert_eq!(
            chain(&entry),
            [
                (Origin::Topic, "retention.ms", Some("1000")),
                (Origin::DynamicBroker, "log.retention.ms", Some("3000")),
                (Origin::DynamicDefaultBroker, "log.retention.ms", Some("2000")),
                (Origin::StaticBroker, "log.retention.hours", Some("5")),
                (Origin::Default, "log.retention.hours", Some("168")),
            ]
        );
    }

    #[test]
    fn a_topic_key_without_broker_key_has_no_synonyms() {
        let entry = find(
            topic(&effective(&[], &[], &[]), &BTreeMap::new()),
            "remote.storage.enable",
        );
        assert_eq!(
            (entry.value.as_deref(), entry.origin, entry.synonyms.len()),
            (Some("false"), Origin::Default, 0)
        );
    }

    #[test]
    fn internal_keys_are_not_shown_and_unknown_ones_hide_their_value() {
        let given = [
            ("super.users", "User:a"),
            ("internal.metadata.delete.delay.millis", "5"),
        ];
        let entries = broker(&effective(&given, &[], &[]));
        let unknown = find(entries.clone(), "super.users");
        assert_eq!(
            (
                unknown.value,
                unknown.kind,
                unknown.is_sensitive,
                unknown.is_read_only
            ),
            (None, None, true, true)
        );
        assert!(
            !entries
                .iter()
                .any(|entry| entry.name == "unstable.api.versions.enable")
        );
        assert!(
            entries
                .iter()
                .any(|entry| entry.name == "internal.metadata.delete.delay.millis")
        );
    }

    #[test]
    fn secrets_are_never_shown() {
        let given = [
            ("ssl.key.password", "hush"),
            ("listener.name.plaintext.ssl.key.password", "hush"),
        ];
        for entry in broker(&effective(&given, &[], &[])) {
            let shown = entry
                .synonyms
                .iter()
                .map(|synonym| &synonym.value)
                .chain([&entry.value]);
            assert!(
                !shown.flatten().any(|value| value.contains("hush")),
                "{}",
                entry.name
            );
        }
    }

    #[test]
    fn the_cluster_default_shows_only_itself() {
        let effective = effective(
            &[("message.max.bytes", "1")],
            &[("message.max.bytes", "2")],
            &[("message.max.bytes", "3")],
        );
        let entries = cluster_default(&effective);
        assert_eq!(entries.len(), 1);
        let entry = find(entries, "message.max.bytes");
        assert_eq!(
            (entry.value.as_deref(), entry.origin),
            (Some("2"), Origin::DynamicDefaultBroker)
        );
        assert_eq!(
            chain(&entry),
            [(Origin::DynamicDefaultBroker, "message.max.bytes", Some("2"))]
        );
        assert_eq!(
            find(broker(&effective), "message.max.bytes").value.as_deref(),
            Some("3")
        );
    }

    #[test]
    fn groups_and_subscriptions() {
        let effective = effective(&[], &[], &[]);
        let own = BTreeMap::from([("consumer.session.timeout.ms", "50000")]);
        let entry = find(group(&effective, &own), "consumer.session.timeout.ms");
        assert_eq!(
            chain(&entry),
            [
                (Origin::Group, "consumer.session.timeout.ms", Some("50000")),
                (
                    Origin::Default,
                    "group.consumer.session.timeout.ms",
                    Some("45000")
                ),
            ]
        );
        let reset = find(group(&effective, &own), "share.auto.offset.reset");
        assert_eq!(
            chain(&reset),
            [(Origin::Default, "share.auto.offset.reset", Some("latest"))]
        );
        let metrics = find(
            client_metrics(&BTreeMap::from([("interval.ms", "1000")])),
            "interval.ms",
        );
        assert_eq!(metrics.origin, Origin::ClientMetrics);
        assert_eq!(
            find(client_metrics(&BTreeMap::new()), "match").value.as_deref(),
            Some("")
        );
    }
}
