//! The composition root: opens the rooms bottom-up, joins them, closes them top-down. It holds no branch on data.
//!
//! ```text
//! open:   ports -> log dirs (lock) -> metadata log -> logs (recovered) -> coordinators -> publish -> register -> serve -> unfence
//! close:  controlled shutdown -> connections drained -> coordinators -> controller -> logs flushed, markers, locks
//! ```

mod endpoints;
mod net_limits;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ottla_base::config::{BrokerConfig, Effective, Listener, Settings};
use ottla_base::{Clock, SystemClock, Uuid};
use ottla_metadata::image::ConfigKind;
use ottla_metadata::{Delta, Image, Problem};
use ottla_storage::dirs::ClusterIdentity;
use ottla_storage::vfs::{Disk, Faults};
use ottla_storage::{LogDirs, StorageError};
use thiserror::Error;
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::{error, info};

use crate::api::Node;
use crate::api::data::FetchState;
use crate::api::dispatch::Dispatch;
use crate::net::{ConnectionCount, Server};
use crate::replica::ReplicaManager;
use crate::runtime::assign_dirs::AssignDirs;
use crate::runtime::controller_loop::{self, ControllerHandle, ControllerLoop};
use crate::runtime::format::BOOTSTRAP_FILE;
use crate::runtime::janitor::{Intervals, Janitor};
use crate::runtime::lifecycle::{BrokerLifecycle, Identity, previous_broker_epoch};
use crate::runtime::log_cleaner::{CleanerSettings, LogCleaner};
use crate::runtime::metadata_log::store::log_config;
use crate::runtime::producer_ids::ProducerIds;
use crate::runtime::publish::Publisher;
use crate::runtime::transaction_coordinator::markers::LocalMarkers;
use crate::runtime::{
    GroupCoordinator, GroupOptions, MarkerWriter, TransactionCoordinator, TransactionOptions,
};
use crate::wire::service::Service;

/// For how long a stop waits until the controller has found other leaders: Kafka's limit.
const CONTROLLED_SHUTDOWN_MAX: Duration = Duration::from_secs(5 * 60);

/// Why a node does not start. The text names what to look at.
#[derive(Debug, Error)]
pub enum BrokerError {
    #[error("{0}")]
    Unsupported(String),
    #[error("cannot listen on {listener}://{host}:{port}: {source}")]
    Listen {
        listener: String,
        host: String,
        port: u16,
        source: io::Error,
    },
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Controller(#[from] controller_loop::OpenError),
    #[error("this broker cannot join its cluster: {0}")]
    Registration(#[from] Problem),
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// A running node.
pub struct Broker {
    node: Arc<Node>,
    server: Server,
    bound: Vec<(String, SocketAddr)>,
    log_dirs: LogDirSet,
    lifecycle: Arc<BrokerLifecycle>,
    heartbeats: JoinHandle<()>,
    janitor: Janitor,
    /// `None` when `log.cleaner.enable` is false.
    log_cleaner: Option<LogCleaner>,
    controller_thread: std::thread::JoinHandle<()>,
}

/// What a node takes from the machine besides its configuration: a test moves its time and breaks its disks.
#[derive(Clone)]
pub struct Surroundings {
    pub clock: Arc<dyn Clock>,
    /// Asked before each change of a log dir.
    pub faults: Option<Arc<dyn Faults>>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            faults: None,
        }
    }
}

impl Surroundings {
    fn disk(&self, path: &Path) -> Disk {
        match &self.faults {
            None => Disk::new(path),
            Some(faults) => Disk::with_faults(path, faults.clone()),
        }
    }
}

/// The threads for a node: one more than cores, since a log dir whose disk hangs may hold up as many as there are cores.
pub fn threads() -> io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores + 1)
        .enable_all()
        .build()
}

/// The log dirs of a node. The metadata log may have one of its own.
struct LogDirSet {
    data: Arc<LogDirs>,
    metadata: Option<Arc<LogDirs>>,
}

impl Broker {
    /// Starts a node; it serves when this returns. To be called on [`threads`].
    pub async fn open(config: Arc<BrokerConfig>) -> Result<Self, BrokerError> {
        Self::open_in(config, Surroundings::default()).await
    }

