//! Changes of broker keys. The broker that is asked checks them itself, against its own file, before the controller
//! writes them; so its refusals are InvalidRequest where a topic's would be InvalidConfig, as in Kafka.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Change, Op};
use crate::config::check;
use crate::config::def::{Kind, UpdateMode};
use crate::config::defs::{self, Scope};
use crate::config::effective::Effective;
use crate::config::error::ConfigError;
use crate::config::settings::Settings;
use crate::config::synonyms::listener_base;
use crate::config::value::parse_value;

/// Whether the change makes sense for the key at all.
pub fn validate_broker_op(change: &Change) -> Result<(), ConfigError> {
    let verb = match change.op {
        Op::Set | Op::Delete => return Ok(()),
        Op::Append => "append",
        Op::Subtract => "subtract",
    };
    match defs::broker().find(|def| def.name == change.key) {
        None => Err(ConfigError::invalid(format!(
            "Unknown config name: {}",
            change.key
        ))),
        Some(def) if def.kind != Kind::List => Err(ConfigError::invalid(format!(
            "Config value {verb} is not allowed for config key: {}",
            change.key
        ))),
        Some(_) => Ok(()),
    }
}

/// Checks all dynamic values that one broker (or, by default, every broker) would have. `layers` is what is in force;
/// `current` holds the values of the layer that does not change.
pub fn validate_broker(
    own: &BTreeMap<&str, &str>,
    is_per_broker: bool,
    layers: &Effective,
) -> Result<(), ConfigError> {
    refuse(own, is_read_only, "Cannot update these configs dynamically")?;
    refuse(
        own,
        is_security_key,
        "These security configs can be dynamically updated only per-listener using the listener prefix",
    )?;
    for (name, text) in own {
        let def = defs::find(Scope::Broker, listener_base(name).unwrap_or(name));
        if let Some(def) = def.filter(|def| !def.is_read_only()) {
            parse_value(def, text).map_err(|error| ConfigError::bad_request(error.message))?;
        }
    }
    if !is_per_broker {
        let why = "Cannot update these configs at default cluster level, broker id must be specified";
        refuse(own, is_per_broker_key, why)?;
    }
    let pairs = || own.iter().map(|(name, text)| (*name, *text));
    let file = Arc::clone(layers.node());
    let after = match is_per_broker {
        true => Effective::new(file, layers.cluster_pairs(), pairs()),
        false => Effective::new(file, pairs(), layers.broker_pairs()),
    };
    let broken = check::value_rules(&after)
        .into_iter()
        .chain(check::cordoned(layers.node(), &after))
        .next();
    if let Some((_, why)) = broken {
        return Err(ConfigError::bad_request(format!("requirement failed: {why}")));
    }
    match [
        check_threads(layers, &after),
        check_local_retention(&after),
        check_listeners(layers, &after),
    ]
    .into_iter()
    .flatten()
    .next()
    {
        None => Ok(()),
        Some(why) => Err(ConfigError::bad_request(format!(
            "Invalid dynamic configuration: {why}"
        ))),
    }
}

fn refuse(own: &BTreeMap<&str, &str>, is_bad: fn(&str) -> bool, why: &str) -> Result<(), ConfigError> {
    let names: Vec<&str> = own.keys().copied().filter(|name| is_bad(name)).collect();
    match names.is_empty() {
        true => Ok(()),
        false => Err(ConfigError::bad_request(format!("{why}: [{}]", names.join(", ")))),
    }
}

fn is_read_only(name: &str) -> bool {
    defs::find(Scope::Broker, name).is_some_and(|def| def.is_read_only())
}

fn is_per_broker_key(name: &str) -> bool {
    match listener_base(name) {
        Some(base) => !is_cluster_listener_key(base),
        None => defs::find(Scope::Broker, name).is_some_and(|def| def.update_mode == UpdateMode::PerBroker),
    }
}

/// Keys that may be set for a listener of all brokers.
pub(crate) fn is_cluster_listener_key(base: &str) -> bool {
    matches!(
        base,
        "max.connections" | "max.connection.creation.rate" | "num.network.threads"
    )
}

/// Keys that are dynamic only for one listener at a time.
pub(crate) fn is_security_key(name: &str) -> bool {
    matches!(
        name,
        "ssl.keystore.type"
            | "ssl.keystore.location"
            | "ssl.keystore.password"
            | "ssl.keystore.certificate.chain"
            | "ssl.keystore.key"
            | "ssl.key.password"
            | "ssl.truststore.type"
            | "ssl.truststore.location"
            | "ssl.truststore.password"
            | "ssl.truststore.certificates"
    )
}

