//! The README's coverage table is the API table of the code: generated from it, and compared here. So are the tests that
//! `docs/traps.md` names with those that there are.
//!
//! `OTTLA_UPDATE=1 cargo test coverage` writes the table into the README; without it a difference is a failure.

// All of this is test code, helpers included: what goes wrong ends the test.
#![allow(clippy::expect_used)]

use std::fs;
use std::path::Path;

use ottla::api::table::{Row, Scope, rows};

const BEGIN: &str = "<!-- coverage: begin -->\n";
const END: &str = "<!-- coverage: end -->";

#[test]
fn the_coverage_table_of_the_readme_is_the_api_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).expect("README.md is there");
    let (head, rest) = readme
        .split_once(BEGIN)
        .expect("README.md marks where the table begins");
    let (old, tail) = rest
        .split_once(END)
        .expect("README.md marks where the table ends");
    let new = coverage();
    if std::env::var_os("OTTLA_UPDATE").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{new}{END}{tail}")).expect("README.md can be written");
    } else {
        assert_eq!(
            old, new,
            "the table is out of date: run `OTTLA_UPDATE=1 cargo test coverage`"
        );
    }
}

/// A table that names tests is worth something only as long as they are there.
#[test]
fn every_trap_has_the_tests_that_the_table_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    for folder in ["src", "tests", "compat/clients", "compat/protocol"] {
        read_all(&root.join(folder), &mut sources);
    }
    let table = fs::read_to_string(root.join("docs/traps.md")).expect("docs/traps.md is there");
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .collect();
    assert!(rows.len() > 15, "the table is read: {}", rows.len());
    for row in rows {
        let tests = row
            .trim_end_matches(" |")
            .rsplit(" | ")
            .next()
            .unwrap_or_default();
        let mut named = 0;
        for test in tests.split('`').skip(1).step_by(2) {
            let forms = [
                format!("fn {test}()"),
                format!("== {test}\n"),
                format!("@check(\"{test}\""),
            ];
            let is_there = forms.iter().any(|form| sources.contains(form));
            assert!(is_there, "docs/traps.md names a test that is not there: {test}");
            named += 1;
        }
        assert!(named > 0, "no test in {row}");
    }
}

fn read_all(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it is listed").path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension {
            _ if path.is_dir() => read_all(&path, into),
            Some("rs" | "txt" | "py") => {
                into.push_str(&fs::read_to_string(&path).expect("it is text"));
            }
            _ => {}
        }
    }
}

fn coverage() -> String {
    let mut text = summary();
    text.push_str("| key | API | Apache Kafka 4.3.1 | Ottla |\n|---|---|---|---|\n");
    for row in rows().iter().filter(|row| row.scope != Scope::Gone) {
        let kafka = range(*row.versions.start(), *row.versions.end());
        let ottla = row
            .works()
            .map_or_else(|| absence(row), |works| range(*works.start(), *works.end()));
        text.push_str(&format!("| {} | {} | {kafka} | {ottla} |\n", row.key, row.name));
    }
    text
}

fn summary() -> String {
    let clients: Vec<&Row> = rows()
        .iter()
        .filter(|row| matches!(row.scope, Scope::Broker | Scope::Both))
        .collect();
    let works = clients.iter().filter(|row| row.works().is_some()).count();
    format!(
        "{works} of the {} APIs that a broker offers to clients work.\n\n",
        clients.len()
    )
}

fn range(first: i16, last: i16) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

fn absence(row: &Row) -> String {
    match row.scope {
        Scope::Controller => "- (between brokers and controllers)".to_owned(),
        Scope::Broker | Scope::Both | Scope::Gone => "-".to_owned(),
    }
}
