//! Rules between keys, and values that Ottla must not pretend to obey.
//!
//! A value that is merely without effect is named in a notice; one whose silent neglect would endanger data (an
//! authorizer that does not authorize, a tier that is not written to) stops the start.

use super::broker::BrokerConfig;
use super::listeners::SecurityProtocol;
use super::settings::Settings;
use super::value::split_list;

/// A key and what is wrong with it.
type Problem = (&'static str, String);

/// What a node's file must satisfy beyond each value by itself.
pub(super) fn rules(config: &BrokerConfig) -> Vec<Problem> {
    let mut problems = value_rules(config);
    node_ids(config, &mut problems);
    quorum(config, &mut problems);
    problems.extend(cordoned(config, config));
    refusals(config, &mut problems);
    problems
}

/// The part of the rules that dynamic changes must satisfy too.
pub(super) fn value_rules(config: &impl Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    numbers(config, &mut problems);
    connections(config, &mut problems);
    problems
}

fn require(holds: bool, key: &'static str, why: &str, problems: &mut Vec<Problem>) {
    if !holds {
        problems.push((key, why.to_owned()));
    }
}

fn node_ids(config: &BrokerConfig, problems: &mut Vec<Problem>) {
    let same = config.i32("broker.id") == config.node_id;
    require(
        same,
        "broker.id",
        "You must set `node.id` to the same value as `broker.id`.",
        problems,
    );
}

fn numbers(config: &impl Settings, problems: &mut Vec<Problem>) {
    let retention_ms = config.log_retention_ms();
    let threads = i64::from(config.i32("log.cleaner.threads").max(1));
    let fetch_wait_ms = config.i64("replica.fetch.wait.max.ms");
    let protocols = config.list("group.coordinator.rebalance.protocols");
    let lag_fits =
        config.i64("log.cleaner.min.compaction.lag.ms") <= config.i64("log.cleaner.max.compaction.lag.ms");
    let rules = [
        (
            config.log_roll_ms() >= 1,
            "log.roll.ms",
            "log.roll.ms must be greater than or equal to 1",
        ),
        (
            config.log_roll_jitter_ms() >= 0,
            "log.roll.jitter.ms",
            "log.roll.jitter.ms must be greater than or equal to 0",
        ),
        (
            retention_ms >= 1 || retention_ms == -1,
            "log.retention.ms",
            "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
        ),
        (
            config.i64("log.cleaner.dedupe.buffer.size") / threads > 1024 * 1024,
            "log.cleaner.dedupe.buffer.size",
            "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
        ),
        (
            fetch_wait_ms <= config.i64("replica.socket.timeout.ms"),
            "replica.socket.timeout.ms",
            "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms",
        ),
        (
            fetch_wait_ms <= config.i64("replica.lag.time.max.ms"),
            "replica.fetch.wait.max.ms",
            "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms",
        ),
        (
            lag_fits,
            "log.cleaner.min.compaction.lag.ms",
            "log.cleaner.min.compaction.lag.ms must not be more than log.cleaner.max.compaction.lag.ms",
        ),
        (
            protocols.iter().any(|protocol| protocol == "classic"),
            "group.coordinator.rebalance.protocols",
            "Disabling the 'CLASSIC' protocol is not supported.",
        ),
    ];
    for (holds, key, why) in rules {
        require(holds, key, why, problems);
    }
}

fn quorum(config: &BrokerConfig, problems: &mut Vec<Problem>) {
    const VOTERS: &str = "controller.quorum.voters";
    if config.voters.is_empty() && config.bootstrap_controllers.is_empty() {
        let why = "either controller.quorum.bootstrap.servers must contain the set of bootstrap controllers or \
                   controller.quorum.voters must contain a parseable set of controllers";
        problems.push((VOTERS, why.to_owned()));
    }
    let is_voter = config.voters.iter().any(|voter| voter.id == config.node_id);
    if config.is_controller && !config.voters.is_empty() && !is_voter {
        let why = format!(
            "the node id {} must be included in the set of voters",
            config.node_id
        );
        problems.push((VOTERS, why));
    }
    if !config.is_controller && is_voter {
        let why = format!(
            "the node id {} must not be included in the set of voters",
            config.node_id
        );
        problems.push((VOTERS, why));
    }
    let joins = config.bool("controller.quorum.auto.join.enable") && !config.is_controller;
    let why = "is only supported when process.roles contains the 'controller' role";
    require(!joins, "controller.quorum.auto.join.enable", why, problems);
}

/// Which log dirs take no new partitions; the dirs are the node's, the value may be dynamic.
pub(super) fn cordoned(node: &BrokerConfig, config: &impl Settings) -> Option<Problem> {
    const KEY: &str = "cordoned.log.dirs";
    let cordoned = config.list(KEY);
    let is_listed = |dir: &String| {
        node.log_dirs
            .iter()
            .any(|log_dir| log_dir.as_os_str() == dir.as_str())
    };
    if cordoned.iter().any(|dir| dir == "*") {
        let why = format!("When {KEY} is set to *, it must not contain other values");
        return (cordoned.len() > 1).then_some((KEY, why));
    }
    let dir = cordoned.iter().find(|dir| !is_listed(dir))?;
    Some((
        KEY,
        format!("All entries in {KEY} must be present in log.dirs or log.dir. Missing entry: {dir}"),
    ))
}

fn connections(config: &impl Settings, problems: &mut Vec<Problem>) {
    const OVERRIDES: &str = "max.connections.per.ip.overrides";
    let overrides = split_list(&config.string(OVERRIDES).unwrap_or_default());
    let fits = |entry: &&String| {
        entry
            .rsplit_once(':')
            .is_some_and(|(_, count)| count.trim().parse::<i32>().is_ok())
    };
    if let Some(entry) = overrides.iter().find(|entry| !fits(entry)) {
        problems.push((OVERRIDES, format!("'{entry}' is not of the form address:count")));
    }
    let none_allowed = config.i32("max.connections.per.ip") == 0 && overrides.is_empty();
    let why = "can be set to zero only if max.connections.per.ip.overrides property is set.";
    require(!none_allowed, "max.connections.per.ip", why, problems);
    let queued_bytes = config.i64("queued.max.request.bytes");
    let queue_fits = queued_bytes <= 0 || queued_bytes >= config.i64("socket.request.max.bytes");
    let why = "queued.max.request.bytes must be larger or equal to socket.request.max.bytes";
    require(queue_fits, "queued.max.request.bytes", why, problems);
    let idle_ms = config.i64("connections.max.idle.ms");
    let delay_fits = idle_ms < 0 || config.i64("connection.failed.authentication.delay.ms") < idle_ms;
    let why = "should always be less than connections.max.idle.ms";
    require(
        delay_fits,
        "connection.failed.authentication.delay.ms",
        why,
        problems,
    );
}

const ASSIGNORS_KEY: &str = "group.consumer.assignors";
/// Kafka's own, by name and by class; a cluster may have others, written in Java.
const ASSIGNORS: &[&str] = &[
    "uniform",
    "range",
    "org.apache.kafka.coordinator.group.assignor.UniformAssignor",
    "org.apache.kafka.coordinator.group.assignor.RangeAssignor",
];

/// What would be dangerous to accept and not do.
fn refusals(config: &BrokerConfig, problems: &mut Vec<Problem>) {
    let default_principals = "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder";
    for (key, harmless) in [
        ("authorizer.class.name", ""),
        ("principal.builder.class", default_principals),
        ("create.topic.policy.class.name", ""),
        ("alter.config.policy.class.name", ""),
        ("client.quota.callback.class", ""),
    ] {
        let class = config.string(key).unwrap_or_default();
        if !class.is_empty() && class != harmless {
            problems.push((
                key,
                format!("Ottla does not do what {class} does, and ignoring it would not be safe"),
            ));
        }
    }
    for name in config.list(ASSIGNORS_KEY) {
        if !ASSIGNORS.contains(&name.as_str()) {
            let why = format!("Ottla has no assignor {name}, only uniform and range");
            problems.push((ASSIGNORS_KEY, why));
        }
    }
    if config.bool("remote.log.storage.system.enable") {
        let why = "Ottla has no tiered storage yet: records that only the remote tier holds would be missing";
        problems.push(("remote.log.storage.system.enable", why.to_owned()));
    }
    for listener in config
        .listeners
        .all
        .iter()
        .filter(|listener| listener.protocol != SecurityProtocol::Plaintext)
    {
        let protocol = listener.protocol.name();
        let why = format!(
            "listener {} wants {protocol}, and Ottla speaks only PLAINTEXT so far",
            listener.name
        );
        problems.push(("listeners", why));
    }
    if !(config.is_broker && config.is_controller) {
        let why = "Ottla runs only as a combined node so far: process.roles=broker,controller";
        problems.push(("process.roles", why.to_owned()));
    }
    if config.voters.len() > 1 {
        let why = "Ottla runs only as the single voter of its cluster so far";
        problems.push(("controller.quorum.voters", why.to_owned()));
    }
}
