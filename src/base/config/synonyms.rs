//! Keys that stand for one another: a topic key and the broker key that gives its default, and the same broker setting in
//! milliseconds, minutes and hours.

/// The broker keys that mean the same setting, the one that counts first in front. A listener's own key
/// (`listener.name.<listener>.<key>`) is followed by the key of all listeners.
pub fn broker_synonyms(name: &str) -> Vec<String> {
    if let Some(family) = FAMILIES
        .iter()
        .find(|family| family.names_asked().contains(&name))
    {
        return family.keys.iter().map(|key| (*key).to_owned()).collect();
    }
    match listener_base(name) {
        Some(base) => vec![name.to_owned(), mechanism_key(base).unwrap_or(base).to_owned()],
        None => vec![name.to_owned()],
    }
}

/// As [`broker_synonyms`], but a listener's own key stands alone: a dynamic change of it must not hide the general one.
pub fn broker_synonyms_without_listeners(name: &str) -> Vec<&str> {
    match FAMILIES
        .iter()
        .find(|family| family.names_asked().contains(&name))
    {
        Some(family) => family.keys.to_vec(),
        None => vec![name],
    }
}

/// The key behind `listener.name.<listener>.<key>`.
pub fn listener_base(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("listener.name.")?;
    rest.split_once('.').map(|(_, base)| base)
}

/// The broker key that holds the default of a topic key.
pub fn topic_default(name: &str) -> Option<&'static str> {
    TOPIC
        .iter()
        .find(|(topic, _)| *topic == name)
        .map(|(_, broker)| *broker)
}

/// The broker key that holds the default of a group key: the same name behind `group.`, save for three that have none.
pub fn group_default(name: &str) -> Option<String> {
    let has_none = [
        "share.auto.offset.reset",
        "share.isolation.level",
        "share.renew.acknowledge.enable",
    ];
    (!has_none.contains(&name)).then(|| format!("group.{name}"))
}

/// Keys that hold the same setting in different units.
struct Family {
    keys: &'static [&'static str],
    /// Whether only the first key knows about the others.
    one_way: bool,
}

impl Family {
    fn names_asked(&self) -> &'static [&'static str] {
        if self.one_way {
            self.keys.get(..1).unwrap_or_default()
        } else {
            self.keys
        }
    }
}

const FAMILIES: &[Family] = &[
    Family {
        keys: &["log.roll.ms", "log.roll.hours"],
        one_way: false,
    },
    Family {
        keys: &["log.roll.jitter.ms", "log.roll.jitter.hours"],
        one_way: false,
    },
    Family {
        keys: &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
        one_way: true,
    },
    Family {
        keys: &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
        one_way: false,
    },
];

/// Keys that may carry a SASL mechanism between the listener and their own name.
const MECHANISM_KEYS: &[&str] = &[
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.server.callback.handler.class",
    "connections.max.reauth.ms",
];

fn mechanism_key(base: &str) -> Option<&'static str> {
    MECHANISM_KEYS.iter().copied().find(|key| base.ends_with(key))
}

const TOPIC: &[(&str, &str)] = &[
    ("cleanup.policy", "log.cleanup.policy"),
    ("compression.gzip.level", "compression.gzip.level"),
    ("compression.lz4.level", "compression.lz4.level"),
    ("compression.type", "compression.type"),
    ("compression.zstd.level", "compression.zstd.level"),
    ("delete.retention.ms", "log.cleaner.delete.retention.ms"),
    ("file.delete.delay.ms", "log.segment.delete.delay.ms"),
    ("flush.messages", "log.flush.interval.messages"),
    ("flush.ms", "log.flush.interval.ms"),
    ("index.interval.bytes", "log.index.interval.bytes"),
    ("local.retention.bytes", "log.local.retention.bytes"),
    ("local.retention.ms", "log.local.retention.ms"),
    ("max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"),
    ("max.message.bytes", "message.max.bytes"),
    (
        "message.timestamp.after.max.ms",
        "log.message.timestamp.after.max.ms",
    ),
    (
        "message.timestamp.before.max.ms",
        "log.message.timestamp.before.max.ms",
    ),
    ("message.timestamp.type", "log.message.timestamp.type"),
    ("min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio"),
    ("min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms"),
    ("min.insync.replicas", "min.insync.replicas"),
    ("preallocate", "log.preallocate"),
    ("retention.bytes", "log.retention.bytes"),
    ("retention.ms", "log.retention.ms"),
    ("segment.bytes", "log.segment.bytes"),
    ("segment.index.bytes", "log.index.size.max.bytes"),
    ("segment.jitter.ms", "log.roll.jitter.ms"),
    ("segment.ms", "log.roll.ms"),
    ("unclean.leader.election.enable", "unclean.leader.election.enable"),
];

#[cfg(test)]
mod tests {
    use super::super::defs::{Scope, all, find};
    use super::*;

    const KAFKA: &str = include_str!("testdata/kafka-4.3.1-configs.txt");

    #[test]
    fn the_defaults_behind_topic_and_group_keys_are_kafkas() {
        let rows = |prefix: &'static str| {
            KAFKA
                .lines()
                .filter_map(move |line| line.strip_prefix(prefix)?.split_once('|'))
        };
        for (topic, broker) in rows("topic-synonym|") {
            assert_eq!(topic_default(topic), Some(broker));
        }
        assert_eq!(rows("topic-synonym|").count(), TOPIC.len());
        for (group, broker) in rows("group-synonym|") {
            assert_eq!(group_default(group).as_deref().unwrap_or("-"), broker);
        }
        assert_eq!(rows("group-synonym|").count(), all(Scope::Group).count());
    }

    #[test]
    fn every_synonym_is_a_key() {
        for key in FAMILIES
            .iter()
            .flat_map(|family| family.keys)
            .chain(MECHANISM_KEYS)
        {
            assert!(find(Scope::Broker, key).is_some(), "{key}");
        }
    }

    #[test]
    fn a_listeners_key_falls_back_to_the_general_one() {
        assert_eq!(
            broker_synonyms("listener.name.internal.plain.sasl.jaas.config"),
            [
                "listener.name.internal.plain.sasl.jaas.config",
                "sasl.jaas.config"
            ]
        );
        assert_eq!(
            broker_synonyms("listener.name.a.max.connections"),
            ["listener.name.a.max.connections", "max.connections"]
        );
        assert_eq!(
            broker_synonyms("log.retention.hours"),
            ["log.retention.ms", "log.retention.minutes", "log.retention.hours"]
        );
        assert_eq!(
            broker_synonyms("log.flush.scheduler.interval.ms"),
            ["log.flush.scheduler.interval.ms"]
        );
    }
}