    /// As [`Self::open`], somewhere else than on the bare machine.
    pub async fn open_in(config: Arc<BrokerConfig>, surroundings: Surroundings) -> Result<Self, BrokerError> {
        let clock = surroundings.clock.clone();
        check_roles(&config)?;
        let (mut server, bound) = listen(&config).await?;
        let log_dirs = blocking({
            let config = config.clone();
            move || LogDirSet::open(&config, &surroundings)
        })
        .await?;
        let previous_broker_epoch = previous_broker_epoch(log_dirs.data.dirs());
        let (controller_loop, controller) = blocking({
            let (config, clock) = (config.clone(), clock.clone());
            let metadata = log_dirs.metadata().clone();
            let endpoints = endpoints::registered(&config, &bound, |listener| listener.is_controller);
            move || open_controller(config, &metadata, endpoints, clock)
        })
        .await?;
        let replicas = ReplicaManager::new(
            Effective::of_file(config.clone()),
            log_dirs.data.clone(),
            clock.clone(),
        );
        blocking({
            let (replicas, image) = (replicas.clone(), controller_loop.image());
            move || replicas.load(&image).map_err(BrokerError::from)
        })
        .await?;
        let node = assemble(&config, &clock, &log_dirs, replicas, &controller);
        let controller_thread = controller_loop.start(
            publisher(&node, server.admission()),
            tokio::runtime::Handle::current(),
        )?;
        let lifecycle = register(&config, &bound, &log_dirs, controller, previous_broker_epoch).await?;
        let service: Arc<dyn Service> = Arc::new(Dispatch::new(node.clone()));
        server.serve(&service);
        lifecycle.unfence().await?;
        let heartbeats = tokio::spawn({
            let lifecycle = lifecycle.clone();
            async move { lifecycle.keep_alive().await }
        });
        let janitor = Janitor::spawn(log_dirs.data.clone(), clock.clone(), intervals(&config));
        let log_cleaner = config
            .bool("log.cleaner.enable")
            .then(|| start_cleaner(&node, &log_dirs, clock));
        Ok(Self {
            node,
            server,
            bound,
            log_dirs,
            lifecycle,
            heartbeats,
            janitor,
            log_cleaner,
            controller_thread,
        })
    }

    /// The addresses that are listened to, by listener name.
    pub fn bound(&self) -> Vec<(String, SocketAddr)> {
        self.bound.clone()
    }

    pub fn cluster_id(&self) -> &str {
        &self.node.cluster_id
    }

    /// Resolves when the node can no longer work and must be closed: its metadata log failed.
    pub async fn failed(&self) {
        self.node.controller.stopped().await;
    }

    /// Stops the node cleanly: clients are told, everything is flushed, the markers of a clean stop are written.
    pub async fn close(self) {
        self.heartbeats.abort();
        match tokio::time::timeout(CONTROLLED_SHUTDOWN_MAX, self.lifecycle.controlled_shutdown()).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => error!(%problem, "no controlled shutdown"),
            Err(_) => error!("no controlled shutdown: the controller does not answer"),
        }
        self.server.shutdown().await;
        if let Some(log_cleaner) = self.log_cleaner {
            log_cleaner.stop().await;
        }
        self.janitor.stop().await;
        self.node.transactions.close();
        self.node.groups.close();
        self.node.controller.stop().await;
        let (log_dirs, epoch) = (self.log_dirs, self.lifecycle.epoch());
        let controller_thread = self.controller_thread;
        let closed = blocking(move || {
            if controller_thread.join().is_err() {
                error!("the controller's thread panicked");
            }
            log_dirs.close_cleanly(epoch)
        });
        match closed.await {
            Ok(()) => info!("all logs are flushed and closed"),
            Err(problem) => error!(%problem, "not stopped cleanly; the next start recovers the logs"),
        }
    }
}

impl LogDirSet {
    fn open(config: &BrokerConfig, surroundings: &Surroundings) -> Result<Self, BrokerError> {
        let disk = |path: &PathBuf| surroundings.disk(path);
        let own_dir = &config.metadata_log_dir;
        // The metadata log lies in the first dir of its set.
        let (mut first, others): (Vec<PathBuf>, Vec<PathBuf>) =
            config.log_dirs.iter().cloned().partition(|dir| dir == own_dir);
        let has_own = first.is_empty();
        first.extend(others);
        let data = LogDirs::open_on(&first, None, disk)?;
        data.check_metadata_location(own_dir)?;
        let identity = identity(&data, config)?;
        let metadata = match has_own {
            true => Some(Arc::new(LogDirs::open_on(
                std::slice::from_ref(own_dir),
                Some(&identity),
                disk,
            )?)),
            false => None,
        };
        Ok(Self {
            data: Arc::new(data),
            metadata,
        })
    }

