//! `docs/configs.md`, written from the tables; the test fails when the page is out of date.
//!
//! `OTTLA_WRITE_DOCS=1 cargo test -p ottla-base docs_page` writes the page anew.

use std::path::{Path, PathBuf};

use super::broker::NO_FILE;
use super::def::{ConfigDef, Default, Kind, Support, UpdateMode, Valid};
use super::defs::{self, Scope};
use super::synonyms;

const HEAD: &str = "# Configuration keys

Generated from `src/base/config/defs`. Ottla knows every key of Apache Kafka 4.3.1, with Kafka's types, defaults and
limits, and reads the same `server.properties`. For each key this page says what Ottla does with it:

- **obeyed**: some part of Ottla reads the value and acts on it.
- **accepted**: the value is checked, stored and shown, but has no effect yet. A start with a value other than the default
  says so in one line. Values whose neglect would endanger data stop the start: an authorizer, tiered storage, policy
  classes, TLS and SASL listeners, another role than `broker,controller`, more than one voter.
- Keys that Kafka does not know are named in one line at the start and otherwise ignored.

Changes: *restart* needs one; *broker* can be changed for one broker while it runs; *cluster* for one or all of them. Internal
keys (for tests) are marked with `*`.

The values in force, highest first: the topic's or group's own, this broker's dynamic value, all brokers' dynamic value, the
file (`--override` over the file), the default.
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str(
        "\n## Without a file\n\nA start without `server.properties` behaves as if there were this one:\n\n",
    );
    page.push_str("```properties\n");
    for (key, value) in NO_FILE {
        page.push_str(&format!("{key}={value}\n"));
    }
    page.push_str("```\n");
    for (title, defs) in [
        ("Topics", defs::all(Scope::Topic).collect::<Vec<_>>()),
        ("Brokers", defs::all(Scope::Broker).collect()),
        ("Brokers, only dynamic", defs::DYNAMIC_ONLY.iter().collect()),
        ("Groups", defs::all(Scope::Group).collect()),
        ("Client metrics", defs::all(Scope::ClientMetrics).collect()),
    ] {
        section(&mut page, title, defs);
    }
    page
}

fn section(page: &mut String, title: &str, mut defs: Vec<&'static ConfigDef>) {
    defs.sort_by_key(|def| def.name);
    let obeyed = defs.iter().filter(|def| def.support == Support::Used).count();
    page.push_str(&format!("\n## {title}\n\n{obeyed} of {} obeyed.\n\n", defs.len()));
    page.push_str("| key | type | default | allowed | change | Ottla | meaning |\n|-|-|-|-|-|-|-|\n");
    for def in defs {
        page.push_str(&row(def));
    }
}

fn row(def: &ConfigDef) -> String {
    let default = match def.default {
        Default::Required => "(required)".to_owned(),
        Default::Null => "(none)".to_owned(),
        Default::Value("") => "(empty)".to_owned(),
        Default::Value(text) => format!("`{text}`"),
    };
    let allowed = match (def.valid, def.kind) {
        (Valid::Any, _) => String::new(),
        (valid, _) => format!("`{valid}`"),
    };
    let change = match def.update_mode {
        UpdateMode::ReadOnly => "restart",
        UpdateMode::PerBroker => "broker",
        UpdateMode::ClusterWide => "cluster",
    };
    let support = match def.support {
        Support::Used => "**obeyed**",
        Support::Accepted => "accepted",
    };
    let kind = if def.kind == Kind::Password {
        "password"
    } else {
        &def.kind.name().to_lowercase()
    };
    let mark = if def.internal { "*" } else { "" };
    let name = def.name;
    format!(
        "| `{name}`{mark} | {kind} | {default} | {allowed} | {change} | {support} | {} |\n",
        def.doc
    )
}

#[test]
fn the_page_is_what_the_tables_say() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/configs.md");
    let wanted = page();
    if std::env::var_os("OTTLA_WRITE_DOCS").is_some() {
        std::fs::write(&path, &wanted).expect("docs/configs.md is written");
    }
    let found = std::fs::read_to_string(&path).expect("docs/configs.md is there");
    assert!(
        found == wanted,
        "docs/configs.md is out of date: OTTLA_WRITE_DOCS=1 cargo test -p ottla-base docs_page"
    );
}

/// Every source file that could read a value: all rooms, and the part of this one that a start goes through.
fn readers(folder: &Path, into: &mut String) {
    let entries = std::fs::read_dir(folder).expect("a folder of sources");
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        let is_own =
            path.components().any(|part| part.as_os_str() == "config") && path.iter().any(|p| p == "base");
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() {
            readers(&path, into);
        } else if name.ends_with(".rs")
            && (!is_own || ["broker.rs", "listeners.rs", "settings.rs"].contains(&name))
        {
            into.push_str(&std::fs::read_to_string(&path).expect("a source"));
        }
    }
}

#[test]
fn what_is_called_obeyed_is_read_somewhere() {
    let mut sources = String::new();
    readers(
        &PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".."),
        &mut sources,
    );
    let is_read = |key: &str| sources.contains(&format!("\"{key}\""));
    let gives_default = |key: &str| {
        let topics = defs::all(Scope::Topic).filter(|def| synonyms::topic_default(def.name) == Some(key));
        let groups =
            defs::all(Scope::Group).filter(|def| synonyms::group_default(def.name).as_deref() == Some(key));
        topics.chain(groups).any(|def| is_read(def.name))
    };
    let scopes = [Scope::Topic, Scope::Broker, Scope::Group, Scope::ClientMetrics];
    let obeyed = scopes
        .into_iter()
        .flat_map(defs::all)
        .filter(|def| def.support == Support::Used);
    let idle: Vec<_> = obeyed
        .map(|def| def.name)
        .filter(|key| !is_read(key) && !gives_default(key))
        .collect();
    assert!(idle.is_empty(), "called obeyed, but nobody reads {idle:?}");
}
