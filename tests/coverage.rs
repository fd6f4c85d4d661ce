//! The README's coverage table is the API table of the code: generated from it, and compared here.
//!
//! `OTTLA_UPDATE=1 cargo test coverage` writes the table into the README; without it a difference is a failure.

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
