//! `ottla serve`: runs a node until it is told to stop.
//!
//! The first SIGTERM or SIGINT closes the node cleanly (everything flushed, clean-shutdown markers written, clients told); a
//! second one ends the process at once.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use ottla_base::config::BrokerConfig;
use ottla_base::planted;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use super::logging::{self, LogFormat};
use super::{banner, config, format, limits};
use crate::broker::{self, Broker};

#[derive(clap::Args)]
pub(super) struct Serve {
    /// A server.properties of Apache Kafka. Without one the node serves this machine, with its data in ./ottla-data.
    #[arg(value_name = "server.properties")]
    properties: Option<PathBuf>,
    /// A value that counts more than the file's; may be given several times.
    #[arg(long = "override", value_name = "KEY=VALUE", value_parser = config::parse_override)]
    overrides: Vec<(String, String)>,
    /// Form of the log lines on standard error.
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
}

impl Serve {
    pub(super) fn file(&self) -> Option<&Path> {
        self.properties.as_deref()
    }

    pub(super) fn overrides(&self) -> &[(String, String)] {
        &self.overrides
    }
}

pub(super) fn run(arguments: &Serve) -> ExitCode {
    logging::init(arguments.log_format);
    limits::raise_open_files();
    match try_run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn try_run(arguments: &Serve) -> Result<(), String> {
    let config = config::load(arguments.file(), arguments.overrides()).map_err(|error| error.to_string())?;
    if let Some(bug) = planted::announce()? {
        warn!(bug, "A BUG IS PLANTED IN THIS BROKER");
    }
    for notice in config.notices() {
        warn!("{notice}");
    }
    prepare_directories(&config, arguments.file())?;
    let runtime = broker::threads().map_err(|error| format!("no threads to run on: {error}"))?;
    runtime.block_on(serve(Arc::new(config)))
}

/// A new node formats its own directories: always when nothing is configured, and with a file when they are all empty. Where
/// something lies in them that is not a formatted directory, the decision is the operator's.
fn prepare_directories(config: &BrokerConfig, file: Option<&Path>) -> Result<(), String> {
    let directories = config::directories(config);
    let is_formatted = |dir: &PathBuf| dir.join("meta.properties").exists();
    match file {
        None if directories.iter().all(is_formatted) => Ok(()),
        Some(_) if directories.iter().any(is_formatted) => Ok(()),
        Some(file) if !directories.iter().all(|dir| is_empty(dir)) => Err(refusal(&directories, file)),
        _ => {
            let formatted = format::format_new(config).map_err(|error| error.to_string())?;
            for (directory, kind) in &formatted.directories {
                // Loud: where data was expected, the disk is perhaps not mounted.
                warn!(directory = %directory.display(), kind = kind.description(), "was empty and is formatted");
            }
            Ok(())
        }
    }
}

/// Whether nothing lies in the directory but what a new file system has.
fn is_empty(dir: &Path) -> bool {
    let Ok(mut entries) = std::fs::read_dir(dir) else {
        return !dir.exists();
    };
    entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == "lost+found"))
}

fn refusal(directories: &[PathBuf], file: &Path) -> String {
    let dirs: Vec<String> = directories.iter().map(|dir| dir.display().to_string()).collect();
    format!(
        "No `meta.properties` found in {}, and the directories are not empty. If these are the directories of a new node, \
         format them first: ottla format --config {} --cluster-id $(ottla random-uuid) --standalone",
        dirs.join(", "),
        file.display()
    )
}

async fn serve(config: Arc<BrokerConfig>) -> Result<(), String> {
    let mut stop = StopSignals::listen().map_err(|error| format!("signals cannot be received: {error}"))?;
    let broker = tokio::select! {
        opened = Broker::open(config.clone()) => opened.map_err(|error| error.to_string())?,
        name = stop.next() => return Err(format!("{name} before the node was ready")),
    };
    println!("{}", banner::text(&config, broker.cluster_id(), &broker.bound()));
    let failed = tokio::select! {
        name = stop.next() => {
            info!(signal = name, "stopping; a second signal stops at once");
            false
        }
        () = broker.failed() => {
            error!("this node cannot go on; it stops");
            true
        }
    };
    tokio::select! {
        () = broker.close() => info!("stopped"),
        name = stop.next() => {
            error!(signal = name, "stopped at once; the next start recovers the logs");
            std::process::exit(EXIT_STOPPED_AT_ONCE);
        }
    }
    match failed {
        true => Err("the node stopped because it could not go on; the log says why".to_owned()),
        false => Ok(()),
    }
}

/// What a shell reports for a process that SIGTERM ended.
const EXIT_STOPPED_AT_ONCE: i32 = 143;

struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The name of the next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_that_hold_something_else_are_left_to_the_operator() {
        let root = tempfile::tempdir().expect("a directory");
        let dirs = ("log.dirs".to_owned(), root.path().display().to_string());
        let config = config::load(None, &[dirs]).expect("the defaults");
        let file = Some(Path::new("server.properties"));
        std::fs::write(root.path().join("a file"), "").expect("a file");
        let refusal = prepare_directories(&config, file).expect_err("a refusal");
        assert!(
            refusal.contains("ottla format --config server.properties"),
            "{refusal}"
        );
        assert!(!root.path().join("meta.properties").exists());
        std::fs::remove_file(root.path().join("a file")).expect("it was there");
        std::fs::create_dir(root.path().join("lost+found")).expect("a directory");
        prepare_directories(&config, file).expect("formatted");
        assert!(root.path().join("meta.properties").exists());
        prepare_directories(&config, file).expect("formatted before");
        prepare_directories(&config, None).expect("formatted before");
    }
}
