//! Changes of topics.

use std::collections::BTreeMap;

use crate::config::defs::{self, Scope};
use crate::config::effective::Effective;
use crate::config::error::ConfigError;
use crate::config::settings::Settings;
use crate::config::value::parse_value;

/// Checks all values a topic would have of its own; `before` are those it has now.
pub fn validate_topic(
    own: &BTreeMap<&str, &str>,
    before: &BTreeMap<&str, &str>,
    effective: &Effective,
) -> Result<(), ConfigError> {
    for (name, text) in own {
        let Some(def) = defs::find(Scope::Topic, name) else {
            return Err(ConfigError::invalid(format!("Unknown topic config name: {name}")));
        };
        parse_value(def, text)?;
    }
    let topic = effective.topic(own.iter().map(|(name, text)| (*name, *text)));
    let (least_ms, most_ms) = (
        topic.i64("min.compaction.lag.ms"),
        topic.i64("max.compaction.lag.ms"),
    );
    if least_ms > most_ms {
        return Err(ConfigError::invalid(format!(
            "conflict topic config setting min.compaction.lag.ms ({least_ms}) > max.compaction.lag.ms ({most_ms})"
        )));
    }
    validate_tiering(&topic, before, effective)
}

fn validate_tiering(
    topic: &impl Settings,
    before: &BTreeMap<&str, &str>,
    effective: &Effective,
) -> Result<(), ConfigError> {
    let was_tiered = before
        .get("remote.storage.enable")
        .is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
    let is_tiered = topic.bool("remote.storage.enable");
    if is_tiered && !effective.bool("remote.log.storage.system.enable") {
        return Err(ConfigError::invalid(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.",
        ));
    }
    if was_tiered && !is_tiered && !topic.bool("remote.log.delete.on.disable") {
        return Err(ConfigError::invalid(
            "It is invalid to disable remote storage without deleting remote data. If you want to keep the remote data \
             and turn to read only, please set `remote.storage.enable=true,remote.log.copy.disable=true`. If you want to \
             disable remote storage and delete all remote data, please set \
             `remote.storage.enable=false,remote.log.delete.on.disable=true`.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::broker::tests::effective;
    use super::*;

    fn refusal(own: &[(&str, &str)]) -> String {
        let own = own.iter().copied().collect();
        validate_topic(&own, &BTreeMap::new(), &effective(&[]))
            .expect_err("a refusal")
            .message
    }

    #[test]
    fn good_values_pass() {
        let own = BTreeMap::from([
            ("retention.ms", "-1"),
            ("cleanup.policy", "compact, delete"),
            ("segment.ms", "1"),
        ]);
        validate_topic(&own, &BTreeMap::new(), &effective(&[])).expect("good values");
    }

    #[test]
    fn refusals() {
        assert_eq!(
            refusal(&[("retention", "1")]),
            "Unknown topic config name: retention"
        );
        assert_eq!(
            refusal(&[("retention.ms", "-2")]),
            "Invalid value -2 for configuration retention.ms: Value must be at least -1"
        );
        assert!(
            refusal(&[("remote.storage.enable", "true")])
                .starts_with("Tiered Storage functionality is disabled")
        );
    }

    #[test]
    fn the_brokers_values_count_in_the_comparison() {
        let broker = effective(&[("log.cleaner.max.compaction.lag.ms", "10")]);
        let own = BTreeMap::from([("min.compaction.lag.ms", "11")]);
        let error = validate_topic(&own, &BTreeMap::new(), &broker).expect_err("a conflict");
        assert_eq!(
            error.message,
            "conflict topic config setting min.compaction.lag.ms (11) > max.compaction.lag.ms (10)"
        );
    }

    #[test]
    fn leaving_the_remote_tier_needs_a_word_about_its_data() {
        let before = BTreeMap::from([("remote.storage.enable", "true")]);
        assert!(validate_topic(&BTreeMap::new(), &before, &effective(&[])).is_err());
        let own = BTreeMap::from([("remote.log.delete.on.disable", "true")]);
        assert!(validate_topic(&own, &before, &effective(&[])).is_ok());
    }
}