    fn metadata(&self) -> &Arc<LogDirs> {
        self.metadata.as_ref().unwrap_or(&self.data)
    }

    fn close_cleanly(&self, broker_epoch: i64) -> Result<(), BrokerError> {
        self.data.close_cleanly(broker_epoch)?;
        match &self.metadata {
            Some(metadata) => Ok(metadata.close_cleanly(broker_epoch)?),
            None => Ok(()),
        }
    }
}

/// Whose the dirs are, which must be this node.
fn identity(dirs: &LogDirs, config: &BrokerConfig) -> Result<ClusterIdentity, BrokerError> {
    let first = dirs.dirs().first();
    let first = first.ok_or_else(|| BrokerError::Unsupported("log.dirs names no directory".to_owned()))?;
    let identity = first.identity().clone();
    if identity.node_id != config.node_id {
        return Err(BrokerError::Unsupported(format!(
            "node.id is {}, but {} belongs to node {} (meta.properties)",
            config.node_id,
            first.path().display(),
            identity.node_id
        )));
    }
    Ok(identity)
}

fn check_roles(config: &BrokerConfig) -> Result<(), BrokerError> {
    let other_voter = config.voters.iter().find(|voter| voter.id != config.node_id);
    match (config.is_broker, config.is_controller, other_voter) {
        (true, true, None) => Ok(()),
        (_, _, Some(voter)) => Err(BrokerError::Unsupported(format!(
            "controller.quorum.voters names node {}: clusters of several nodes are not supported yet",
            voter.id
        ))),
        _ => Err(BrokerError::Unsupported(
            "process.roles must be broker,controller: clusters of several nodes are not supported yet"
                .to_owned(),
        )),
    }
}

async fn listen(config: &BrokerConfig) -> Result<(Server, Vec<(String, SocketAddr)>), BrokerError> {
    let mut server = Server::new(net_limits::of(config));
    let mut bound = Vec::new();
    for listener in &config.listeners.all {
        let addresses = server.bind(Arc::new(listener.clone())).await.map_err(|source| {
            let Listener { name, host, port, .. } = listener.clone();
            BrokerError::Listen {
                listener: name,
                host,
                port,
                source,
            }
        })?;
        bound.extend(
            addresses
                .into_iter()
                .map(|address| (listener.name.clone(), address)),
        );
    }
    Ok((server, bound))
}

fn open_controller(
    config: Arc<BrokerConfig>,
    dirs: &LogDirs,
    endpoints: Vec<ottla_metadata::image::Endpoint>,
    clock: Arc<dyn Clock>,
) -> Result<(ControllerLoop, ControllerHandle), BrokerError> {
    let first = dirs.dirs().first();
    let first = first.ok_or_else(|| BrokerError::Unsupported("metadata.log.dir is not there".to_owned()))?;
    let options = controller_loop::Options {
        log: dirs.open_metadata_log(Arc::new(log_config(&config)), clock.now_ms())?,
        directory_id: first.id(),
        bootstrap: first.path().join(BOOTSTRAP_FILE),
        endpoints,
        clock,
        seed: Uuid::new_v4().as_u64_pair().0,
        config,
    };
    Ok(ControllerLoop::open(options)?)
}

fn assemble(
    config: &Arc<BrokerConfig>,
    clock: &Arc<dyn Clock>,
    log_dirs: &LogDirSet,
    replicas: Arc<ReplicaManager>,
    controller: &ControllerHandle,
) -> Arc<Node> {
    let cluster_id = log_dirs
        .data
        .dirs()
        .first()
        .map(|dir| dir.identity().cluster_id.clone());
    let groups = GroupCoordinator::new(
        GroupOptions::new(config.node_id, &**config),
        clock.clone(),
        tokio::runtime::Handle::current(),
    );
    let request_timeout_ms = u64::try_from(config.i32("request.timeout.ms")).unwrap_or(0);
    let markers = MarkerWriter::new(
        replicas.clone(),
        groups.clone(),
        clock.clone(),
        Duration::from_millis(request_timeout_ms),
    );
    let markers = Arc::new(markers);
    let producer_ids = Arc::new(ProducerIds::new(config.node_id, controller.clone()));
    let transactions = TransactionCoordinator::new(
        TransactionOptions::new(config.node_id, &**config),
        clock.clone(),
        tokio::runtime::Handle::current(),
        producer_ids.clone(),
        Arc::new(LocalMarkers {
            writer: markers.clone(),
        }),
    );
    Arc::new(Node {
        cluster_id: cluster_id.unwrap_or_default(),
        config: config.clone(),
        image: ArcSwap::from_pointee(Image::empty()),
        replicas,
        controller: controller.clone(),
        groups,
        producer_ids,
        verifier: Arc::new(transactions.clone()),
        transactions,
        markers,
        fetch: FetchState::new(config),
        clock: clock.clone(),
        started_ms: clock.now_ms(),
    })
}

