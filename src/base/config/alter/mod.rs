//! What a change of configuration must pass before it becomes a record, with Kafka's words and codes for a refusal.
//!
//! The controller calls [`apply`] and one of the `validate_*`; the broker that a client asks checks changes of broker
//! keys first, for only a broker knows its own file ([`validate_broker`]).

mod broker;
mod client_metrics;
mod group;
mod topic;

use super::def::{Default, Kind};
use super::defs::{self, Scope};
use super::error::ConfigError;

pub(super) use broker::{is_cluster_listener_key, is_security_key};
pub use broker::{validate_broker, validate_broker_op};
pub use client_metrics::validate_client_metrics;
pub use group::validate_group;
pub use topic::validate_topic;

/// What an incremental change does with one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Set,
    Delete,
    /// Adds values to a list.
    Append,
    /// Takes values out of a list.
    Subtract,
}

impl Op {
    pub const fn from_code(code: i8) -> Option<Self> {
        match code {
            0 => Some(Self::Set),
            1 => Some(Self::Delete),
            2 => Some(Self::Append),
            3 => Some(Self::Subtract),
            _ => None,
        }
    }

    /// As Kafka's messages write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Set => "SET",
            Self::Delete => "DELETE",
            Self::Append => "APPEND",
            Self::Subtract => "SUBTRACT",
        }
    }
}

/// One change of an incremental request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub key: String,
    pub op: Op,
    /// Absent only for [`Op::Delete`].
    pub value: Option<String>,
}

/// The longest value that fits into a record.
const VALUE_LENGTH_MAX: usize = i16::MAX as usize;

/// The value of a key after a change; `None` when it is gone.
pub fn apply(scope: Scope, current: Option<&str>, change: &Change) -> Result<Option<String>, ConfigError> {
    let value = change.value.as_deref().unwrap_or_default();
    let after = match change.op {
        Op::Set => Some(value.to_owned()),
        Op::Delete => None,
        Op::Append | Op::Subtract if !is_splittable(scope, &change.key) => {
            return Err(ConfigError::invalid(format!(
                "Can't {} to key {} because its type is not LIST.",
                change.op.name(),
                change.key
            )));
        }
        Op::Append | Op::Subtract => Some(edit_list(scope, current, change, value)),
    };
    match after {
        Some(text) if text.encode_utf16().count() > VALUE_LENGTH_MAX => Err(ConfigError::invalid(format!(
            "The configuration value cannot be added because it exceeds the maximum value size of {VALUE_LENGTH_MAX} \
             bytes."
        ))),
        after => Ok(after),
    }
}

/// Kafka's controller edits lists of topics and brokers only.
fn is_splittable(scope: Scope, key: &str) -> bool {
    matches!(scope, Scope::Topic | Scope::Broker)
        && defs::find(scope, key).is_some_and(|def| def.kind == Kind::List)
}

fn edit_list(scope: Scope, current: Option<&str>, change: &Change, value: &str) -> String {
    let default = || match defs::find(scope, &change.key).map(|def| def.default) {
        Some(Default::Value(text)) => text,
        _ => "",
    };
    let text = current.unwrap_or_else(default);
    let mut items: Vec<&str> = text.split(',').filter(|item| !item.is_empty()).collect();
    for item in value.split(',') {
        let at = items.iter().position(|old| *old == item);
        match (change.op, at) {
            (Op::Append, None) => items.push(item),
            (Op::Subtract, Some(at)) => {
                items.remove(at);
            }
            _ => {}
        }
    }
    items.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str, op: Op, value: &str) -> Change {
        Change {
            key: key.to_owned(),
            op,
            value: Some(value.to_owned()),
        }
    }

    fn topic(current: Option<&str>, op: Op, value: &str) -> Option<String> {
        apply(Scope::Topic, current, &change("cleanup.policy", op, value)).expect("a list")
    }

    #[test]
    fn lists_are_edited_from_their_default() {
        assert_eq!(
            topic(None, Op::Append, "compact").as_deref(),
            Some("delete,compact")
        );
        assert_eq!(
            topic(Some("compact"), Op::Append, "delete,compact").as_deref(),
            Some("compact,delete")
        );
        assert_eq!(
            topic(Some("compact,delete"), Op::Subtract, "delete,other").as_deref(),
            Some("compact")
        );
        assert_eq!(topic(Some("delete"), Op::Subtract, "delete").as_deref(), Some(""));
        assert_eq!(topic(Some("x"), Op::Set, "y").as_deref(), Some("y"));
        assert_eq!(topic(Some("x"), Op::Delete, ""), None);
    }

    #[test]
    fn other_keys_cannot_be_edited_as_lists() {
        for (scope, key) in [
            (Scope::Topic, "retention.ms"),
            (Scope::Topic, "no.such.key"),
            (Scope::ClientMetrics, "metrics"),
        ] {
            let error = apply(scope, None, &change(key, Op::Append, "a")).expect_err("a refusal");
            assert_eq!(
                error.message,
                format!("Can't APPEND to key {key} because its type is not LIST.")
            );
        }
    }

    #[test]
    fn a_value_has_to_fit_into_a_record() {
        let long = change("cleanup.policy", Op::Set, &"x".repeat(VALUE_LENGTH_MAX + 1));
        assert!(apply(Scope::Topic, None, &long).is_err());
    }
}
