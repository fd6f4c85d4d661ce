//! Subscriptions by regular expression: resolved here, against the names of all topics, in linear time.

use std::collections::BTreeSet;

use ::regex::Regex;
use ottla_base::ErrorCode;

use super::topics::Topics;
use crate::records::{ConsumerGroupRegularExpressionValue, Record, RegularExpressionKey};

/// The topics of an expression, when it was last looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvedRegex {
    pub topics: BTreeSet<String>,
    /// Version of the topics that it was resolved against.
    pub version: i64,
    pub timestamp_ms: i64,
}

impl ResolvedRegex {
    pub fn from_record(value: ConsumerGroupRegularExpressionValue) -> Self {
        Self {
            topics: value.topics.into_iter().collect(),
            version: value.version,
            timestamp_ms: value.timestamp,
        }
    }

    pub fn record(&self, group: &str, regex: &str) -> Record {
        let value = ConsumerGroupRegularExpressionValue {
            topics: self.topics.iter().cloned().collect(),
            version: self.version,
            timestamp: self.timestamp_ms,
        };
        Record::ConsumerGroupRegularExpression(regex_key(group, regex), Some(value))
    }
}

pub fn regex_key(group: &str, regex: &str) -> RegularExpressionKey {
    RegularExpressionKey {
        group: group.to_owned(),
        regular_expression: regex.to_owned(),
    }
}

/// The whole name must match.
pub fn resolve(regex: &str, topics: &Topics, now_ms: i64) -> Result<ResolvedRegex, ErrorCode> {
    let anchored = Regex::new(&format!("^(?:{regex})$")).map_err(|_| ErrorCode::InvalidRegularExpression)?;
    Ok(ResolvedRegex {
        topics: topics
            .names()
            .filter(|name| anchored.is_match(name))
            .map(str::to_owned)
            .collect(),
        version: topics.version(),
        timestamp_ms: now_ms,
    })
}
