//! The rules of the house, as tests: who may know whom, how long a function or a file may grow, what every file says first.
//!
//! A broken rule prints the rule, the file and the line. The table of acquaintances is the one of the architecture; the five
//! crates under `src/` need no fence here, since the compiler refuses what their Cargo.toml does not list.

// Test code, helpers included.
#![allow(clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Longest function body, signature and braces included.
const FUNCTION_LINES_MAX: usize = 70;
/// Longest source file. Generated tables are data, not prose: they are named in [`is_generated`].
const FILE_LINES_MAX: usize = 600;

/// What each room of the root package may name from the others. A room that is missing here may name nobody.
const ACQUAINTANCES: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("quota", &[]),
    ("peers", &["wire"]),
    ("replica", &["peers"]),
    ("net", &["wire"]),
    ("runtime", &["replica", "peers", "quota"]),
    ("api", &["wire", "runtime", "replica", "quota"]),
    ("console", &["api"]),
    ("cli", &["api", "broker", "runtime"]),
];

/// The crates of the pure rooms: no clock, no threads of a runtime, no protocol types.
const PURE_CRATES: &[&str] = &["base", "storage", "metadata", "coordinator", "security"];

struct Source {
    path: PathBuf,
    name: String,
    lines: Vec<String>,
    /// Index of the line where the tests of the file begin; rules for production code stop there.
    tests_from: usize,
}

impl Source {
    fn room(&self) -> &str {
        let rest = self.name.strip_prefix("src/").unwrap_or("");
        rest.split_once('/').map_or("", |(room, _)| room)
    }

    fn production(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines
            .iter()
            .take(self.tests_from)
            .enumerate()
            .map(|(i, line)| (i + 1, line.as_str()))
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches"] {
        collect(&root.join(folder), &mut paths);
    }
    paths.sort();
    paths.into_iter().map(|path| read(root, path)).collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

fn read(root: &Path, path: PathBuf) -> Source {
    let text = fs::read_to_string(&path).expect("a source file is text");
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let name = path
        .strip_prefix(root)
        .expect("below the root")
        .to_string_lossy()
        .into_owned();
    let is_test_file = name.starts_with("tests/") || name.contains("/tests") || name.ends_with("_tests.rs");
    let tests_from = match lines.iter().position(|line| line.trim() == "#[cfg(test)]") {
        _ if is_test_file => 0,
        Some(line) => line,
        None => lines.len(),
    };
    Source {
        path,
        name,
        lines,
        tests_from,
    }
}

fn is_generated(name: &str) -> bool {
    name.starts_with("src/wire/schema/") && name.contains("table")
}

fn report(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}\n  {}", offences.join("\n  "));
}

#[test]
fn every_file_says_what_it_holds() {
    let offences: Vec<String> = sources()
        .iter()
        .filter(|s| !s.lines.first().is_some_and(|line| line.starts_with("//!")))
        .map(|s| s.path.display().to_string())
        .collect();
    report(
        "A file opens with a //! line that says what it holds and why.",
        &offences,
    );
}

#[test]
fn files_stay_small_enough_to_hold_in_the_head() {
    let offences: Vec<String> = sources()
        .iter()
        .filter(|s| s.lines.len() > FILE_LINES_MAX && !is_generated(&s.name))
        .map(|s| format!("{}: {} lines, at most {FILE_LINES_MAX}", s.name, s.lines.len()))
        .collect();
    report("A file that grows past the limit is two files.", &offences);
}

#[test]
fn functions_stay_small_enough_to_hold_in_the_head() {
    let mut offences = Vec::new();
    for source in sources() {
        for (name, line, length) in functions(&source.lines) {
            if length > FUNCTION_LINES_MAX {
                offences.push(format!(
                    "{}:{line}: {name} has {length} lines, at most {FUNCTION_LINES_MAX}",
                    source.name
                ));
            }
        }
    }
    report("A function that grows past the limit does two jobs.", &offences);
}

