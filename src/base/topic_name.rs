//! What a topic may be called.
//!
//! Names become directory names and metric names: that is where the length, the characters and the collision of `.` and
//! `_` come from.

use crate::limits::TOPIC_NAME_LENGTH_MAX;

/// Why this is no name for a topic, as a sentence for the client; `None` when it is one.
pub fn problem(name: &str) -> Option<String> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() {
        return Some("Topic name is invalid: it is empty".to_owned());
    }
    if name == "." || name == ".." {
        return Some("Topic name is invalid: '.' and '..' are not allowed".to_owned());
    }
    if name.len() > TOPIC_NAME_LENGTH_MAX {
        let length = name.len();
        return Some(format!(
            "Topic name is invalid: it has {length} bytes, at most {TOPIC_NAME_LENGTH_MAX} are allowed"
        ));
    }
    if !name.chars().all(is_legal) {
        return Some(format!(
            "Topic name is invalid: '{name}' has characters other than ASCII letters, digits, '.', '_' and '-'"
        ));
    }
    None
}

/// Whether two topics would have one metric name: metrics turn dots into underscores.
pub fn collide(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.replace('.', "_") == other.replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_can_be_directories_are_names() {
        for name in ["a", "a.b_c-D9", "__consumer_offsets", &"x".repeat(249)] {
            assert_eq!(problem(name), None, "{name}");
        }
        for name in ["", ".", "..", "a b", "a/b", "ä", "a\0", &"x".repeat(250)] {
            assert!(problem(name).is_some(), "{name}");
        }
    }

    #[test]
    fn dots_and_underscores_collide() {
        assert!(collide("a.b", "a_b"));
        assert!(!collide("a.b", "a-b"));
    }
}
