//! Java's `.properties` syntax, as `java.util.Properties` reads it, with the line of every entry kept for messages.
//!
//! A logical line may go on over several lines by a backslash at the end; `#` and `!` begin a comment; the key ends at the
//! first `=`, `:` or white space that is not escaped; `\t \n \r \f \uXXXX` are escapes and any other escaped character
//! stands for itself. Files are read as ISO 8859-1, for that is what Java does.

/// One entry, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    pub key: String,
    pub value: String,
    /// Where the entry begins, counted from 1.
    pub line: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: malformed \\uxxxx encoding")]
pub struct PropertiesError {
    pub line: usize,
}

/// Text of a file's bytes, each byte one character.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Reads all entries. A key that comes twice is returned twice: the last one counts.
pub fn parse(text: &str) -> Result<Vec<Property>, PropertiesError> {
    let mut entries = Vec::new();
    for (line, logical) in logical_lines(text) {
        let (key, value) = split_entry(&logical);
        entries.push(Property {
            key: unescape(key).ok_or(PropertiesError { line })?,
            value: unescape(value).ok_or(PropertiesError { line })?,
            line,
        });
    }
    Ok(entries)
}

/// Lines with their continuations joined, comments and blank lines left out, leading white space gone.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, natural) in natural_lines(text).enumerate() {
        let content = natural.trim_start_matches(is_space);
        if open.is_none() && (content.is_empty() || content.starts_with(['#', '!'])) {
            continue;
        }
        let (start, mut joined) = open.take().unwrap_or((index + 1, String::new()));
        let backslashes = content.bytes().rev().take_while(|b| *b == b'\\').count();
        if backslashes % 2 == 1 {
            joined.push_str(content.strip_suffix('\\').unwrap_or(content));
            open = Some((start, joined));
        } else {
            joined.push_str(content);
            lines.push((start, joined));
        }
    }
    lines.extend(open);
    lines
}

/// Lines end at `\n`, `\r` or `\r\n`.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        let Some(end) = current.find(['\n', '\r']) else {
            rest = None;
            return Some(current);
        };
        let (line, after) = current.split_at(end);
        let after = after
            .strip_prefix("\r\n")
            .or_else(|| after.get(1..))
            .unwrap_or_default();
        rest = Some(after);
        Some(line)
    })
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

/// Key and value of a logical line, still escaped.
fn split_entry(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let key_end = line.char_indices().find(|(_, c)| {
        let ends = !escaped && (is_space(*c) || matches!(c, '=' | ':'));
        escaped = *c == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at(key_end.map_or(line.len(), |(at, _)| at));
    let rest = rest.trim_start_matches(is_space);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(is_space))
}

/// `None` when a `\u` is not followed by four hexadecimal digits.
fn unescape(text: &str) -> Option<String> {
    if !text.contains('\\') {
        return Some(text.to_owned());
    }
    // Java's strings are UTF-16, and two \u escapes may form one character.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    let mut buffer = [0u16; 2];
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some('u') => {
                    let mut unit = 0u16;
                    for _ in 0..4 {
                        let digit = chars.next()?.to_digit(16)?;
                        unit = (unit << 4) | u16::try_from(digit).ok()?;
                    }
                    units.push(unit);
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        units.extend_from_slice(c.encode_utf16(&mut buffer));
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> Vec<(String, String, usize)> {
        parse(text)
            .expect("readable")
            .into_iter()
            .map(|p| (p.key, p.value, p.line))
            .collect()
    }

    fn one(text: &str) -> (String, String) {
        let entry = parse(text).expect("readable").remove(0);
        (entry.key, entry.value)
    }

    #[test]
    fn keys_end_at_equals_colon_or_space() {
        for text in ["a=b", "a:b", "a b", "  a\t=  b", "a : b", "a\x0cb"] {
            assert_eq!(one(text), ("a".into(), "b".into()), "{text:?}");
        }
        assert_eq!(
            one("a= b "),
            ("a".into(), "b ".into()),
            "space at the end belongs to the value"
        );
        assert_eq!(one("a==b"), ("a".into(), "=b".into()));
        assert_eq!(one("a"), ("a".into(), String::new()));
        assert_eq!(one("a\\ b\\=c=d"), ("a b=c".into(), "d".into()));
        assert_eq!(one("=x"), (String::new(), "x".into()));
    }

    #[test]
    fn comments_blank_lines_and_continuations() {
        let text = "# c\n! c\n\nlisteners=a,\\\n   b,\\\r\n\tc\nx=1\\\\\ny=2\\";
        assert_eq!(
            pairs(text),
            [
                ("listeners".into(), "a,b,c".into(), 4),
                ("x".into(), "1\\".into(), 7),
                ("y".into(), "2".into(), 8),
            ]
        );
        assert_eq!(
            pairs("a=1\\\n# not a comment"),
            [("a".into(), "1# not a comment".into(), 1)]
        );
    }

    #[test]
    fn escapes() {
        assert_eq!(one("a=\\t\\u0041\\q\\\\"), ("a".into(), "\tAq\\".into()));
        assert_eq!(one("a=\\ud83d\\ude00"), ("a".into(), "\u{1f600}".into()));
        assert_eq!(parse("ok=1\na=\\u00g1"), Err(PropertiesError { line: 2 }));
    }

    #[test]
    fn bytes_are_latin1() {
        assert_eq!(latin1(&[b'a', 0xe9]), "a\u{e9}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\\\u0-9a-f=: \t\r\n#!]{0,60}") {
            let _ = parse(&text);
        }

        #[test]
        fn plain_pairs_come_back(pairs in proptest::collection::vec(("[a-z.]{1,20}", "[a-zA-Z0-9/:,.-]{0,20}"), 0..10)) {
            let text: String = pairs.iter().map(|(k, v)| format!("{k}={v}\n")).collect();
            let read: Vec<_> = parse(&text).expect("readable").into_iter().map(|p| (p.key, p.value)).collect();
            prop_assert_eq!(read, pairs);
        }
    }
}
