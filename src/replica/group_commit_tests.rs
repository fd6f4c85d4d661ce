//! Durable appends on disks that sync when the test says so, or not at all.

use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ottla_base::ErrorCode;
use ottla_metadata::records::PartitionChangeRecord;
use ottla_storage::vfs::{Disk, DiskOp, Faults};
use ottla_storage::{AppendInfo, AppendOrigin};
use parking_lot::{Condvar, Mutex};
use tokio::time::timeout;

use super::test_node::{NODE_ID, TOPIC_ID, TestNode, batch, partition};
use super::{Acks, Partition};

const SOON: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(10);

/// Lets the syncs of logs through one by one.
#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    arrived: usize,
    allowed: usize,
    is_broken: bool,
}

/// The gate, before the first of the log directories only.
struct FirstDir(Arc<Gate>);

impl Faults for FirstDir {
    fn before(&self, op: DiskOp, path: &Path) -> io::Result<()> {
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        let is_first = path.components().any(|part| part.as_os_str() == "dir0");
        match op == DiskOp::Sync && is_log && is_first {
            true => self.0.pass(),
            false => Ok(()),
        }
    }
}

impl Gate {
    fn pass(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.arrived += 1;
        let number = state.arrived;
        self.changed.notify_all();
        self.changed
            .wait_while(&mut state, |state| state.allowed < number);
        match state.is_broken {
            true => Err(io::ErrorKind::Other.into()),
            false => Ok(()),
        }
    }

    fn allow(&self, syncs: usize) {
        self.state.lock().allowed += syncs;
        self.changed.notify_all();
    }

    fn arrived(&self) -> usize {
        self.state.lock().arrived
    }

    async fn wait_for(&self, syncs: usize) {
        let arrive = async {
            while self.arrived() < syncs {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, arrive).await.expect("no sync was begun");
    }
}

/// Whatever a test has held goes on when it ends, so that it does end.
struct Opened(Arc<Gate>);

impl Deref for Opened {
    type Target = Gate;

    fn deref(&self) -> &Gate {
        &self.0
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.allow(1_000_000);
    }
}

/// A node of two directories that leads so many partitions of topic `t` in the first, whose disk waits for the gate, and one in
/// the second.
fn node(in_first: usize) -> (TestNode, Opened) {
    let gate = Arc::new(Gate::default());
    // Creating and leading is no matter of these tests.
    gate.allow(1_000_000);
    let mut node = TestNode::on(2, |path| {
        Disk::with_faults(path, Arc::new(FirstDir(gate.clone())))
    });
    let placed = |dir| {
        let mut placed = partition(&[NODE_ID], &[NODE_ID]);
        placed.directories = vec![dir];
        placed
    };
    let (first, second) = (node.dirs[0], node.dirs[1]);
    let mut partitions = vec![placed(first); in_first];
    partitions.push(placed(second));
    node.create_topic("t", TOPIC_ID, partitions);
    node.set_config("t", "flush.messages", "1");
    *gate.state.lock() = State::default();
    (node, Opened(gate))
}

fn append(partition: &Partition) -> AppendInfo {
    let info = partition
        .append_blocking(batch(1), AppendOrigin::Client, Acks::All, 0)
        .unwrap();
    assert!(info.flush_due);
    info
}

#[tokio::test]
async fn appends_that_come_during_a_sync_share_the_next() {
    let (node, gate) = &node(1);
    let led = node.partition(0);
    let mut first = Box::pin(led.settle(&append(&led)));
    gate.wait_for(1).await;
    let others: Vec<_> = (0..10).map(|_| led.settle(&append(&led))).collect();
    assert!(
        timeout(SOON, &mut first).await.is_err(),
        "acknowledged before the sync has returned"
    );
    gate.allow(1);
    first.await.unwrap();
    gate.wait_for(2).await;
    gate.allow(1);
    for other in others {
        other.await.unwrap();
    }
    assert_eq!(gate.arrived(), 2);
    assert_eq!(led.log().high_watermark(), 11);
}

#[tokio::test]
async fn nobody_reads_what_is_not_durable_yet() {
    let (mut node, gate) = node(1);
    let led = node.partition(0);
    let first = led.settle(&append(&led));
    gate.wait_for(1).await;
    let second = led.settle(&append(&led));
    // News of the metadata are no reason to show more.
    node.change(PartitionChangeRecord {
        isr: Some(vec![NODE_ID]),
        ..PartitionChangeRecord::default()
    });
    assert_eq!((led.log().log_end_offset(), led.log().high_watermark()), (2, 0));
    assert_eq!(led.is_committed(0), Ok(false));
    gate.allow(1);
    first.await.unwrap();
    // An append that finds the first one synced, and not the second.
    let third = led.settle(&append(&led));
    assert_eq!((led.log().log_end_offset(), led.log().high_watermark()), (3, 1));
    gate.allow(2);
    second.await.unwrap();
    third.await.unwrap();
    assert_eq!(led.log().high_watermark(), 3);
}

#[tokio::test]
async fn a_sync_that_fails_acknowledges_nothing_and_closes_the_directory() {
    let (node, gate) = &node(1);
    let led = node.partition(0);
    let first = led.settle(&append(&led));
    gate.wait_for(1).await;
    let second = led.settle(&append(&led));
    gate.state.lock().is_broken = true;
    gate.allow(1);
    assert_eq!(first.await.unwrap_err().code(), ErrorCode::KafkaStorageError);
    assert_eq!(second.await.unwrap_err().code(), ErrorCode::KafkaStorageError);
    assert!(led.log().is_offline());
    assert_eq!((gate.arrived(), led.log().high_watermark()), (1, 0));
    let refused = led.append_blocking(batch(1), AppendOrigin::Client, Acks::All, 0);
    assert_eq!(refused.unwrap_err().code(), ErrorCode::KafkaStorageError);
    let elsewhere = node.partition(1);
    elsewhere.settle(&append(&elsewhere)).await.unwrap();
}

/// More partitions than a directory has threads.
#[tokio::test]
async fn a_disk_that_has_stopped_holds_up_no_other() {
    let (node, gate) = &node(40);
    let held: Vec<_> = (0..40).map(|index| node.partition(index)).collect();
    let held: Vec<_> = held.iter().map(|led| led.settle(&append(led))).collect();
    gate.wait_for(1).await;
    let elsewhere = node.partition(40);
    for _ in 0..10 {
        let settled = timeout(PATIENCE, elsewhere.settle(&append(&elsewhere))).await;
        settled.expect("held up by another directory's disk").unwrap();
    }
    gate.allow(40);
    for settling in held {
        settling.await.unwrap();
    }
    assert_eq!(gate.arrived(), 40);
}

#[tokio::test]
async fn what_is_left_unsynced_is_synced_before_it_is_led() {
    let (mut node, gate) = node(1);
    gate.allow(1_000_000);
    node.set_config("t", "flush.messages", "1000");
    let led = node.partition(0);
    led.append_blocking(batch(3), AppendOrigin::Client, Acks::All, 0)
        .unwrap();
    assert_eq!((led.log().recovery_point(), led.log().high_watermark()), (0, 3));
    node.set_config("t", "flush.messages", "1");
    node.change(PartitionChangeRecord {
        leader: NODE_ID,
        ..PartitionChangeRecord::default()
    });
    assert_eq!((gate.arrived(), led.log().recovery_point()), (1, 3));
}
