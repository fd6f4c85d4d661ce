//! What consumers of a classic group tell each other through the broker: the dump shows it, as Kafka's tool does.

use bytes::Bytes;
use ottla_base::schema::Schema;
use ottla_base::schema::json::{Json, to_json};
use ottla_coordinator::consumer_protocol::{self, Assignment, PROTOCOL_TYPE, Subscription};
use ottla_coordinator::records::GroupMetadataValue;

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

fn decoded<T: Schema + Json>(bytes: &Bytes) -> Option<String> {
    let (version, message) = consumer_protocol::decode::<T>(bytes).ok()?;
    Some(to_json(&message, version))
}
