//! Subscriptions by regular expression: resolved here, against the names of all topics, in linear time.

use std::collections::{BTreeMap, BTreeSet};

use ::regex::bytes::{Regex, RegexBuilder};
use ottla_base::ErrorCode;

use super::group::ConsumerGroup;
use super::member::Member;
use super::topics::Topics;
use crate::records::{ConsumerGroupRegularExpressionValue, Record, RegularExpressionKey};

/// What a compiled expression may take: a thousand names as alternatives fit, and what is made to be slow does not.
const COMPILED_BYTES_MAX: usize = 1 << 20;

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

pub fn resolve(regex: &str, topics: &Topics, now_ms: i64) -> Result<ResolvedRegex, ErrorCode> {
    let anchored = compile(regex).map_err(|_| ErrorCode::InvalidRegularExpression)?;
    Ok(ResolvedRegex {
        topics: topics
            .names()
            .filter(|name| anchored.is_match(name.as_bytes()))
            .map(str::to_owned)
            .collect(),
        version: topics.version(),
        timestamp_ms: now_ms,
    })
}

/// The whole name must match. The expression must be one by itself, too: `a)|(b` is none, but would be between brackets.
fn compile(regex: &str) -> Result<Regex, ::regex::Error> {
    let unquoted = unquoted(regex);
    build(&unquoted)?;
    build(&format!(r"\A(?:{unquoted})\z"))
}

/// Names of topics are ASCII, so the classes need not know more of Unicode, unless the expression names such a class.
fn build(regex: &str) -> Result<Regex, ::regex::Error> {
    let build = |unicode| {
        let mut builder = RegexBuilder::new(regex);
        builder.size_limit(COMPILED_BYTES_MAX).unicode(unicode).build()
    };
    build(false).or_else(|error| match error {
        ::regex::Error::Syntax(_) => build(true),
        other => Err(other),
    })
}

/// Java's way to write text without a meaning, `\Q...\E`, which this library does not know.
fn unquoted(regex: &str) -> String {
    let mut unquoted = String::with_capacity(regex.len());
    let mut rest = regex;
    while let Some((before, after)) = rest.split_once('\\') {
        unquoted.push_str(before);
        rest = match after.strip_prefix('Q') {
            Some(quoted) => {
                let (quoted, rest) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
                unquoted.push_str(&::regex::escape(quoted));
                rest
            }
            None => {
                let mut after = after.chars();
                unquoted.push('\\');
                unquoted.extend(after.next());
                after.as_str()
            }
        };
    }
    unquoted.push_str(rest);
    unquoted
}

/// The expressions of a group, with what one step changes in them.
pub struct RegexView<'a> {
    group: &'a ConsumerGroup,
    changed: BTreeMap<String, Option<ResolvedRegex>>,
}

impl<'a> RegexView<'a> {
    pub fn new(group: &'a ConsumerGroup) -> Self {
        Self {
            group,
            changed: BTreeMap::new(),
        }
    }

    pub fn get(&self, regex: &str) -> Option<&ResolvedRegex> {
        match self.changed.get(regex) {
            Some(changed) => changed.as_ref(),
            None => self.group.regexes.get(regex),
        }
    }

    pub fn set(&mut self, regex: String, resolved: ResolvedRegex) {
        self.changed.insert(regex, Some(resolved));
    }

    pub fn remove(&mut self, regex: &str) {
        self.changed.insert(regex.to_owned(), None);
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &ResolvedRegex)> {
        let unchanged = self
            .group
            .regexes
            .iter()
            .filter(|(regex, _)| !self.changed.contains_key(*regex));
        let changed = self
            .changed
            .iter()
            .filter_map(|(regex, resolved)| Some((regex, resolved.as_ref()?)));
        unchanged
            .chain(changed)
            .map(|(regex, resolved)| (regex.as_str(), resolved))
    }

    pub fn subscribed_names<'b>(&'b self, member: &'b Member) -> impl Iterator<Item = &'b str> {
        let resolved = member.regex().and_then(|regex| self.get(regex));
        let by_regex = resolved.into_iter().flat_map(|resolved| &resolved.topics);
        member.topics.iter().chain(by_regex).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_kafka_reads_them() {
        let matches =
            |regex: &str, name: &str| compile(regex).is_ok_and(|regex| regex.is_match(name.as_bytes()));
        for (regex, name, is_match) in [
            ("a.c", "abc", true),
            ("a.c", "abcd", false),
            ("a|bc", "bc", true),
            ("a|bc", "abc", false),
            (r"\Qa.c\E", "a.c", true),
            (r"\Qa.c\E", "abc", false),
            (r"\Qa.\E[0-9]+", "a.17", true),
            (r"\Qa.", "a.", true),
            (r"a\.\Q-\E", "a.-", true),
            ("(?i)TOPIC", "topic", true),
            (r"\p{Lu}\w+\d", "Topic1", true),
            ("größe|.+", "topic", true),
            ("", "", true),
        ] {
            assert_eq!(matches(regex, name), is_match, "{regex} {name}");
        }
        for invalid in ["a)|(b", "(", "[", r"a\", r"(a)\1", "*"] {
            assert!(compile(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn an_expression_has_a_bounded_size() {
        let names: Vec<String> = (0..1000).map(|n| format!("department-{n}.orders")).collect();
        assert!(compile(&names.join("|")).is_ok());
        assert!(compile("((a{100}){100}){100}").is_err());
    }
}
