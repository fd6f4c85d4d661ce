//! Turning the text of a configuration value into a checked value and back, in Kafka's words.
//!
//! The messages are those that Kafka's tools print, so that scripts which look for them keep working. Numbers are
//! trimmed as Java trims; lists are split at commas with whitespace around them dropped.

use std::collections::HashSet;

use super::def::{ConfigDef, Kind, Valid};
use super::error::ConfigError;
use super::shapes;

/// A value that has passed its definition.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Boolean(bool),
    Int(i32),
    Short(i16),
    Long(i64),
    Double(f64),
    Text(String),
    List(Vec<String>),
}

impl Value {
    /// The text Kafka gives back for this value: `1.0` for a double, a list joined by commas.
    pub fn to_text(&self) -> String {
        match self {
            Self::Boolean(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Short(value) => value.to_string(),
            Self::Long(value) => value.to_string(),
            Self::Double(value) => java_double(*value),
            Self::Text(value) => value.clone(),
            Self::List(values) => values.join(","),
        }
    }

    /// How the value looks inside an error message.
    fn in_message(&self) -> String {
        match self {
            Self::List(values) => format!("[{}]", values.join(", ")),
            other => other.to_text(),
        }
    }
}

/// Reads and checks a value.
pub fn parse_value(def: &ConfigDef, text: &str) -> Result<Value, ConfigError> {
    let mut value = parse_kind(def.name, def.kind, text)?;
    if let (Value::List(items), true) = (&mut value, is_set(def.valid)) {
        let mut seen = HashSet::new();
        items.retain(|item| seen.insert(item.clone()));
    }
    check(def, &value)?;
    Ok(value)
}

/// Lists in which a value that comes twice counts once.
const fn is_set(valid: Valid) -> bool {
    matches!(
        valid,
        Valid::Distinct | Valid::DistinctSome | Valid::ListOf(_) | Valid::SomeOf(_)
    )
}

/// Splits a list as Kafka does: an empty text is an empty list.
pub fn split_list(text: &str) -> Vec<String> {
    let text = java_trim(text);
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').map(|item| item.trim().to_owned()).collect()
}

fn parse_kind(name: &str, kind: Kind, text: &str) -> Result<Value, ConfigError> {
    let trimmed = java_trim(text);
    let not_a_number =
        || ConfigError::invalid_value(name, text, &format!("Not a number of type {}", kind.name()));
    Ok(match kind {
        Kind::Boolean if trimmed.eq_ignore_ascii_case("true") => Value::Boolean(true),
        Kind::Boolean if trimmed.eq_ignore_ascii_case("false") => Value::Boolean(false),
        Kind::Boolean => {
            let why = "Expected value to be either true or false";
            return Err(ConfigError::invalid_value(name, text, why));
        }
        Kind::Int => Value::Int(trimmed.parse().map_err(|_| not_a_number())?),
        Kind::Short => Value::Short(trimmed.parse().map_err(|_| not_a_number())?),
        Kind::Long => Value::Long(trimmed.parse().map_err(|_| not_a_number())?),
        Kind::Double => Value::Double(trimmed.parse().map_err(|_| not_a_number())?),
        Kind::List => Value::List(split_list(trimmed)),
        Kind::String | Kind::Class | Kind::Password => Value::Text(trimmed.to_owned()),
    })
}

fn check(def: &ConfigDef, value: &Value) -> Result<(), ConfigError> {
    let fail = |why: &str| Err(ConfigError::invalid_value(def.name, &value.in_message(), why));
    match (def.valid, value) {
        (Valid::AtLeast(low), _) => check_range(def, value, Some(low), None),
        (Valid::Between(low, high), _) => check_range(def, value, Some(low), Some(high)),
        (Valid::BetweenDouble(low, high), Value::Double(number)) => {
            if *number < low {
                return fail(&format!("Value must be at least {low}"));
            }
            if *number > high {
                return fail(&format!("Value must be no more than {high}"));
            }
            Ok(())
        }
        (Valid::OneOf(names), Value::Text(text)) if !names.contains(&text.as_str()) => {
            fail(&format!("String must be one of: {}", names.join(", ")))
        }
        (Valid::OneOfIgnoringCase(names), Value::Text(text)) => {
            if names.iter().any(|name| name.eq_ignore_ascii_case(text)) {
                return Ok(());
            }
            fail(&format!(
                "String must be one of (case insensitive): {}",
                names.join(", ")
            ))
        }
        (Valid::Distinct, Value::List(items)) => check_list(def.name, items, &[], true),
        (Valid::DistinctSome, Value::List(items)) => check_list(def.name, items, &[], false),
        (Valid::ListOf(names), Value::List(items)) => check_list(def.name, items, names, true),
        (Valid::SomeOf(names), Value::List(items)) => check_list(def.name, items, names, false),
        (Valid::NonEmpty, Value::Text(text)) if text.is_empty() => fail("String must be non-empty"),
        (Valid::GzipLevel, Value::Int(level)) if *level != -1 && !(1..=9).contains(level) => {
            fail("Value must be between 1 and 9 or equal to -1")
        }
        (Valid::ThrottledReplicas, Value::List(items)) if !shapes::is_throttled_replicas(items) => {
            fail(&format!(
                "{} must be the literal '*' or a list of replicas in the following format: {}",
                def.name,
                Valid::ThrottledReplicas
            ))
        }
        (Valid::ShareOffsetReset, Value::Text(text)) if !shapes::is_share_offset_reset(text) => {
            fail(&format!(
                "Invalid value `{text}` for configuration {}. The value must be either 'earliest', 'latest' or of the \
             format 'by_duration:<PnDTnHnMn.nS>'.",
                def.name
            ))
        }
        (Valid::Voters, Value::List(items)) => shapes::check_voters(def.name, items),
        (Valid::HostPorts, Value::List(items)) => shapes::check_host_ports(def.name, items),
        _ => Ok(()),
    }
}

fn check_range(
    def: &ConfigDef,
    value: &Value,
    low: Option<i64>,
    high: Option<i64>,
) -> Result<(), ConfigError> {
    let number = match value {
        Value::Int(number) => i64::from(*number),
        Value::Short(number) => i64::from(*number),
        Value::Long(number) => *number,
        _ => return Ok(()),
    };
    let fail = |why: String| Err(ConfigError::invalid_value(def.name, &value.in_message(), &why));
    match (low, high) {
        (Some(low), _) if number < low => fail(format!("Value must be at least {low}")),
        (_, Some(high)) if number > high => fail(format!("Value must be no more than {high}")),
        _ => Ok(()),
    }
}

fn check_list(name: &str, items: &[String], allowed: &[&str], may_be_empty: bool) -> Result<(), ConfigError> {
    if items.is_empty() && !may_be_empty {
        let valid = if allowed.is_empty() {
            "any non-empty value".to_owned()
        } else {
            format!("[{}]", allowed.join(", "))
        };
        return Err(ConfigError::invalid(format!(
            "Configuration '{name}' must not be empty. Valid values include: {valid}"
        )));
    }
    for item in items {
        if item.is_empty() {
            return Err(ConfigError::invalid(format!(
                "Configuration '{name}' values must not be empty."
            )));
        }
        if !allowed.is_empty() && !allowed.contains(&item.as_str()) {
            let why = format!("String must be one of: {}", allowed.join(", "));
            return Err(ConfigError::invalid_value(name, item, &why));
        }
    }
    Ok(())
}

/// Java's `String.trim`: everything up to the space character counts as white space.
fn java_trim(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}

/// Java's `Double.toString`: at least one decimal, and an exponent below 1e-3 and from 1e7 on.
fn java_double(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&size) || !value.is_finite() {
        return match (value.is_finite(), value.fract() == 0.0) {
            (true, true) => format!("{value:.1}"),
            (true, false) => value.to_string(),
            (false, _) if value.is_nan() => "NaN".to_owned(),
            (false, _) => format!("{}Infinity", if value < 0.0 { "-" } else { "" }),
        };
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => format!("{digits}E{exponent}"),
        Some((digits, exponent)) => format!("{digits}.0E{exponent}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::defs;
    use super::*;

    fn message(scope: &[ConfigDef], name: &str, text: &str) -> String {
        let def = scope.iter().find(|def| def.name == name).expect("a known key");
        parse_value(def, text).expect_err("a refusal").message
    }

    #[test]
    fn refusals_are_worded_as_kafkas() {
        let broker = |name, text| message(&defs::broker().copied().collect::<Vec<_>>(), name, text);
        let topic = |name, text| message(defs::TOPIC, name, text);
        assert_eq!(
            topic("retention.ms", "soon"),
            "Invalid value soon for configuration retention.ms: Not a number of type LONG"
        );
        assert_eq!(
            topic("segment.bytes", "14"),
            "Invalid value 14 for configuration segment.bytes: Value must be at least 1048576"
        );
        assert_eq!(
            topic("min.cleanable.dirty.ratio", "1.5"),
            "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"
        );
        assert_eq!(
            topic("cleanup.policy", "shred"),
            "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete"
        );
        assert_eq!(
            topic("compression.gzip.level", "0"),
            "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1"
        );
        assert_eq!(
            topic("preallocate", "yes"),
            "Invalid value yes for configuration preallocate: Expected value to be either true or false"
        );
        assert_eq!(
            broker("process.roles", ""),
            "Configuration 'process.roles' must not be empty. Valid values include: [broker, controller]"
        );
    }

    #[test]
    fn a_value_that_comes_twice_in_a_list_counts_once() {
        let def = defs::find(defs::Scope::Topic, "cleanup.policy").expect("a known key");
        assert_eq!(
            parse_value(def, "delete, compact,delete")
                .expect("a list")
                .to_text(),
            "delete,compact"
        );
    }

    #[test]
    fn lists_lose_the_space_around_commas() {
        assert_eq!(split_list(" a , b,c "), ["a", "b", "c"]);
        assert_eq!(split_list("  "), Vec::<String>::new());
    }

    #[test]
    fn doubles_print_as_java_prints_them() {
        for (value, text) in [
            (0.5, "0.5"),
            (1.0, "1.0"),
            (f64::MAX, "1.7976931348623157E308"),
            (1e7, "1.0E7"),
            (0.0005, "5.0E-4"),
        ] {
            assert_eq!(java_double(value), text);
        }
    }
}
