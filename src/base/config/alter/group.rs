//! Changes of groups: every value within the bounds that the broker's file sets.

use std::collections::BTreeMap;

use crate::config::defs::{self, Scope};
use crate::config::effective::Effective;
use crate::config::error::ConfigError;
use crate::config::settings::Settings;
use crate::config::value::parse_value;

/// Checks all values a group would have of its own.
pub fn validate_group(own: &BTreeMap<&str, &str>, effective: &Effective) -> Result<(), ConfigError> {
    for (name, text) in own {
        let Some(def) = defs::find(Scope::Group, name) else {
            return Err(ConfigError::invalid(format!("Unknown group config name: {name}")));
        };
        parse_value(def, text)?;
    }
    let group = effective.group(own.iter().map(|(name, text)| (*name, *text)));
    for bound in BOUNDS
        .iter()
        .filter(|bound| !bound.only_own || own.contains_key(bound.key))
    {
        let value = group.i32(bound.key);
        if let Some(least) = bound.least.filter(|least| value < effective.i32(least)) {
            return Err(ConfigError::invalid(format!(
                "{} must be greater than or equal to {least}",
                bound.key
            )));
        }
        if let Some(most) = bound.most.filter(|most| value > effective.i32(most)) {
            return Err(ConfigError::invalid(format!(
                "{} must be less than or equal to {most}",
                bound.key
            )));
        }
    }
    for (session, heartbeat) in SESSIONS {
        if group.i32(session) <= group.i32(heartbeat) {
            return Err(ConfigError::invalid(format!(
                "{session} must be greater than {heartbeat}"
            )));
        }
    }
    Ok(())
}

/// A group key and the broker keys that bound it.
struct Bound {
    key: &'static str,
    least: Option<&'static str>,
    most: Option<&'static str>,
    /// Checked only when the group sets it: the broker's own value may lie outside.
    only_own: bool,
}

const fn between(key: &'static str, least: &'static str, most: &'static str) -> Bound {
    Bound {
        key,
        least: Some(least),
        most: Some(most),
        only_own: false,
    }
}

const fn own_between(key: &'static str, least: &'static str, most: &'static str) -> Bound {
    Bound {
        key,
        least: Some(least),
        most: Some(most),
        only_own: true,
    }
}

const BOUNDS: &[Bound] = &[
    between(
        "consumer.heartbeat.interval.ms",
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.max.heartbeat.interval.ms",
    ),
    between(
        "consumer.session.timeout.ms",
        "group.consumer.min.session.timeout.ms",
        "group.consumer.max.session.timeout.ms",
    ),
    own_between(
        "consumer.assignment.interval.ms",
        "group.consumer.min.assignment.interval.ms",
        "group.consumer.max.assignment.interval.ms",
    ),
    between(
        "share.heartbeat.interval.ms",
        "group.share.min.heartbeat.interval.ms",
        "group.share.max.heartbeat.interval.ms",
    ),
    between(
        "share.session.timeout.ms",
        "group.share.min.session.timeout.ms",
        "group.share.max.session.timeout.ms",
    ),
    between(
        "share.record.lock.duration.ms",
        "group.share.min.record.lock.duration.ms",
        "group.share.max.record.lock.duration.ms",
    ),
    between(
        "share.delivery.count.limit",
        "group.share.min.delivery.count.limit",
        "group.share.max.delivery.count.limit",
    ),
    between(
        "share.partition.max.record.locks",
        "group.share.min.partition.max.record.locks",
        "group.share.max.partition.max.record.locks",
    ),
    own_between(
        "share.assignment.interval.ms",
        "group.share.min.assignment.interval.ms",
        "group.share.max.assignment.interval.ms",
    ),
    between(
        "streams.heartbeat.interval.ms",
        "group.streams.min.heartbeat.interval.ms",
        "group.streams.max.heartbeat.interval.ms",
    ),
    between(
        "streams.session.timeout.ms",
        "group.streams.min.session.timeout.ms",
        "group.streams.max.session.timeout.ms",
    ),
    Bound {
        key: "streams.num.standby.replicas",
        least: None,
        most: Some("group.streams.max.standby.replicas"),
        only_own: false,
    },
    own_between(
        "streams.assignment.interval.ms",
        "group.streams.min.assignment.interval.ms",
        "group.streams.max.assignment.interval.ms",
    ),
];

const SESSIONS: &[(&str, &str)] = &[
    ("consumer.session.timeout.ms", "consumer.heartbeat.interval.ms"),
    ("share.session.timeout.ms", "share.heartbeat.interval.ms"),
    ("streams.session.timeout.ms", "streams.heartbeat.interval.ms"),
];

#[cfg(test)]
mod tests {
    use super::super::broker::tests::effective;
    use super::*;

    fn refusal(own: &[(&str, &str)]) -> String {
        validate_group(&own.iter().copied().collect(), &effective(&[]))
            .expect_err("a refusal")
            .message
    }

    #[test]
    fn bounds_are_the_brokers() {
        validate_group(
            &BTreeMap::from([("consumer.session.timeout.ms", "50000")]),
            &effective(&[]),
        )
        .expect("within");
        assert_eq!(refusal(&[("session", "1")]), "Unknown group config name: session");
        assert_eq!(
            refusal(&[("consumer.session.timeout.ms", "44999")]),
            "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms"
        );
        assert_eq!(
            refusal(&[("streams.num.standby.replicas", "3")]),
            "streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas"
        );
        let wide = effective(&[("group.consumer.max.heartbeat.interval.ms", "50000")]);
        let own = BTreeMap::from([("consumer.heartbeat.interval.ms", "45000")]);
        assert_eq!(
            validate_group(&own, &wide).expect_err("a refusal").message,
            "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms"
        );
    }

    #[test]
    fn every_bound_is_a_key() {
        for bound in BOUNDS {
            assert!(defs::find(Scope::Group, bound.key).is_some(), "{}", bound.key);
            for key in [bound.least, bound.most].into_iter().flatten() {
                assert!(defs::find(Scope::Broker, key).is_some(), "{key}");
            }
        }
    }
}