/// A pool may at most double or halve in one step.
fn check_threads(before: &Effective, after: &Effective) -> Option<String> {
    let pools = [
        "num.io.threads",
        "num.network.threads",
        "num.replica.fetchers",
        "num.recovery.threads.per.data.dir",
        "background.threads",
        "log.cleaner.threads",
    ];
    pools.into_iter().find_map(|key| {
        let (old, new) = (before.i32(key), after.i32(key));
        let what = match new {
            _ if new == old => return None,
            _ if new < 1 => "should be at least 1".to_owned(),
            _ if new < old / 2 => format!("should be at least half the current value {old}"),
            _ if new > old.saturating_mul(2) => {
                format!("should not be greater than double the current value {old}")
            }
            _ => return None,
        };
        Some(format!(
            "Dynamic thread count update validation failed for {key}={new}, value {what}"
        ))
    })
}

/// What is kept on local disk cannot be more than what is kept at all.
fn check_local_retention(after: &Effective) -> Option<String> {
    const AS_MUCH_AS_THE_TOPIC: i64 = -2;
    let limits = [
        (
            "log.local.retention.ms",
            "log.retention.ms",
            after.log_retention_ms(),
        ),
        (
            "log.local.retention.bytes",
            "log.retention.bytes",
            after.i64("log.retention.bytes"),
        ),
    ];
    limits.into_iter().find_map(|(key, of, most)| {
        let local = after.i64(key);
        let exceeds = local == -1 || local > most;
        (most >= 0 && local != AS_MUCH_AS_THE_TOPIC && exceeds)
            .then(|| format!("{key}={local} must not be more than {of}={most}"))
    })
}

fn check_listeners(before: &Effective, after: &Effective) -> Option<String> {
    let keys = ["listeners", "listener.security.protocol.map"];
    let changed = keys
        .into_iter()
        .find(|key| before.value(key) != after.value(key))?;
    Some(format!("Ottla does not change {changed} while it runs"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ErrorCode;
    use crate::config::broker::{BrokerConfig, Source};

    /// A node whose file holds these values.
    pub(in crate::config::alter) fn effective(given: &[(&str, &str)]) -> Effective {
        let given: Vec<_> = given
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let source = Source {
            file: None,
            overrides: &given,
            environment: &|_| None,
        };
        Effective::of_file(Arc::new(BrokerConfig::load(&source).expect("a good file")))
    }

    fn refusal(own: &[(&str, &str)], is_per_broker: bool) -> String {
        let own = own.iter().copied().collect();
        let error = validate_broker(&own, is_per_broker, &effective(&[])).expect_err("a refusal");
        assert_eq!(error.code, ErrorCode::InvalidRequest);
        error.message
    }

    #[test]
    fn good_changes_pass() {
        let own = BTreeMap::from([
            ("log.retention.ms", "1000"),
            ("num.io.threads", "16"),
            ("my.own.key", "x"),
        ]);
        validate_broker(&own, false, &effective(&[])).expect("good");
        let own = BTreeMap::from([
            ("cordoned.log.dirs", "*"),
            ("listener.name.plaintext.ssl.keystore.location", "/k"),
        ]);
        validate_broker(&own, true, &effective(&[])).expect("good for one broker");
    }

    #[test]
    fn refusals() {
        assert_eq!(
            refusal(&[("num.partitions", "3"), ("node.id", "1")], true),
            "Cannot update these configs dynamically: [node.id, num.partitions]"
        );
        assert_eq!(
            refusal(&[("ssl.keystore.location", "/k")], true),
            "These security configs can be dynamically updated only per-listener using the listener prefix: \
             [ssl.keystore.location]"
        );
        assert_eq!(
            refusal(&[("log.retention.ms", "soon")], false),
            "Invalid value soon for configuration log.retention.ms: Not a number of type LONG"
        );
        assert_eq!(
            refusal(&[("cordoned.log.dirs", "*")], false),
            "Cannot update these configs at default cluster level, broker id must be specified: [cordoned.log.dirs]"
        );
        assert_eq!(
            refusal(&[("num.io.threads", "17")], false),
            "Invalid dynamic configuration: Dynamic thread count update validation failed for num.io.threads=17, value \
             should not be greater than double the current value 8"
        );
        assert!(
            refusal(&[("log.local.retention.ms", "-1")], false)
                .contains("log.local.retention.ms=-1 must not be")
        );
        assert!(refusal(&[("cordoned.log.dirs", "/nowhere")], true).contains("Missing entry: /nowhere"));
        assert!(
            refusal(&[("log.retention.ms", "0")], false)
                .starts_with("requirement failed: log.retention.ms must be")
        );
        assert!(refusal(&[("listeners", "PLAINTEXT://:1")], true).contains("while it runs"));
    }

    #[test]
    fn lists_only_may_be_appended_to() {
        let op = |key: &str| {
            validate_broker_op(&Change {
                key: key.to_owned(),
                op: Op::Append,
                value: None,
            })
        };
        op("log.cleanup.policy").expect("a list");
        assert_eq!(
            op("nothing").expect_err("unknown").message,
            "Unknown config name: nothing"
        );
        assert_eq!(
            op("log.retention.ms").expect_err("not a list").message,
            "Config value append is not allowed for config key: log.retention.ms"
        );
    }
}
