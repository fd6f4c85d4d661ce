//! The active controller of a cluster with one voter: a thread that owns the metadata log and the machine of
//! [`ottla_metadata::Controller`].
//!
//! ```text
//! handlers -> ControllerHandle::write(closure) -> queue -> closure(&mut Controller, &Image, now) -> records, response
//!          -> append -> (more that is queued) -> one fsync = commit -> [publish thread: the new image -> responses]
//! ```
//! All that is queued when the thread comes round shares one fsync. Each closure sees the image with everything before it, the
//! records that are not committed yet included, so that operations never trample on one another; a response goes out only
//! when its records are committed and the rooms of this node have heard of them.

mod active;
mod cutting;
mod election;
mod publishing;
mod snapshots;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::JoinHandle;

use ottla_base::config::BrokerConfig;
use ottla_base::{Clock, ErrorCode, Uuid};
use ottla_metadata::image::Endpoint;
use ottla_metadata::{Controller, Image, Outcome, Problem, Record};
use ottla_storage::Log;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use self::active::Active;
pub(crate) use self::election::supported_features;
use super::metadata_log::snapshot_file::SnapshotError;
use super::metadata_log::store::MetadataLogError;
use super::publish::Publisher;

/// Commands that may wait; more than this many callers wait with theirs.
const QUEUED_MAX: usize = 1024;

/// What a controller needs to open.
pub struct Options {
    pub config: Arc<BrokerConfig>,
    /// `LogDirs::open_metadata_log`.
    pub log: Arc<Log>,
    /// `directory.id` of the dir that the log lies in.
    pub directory_id: Uuid,
    /// Where the controller listeners are reached; the voters and RegisterController name them.
    pub endpoints: Vec<Endpoint>,
    /// The `bootstrap.checkpoint` that formatting left.
    pub bootstrap: PathBuf,
    pub clock: Arc<dyn Clock>,
    /// Random, and with it the ids and placements that the controller chooses.
    pub seed: u64,
}

/// Why this node cannot lead its metadata.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error(transparent)]
    Log(#[from] MetadataLogError),
    #[error("{path}: {source}")]
    Bootstrap { path: PathBuf, source: SnapshotError },
    #[error("the metadata log cannot be begun: {0}")]
    Records(#[from] Problem),
    #[error("{0}")]
    Quorum(String),
}

type Reply = Box<dyn FnOnce(Result<(), ErrorCode>) + Send>;
/// Runs on the thread; gives back the records and what to do when they are committed, or are not.
type Job = Box<dyn FnOnce(&mut Controller, &Image, i64) -> (Vec<Record>, Reply) + Send>;

enum Command {
    Write(Job),
    Stop(oneshot::Sender<()>),
}

/// The quorum as DescribeQuorum shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuorumStatus {
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub high_watermark: i64,
    pub log_end_offset: i64,
}

/// A way to the active controller.
#[derive(Clone)]
pub struct ControllerHandle {
    commands: mpsc::Sender<Command>,
    log: Arc<Log>,
    leader_id: i32,
    leader_epoch: Arc<AtomicI32>,
}

impl ControllerHandle {
    /// Runs `operation` and returns its response once its records are committed and published here.
    pub async fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Controller, &Image, i64) -> Outcome<T> + Send + 'static,
    ) -> Result<T, ErrorCode> {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |controller, image, now_ms| {
            let Outcome { records, response } = operation(controller, image, now_ms);
            let reply = move |result: Result<(), ErrorCode>| {
                // Whoever asked may have gone away; what was written stays written.
                let _ = sender.send(result.map(|()| response));
            };
            (records, Box::new(reply))
        });
        let sent = self.commands.send(Command::Write(job)).await;
        sent.map_err(|_| ErrorCode::NotController)?;
        receiver.await.unwrap_or(Err(ErrorCode::NotController))
    }

    /// As [`Self::write`], for an operation that can be refused as a whole.
    pub async fn try_write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Controller, &Image, i64) -> Result<Outcome<T>, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let answer =
            self.write(
                move |controller, image, now_ms| match operation(controller, image, now_ms) {
                    Ok(outcome) => outcome.map(Ok),
                    Err(problem) => Outcome::nothing(Err(problem)),
                },
            );
        match answer.await {
            Ok(result) => result,
            Err(code) => Err(Problem::new(code, code.name())),
        }
    }

    pub fn quorum(&self) -> QuorumStatus {
        QuorumStatus {
            leader_id: self.leader_id,
            leader_epoch: self.leader_epoch.load(Ordering::Relaxed),
            high_watermark: self.log.high_watermark(),
            log_end_offset: self.log.log_end_offset(),
        }
    }

    /// Resolves when the controller has stopped, by itself if its log failed: then the node must stop too.
    pub async fn stopped(&self) {
        self.commands.closed().await;
    }

    /// Stops the controller and closes its log. Commands that come later are refused.
    pub async fn stop(&self) {
        let (sender, receiver) = oneshot::channel();
        if self.commands.send(Command::Stop(sender)).await.is_ok() {
            let _ = receiver.await;
        }
    }
}

/// A controller that has read its log and begun its epoch, and waits for the rooms to be ready.
pub struct ControllerLoop {
    active: Active,
    commands: mpsc::Receiver<Command>,
}

impl ControllerLoop {
    /// Reads the metadata log, starts a new leader epoch and writes what a new leader has to write. Blocks.
    pub fn open(options: Options) -> Result<(Self, ControllerHandle), OpenError> {
        let (sender, commands) = mpsc::channel(QUEUED_MAX);
        let leader_id = options.config.node_id;
        let active = election::become_leader(options)?;
        let handle = ControllerHandle {
            commands: sender,
            log: Arc::clone(active.log()),
            leader_id,
            leader_epoch: Arc::new(AtomicI32::new(active.epoch())),
        };
        Ok((Self { active, commands }, handle))
    }

    /// The cluster as the log tells it at the start.
    pub fn image(&self) -> Arc<Image> {
        self.active.image()
    }

    /// Publishes all there is, then serves commands on a thread of its own until it is told to stop.
    pub fn start(
        self,
        publisher: Publisher,
        runtime: tokio::runtime::Handle,
    ) -> std::io::Result<JoinHandle<()>> {
        let Self { active, mut commands } = self;
        let publishing = publishing::Publishing::start(publisher)?;
        std::thread::Builder::new()
            .name("controller".into())
            .spawn(move || active.run(&mut commands, publishing, &runtime))
    }
}
