//! A log dir whose disk hangs holds up what lies in it and nothing else.
//!
//! The node has two log dirs. Under the second one every operation hangs, or some kinds of them, while many more producers
//! than the node has threads write there; meanwhile clients of the first dir notice nothing. When the disk goes on, all who
//! waited get what they asked for, once and in order.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::{
    DescribeLogDirsRequest, DescribeProducersRequest, FetchRequest, MetadataRequest, ProduceRequest,
};
use ottla::broker::Surroundings;
use ottla_storage::vfs::{DiskOp, Faults};
use parking_lot::{Condvar, Mutex};

use crate::client::Client;
use crate::node::Node;
use crate::records::{Topic, batch, create_topic, fetch_request, produce_request, values};

const PRODUCERS: usize = 40;
const REQUESTS_EACH: usize = 5;
const TOPICS_EACH: usize = 3;
/// Far more than anything takes that does not wait for the disk; the disk hangs until the test is done with it.
const SOON: Duration = Duration::from_secs(1);
const VERSION: i16 = 12;

/// A disk that can be frozen.
#[derive(Default)]
struct Freezer {
    frozen: Mutex<Option<(PathBuf, &'static [DiskOp])>>,
    hanging: Mutex<usize>,
    thaw: Condvar,
}

impl Freezer {
    fn freeze(&self, dir: &Path, ops: &'static [DiskOp]) {
        *self.frozen.lock() = Some((dir.to_path_buf(), ops));
    }

    fn thaw(&self) {
        *self.frozen.lock() = None;
        self.thaw.notify_all();
    }
}

impl Faults for Freezer {
    fn before(&self, op: DiskOp, path: &Path) -> io::Result<()> {
        let mut frozen = self.frozen.lock();
        let hangs = |frozen: &Option<(PathBuf, &[DiskOp])>| {
            let hit = |(dir, ops): &(PathBuf, &[DiskOp])| path.starts_with(dir) && ops.contains(&op);
            frozen.as_ref().is_some_and(hit)
        };
        if hangs(&frozen) {
            *self.hanging.lock() += 1;
        }
        while hangs(&frozen) {
            self.thaw.wait(&mut frozen);
        }
        Ok(())
    }
}

/// Thaws also when the test fails, or the node could not stop.
struct Thaw(Arc<Freezer>);

impl Drop for Thaw {
    fn drop(&mut self) {
        self.0.thaw();
    }
}

const ALL: &[DiskOp] = &[
    DiskOp::Create,
    DiskOp::Write,
    DiskOp::Truncate,
    DiskOp::Sync,
    DiskOp::Rename,
    DiskOp::Remove,
    DiskOp::SyncDir,
];

#[test]
fn a_disk_that_hangs_holds_up_no_other() {
    check(ALL, &[]);
}

#[test]
fn a_disk_on_which_no_file_can_be_made_holds_up_no_other() {
    // Every batch but the first wants an index entry, and the first of those a file.
    check(&[DiskOp::Create], &[("log.index.interval.bytes", "0")]);
}

#[test]
fn a_disk_that_does_not_sync_holds_up_no_other() {
    check(
        &[DiskOp::Sync, DiskOp::SyncDir],
        &[("log.flush.interval.messages", "1")],
    );
}

fn check(ops: &'static [DiskOp], settings: &[(&str, &str)]) {
    let freezer = Arc::new(Freezer::default());
    let folder = tempfile::tempdir().unwrap();
    let dirs = ["a", "b"].map(|name| folder.path().join(name).to_string_lossy().into_owned());
    let mut node = Node::start_with(&[settings, &[("log.dirs", &dirs.join(","))]].concat());
    node.restart_in(Surroundings {
        faults: Some(freezer.clone()),
        ..Surroundings::default()
    });
    let _thaw = Thaw(freezer.clone());
    let topics = Topics::create(&node);
    freezer.freeze(&node.log_dirs()[1], ops);
    let producers: Vec<Hanging> = (0..PRODUCERS)
        .map(|number| Hanging::start(&node, number, &topics.frozen))
        .collect();
    let mut others = ask_for_everything(&node, &topics.frozen[0]);
    let slowest = notice_nothing(&node, &topics);
    assert!(*freezer.hanging.lock() > 0, "the disk was asked for nothing");
    println!("slowest answer beside a disk that hangs: {slowest:?}");
    freezer.thaw();
    let mut expected: HashMap<usize, Vec<Vec<String>>> = HashMap::new();
    for producer in producers {
        expected
            .entry(producer.topic)
            .or_default()
            .push(producer.finish());
    }
    for other in &mut others {
        other.receive_frame().expect("an answer");
    }
    for (topic, lists) in expected {
        let found = records(&mut node.client(), &topics.frozen[topic]);
        assert_eq!(found.len(), lists.iter().map(Vec::len).sum::<usize>());
        for sent in lists {
            let kept: Vec<_> = found.iter().filter(|value| sent.contains(value)).collect();
            assert!(kept.iter().copied().eq(&sent), "{kept:?} of {sent:?}");
        }
    }
}

/// Topics by the directory that they lie in.
struct Topics {
    running: Vec<Topic>,
    frozen: Vec<Topic>,
}

impl Topics {
    fn create(node: &Node) -> Self {
        let (mut running, mut frozen) = (Vec::new(), Vec::new());
        let mut client = node.client();
        for number in 0.. {
            let name = format!("topic-{number}");
            let topic = create_topic(&mut client, &name);
            let lies_in = |dir: &PathBuf| dir.join(format!("{name}-0")).exists();
            match node.log_dirs().iter().position(lies_in) {
                Some(0) => running.push(topic),
                Some(_) => frozen.push(topic),
                None => panic!("{name} is nowhere"),
            }
            if running.len().min(frozen.len()) == TOPICS_EACH {
                break;
            }
        }
        // So that what follows has its files, epochs and the like.
        for topic in running.iter().chain(&frozen) {
            timed(&mut client, |client| produce(client, topic, "first"));
        }
        Self { running, frozen }
    }
}

/// A producer whose requests wait for a disk that hangs.
struct Hanging {
    client: Client,
    topic: usize,
    sent: Vec<String>,
    ids: Vec<i32>,
}

impl Hanging {
    fn start(node: &Node, number: usize, topics: &[Topic]) -> Self {
        let mut client = node.client();
        let topic = number % topics.len();
        let sent: Vec<_> = (0..REQUESTS_EACH).map(|i| format!("{number}-{i}")).collect();
        let ids = sent.iter().map(|value| {
            let request = produce_request(&topics[topic], VERSION, -1, batch(&[value]));
            client.send(VERSION, &request)
        });
        let ids = ids.collect();
        Self {
            client,
            topic,
            sent,
            ids,
        }
    }

