//! What consumers of a classic group tell each other through the broker, which itself never looks at it: subscriptions and
//! assignments. The dump shows them, as Kafka's tool does.

use bytes::Bytes;
use ottla_base::record_schema;
use ottla_base::schema::json::to_json;
use ottla_base::schema::{Reader, Schema};
use ottla_coordinator::records::GroupMetadataValue;

record_schema! {
    struct Subscription: versions 0..=3 {
        topics: Vec<String>;
        user_data: Option<Bytes>;
        owned_partitions: Vec<TopicPartitions>, versions 1..;
        generation_id: i32 = -1, versions 2..;
        rack_id: Option<String>, versions 3..;
    }

    struct Assignment: versions 0..=3 {
        assigned_partitions: Vec<TopicPartitions>;
        user_data: Option<Bytes>;
    }

    struct TopicPartitions {
        topic: String;
        partitions: Vec<i32>;
    }
}

/// The type of group whose members use this protocol.
const PROTOCOL_TYPE: &str = "consumer";

/// Replaces, in the JSON of a group, the members' bytes by what they mean. What cannot be read stays as it is.
pub(super) fn explain(group: &GroupMetadataValue, mut json: String) -> String {
    if group.protocol_type != PROTOCOL_TYPE {
        return json;
    }
    for member in &group.members {
        let parts = [
            (
                "subscription",
                &member.subscription,
                decoded::<Subscription>(&member.subscription),
            ),
            (
                "assignment",
                &member.assignment,
                decoded::<Assignment>(&member.assignment),
            ),
        ];
        for (name, bytes, meaning) in parts {
            if let Some(meaning) = meaning {
                let found = format!("\"{name}\":{}", to_json(bytes, 0));
                json = json.replacen(&found, &format!("\"{name}\":{meaning}"), 1);
            }
        }
    }
    json
}

/// A version, and a message of it. A newer version is read as the newest that is known, since fields are only added.
fn decoded<T: Schema + ottla_base::schema::json::Json>(bytes: &Bytes) -> Option<String> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16().ok()?.min(T::VERSION_MAX);
    let message = T::decode(&mut reader, version).ok()?;
    Some(to_json(&message, version))
}
