//! Reading values by key, with the type the key is defined to have.

use super::def::ConfigDef;
use super::defs::{self, Scope};
use super::synonyms;
use super::value::{Value, parse_value};

/// Anything that can be asked for the value of a key: a node's file, the file with the dynamic values over it, a topic.
///
/// The typed readers are meant for keys that the caller knows from the tables. They cannot fail: values are checked when
/// they are set. Asking for a key that does not exist or has another type is a bug of the caller and found by any test
/// that gets there; a release answers with zero.
pub trait Settings {
    /// The value in force; `None` when the key has none.
    fn value(&self, key: &str) -> Option<Value>;

    fn bool(&self, key: &str) -> bool {
        matches!(self.value(key), Some(Value::Boolean(true)))
    }

    fn i32(&self, key: &str) -> i32 {
        let found = self.opt_i32(key);
        debug_assert!(found.is_some(), "no int behind {key}");
        found.unwrap_or_default()
    }

    fn i64(&self, key: &str) -> i64 {
        let found = self.opt_i64(key);
        debug_assert!(found.is_some(), "no long behind {key}");
        found.unwrap_or_default()
    }

    fn f64(&self, key: &str) -> f64 {
        match self.value(key) {
            Some(Value::Double(value)) => value,
            other => {
                debug_assert!(false, "no double behind {key}: {other:?}");
                0.0
            }
        }
    }

    /// Ints and shorts.
    fn opt_i32(&self, key: &str) -> Option<i32> {
        match self.value(key)? {
            Value::Int(value) => Some(value),
            Value::Short(value) => Some(i32::from(value)),
            _ => None,
        }
    }

    /// Numbers of any size.
    fn opt_i64(&self, key: &str) -> Option<i64> {
        match self.value(key)? {
            Value::Long(value) => Some(value),
            Value::Int(value) => Some(i64::from(value)),
            Value::Short(value) => Some(i64::from(value)),
            _ => None,
        }
    }

    fn string(&self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            other => Some(other.to_text()),
        }
    }

    fn list(&self, key: &str) -> Vec<String> {
        match self.value(key) {
            Some(Value::List(items)) => items,
            _ => Vec::new(),
        }
    }

    /// How long segments are kept, from the three keys that say so; -1 means for ever. Brokers only.
    fn log_retention_ms(&self) -> i64 {
        let minutes = || Some(self.opt_i64("log.retention.minutes")?.saturating_mul(MINUTE_MS));
        let hours = || self.i64("log.retention.hours").saturating_mul(HOUR_MS);
        let ms = self
            .opt_i64("log.retention.ms")
            .or_else(minutes)
            .unwrap_or_else(hours);
        if ms < 0 { -1 } else { ms }
    }

    /// Age at which segments are closed, from the two keys that say so. Brokers only.
    fn log_roll_ms(&self) -> i64 {
        let hours = || self.i64("log.roll.hours").saturating_mul(HOUR_MS);
        self.opt_i64("log.roll.ms").unwrap_or_else(hours)
    }

    /// Brokers only.
    fn log_roll_jitter_ms(&self) -> i64 {
        let hours = || self.i64("log.roll.jitter.hours").saturating_mul(HOUR_MS);
        self.opt_i64("log.roll.jitter.ms").unwrap_or_else(hours)
    }

    /// Brokers only.
    fn log_flush_interval_ms(&self) -> i64 {
        let scheduler = || self.i64("log.flush.scheduler.interval.ms");
        self.opt_i64("log.flush.interval.ms").unwrap_or_else(scheduler)
    }
}

const MINUTE_MS: i64 = 60 * 1000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The value behind a text, or the default of the key. Texts that do not parse count as absent: they were refused when
/// they were set, so they can only come from a newer version's metadata.
pub(super) fn value_or_default(def: &ConfigDef, text: Option<&str>) -> Option<Value> {
    let given = text.and_then(|text| parse_value(def, text).ok());
    given.or_else(|| parse_value(def, def.default.value()?).ok())
}

/// What a topic key is worth on a broker with these settings when the topic itself says nothing.
pub(super) fn topic_default(broker: &(impl Settings + ?Sized), key: &str) -> Option<Value> {
    let def = defs::find(Scope::Topic, key)?;
    match key {
        "retention.ms" => Some(Value::Long(broker.log_retention_ms())),
        "segment.ms" => Some(Value::Long(broker.log_roll_ms())),
        "segment.jitter.ms" => Some(Value::Long(broker.log_roll_jitter_ms())),
        "flush.ms" => Some(Value::Long(broker.log_flush_interval_ms())),
        _ => match synonyms::topic_default(key) {
            Some(broker_key) => broker.value(broker_key),
            None => value_or_default(def, None),
        },
    }
}

/// What a group key is worth on a broker with these settings when the group itself says nothing.
pub(super) fn group_default(broker: &(impl Settings + ?Sized), key: &str) -> Option<Value> {
    let def = defs::find(Scope::Group, key)?;
    match synonyms::group_default(key) {
        Some(broker_key) => broker.value(&broker_key),
        None => value_or_default(def, None),
    }
}
