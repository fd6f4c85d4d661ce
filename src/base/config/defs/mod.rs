//! Every configuration key of Apache Kafka 4.3.1, in tables by family. A test compares them with Kafka's own definitions.

mod broker_dynamic;
mod broker_group;
mod broker_kraft;
mod broker_log;
mod broker_remote;
mod broker_replication;
mod broker_security;
mod broker_server;
mod broker_transactions;
mod client_metrics;
mod group;
mod topic;

use std::collections::HashMap;
use std::sync::OnceLock;

use super::def::ConfigDef;

pub use broker_dynamic::DYNAMIC_ONLY;
pub use client_metrics::CLIENT_METRICS;
pub use group::GROUP;
pub use topic::TOPIC;

/// Whose keys are meant: the same name may exist for a topic and for a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Topic,
    Broker,
    Group,
    ClientMetrics,
}

/// The families of keys that a `server.properties` may hold.
const BROKER_FAMILIES: &[&[ConfigDef]] = &[
    broker_server::SERVER,
    broker_kraft::KRAFT,
    broker_log::LOG,
    broker_replication::REPLICATION,
    broker_group::GROUP_COORDINATORS,
    broker_transactions::TRANSACTIONS,
    broker_security::SECURITY,
    broker_remote::REMOTE,
];

/// The keys that a `server.properties` may hold.
pub fn broker() -> impl Iterator<Item = &'static ConfigDef> {
    BROKER_FAMILIES.iter().copied().flatten()
}

/// All keys of a scope; for brokers without those that exist only as dynamic ones.
pub fn all(scope: Scope) -> Box<dyn Iterator<Item = &'static ConfigDef>> {
    match scope {
        Scope::Topic => Box::new(TOPIC.iter()),
        Scope::Broker => Box::new(broker()),
        Scope::Group => Box::new(GROUP.iter()),
        Scope::ClientMetrics => Box::new(CLIENT_METRICS.iter()),
    }
}

/// The definition of a key, the dynamic-only keys of brokers included.
pub fn find(scope: Scope, name: &str) -> Option<&'static ConfigDef> {
    static INDEX: OnceLock<HashMap<(Scope, &'static str), &'static ConfigDef>> = OnceLock::new();
    let index = INDEX.get_or_init(|| {
        let scopes = [Scope::Topic, Scope::Broker, Scope::Group, Scope::ClientMetrics];
        let fixed = scopes
            .into_iter()
            .flat_map(|scope| all(scope).map(move |def| ((scope, def.name), def)));
        let dynamic = DYNAMIC_ONLY.iter().map(|def| ((Scope::Broker, def.name), def));
        fixed.chain(dynamic).collect()
    });
    index.get(&(scope, name)).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::def::{Default, Importance, Valid};
    use super::super::value::parse_value;
    use super::*;

    /// Listed by reflection from the jars of Apache Kafka 4.3.1.
    const KAFKA: &str = include_str!("../testdata/kafka-4.3.1-configs.txt");

    fn kafka_rows() -> Vec<Vec<&'static str>> {
        let lines = KAFKA
            .lines()
            .filter(|line| !line.starts_with('#') && !line.contains("-synonym|"));
        lines.map(|line| line.split('|').collect()).collect()
    }

    fn ours(scope: &str) -> Box<dyn Iterator<Item = &'static ConfigDef>> {
        match scope {
            "topic" => all(Scope::Topic),
            "broker" => all(Scope::Broker),
            "dynamic" => Box::new(DYNAMIC_ONLY.iter()),
            "group" => all(Scope::Group),
            "client-metrics" => all(Scope::ClientMetrics),
            other => panic!("unknown scope {other}"),
        }
    }

    fn valid_text(def: &ConfigDef) -> String {
        match def.valid {
            Valid::Any => "-".to_owned(),
            Valid::Distinct => "EmptyAllowed=true".to_owned(),
            Valid::DistinctSome => "EmptyAllowed=false".to_owned(),
            Valid::ListOf(_) => format!("{} EmptyAllowed=true", def.valid),
            Valid::SomeOf(_) => format!("{} EmptyAllowed=false", def.valid),
            Valid::Voters | Valid::HostPorts => "non-empty list".to_owned(),
            other => other.to_string(),
        }
    }

    #[test]
    fn the_tables_are_kafkas() {
        let mut seen: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for row in kafka_rows() {
            let [scope, name, kind, default, valid, importance, internal, mode] = row[..] else {
                panic!("a row of eight: {row:?}")
            };
            let def = ours(scope).find(|def| def.name == name);
            let def = def.unwrap_or_else(|| panic!("{scope} key {name} is missing"));
            seen.entry(scope).or_default().push(name);
            assert_eq!(def.kind.name(), kind, "{name}");
            let our_default = match def.default {
                Default::Required => "<required>",
                Default::Null => "~",
                Default::Value(text) => text,
            };
            assert_eq!(our_default, default, "{name}");
            let valid = valid.split(" NullAllowed").next().unwrap_or_default();
            let valid = valid.split("NullAllowed").next().unwrap_or_default().trim();
            assert_eq!(sorted(&valid_text(def)), sorted(valid), "{name}");
            let our_importance = match def.importance {
                Importance::High => "HIGH",
                Importance::Medium => "MEDIUM",
                Importance::Low => "LOW",
            };
            assert_eq!(our_importance, importance, "{name}");
            assert_eq!(def.internal, internal == "internal", "{name}");
            if mode != "-" {
                assert_eq!(def.update_mode.name(), mode, "{name}");
            }
        }
        for scope in ["topic", "broker", "dynamic", "group", "client-metrics"] {
            assert_eq!(
                ours(scope).count(),
                seen[scope].len(),
                "keys of {scope} that Kafka does not have"
            );
        }
    }

    /// Java prints some sets in an order of its own.
    fn sorted(text: &str) -> Vec<&str> {
        let mut words: Vec<&str> = text
            .split([' ', ',', '[', ']'])
            .filter(|word| !word.is_empty())
            .collect();
        words.sort_unstable();
        words
    }

    #[test]
    fn every_default_passes_its_own_check_and_every_key_is_explained() {
        for scope in [Scope::Topic, Scope::Broker, Scope::Group, Scope::ClientMetrics] {
            for def in all(scope) {
                assert!(def.doc.ends_with('.') && def.doc.len() > 15, "{}", def.name);
                if let Some(text) = def.default.value() {
                    let value = parse_value(def, text).unwrap_or_else(|e| panic!("{}: {e}", def.name));
                    assert_eq!(value.to_text(), text, "{}", def.name);
                }
                assert_eq!(find(scope, def.name).map(|d| d.name), Some(def.name));
            }
        }
    }
}
