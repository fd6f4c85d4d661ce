//! The controller on real files: formatted, started, stopped, started again, and read by somebody else.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ottla_base::SystemClock;
use ottla_base::config::{BrokerConfig, Source};
use ottla_metadata::controller::CreateTopic;
use ottla_metadata::{Delta, Image};
use ottla_storage::LogDirs;
use ottla_storage::vfs::Disk;
use parking_lot::Mutex;

use super::*;
use crate::runtime::format::{FormatOptions, InitialVoter, format};
use crate::runtime::lifecycle::{BrokerLifecycle, Identity, previous_broker_epoch};
use crate::runtime::metadata_log::quorum_state::QuorumState;
use crate::runtime::metadata_log::store::list_snapshots;
use crate::runtime::test_dirs;

fn config(dir: &Path, extra: &[(&str, &str)]) -> Arc<BrokerConfig> {
    let log_dirs = dir.display().to_string();
    let given = [("log.dirs", log_dirs.as_str())];
    let overrides: Vec<(String, String)> = given
        .iter()
        .chain(extra)
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let source = Source {
        file: None,
        overrides: &overrides,
        environment: &|_| None,
    };
    Arc::new(BrokerConfig::load(&source).unwrap())
}

fn formatted(dir: &Path, is_dynamic: bool) {
    let voter = InitialVoter {
        id: 1,
        host: "localhost".into(),
        port: 9093,
        directory_id: Uuid::nil(),
    };
    let options = FormatOptions {
        cluster_id: "AAECAwQFBgcICQoLDA0ODw".into(),
        node_id: 1,
        log_dirs: vec![dir.to_owned()],
        metadata_log_dir: dir.to_owned(),
        controller_listener: "CONTROLLER".into(),
        is_dynamic_quorum: is_dynamic,
        initial_voters: if is_dynamic { vec![voter] } else { Vec::new() },
        ..FormatOptions::default()
    };
    format(&options).unwrap();
}

fn endpoint(name: &str, port: u16) -> Endpoint {
    Endpoint {
        name: name.into(),
        host: "localhost".into(),
        port,
        security_protocol: 0,
    }
}

/// A node as far as its metadata goes.
struct Node {
    dirs: LogDirs,
    handle: ControllerHandle,
    image: Arc<Mutex<Arc<Image>>>,
    published: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
    lifecycle: BrokerLifecycle,
}

impl Node {
    async fn start(dir: &Path, extra: &[(&str, &str)]) -> Self {
        Self::start_on(dir, extra, |path| Disk::new(path)).await
    }

    async fn start_on(dir: &Path, extra: &[(&str, &str)], disk: impl Fn(&PathBuf) -> Disk) -> Self {
        let dirs = LogDirs::open_on(&[dir.to_owned()], None, disk).unwrap();
        let previous = previous_broker_epoch(dirs.dirs());
        let directory_id = dirs.dirs()[0].id();
        let options = Options {
            config: config(dir, extra),
            log: dirs.open_metadata_log(Arc::default(), 0).unwrap(),
            directory_id,
            endpoints: vec![endpoint("CONTROLLER", 9093)],
            bootstrap: dir.join("bootstrap.checkpoint"),
            clock: Arc::new(SystemClock),
            seed: 7,
        };
        let (controller, handle) = ControllerLoop::open(options).unwrap();
        test_dirs::load(&dirs);
        let image = Arc::new(Mutex::new(controller.image()));
        let published = Arc::new(AtomicUsize::new(0));
        let (seen, count) = (Arc::clone(&image), Arc::clone(&published));
        let publisher = Publisher::default().then(move |image: &Arc<Image>, _: &Delta| {
            *seen.lock() = Arc::clone(image);
            count.fetch_add(1, Ordering::SeqCst);
        });
        let thread = controller
            .start(publisher, tokio::runtime::Handle::current())
            .unwrap();
        let identity = Identity {
            broker_id: 1,
            endpoints: vec![endpoint("PLAINTEXT", 9092)],
            rack: None,
            log_dirs: vec![directory_id],
            cordoned_log_dirs: Vec::new(),
            previous_broker_epoch: previous,
            heartbeat_interval_ms: 2000,
        };
        let lifecycle = BrokerLifecycle::register(handle.clone(), identity).await.unwrap();
        lifecycle.unfence().await.unwrap();
        Self {
            dirs,
            handle,
            image,
            published,
            thread,
            lifecycle,
        }
    }

