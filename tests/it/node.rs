//! A broker in this process, with its data in a directory of its own and its listeners on free ports.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla::broker::Broker;
use ottla::runtime::format::{FormatOptions, InitialVoter, format};
use ottla_base::Uuid;
use ottla_base::config::{BrokerConfig, Source};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::client::Client;

pub struct Node {
    runtime: Runtime,
    broker: Option<Broker>,
    config: Arc<BrokerConfig>,
    _folder: TempDir,
}

impl Node {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A new node with these keys of `server.properties`.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut overrides = vec![
            (
                "listeners".to_owned(),
                "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0".to_owned(),
            ),
            ("log.dirs".to_owned(), data.to_string_lossy().into_owned()),
        ];
        overrides.extend(
            settings
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
        );
        let config = BrokerConfig::load(&Source {
            file: None,
            overrides: &overrides,
            environment: &|_| None,
        });
        let config = Arc::new(config.expect("the configuration is valid"));
        format_dirs(&config);
        let mut node = Self {
            runtime: Runtime::new().unwrap(),
            broker: None,
            config,
            _folder: folder,
        };
        node.open();
        node
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

    /// As [`Self::restart`]; in between something happens to the data.
    pub fn restart_after(&mut self, change: impl FnOnce(&Path)) {
        self.close();
        change(&self.config.log_dirs[0]);
        self.open();
    }

    fn open(&mut self) {
        let opened = self.runtime.block_on(Broker::open(self.config.clone()));
        self.broker = Some(opened.unwrap_or_else(|error| panic!("the node does not start: {error}")));
    }

    fn close(&mut self) {
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

fn format_dirs(config: &BrokerConfig) {
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
        ..FormatOptions::default()
    });
    formatted.unwrap_or_else(|error| panic!("the directories are not formatted: {error}"));
}
