//! Changes of client-metrics subscriptions (KIP-714).

use std::collections::BTreeMap;

use regex_lite::Regex;

use crate::config::defs::{self, Scope};
use crate::config::error::ConfigError;
use crate::config::value::{Value, parse_value, split_list};

/// Checks all values a subscription would have.
pub fn validate_client_metrics(name: &str, own: &BTreeMap<&str, &str>) -> Result<(), ConfigError> {
    if name.is_empty() {
        return Err(ConfigError::bad_request("Subscription name can't be empty"));
    }
    for key in own.keys() {
        if defs::find(Scope::ClientMetrics, key).is_none() {
            return Err(ConfigError::bad_request(format!(
                "Unknown client metrics configuration: {key}"
            )));
        }
    }
    for (key, text) in own {
        let Some(def) = defs::find(Scope::ClientMetrics, key) else {
            continue;
        };
        match (*key, parse_value(def, text)?) {
            ("interval.ms", Value::Int(interval_ms)) if !INTERVAL_MS.contains(&interval_ms) => {
                return Err(ConfigError::bad_request(format!(
                    "Invalid value {interval_ms} for interval.ms, interval must be between 100 and 3600000 (1 hour)"
                )));
            }
            ("match", _) => split_list(text)
                .iter()
                .try_for_each(|pattern| check_pattern(pattern))?,
            _ => {}
        }
    }
    Ok(())
}

const INTERVAL_MS: std::ops::RangeInclusive<i32> = 100..=3_600_000;

const PROPERTIES: &[&str] = &[
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

fn check_pattern(text: &str) -> Result<(), ConfigError> {
    let mut parts = text.split('=');
    let fits = match (parts.next(), parts.next(), parts.next()) {
        (Some(property), Some(pattern), None) if !pattern.is_empty() => {
            PROPERTIES.contains(&property.trim()) && Regex::new(pattern.trim()).is_ok()
        }
        _ => false,
    };
    match fits {
        true => Ok(()),
        false => Err(ConfigError::invalid(format!(
            "Illegal client matching pattern: {text}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    fn check(own: &[(&str, &str)]) -> Result<(), ConfigError> {
        validate_client_metrics("sub", &own.iter().copied().collect())
    }

    #[test]
    fn subscriptions() {
        check(&[("metrics", "org.apache.kafka.,*"), ("interval.ms", "100")]).expect("good");
        check(&[("match", "client_id=app-.*,client_software_name=apache-kafka-java")]).expect("good");
        let refusal = check(&[("interval.ms", "99")]).expect_err("a refusal");
        assert_eq!(refusal.code, ErrorCode::InvalidRequest);
        let refusal = check(&[("match", "client=1")]).expect_err("a refusal");
        assert_eq!(
            (refusal.code, refusal.message.as_str()),
            (
                ErrorCode::InvalidConfig,
                "Illegal client matching pattern: client=1"
            )
        );
        assert!(check(&[("match", "client_id=(")]).is_err());
        assert!(check(&[("match", "client_id=a=b")]).is_err());
        assert_eq!(
            check(&[("push", "1")]).expect_err("a refusal").message,
            "Unknown client metrics configuration: push"
        );
        assert!(validate_client_metrics("", &BTreeMap::new()).is_err());
    }
}
