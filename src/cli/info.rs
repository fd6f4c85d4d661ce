//! `ottla info`: what the log directories of a node hold, in the words of `kafka-storage.sh info`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ottla_base::config::properties;

use super::config;

#[derive(clap::Args)]
pub(super) struct Info {
    /// The configuration file of the node; Ottla's own defaults without one.
    #[arg(long, short)]
    config: Option<PathBuf>,
}

pub(super) fn run(arguments: &Info) -> ExitCode {
    let config = match config::load(arguments.config.as_deref(), &[]) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let report = look(&config::directories(&config));
    print!("{}", report.text());
    match report.problems.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

#[derive(Default)]
struct Report {
    found: Vec<String>,
    /// The `meta.properties` of the first directory that has one.
    metadata: Option<BTreeMap<String, String>>,
    problems: Vec<String>,
}

fn look(directories: &[PathBuf]) -> Report {
    let mut report = Report::default();
    for directory in directories {
        let shown = directory.display();
        if !directory.is_dir() {
            let what = if directory.exists() {
                "is not a directory"
            } else {
                "does not exist"
            };
            report.problems.push(format!("{shown} {what}"));
            continue;
        }
        report.found.push(shown.to_string());
        let path = directory.join("meta.properties");
        if !path.exists() {
            report.problems.push(format!("{shown} is not formatted."));
            continue;
        }
        match read(&path) {
            Ok(metadata) => report.add(metadata),
            Err(why) => report
                .problems
                .push(format!("Error loading {}: {why}", path.display())),
        }
    }
    report
}

fn read(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let entries = properties::parse(&properties::latin1(&bytes)).map_err(|error| error.to_string())?;
    let metadata: BTreeMap<_, _> = entries
        .into_iter()
        .map(|entry| (entry.key, entry.value))
        .collect();
    match metadata.contains_key("version") {
        true => Ok(metadata),
        false => Err("No version property found.".to_owned()),
    }
}

impl Report {
    fn add(&mut self, metadata: BTreeMap<String, String>) {
        let Some(first) = &self.metadata else {
            self.metadata = Some(metadata);
            return;
        };
        if first.get("cluster.id") != metadata.get("cluster.id") {
            self.problems
                .push("Mismatched cluster IDs between storage directories.".to_owned());
        } else if first.get("node.id") != metadata.get("node.id") {
            self.problems
                .push("Mismatched node IDs between storage directories.".to_owned());
        }
    }

    fn text(&self) -> String {
        let mut text = section("Found log director", ["y", "ies"], &self.found);
        if let Some(metadata) = &self.metadata {
            let pairs: Vec<String> = metadata
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            text.push_str(&format!("Found metadata: {{{}}}\n\n", pairs.join(", ")));
        }
        text.push_str(&section("Found problem", ["", "s"], &self.problems));
        text
    }
}

/// A headline for one or for several, and the lines below it; nothing when there are none.
fn section(headline: &str, [one, several]: [&str; 2], lines: &[String]) -> String {
    let ending = match lines.len() {
        0 => return String::new(),
        1 => one,
        _ => several,
    };
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("{headline}{ending}:\n{lines}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_kafka_storage() {
        let root = tempfile::tempdir().expect("a directory");
        let (one, two, three) = (
            root.path().join("a"),
            root.path().join("b"),
            root.path().join("c"),
        );
        std::fs::create_dir(&one).expect("created");
        std::fs::create_dir(&two).expect("created");
        std::fs::write(
            one.join("meta.properties"),
            "#\nversion=1\nnode.id=1\ncluster.id=x\n",
        )
        .expect("written");
        let clean = look(std::slice::from_ref(&one));
        assert_eq!(
            clean.text(),
            format!(
                "Found log directory:\n  {}\n\nFound metadata: {{cluster.id=x, node.id=1, version=1}}\n\n",
                one.display()
            )
        );
        std::fs::write(
            two.join("meta.properties"),
            "version=1\nnode.id=1\ncluster.id=y\n",
        )
        .expect("written");
        let report = look(&[one, two, three.clone()]);
        assert!(report.text().ends_with(&format!(
            "Found problems:\n  Mismatched cluster IDs between storage directories.\n  {} does not exist\n\n",
            three.display()
        )));
    }

    #[test]
    fn a_directory_without_metadata_is_a_problem() {
        let root = tempfile::tempdir().expect("a directory");
        let report = look(&[root.path().to_owned()]);
        assert_eq!(
            report.problems,
            [format!("{} is not formatted.", root.path().display())]
        );
    }
}