/// Who hears of a change, in order: replicas, then requests, then coordinators.
fn publisher(node: &Arc<Node>, connections: Arc<ConnectionCount>) -> Publisher {
    let (replicas, requests, groups, transactions) = (node.clone(), node.clone(), node.clone(), node.clone());
    let limits = node.replicas.clone();
    Publisher::default()
        .then(move |image: &Arc<Image>, delta: &Delta| replicas.replicas.apply(image, delta))
        .then(move |_: &Arc<Image>, delta: &Delta| {
            if delta
                .configs
                .iter()
                .any(|resource| resource.kind == ConfigKind::Broker)
            {
                connections.set_admission(net_limits::admission(limits.config().as_ref()));
            }
        })
        .then(move |image: &Arc<Image>, _: &Delta| requests.image.store(image.clone()))
        .then(move |image: &Arc<Image>, delta: &Delta| groups.groups.apply(image, delta, &groups.replicas))
        .then(move |image: &Arc<Image>, delta: &Delta| {
            transactions
                .transactions
                .apply(image, delta, &transactions.replicas);
        })
        .then(AssignDirs {
            replicas: node.replicas.clone(),
            controller: node.controller.clone(),
            runtime: tokio::runtime::Handle::current(),
        })
}

async fn register(
    config: &BrokerConfig,
    bound: &[(String, SocketAddr)],
    log_dirs: &LogDirSet,
    controller: ControllerHandle,
    previous_broker_epoch: i64,
) -> Result<Arc<BrokerLifecycle>, BrokerError> {
    let cordoned = config.list("cordoned.log.dirs");
    let is_cordoned = |path: &std::path::Path| {
        cordoned
            .iter()
            .any(|dir| dir == "*" || path == std::path::Path::new(dir))
    };
    let dirs = log_dirs.data.dirs();
    let identity = Identity {
        broker_id: config.node_id,
        endpoints: endpoints::registered(config, bound, |listener| !listener.is_controller),
        rack: config.rack.clone(),
        log_dirs: dirs.iter().map(|dir| dir.id()).collect(),
        cordoned_log_dirs: dirs
            .iter()
            .filter(|dir| is_cordoned(dir.path()))
            .map(|dir| dir.id())
            .collect(),
        previous_broker_epoch,
        heartbeat_interval_ms: config
            .i32("broker.heartbeat.interval.ms")
            .max(1)
            .unsigned_abs()
            .into(),
    };
    Ok(Arc::new(BrokerLifecycle::register(controller, identity).await?))
}

/// The cleaner's settings may be changed at any time: it asks for those in force.
fn start_cleaner(node: &Arc<Node>, log_dirs: &LogDirSet, clock: Arc<dyn Clock>) -> LogCleaner {
    let replicas = node.replicas.clone();
    let settings = Arc::new(move || CleanerSettings::of(replicas.config().as_ref()));
    LogCleaner::spawn(log_dirs.data.clone(), clock, settings)
}

fn intervals(config: &BrokerConfig) -> Intervals {
    Intervals {
        log_retention_check_interval_ms: config.i64("log.retention.check.interval.ms"),
        log_flush_offset_checkpoint_interval_ms: config.i32("log.flush.offset.checkpoint.interval.ms").into(),
        log_flush_start_offset_checkpoint_interval_ms: config
            .i32("log.flush.start.offset.checkpoint.interval.ms")
            .into(),
        replica_high_watermark_checkpoint_interval_ms: config
            .i64("replica.high.watermark.checkpoint.interval.ms"),
        log_initial_task_delay_ms: config.i64("log.initial.task.delay.ms"),
        producer_id_expiration_check_interval_ms: config
            .i32("producer.id.expiration.check.interval.ms")
            .into(),
    }
}

/// Work on disk, on a thread that may wait for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BrokerError> + Send + 'static,
) -> Result<T, BrokerError> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(BrokerError::Thread(io::Error::other(error))),
    }
}

#[cfg(test)]
mod every_version_tests;
