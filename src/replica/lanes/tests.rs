//! Disks that hang, as gates that the test opens.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};

use super::*;

const A: Uuid = Uuid::from_u128(1);
const B: Uuid = Uuid::from_u128(2);
/// Far longer than anything takes that does not hang.
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    runtime: Runtime,
    lanes: Arc<Lanes>,
}

impl World {
    fn new(threads: usize) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .unwrap();
        let _entered = runtime.enter();
        let lanes = Arc::new(Lanes::new(&[A, B]));
        drop(_entered);
        Self { runtime, lanes }
    }

    /// Has something done in a directory by a task of its own.
    fn run<T: Send + 'static>(
        &self,
        dir: Uuid,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> tokio::task::JoinHandle<Option<T>> {
        let lanes = self.lanes.clone();
        self.runtime
            .spawn(async move { lanes.run(dir, work).done().await })
    }

    fn wait<T>(&self, task: tokio::task::JoinHandle<Option<T>>) -> T {
        let waited = async { tokio::time::timeout(PATIENCE, task).await };
        self.runtime.block_on(waited).unwrap().unwrap().unwrap()
    }
}

/// Work that hangs until the sender is dropped.
fn hang() -> (mpsc::Sender<()>, impl FnOnce() + Send + 'static) {
    let (open, gate) = mpsc::channel();
    (open, move || {
        let _ = gate.recv();
    })
}

#[test]
fn what_nothing_is_in_the_way_of_is_done_at_once() {
    let world = World::new(3);
    let lanes = world.lanes.clone();
    let done = world.runtime.spawn(async move {
        let here = std::thread::current().id();
        matches!(
            lanes.run(A, move || std::thread::current().id() == here),
            Turn::Done(true)
        )
    });
    assert!(world.runtime.block_on(done).unwrap());
}

#[test]
fn a_directory_that_hangs_holds_up_no_other_and_loses_nothing() {
    let world = World::new(3);
    let (gates, hung): (Vec<_>, Vec<_>) = (0..50)
        .map(|_| {
            let (gate, work) = hang();
            (gate, world.run(B, work))
        })
        .unzip();
    for _ in 0..100 {
        let begun = Instant::now();
        world.wait(world.run(A, || {}));
        assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
    }
    assert!(hung.iter().all(|hung| !hung.is_finished()));
    drop(gates);
    for hung in hung {
        world.wait(hung);
    }
}

#[test]
fn sockets_are_waited_for_while_the_thread_hangs_that_did_so() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::new(3);
    // Whoever hears from a socket goes into B and hangs; then somebody else must hear from the other one.
    let lanes = world.lanes.clone();
    let (gate, work) = hang();
    let (first, second) = world.runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = || async { tokio::net::TcpStream::connect(address).await.unwrap() };
        let (mut first, mut second) = (client().await, client().await);
        let (mut hangs, _) = listener.accept().await.unwrap();
        let (mut echoes, _) = listener.accept().await.unwrap();
        let hung = tokio::spawn(async move {
            hangs.read_u8().await.unwrap();
            lanes.run(B, work).done().await
        });
        tokio::spawn(async move {
            while let Ok(byte) = echoes.read_u8().await {
                echoes.write_u8(byte).await.unwrap();
            }
        });
        first.write_u8(1).await.unwrap();
        for byte in 0..20 {
            second.write_u8(byte).await.unwrap();
            let echo = tokio::time::timeout(PATIENCE, second.read_u8()).await;
            assert_eq!(echo.unwrap().unwrap(), byte);
        }
        (hung, second)
    });
    assert!(!first.is_finished());
    drop((gate, second));
    world.wait(first);
}

#[test]
fn a_task_that_was_woken_does_not_wait_for_the_one_that_hangs() {
    let world = World::new(3);
    let lanes = world.lanes.clone();
    let (gate, work) = hang();
    let (told, news) = tokio::sync::oneshot::channel();
    let heard = world.runtime.spawn(async move { news.await.ok() });
    let hung = world.runtime.spawn(async move {
        // So that whoever hears of it waits already.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let lanes_of_a = lanes.clone();
        lanes.run(A, move || {
            told.send(()).unwrap();
            lanes_of_a.note_woken(A);
        });
        lanes.run(B, work).done().await
    });
    world.wait(heard);
    assert!(!hung.is_finished());
    drop(gate);
    world.wait(hung);
}

#[test]
fn what_is_asked_for_in_order_is_done_in_order() {
    let world = World::new(3);
    let done = Arc::new(Mutex::new(Vec::new()));
    let (gate, work) = hang();
    let hung = world.run(B, work);
    let (lanes, list) = (world.lanes.clone(), done.clone());
    let asked = world.runtime.spawn(async move {
        let mut turns = Vec::new();
        let mut gate = Some(gate);
        for number in 0..1000 {
            let list = list.clone();
            turns.push(lanes.run(B, move || list.lock().push(number)));
            if number == 500 {
                // From here on some of it may be done at once again.
                drop(gate.take());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            tokio::task::yield_now().await;
        }
        for turn in turns {
            turn.done().await.unwrap();
        }
        Some(())
    });
    world.wait(asked);
    world.wait(hung);
    assert_eq!(*done.lock(), (0..1000).collect::<Vec<_>>());
}

#[test]
fn who_no_longer_waits_leaves_nothing_behind() {
    let world = World::new(2);
    let (gate, work) = hang();
    let hung = world.lanes.queue(B, work);
    let payload = Arc::new(());
    let held = payload.clone();
    let queued = world.lanes.queue(B, move || drop(held));
    assert_eq!(Arc::strong_count(&payload), 2);
    drop(queued);
    assert_eq!(Arc::strong_count(&payload), 1);
    drop(gate);
    assert_eq!(world.runtime.block_on(hung), Some(()));
}

#[test]
fn a_panic_is_the_end_of_its_own_work_only() {
    let world = World::new(2);
    let broken = world.lanes.queue(A, || panic!("on purpose"));
    assert_eq!(world.runtime.block_on(broken), None::<()>);
    assert_eq!(world.runtime.block_on(world.lanes.queue(A, || 7)), Some(7));
}
