//! What we show of a configuration, compared with what Apache Kafka 4.3.1 showed of the same one.
//!
//! A real broker ran with `testdata/kafka-4.3.1-describe.properties`; the dynamic values below were set through its admin
//! API, and every resource was described with synonyms. The rows are
//! `resource|key|value (~ is null)|source|ro or rw|secret or -|type|synonyms`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::broker::{BrokerConfig, Source};
use super::describe::{self, Entry};
use super::effective::{Effective, Origin};
use super::properties;

const FILE: &str = include_str!("testdata/kafka-4.3.1-describe.properties");
const KAFKA: &str = include_str!("testdata/kafka-4.3.1-describe.txt");

fn effective() -> Effective {
    let given = properties::parse(FILE)
        .expect("a file")
        .into_iter()
        .map(|entry| (entry.key, entry.value));
    // Given over the defaults of a start without a file, whose keys the file sets or Kafka would show differently.
    let path = std::env::temp_dir().join(format!("ottla-describe-{}.properties", std::process::id()));
    let text: String = given.map(|(key, value)| format!("{key}={value}\n")).collect();
    std::fs::write(&path, text).expect("written");
    let source = Source {
        file: Some(&path),
        overrides: &[],
        environment: &|_| None,
    };
    let node = Arc::new(BrokerConfig::load(&source).expect("a good file"));
    std::fs::remove_file(&path).expect("removed");
    let cluster = [
        ("message.max.bytes", "2000000"),
        ("log.retention.ms", "2000"),
        ("log.flush.interval.ms", "77"),
        ("my.own", "x"),
        // Kafka's controller writes this one when a cluster begins with ELR.
        ("min.insync.replicas", "1"),
    ];
    let broker = [
        ("message.max.bytes", "3000000"),
        ("num.io.threads", "9"),
        ("log.roll.jitter.ms", "5"),
        ("leader.replication.throttled.rate", "1000"),
    ];
    Effective::new(node, cluster, broker)
}

fn ours() -> Vec<(&'static str, Vec<Entry>)> {
    let effective = effective();
    let topic = BTreeMap::from([("retention.ms", "1000"), ("cleanup.policy", "compact, delete")]);
    let group = BTreeMap::from([
        ("consumer.session.timeout.ms", "50000"),
        ("share.auto.offset.reset", "earliest"),
    ]);
    let metrics = BTreeMap::from([("interval.ms", "1000"), ("match", "client_id=a")]);
    vec![
        ("TOPIC:t", describe::topic(&effective, &topic)),
        ("BROKER:1", describe::broker(&effective)),
        ("BROKER:", describe::cluster_default(&effective)),
        ("GROUP:g", describe::group(&effective, &group)),
        ("CLIENT_METRICS:m", describe::client_metrics(&metrics)),
        ("GROUP:none", describe::group(&effective, &BTreeMap::new())),
    ]
}

fn row(resource: &str, entry: &Entry) -> String {
    let synonyms = entry.synonyms.iter().map(|synonym| {
        let value = synonym.value.as_deref().unwrap_or("~");
        format!("{}:{}={value}", source(synonym.origin), synonym.name)
    });
    [
        resource,
        &entry.name,
        entry.value.as_deref().unwrap_or("~"),
        source(entry.origin),
        if entry.is_read_only { "ro" } else { "rw" },
        if entry.is_sensitive { "secret" } else { "-" },
        entry.kind.map_or("UNKNOWN", |kind| kind.name()),
        &synonyms.collect::<Vec<_>>().join(";"),
    ]
    .join("|")
}

fn source(origin: Origin) -> &'static str {
    match origin {
        Origin::Topic => "DYNAMIC_TOPIC_CONFIG",
        Origin::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
        Origin::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        Origin::StaticBroker => "STATIC_BROKER_CONFIG",
        Origin::Default => "DEFAULT_CONFIG",
        Origin::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
        Origin::Group => "DYNAMIC_GROUP_CONFIG",
    }
}

#[test]
fn every_key_is_shown_as_kafka_shows_it() {
    let kafka: BTreeSet<&str> = KAFKA.lines().collect();
    let rows: Vec<String> = ours()
        .iter()
        .flat_map(|(resource, entries)| entries.iter().map(|entry| row(resource, entry)))
        .collect();
    let ours: BTreeSet<&str> = rows.iter().map(String::as_str).collect();
    let differences: Vec<String> = kafka
        .difference(&ours)
        .map(|row| format!("kafka {row}"))
        .chain(ours.difference(&kafka).map(|row| format!("ours  {row}")))
        .collect();
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
    assert_eq!(ours.len(), rows.len(), "each key once");
}
