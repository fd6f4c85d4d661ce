//! What a client is asked for: the sum of the client-metrics resources that match it.

use std::collections::BTreeSet;

use ottla_base::Uuid;
use ottla_base::config::def::Default;
use ottla_base::config::{Scope, Value, find, parse_value};
use ottla_metadata::image::{ConfigKind, Configs};
use regex_lite::Regex;

use crate::api::Ctx;

/// zstd, lz4, gzip, snappy: the order in which Kafka prefers them.
pub const ACCEPTED_CODECS: [i8; 4] = [4, 3, 1, 2];

/// How often clients push that match no resource.
const INTERVAL_DEFAULT_MS: i32 = 300_000;
const ALL_METRICS: &str = "*";

/// All that clients can be told apart by.
#[derive(Clone, Debug)]
struct Client {
    instance_id: Uuid,
    client_id: String,
    software_name: String,
    software_version: String,
    source_address: String,
    source_port: String,
}

/// The matching resources together: every prefix any of them asks for, at the shortest of their intervals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Changes when the content changes, and differs between clients.
    pub id: i32,
    pub metrics: Vec<String>,
    pub interval_ms: i32,
}

impl Subscription {
    /// The current subscription of the client behind a request.
    pub fn of_client(ctx: &Ctx, instance_id: Uuid) -> Self {
        let (software_name, software_version) =
            ctx.connection.client_software.get().cloned().unwrap_or_default();
        let client = Client {
            instance_id,
            client_id: ctx.client_id().to_owned(),
            software_name,
            software_version,
            source_address: ctx.peer_addr.ip().to_canonical().to_string(),
            source_port: ctx.peer_addr.port().to_string(),
        };
        Self::collect(&ctx.image().configs, &client)
    }

    fn collect(configs: &Configs, client: &Client) -> Self {
        let mut metrics = BTreeSet::new();
        let mut interval_ms = None;
        let resources = configs
            .iter()
            .filter(|(resource, _)| resource.kind == ConfigKind::ClientMetrics);
        for (_, values) in resources {
            let value = |key: &str| read(key, values.get(key).map(String::as_str));
            if !list(value("match")).iter().all(|pair| client.matches(pair)) {
                continue;
            }
            metrics.extend(list(value("metrics")));
            if let Some(Value::Int(own_ms)) = value("interval.ms") {
                interval_ms = Some(interval_ms.map_or(own_ms, |least: i32| least.min(own_ms)));
            }
        }
        if metrics.contains(ALL_METRICS) {
            metrics = BTreeSet::from([ALL_METRICS.to_owned()]);
        }
        let metrics: Vec<String> = metrics.into_iter().collect();
        let interval_ms = interval_ms.unwrap_or(INTERVAL_DEFAULT_MS);
        Self {
            id: subscription_id(&metrics, interval_ms, client.instance_id),
            metrics,
            interval_ms,
        }
    }
}

impl Client {
    /// Whether `property=pattern` fits. What cannot be read fits nobody; the controller lets no such pair in.
    fn matches(&self, pair: &str) -> bool {
        let Some((property, pattern)) = pair.split_once('=') else {
            return false;
        };
        let instance_id;
        let value = match property.trim() {
            "client_instance_id" => {
                instance_id = ottla_base::ids::uuid_to_string(self.instance_id);
                &instance_id
            }
            "client_id" => &self.client_id,
            "client_software_name" => &self.software_name,
            "client_software_version" => &self.software_version,
            "client_source_address" => &self.source_address,
            "client_source_port" => &self.source_port,
            _ => return false,
        };
        Regex::new(&format!("^(?:{})$", pattern.trim())).is_ok_and(|pattern| pattern.is_match(value))
    }
}

/// The value of a key of a client-metrics resource, or its default.
fn read(key: &str, text: Option<&str>) -> Option<Value> {
    let def = find(Scope::ClientMetrics, key)?;
    let text = match def.default {
        Default::Value(default) => text.unwrap_or(default),
        Default::Null | Default::Required => text?,
    };
    parse_value(def, text).ok()
}

fn list(value: Option<Value>) -> Vec<String> {
    match value {
        Some(Value::List(items)) => items,
        _ => Vec::new(),
    }
}

/// Kafka's rule: the CRC of the content's text, mixed with the hash that Java gives the client's id.
fn subscription_id(metrics: &[String], interval_ms: i32, instance: Uuid) -> i32 {
    let content = format!("[{}]{interval_ms}", metrics.join(", "));
    let (most, least) = instance.as_u64_pair();
    let [_, _, _, _, low @ ..] = (most ^ least).to_be_bytes();
    let [high @ .., _, _, _, _] = (most ^ least).to_be_bytes();
    let hash = u32::from_be_bytes(low) ^ u32::from_be_bytes(high);
    (crc32c::crc32c(content.as_bytes()) ^ hash).cast_signed()
}

#[cfg(test)]
mod tests {
    use ottla_metadata::records::ConfigRecord;
    use ottla_metadata::{Delta, Image, Record};

    use super::*;

    fn image(configs: &[(&str, &str, &str)]) -> Image {
        let mut image = Image::empty();
        for (name, key, value) in configs {
            let record = ConfigRecord {
                resource_type: ConfigKind::ClientMetrics.code(),
                resource_name: (*name).to_owned(),
                name: (*key).to_owned(),
                value: Some((*value).to_owned()),
            };
            image
                .apply(&Record::Config(record), 1, &mut Delta::default())
                .unwrap();
        }
        image
    }

    fn client(client_id: &str, software_name: &str) -> Client {
        Client {
            instance_id: Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
            client_id: client_id.to_owned(),
            software_name: software_name.to_owned(),
            software_version: "1".to_owned(),
            source_address: "127.0.0.1".to_owned(),
            source_port: "4711".to_owned(),
        }
    }

    // Resources, clients and answers as measured on Apache Kafka 4.3.1.

    #[test]
    fn without_resources_nothing_is_asked_for() {
        let subscription = Subscription::collect(&Image::empty().configs, &client("x", ""));
        assert_eq!(
            (subscription.metrics.len(), subscription.interval_ms),
            (0, 300_000)
        );
        assert_eq!(subscription.id, -725_132_338);
    }

    #[test]
    fn all_resources_that_match_count_together() {
        let image = image(&[
            (
                "sub1",
                "metrics",
                "org.apache.kafka.producer,org.apache.kafka.consumer.",
            ),
            ("sub1", "interval.ms", "60000"),
            ("sub2", "metrics", "org.x,org.apache.kafka.producer.a"),
            ("sub2", "interval.ms", "120000"),
            ("sub2", "match", "client_id=client-.*"),
            ("sub3", "metrics", "*"),
            ("sub3", "interval.ms", "30000"),
            ("sub3", "match", "client_id=zzz,client_software_name=q.*"),
        ]);
        let of = |client_id, software| {
            let subscription = Subscription::collect(&image.configs, &client(client_id, software));
            (subscription.metrics.join(" "), subscription.interval_ms)
        };
        let (consumer, producer) = ("org.apache.kafka.consumer.", "org.apache.kafka.producer");
        let two = format!("{consumer} {producer}");
        let four = format!("{two} {producer}.a org.x");
        assert_eq!(of("client-a", ""), (four, 60_000));
        assert_eq!(of("xclient-a", ""), (two.clone(), 60_000));
        assert_eq!(of("zzz", "aa"), (two, 60_000));
        assert_eq!(of("zzz", "qq"), ("*".to_owned(), 30_000));
    }
}