/// Name, first line and length of each function. The code is formatted by rustfmt, so a body ends at the first line that is
/// the function's own indent and a closing brace.
fn functions(lines: &[String]) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some(at) = code.find("fn ") else { continue };
        if !code[..at].split_whitespace().all(is_qualifier) {
            continue;
        }
        let indent = &line[..line.len() - code.len()];
        let name: String = code[at + 3..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        let end = format!("{indent}}}");
        if line.ends_with('}') || line.ends_with(';') {
            continue;
        }
        if let Some(length) = lines[start..].iter().position(|l| *l == end) {
            found.push((name, start + 1, length + 1));
        }
    }
    found
}

fn is_qualifier(word: &str) -> bool {
    word.starts_with("pub")
        || matches!(
            word,
            "const" | "async" | "unsafe" | "extern" | "\"C\"" | "crate)" | "super)"
        )
}

#[test]
fn rooms_name_only_their_acquaintances() {
    let rooms: Vec<&str> = ACQUAINTANCES
        .iter()
        .map(|(room, _)| *room)
        .chain(["broker"])
        .collect();
    let mut offences = Vec::new();
    for source in sources() {
        let Some((room, known)) = ACQUAINTANCES.iter().find(|(room, _)| *room == source.room()) else {
            continue;
        };
        for (number, line) in source.production() {
            for other in rooms
                .iter()
                .filter(|other| *other != room && !known.contains(*other))
            {
                if names_room(line, other) {
                    offences.push(format!(
                        "{}:{number}: {room} may not name {other}: {}",
                        source.name,
                        line.trim()
                    ));
                }
            }
        }
    }
    report(
        "A room names only the rooms below it (docs/architecture.md, \"Who may know whom\").",
        &offences,
    );
}

fn names_room(line: &str, room: &str) -> bool {
    let code = line.split("//").next().unwrap_or("");
    let path = format!("crate::{room}");
    code.match_indices(&path)
        .any(|(at, _)| !code[at + path.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn only_the_edge_knows_the_protocol_crate() {
    let mut offences = Vec::new();
    for source in sources().iter().filter(|s| s.name.starts_with("src/")) {
        if matches!(source.room(), "wire" | "api" | "peers") {
            continue;
        }
        for (number, line) in source
            .production()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            if line.contains("kafka_protocol") {
                offences.push(format!("{}:{number}: {}", source.name, line.trim()));
            }
        }
    }
    report("Only wire, api and peers know kafka-protocol's types.", &offences);
}

#[test]
fn pure_rooms_have_no_clock_and_no_runtime() {
    let banned = ["SystemTime::now", "Instant::now", "tokio::", "kafka_protocol"];
    let mut offences = Vec::new();
    for source in sources()
        .iter()
        .filter(|s| PURE_CRATES.contains(&s.room()) && s.name != "src/base/clock.rs")
    {
        for (number, line) in source.production() {
            let code = line.split("//").next().unwrap_or("");
            if let Some(word) = banned.iter().find(|word| code.contains(**word)) {
                offences.push(format!("{}:{number}: {word}", source.name));
            }
        }
    }
    report(
        "The pure rooms are given the time and know no runtime.",
        &offences,
    );
}

#[test]
fn nothing_unfinished_is_left_behind() {
    // Written in two halves, so that this file does not offend against itself.
    let banned = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("dbg", "!("),
        concat!("FIX", "ME"),
        concat!("XX", "X "),
        concat!("HA", "CK:"),
    ];
    let mut offences = Vec::new();
    for source in sources() {
        for (i, line) in source.lines.iter().enumerate() {
            if let Some(word) = banned.iter().find(|word| line.contains(**word)) {
                offences.push(format!("{}:{}: {word}", source.name, i + 1));
            }
        }
    }
    report(
        "What is unfinished stands in an issue or in docs/status.md, not in the code.",
        &offences,
    );
}

#[test]
fn unsafe_stands_with_its_reason() {
    let mut offences = Vec::new();
    for source in sources() {
        for (number, line) in source.production() {
            let code = line.split("//").next().unwrap_or("");
            let is_unsafe =
                code.contains("unsafe {") || code.contains("unsafe impl") || code.contains("unsafe fn");
            let before = source.lines[number.saturating_sub(6)..number].iter();
            if is_unsafe && !before.into_iter().any(|l| l.contains("SAFETY")) {
                offences.push(format!("{}:{number}: {}", source.name, line.trim()));
            }
        }
    }
    report(
        "Every unsafe block has a SAFETY comment right above it.",
        &offences,
    );
}