    async fn create(&self, name: &str, partitions: i32) {
        let topic = CreateTopic {
            name: name.into(),
            partitions,
            replication_factor: 1,
            ..CreateTopic::default()
        };
        let made = self
            .handle
            .write(move |c, image, _| c.create_topics(image, &[topic], false));
        made.await.unwrap()[0].1.as_ref().unwrap();
    }

    fn image(&self) -> Arc<Image> {
        Arc::clone(&self.image.lock())
    }

    /// A stop as the node does it: leaderships away, log closed, marker written.
    async fn stop(self) {
        self.lifecycle.controlled_shutdown().await.unwrap();
        self.handle.stop().await;
        self.thread.join().unwrap();
        self.dirs.close_cleanly(self.lifecycle.epoch()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_there_after_a_restart() {
    for is_dynamic in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        formatted(dir.path(), is_dynamic);
        let static_voters = [("controller.quorum.voters", "1@localhost:9093")];
        let extra: &[(&str, &str)] = if is_dynamic { &[] } else { &static_voters };
        let node = Node::start(dir.path(), extra).await;
        node.create("t", 3).await;
        // The response came after the publication.
        let partition = node.image().partition("t", 2).unwrap().as_ref().clone();
        assert_eq!((partition.leader, partition.leader_epoch), (1, 0));
        assert_eq!(node.image().features.kraft_version, i16::from(is_dynamic));
        assert_eq!(node.handle.quorum().leader_epoch, 1);
        node.stop().await;
        let node = Node::start(dir.path(), extra).await;
        assert_eq!(node.handle.quorum().leader_epoch, 2);
        let partition = node.image().partition("t", 2).unwrap().as_ref().clone();
        assert_eq!(
            (
                partition.leader,
                partition.leader_epoch,
                partition.leader_recovery
            ),
            (1, 2, 0)
        );
        assert!(node.published.load(Ordering::SeqCst) > 1);
        let quorum = node.handle.quorum();
        assert_eq!(quorum.high_watermark, quorum.log_end_offset);
        let state = QuorumState::read(&dir.path().join("__cluster_metadata-0"))
            .unwrap()
            .unwrap();
        assert_eq!((state.leader_id, state.leader_epoch), (1, 2));
        node.stop().await;
    }
}

/// Nothing is closed and no marker is written, as after kill -9.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_costs_no_session_timeout_and_no_topic() {
    let dir = tempfile::tempdir().unwrap();
    formatted(dir.path(), true);
    let node = Node::start(dir.path(), &[]).await;
    node.create("t", 1).await;
    let copy = tempfile::tempdir().unwrap();
    copy_tree(dir.path(), copy.path());
    let started = std::time::Instant::now();
    let after = Node::start(copy.path(), &[("broker.session.timeout.ms", "300000")]).await;
    assert!(started.elapsed().as_secs() < 100);
    let partition = after.image().partition("t", 0).unwrap().as_ref().clone();
    assert_eq!(
        (partition.leader, partition.leader_recovery),
        (1, 1),
        "an unclean stop is known as one"
    );
    after.stop().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_are_written_and_stand_in_for_the_log() {
    let dir = tempfile::tempdir().unwrap();
    formatted(dir.path(), true);
    let small = [("metadata.log.max.record.bytes.between.snapshots", "2000")];
    let node = Node::start(dir.path(), &small).await;
    for i in 0..40 {
        node.create(&format!("t{i}"), 2).await;
    }
    let before = node.image();
    node.stop().await;
    let snapshots = list_snapshots(&dir.path().join("__cluster_metadata-0")).unwrap();
    assert!(snapshots.len() > 2, "{snapshots:?}");
    let node = Node::start(dir.path(), &[]).await;
    assert_eq!(node.image().topics.len(), 40);
    assert_eq!(node.image().voters, before.voters);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_is_refused_as_a_whole_says_why() {
    let dir = tempfile::tempdir().unwrap();
    formatted(dir.path(), true);
    let node = Node::start(dir.path(), &[]).await;
    let refused = node
        .handle
        .try_write(|c, image, _| c.unregister_broker(image, 9))
        .await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::BrokerIdNotRegistered);
    let handle = node.handle.clone();
    node.stop().await;
    let late = handle.write(|_, _, _| Outcome::nothing(())).await;
    assert_eq!(late, Err(ErrorCode::NotController));
    handle.stopped().await;
}

fn config_of(topic: &str, name: String, value: String) -> Record {
    let record = ottla_metadata::records::ConfigRecord {
        resource_type: 2,
        resource_name: topic.into(),
        name,
        value: Some(value),
    };
    record.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_fails_alone_and_what_is_large_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    formatted(dir.path(), true);
    let node = Node::start(dir.path(), &[]).await;
    let write = |records: Vec<Record>| {
        let handle = node.handle.clone();
        async move {
            handle
                .write(|_, _, _| Outcome {
                    records,
                    response: (),
                })
                .await
        }
    };
    let unwritable = config_of("x", "k".into(), "v".repeat(40_000));
    assert_eq!(write(vec![unwritable]).await, Err(ErrorCode::InvalidRequest));
    let contradiction = ottla_metadata::records::RemoveTopicRecord {
        topic_id: Uuid::from_u128(9),
    };
    assert_eq!(
        write(vec![contradiction.into()]).await,
        Err(ErrorCode::UnknownServerError)
    );
    let many = (0..25_000).map(|i| config_of("x", format!("k{i}"), "v".into()));
    assert_eq!(write(many.collect()).await, Ok(()));
    let large = (0..400).map(|i| config_of("y", format!("k{i}"), "v".repeat(30_000)));
    assert_eq!(write(large.collect()).await, Ok(()));
    node.stop().await;
    let node = Node::start(dir.path(), &[]).await;
    let image = node.image();
    let count = |topic| {
        image
            .configs
            .get(&ottla_metadata::image::ConfigResource::topic(topic))
            .len()
    };
    assert_eq!((count("x"), count("y")), (25_000, 400));
    node.stop().await;
}

/// Refuses every sync once it is told to.
#[derive(Default)]
struct BrokenDisk(std::sync::atomic::AtomicBool);

impl ottla_storage::vfs::Faults for BrokenDisk {
    fn before(&self, op: ottla_storage::vfs::DiskOp, _: &Path) -> std::io::Result<()> {
        match op {
            ottla_storage::vfs::DiskOp::Sync if self.0.load(Ordering::SeqCst) => {
                Err(std::io::Error::other("the disk is broken"))
            }
            _ => Ok(()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_made_durable_is_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    formatted(dir.path(), true);
    let faults = Arc::new(BrokenDisk::default());
    let disk = Arc::clone(&faults);
    let node = Node::start_on(dir.path(), &[], move |path| Disk::with_faults(path, disk.clone())).await;
    node.create("kept", 1).await;
    faults.0.store(true, Ordering::SeqCst);
    let topic = CreateTopic {
        name: "lost".into(),
        partitions: 1,
        replication_factor: 1,
        ..CreateTopic::default()
    };
    let made = node
        .handle
        .write(move |c, image, _| c.create_topics(image, &[topic], false));
    assert_eq!(made.await.err(), Some(ErrorCode::NotController));
    node.handle.stopped().await;
    node.thread.join().unwrap();
    assert!(
        node.image.lock().topics.by_name("lost").is_none(),
        "nobody has seen it"
    );
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_tree(&entry.path(), &target);
        } else if entry.file_name() != ".lock" {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
