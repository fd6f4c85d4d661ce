//! A node's file: precedence, synonyms, places in messages, refusals and notices.

use super::super::settings::Settings;
use super::*;

fn no_environment(_: &str) -> Option<String> {
    None
}

fn load(file: Option<&str>, overrides: &[(&str, &str)]) -> Result<BrokerConfig, StartError> {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("ottla-config-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let path = dir.join("server.properties");
    if let Some(text) = file {
        std::fs::write(&path, text).expect("a file");
    }
    let overrides: Vec<_> = overrides
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    let source = Source {
        file: file.map(|_| path.as_path()),
        overrides: &overrides,
        environment: &no_environment,
    };
    let loaded = BrokerConfig::load(&source);
    std::fs::remove_dir_all(&dir).expect("removed");
    loaded
}

const COMBINED: &str = "process.roles=broker,controller\nnode.id=7\ncontroller.listener.names=CONTROLLER\n\
    listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ncontroller.quorum.voters=7@localhost:9093\n";

fn refusal(extra: &str) -> String {
    load(Some(&format!("{COMBINED}{extra}")), &[])
        .expect_err("a refusal")
        .to_string()
}

#[test]
fn without_a_file_a_node_serves_this_machine() {
    let config = load(None, &[]).expect("the defaults start");
    assert_eq!(
        (config.node_id, config.is_broker, config.is_controller),
        (1, true, true)
    );
    assert_eq!(config.log_dirs, [PathBuf::from("./ottla-data")]);
    assert_eq!(config.metadata_log_dir, PathBuf::from("./ottla-data"));
    let client = config.listeners.broker().next().expect("a client listener");
    assert_eq!((client.host.as_str(), client.port), ("localhost", 9092));
    assert_eq!(config.i32("offsets.topic.replication.factor"), 1);
    assert_eq!(config.i32("group.initial.rebalance.delay.ms"), 0);
    assert!(config.notices().is_empty(), "{:?}", config.notices());
}

#[test]
fn every_built_in_value_is_a_key() {
    for (key, value) in NO_FILE {
        let def = definition(key).expect("a key");
        parse_value(def, value).expect("a value");
    }
}

#[test]
fn overriding_only_the_client_listener_keeps_a_controller() {
    let config = load(None, &[("listeners", "PLAINTEXT://:19092")]).expect("starts");
    let controller = config
        .listeners
        .controller()
        .next()
        .expect("a controller listener");
    assert_eq!((controller.host.as_str(), controller.port), ("localhost", 0));
}

#[test]
fn overrides_win_over_the_file_and_the_file_over_defaults() {
    let file = format!("{COMBINED}num.partitions=3\nlog.retention.hours=2\n");
    let config = load(Some(&file), &[("num.partitions", "5")]).expect("starts");
    assert_eq!(config.i32("num.partitions"), 5);
    assert_eq!(config.log_retention_ms(), 2 * 3_600_000);
    assert_eq!(config.log_roll_ms(), 168 * 3_600_000);
    assert_eq!(config.given("num.io.threads"), None);
    assert_eq!(config.i32("num.io.threads"), 8);
    assert_eq!(config.voters.first().map(|voter| voter.id), Some(7));
}

#[test]
fn broker_id_stands_for_node_id() {
    let file = COMBINED.replace("node.id=7", "broker.id=7");
    assert_eq!(load(Some(&file), &[]).expect("starts").node_id, 7);
    assert!(refusal("broker.id=8\n").contains("node.id"));
}

#[test]
fn milliseconds_come_before_minutes_and_hours() {
    let file = format!("{COMBINED}log.retention.minutes=5\nlog.retention.hours=2\n");
    assert_eq!(
        load(Some(&file), &[]).expect("starts").log_retention_ms(),
        300_000
    );
    let file = format!("{file}log.retention.ms=-7\n");
    assert_eq!(load(Some(&file), &[]).expect("starts").log_retention_ms(), -1);
}

#[test]
fn an_invalid_value_names_file_line_key_and_what_is_allowed() {
    let message = refusal("# a comment\nnum.partitions = 0\nmin.insync.replicas=x\n");
    assert!(
        message.contains("server.properties:7: num.partitions: Invalid value 0"),
        "{message}"
    );
    assert!(message.contains("(allowed: INT [1,...])"), "{message}");
    assert!(
        message.contains("server.properties:8: min.insync.replicas"),
        "all problems at once: {message}"
    );
}

#[test]
fn missing_keys_are_named() {
    let message = load(Some("log.dirs=/tmp/x\n"), &[])
        .expect_err("a refusal")
        .to_string();
    for key in ["process.roles", "node.id", "controller.listener.names"] {
        assert!(
            message.contains(&format!("Missing required configuration \"{key}\"")),
            "{message}"
        );
    }
}

#[test]
fn what_would_not_be_safe_to_ignore_is_refused() {
    for extra in [
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "remote.log.storage.system.enable=true",
        "create.topic.policy.class.name=com.example.Policy",
        "principal.builder.class=com.example.Builder",
        "listener.security.protocol.map=PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT\ninter.broker.listener.name=PLAINTEXT",
        "controller.quorum.voters=7@a:1,8@b:1",
        "group.consumer.assignors=uniform,com.example.Assignor",
    ] {
        let message = refusal(extra);
        let key = extra.split('=').next().unwrap_or_default();
        assert!(message.contains("Ottla"), "{key}: {message}");
    }
}

#[test]
fn rules_between_keys() {
    for (extra, key) in [
        ("log.roll.ms=0", "log.roll.ms"),
        ("log.retention.ms=0", "log.retention.ms"),
        (
            "log.cleaner.dedupe.buffer.size=1048576",
            "log.cleaner.dedupe.buffer.size",
        ),
        ("replica.fetch.wait.max.ms=40000", "replica.socket.timeout.ms"),
        ("cordoned.log.dirs=/nowhere", "cordoned.log.dirs"),
        ("max.connections.per.ip=0", "max.connections.per.ip"),
        ("queued.max.request.bytes=5", "queued.max.request.bytes"),
        ("controller.quorum.voters=8@a:1", "controller.quorum.voters"),
        (
            "group.coordinator.rebalance.protocols=consumer",
            "group.coordinator.rebalance.protocols",
        ),
    ] {
        let message = refusal(extra);
        assert!(message.contains(&format!("{key}: ")), "{extra}: {message}");
    }
}

#[test]
fn what_nobody_obeys_is_named_once() {
    let file = format!(
        "{COMBINED}foo.bar=1\nnum.io.threads=16\nnum.network.threads=3\nsuper.users=User:a\nssl.key.password=secret\n"
    );
    let config = load(Some(&file), &[("zookeeper.connect", "z:2181")]).expect("starts");
    let notices = config.notices().join("\n");
    assert!(notices.contains("num.io.threads=16"), "{notices}");
    assert!(
        !notices.contains("num.network.threads"),
        "the default needs no notice: {notices}"
    );
    assert!(
        notices.contains("ssl.key.password=[hidden]") && !notices.contains("secret"),
        "{notices}"
    );
    let unknown = config.notices().last().expect("a line on unknown keys");
    assert!(
        unknown.contains("foo.bar")
            && unknown.contains("zookeeper.connect")
            && !unknown.contains("super.users")
    );
}

#[test]
fn references_are_resolved_before_values_are_checked() {
    let environment = |name: &str| (name == "PARTITIONS").then(|| "12".to_owned());
    let overrides: Vec<(String, String)> = [
        ("config.providers", "env"),
        (
            "config.providers.env.class",
            "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
        ),
        ("num.partitions", "${env:PARTITIONS}"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .to_vec();
    let source = Source {
        file: None,
        overrides: &overrides,
        environment: &environment,
    };
    assert_eq!(
        BrokerConfig::load(&source).expect("starts").i32("num.partitions"),
        12
    );
}
