//! A broker in this process, with its data in a directory of its own and its listeners on free ports.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla::broker::{Broker, BrokerError, Surroundings, threads};
use ottla::runtime::format::{FormatOptions, InitialVoter, format};
use ottla_base::Uuid;
use ottla_base::config::{BrokerConfig, Source};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::client::Client;

const DATA: &str = "data";

pub struct Node {
    runtime: Runtime,
    broker: Option<Broker>,
    config: Arc<BrokerConfig>,
    surroundings: Surroundings,
    folder: TempDir,
}

impl Node {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A new node with these keys of `server.properties`.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_formatted(settings, &[])
    }

    /// As [`Self::start_with`], with other levels of features than the newest.
    pub fn start_formatted(settings: &[(&str, &str)], features: &[(&str, i16)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), settings);
        format_dirs(&config, features);
        let mut node = Self {
            runtime: threads().unwrap(),
            broker: None,
            config,
            surroundings: Surroundings::default(),
            folder,
        };
        node.open();
        node
    }

    /// Another node on a copy of what this one has left, which must be closed. It may not come up, if its disk fails.
    pub fn copy(&self, settings: &[(&str, &str)], surroundings: Surroundings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_dir(&self.folder.path().join(DATA), &folder.path().join(DATA));
        let mut node = Self {
            runtime: threads().unwrap(),
            broker: None,
            config: config(folder.path(), settings),
            surroundings,
            folder,
        };
        node.broker = node.try_open().ok();
        node
    }

    pub fn is_up(&self) -> bool {
        self.broker.is_some()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join(DATA)
    }

    pub fn log_dirs(&self) -> &[PathBuf] {
        &self.config.log_dirs
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address_of("PLAINTEXT")
    }

    /// Where controllers are asked.
    pub fn controller_address(&self) -> SocketAddr {
        self.address_of("CONTROLLER")
    }

    fn address_of(&self, listener: &str) -> SocketAddr {
        let bound = self.broker.as_ref().expect("the node runs").bound();
        let found = bound.into_iter().find(|(name, _)| name == listener);
        found.expect("the listener is bound").1
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// Closes the node cleanly and opens it again on the same data; its ports are new.
    pub fn restart(&mut self) {
        self.close();
        self.open();
    }

    /// As [`Self::restart`], on another disk or at another time.
    pub fn restart_in(&mut self, surroundings: Surroundings) {
        self.close();
        self.surroundings = surroundings;
        self.open();
    }

    /// As [`Self::restart`]; in between something happens to the data.
    pub fn restart_after(&mut self, change: impl FnOnce(&Path)) {
        self.close();
        change(&self.config.log_dirs[0]);
        self.open();
    }

    fn open(&mut self) {
        let opened = self.try_open();
        self.broker = Some(opened.unwrap_or_else(|error| panic!("the node does not start: {error}")));
    }

    fn try_open(&self) -> Result<Broker, BrokerError> {
        let opening = Broker::open_in(self.config.clone(), self.surroundings.clone());
        self.runtime.block_on(opening)
    }

    pub fn close(&mut self) {
        if let Some(broker) = self.broker.take() {
            self.runtime.block_on(broker.close());
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.close();
    }
}

fn config(folder: &Path, settings: &[(&str, &str)]) -> Arc<BrokerConfig> {
    let data = folder.join(DATA).to_string_lossy().into_owned();
    let own = [
        ("listeners", "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0"),
        ("log.dirs", &data),
    ];
    let overrides: Vec<(String, String)> = own
        .iter()
        .chain(settings)
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let config = BrokerConfig::load(&Source {
        file: None,
        overrides: &overrides,
        environment: &|_| None,
    });
    Arc::new(config.expect("the configuration is valid"))
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (
            entry.as_ref().unwrap().path(),
            to.join(entry.unwrap().file_name()),
        );
        match from.is_dir() {
            true => copy_dir(&from, &to),
            false => drop(fs::copy(&from, &to).unwrap()),
        }
    }
}

fn format_dirs(config: &BrokerConfig, features: &[(&str, i16)]) {
    let mut log_dirs: Vec<PathBuf> = config.log_dirs.clone();
    log_dirs.push(config.metadata_log_dir.clone());
    log_dirs.sort();
    log_dirs.dedup();
    let formatted = format(&FormatOptions {
        cluster_id: "it-cluster-0000000000w".to_owned(),
        node_id: config.node_id,
        log_dirs,
        metadata_log_dir: config.metadata_log_dir.clone(),
        controller_listener: "CONTROLLER".to_owned(),
        is_dynamic_quorum: true,
        initial_voters: vec![InitialVoter {
            id: config.node_id,
            host: "127.0.0.1".to_owned(),
            port: 9093,
            directory_id: Uuid::nil(),
        }],
        features: features
            .iter()
            .map(|(name, level)| ((*name).to_owned(), *level))
            .collect(),
        ..FormatOptions::default()
    });
    formatted.unwrap_or_else(|error| panic!("the directories are not formatted: {error}"));
}