    /// What it has written, when it is told so in the order of its requests.
    fn finish(mut self) -> Vec<String> {
        let mut last_offset = -1;
        for id in self.ids {
            let response = self.client.receive::<ProduceRequest>(VERSION, id);
            let partition = &response.responses[0].partition_responses[0];
            assert_eq!(partition.error_code, 0, "{:?}", partition.error_message);
            assert!(partition.base_offset > last_offset);
            last_offset = partition.base_offset;
        }
        self.sent
    }
}

/// What else may wait for the disk, each from a connection of its own.
fn ask_for_everything(node: &Node, topic: &Topic) -> Vec<Client> {
    let mut clients: Vec<_> = (0..8).map(|_| node.client()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        match number % 2 {
            0 => client.send(1, &DescribeLogDirsRequest::default().with_topics(None)),
            _ => {
                let topic = TopicRequest::default()
                    .with_name(topic.name.clone())
                    .with_partition_indexes(vec![0]);
                client.send(0, &DescribeProducersRequest::default().with_topics(vec![topic]))
            }
        };
    }
    clients
}

/// Produces to, waits for and reads what does not lie on the disk that hangs; returns the longest that anything took.
fn notice_nothing(node: &Node, topics: &Topics) -> Duration {
    let mut slowest = Duration::ZERO;
    let mut client = node.client();
    let mut consumer = node.client();
    for round in 0..20 {
        let topic = &topics.running[round % TOPICS_EACH];
        let offset = 1 + (round / TOPICS_EACH) as i64;
        let value = format!("{round}");
        let waiting = consumer.send(VERSION, &fetch_request(topic, VERSION, offset, 15_000));
        let produced = timed(&mut client, |client| produce(client, topic, &value));
        let heard = timed(&mut consumer, |consumer| {
            let response = consumer.receive::<FetchRequest>(VERSION, waiting);
            assert_eq!(values(&response.responses[0].partitions[0]), [value.as_str()]);
        });
        let asked = timed(&mut client, |client| {
            client.call(9, &MetadataRequest::default().with_topics(None));
        });
        // A new connection, one request to a directory that works and one behind it that hangs.
        let connected = timed(&mut node.client(), |client| {
            let first = client.send(VERSION, &fetch_request(topic, VERSION, offset, 0));
            client.send(
                VERSION,
                &produce_request(&topics.frozen[0], VERSION, 0, batch(&["x"])),
            );
            client.receive::<FetchRequest>(VERSION, first);
        });
        for took in [produced, heard, asked, connected] {
            slowest = slowest.max(took);
        }
    }
    slowest
}

fn produce(client: &mut Client, topic: &Topic, value: &str) {
    let response = client.call(VERSION, &produce_request(topic, VERSION, -1, batch(&[value])));
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
}

fn timed(client: &mut Client, act: impl FnOnce(&mut Client)) -> Duration {
    let begun = Instant::now();
    act(client);
    let took = begun.elapsed();
    assert!(took < SOON, "{took:?}");
    took
}

/// What producers have written to a topic.
fn records(client: &mut Client, topic: &Topic) -> Vec<String> {
    let mut found = Vec::new();
    let mut offset = 0;
    loop {
        let response = client.call(VERSION, &fetch_request(topic, VERSION, offset, 0));
        let partition = &response.responses[0].partitions[0];
        let read = values(partition);
        if read.is_empty() {
            found.retain(|value| value != "first" && value != "x");
            return found;
        }
        offset += read.len() as i64;
        found.extend(read);
    }
}
