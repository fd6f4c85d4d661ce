//! `ottla serve`: runs a node until it is told to stop.
//!
//! The first SIGTERM or SIGINT closes the node cleanly (everything flushed, clean-shutdown markers written, clients told); a
//! second one ends the process at once.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use ottla_base::config::BrokerConfig;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use super::logging::{self, LogFormat};
use super::{banner, config, format, limits};
use crate::broker::Broker;

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
    for notice in config.notices() {
        warn!("{notice}");
    }
    prepare_directories(&config, arguments.file())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no threads to run on: {error}"))?;
    runtime.block_on(serve(Arc::new(config)))
}

/// Without a file a node formats its own directories the first time; with one, formatting is the operator's decision, for
/// an empty directory may be a disk that is not mounted.
fn prepare_directories(config: &BrokerConfig, file: Option<&Path>) -> Result<(), String> {
    let is_formatted = |dir: &PathBuf| dir.join("meta.properties").exists();
    let directories = config::directories(config);
    match file {
        None if !directories.iter().all(is_formatted) => {
            let formatted = format::format_new(config).map_err(|error| error.to_string())?;
            for (directory, kind) in &formatted.directories {
                info!(directory = %directory.display(), kind = kind.description(), "formatted");
            }
            Ok(())
        }
        Some(file) if !directories.iter().any(is_formatted) => {
            let dirs: Vec<String> = directories.iter().map(|dir| dir.display().to_string()).collect();
            Err(format!(
                "No `meta.properties` found in {}. If these are the directories of a new node, format them first: ottla \
                 format --config {} --cluster-id $(ottla random-uuid) --standalone",
                dirs.join(", "),
                file.display()
            ))
        }
        _ => Ok(()),
    }
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
    fn a_file_whose_directories_are_not_formatted_stops_the_start() {
        let root = tempfile::tempdir().expect("a directory");
        let dirs = ("log.dirs".to_owned(), root.path().display().to_string());
        let config = config::load(None, &[dirs]).expect("the defaults");
        let refusal =
            prepare_directories(&config, Some(Path::new("server.properties"))).expect_err("a refusal");
        assert!(
            refusal.contains("ottla format --config server.properties"),
            "{refusal}"
        );
        assert!(!root.path().join("meta.properties").exists());
        prepare_directories(&config, None).expect("formatted");
        assert!(root.path().join("meta.properties").exists());
        prepare_directories(&config, None).expect("formatted before");
    }
}
