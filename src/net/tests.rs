//! Connections over real sockets: order, bounds, deadlines, partial writes, and the end.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use ottla_base::FileSlice;
use ottla_base::config::{Listener, SecurityProtocol};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::{Admission, NetLimits, Server};
use crate::wire::Body;
use crate::wire::service::{Answer, ConnectionInfo, Pending, Service};

const SHORT: Duration = Duration::from_millis(150);
const LONG: Duration = Duration::from_secs(10);

/// A service whose requests are words: what it answers follows from the word.
#[derive(Default)]
struct Words {
    started: AtomicUsize,
    /// Requests that wait until the test lets them go.
    held: Mutex<Vec<oneshot::Sender<()>>>,
    file: Mutex<Option<FileSlice>>,
    finished: Arc<AtomicUsize>,
}

impl Service for Words {
    fn may_overlap(&self, frame: &[u8]) -> bool {
        !frame.starts_with(b"alone")
    }

    fn call(&self, _connection: &Arc<ConnectionInfo>, frame: Bytes) -> Pending {
        self.started.fetch_add(1, Ordering::SeqCst);
        match &frame[..] {
            b"hold" | b"alone, hold" | b"hold all" => {
                let (release, released) = oneshot::channel();
                self.held.lock().push(release);
                let is_alone = frame.ends_with(b"all");
                let answer = released.map(move |_| Answer::Frame(frame.into())).boxed();
                match is_alone {
                    true => Pending::Alone(answer),
                    false => Pending::Later(answer),
                }
            }
            b"finish" => {
                let finished = self.finished.clone();
                let work = async move {
                    sleep(SHORT).await;
                    finished.fetch_add(1, Ordering::SeqCst);
                    Answer::Silence
                };
                Pending::Later(work.boxed())
            }
            b"silence" => Pending::Now(Answer::Silence),
            b"close" => Pending::Now(Answer::Close("the test asked for it".into())),
            b"throttle" => Pending::Now(Answer::Throttled(frame.into(), 300)),
            b"file" => {
                let mut body = Body::from(Bytes::from_static(b"head"));
                body.push_file(self.file.lock().clone().unwrap());
                body.push_bytes(Bytes::from_static(b"tail"));
                Pending::Now(Answer::Frame(body))
            }
            b"big" => Pending::Now(Answer::Frame(Bytes::from(vec![7; 3 << 20]).into())),
            _ => Pending::Now(Answer::Frame(frame.into())),
        }
    }
}

struct Node {
    words: Arc<Words>,
    server: Server,
    address: SocketAddr,
}

async fn node(limits: NetLimits) -> Node {
    let listener = Listener {
        name: "PLAINTEXT".into(),
        protocol: SecurityProtocol::Plaintext,
        host: "127.0.0.1".into(),
        port: 0,
        advertised: None,
        is_controller: false,
    };
    let words = Arc::new(Words::default());
    let mut server = Server::new(limits);
    let address = server.bind(Arc::new(listener)).await.unwrap()[0];
    server.serve(&(words.clone() as Arc<dyn Service>));
    Node {
        words,
        server,
        address,
    }
}

impl Node {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    fn started(&self) -> usize {
        self.words.started.load(Ordering::SeqCst)
    }

    /// Waits until so many requests are started.
    async fn until_started(&self, count: usize) {
        let reached = async {
            while self.started() < count {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(LONG, reached).await.expect("the requests are started");
    }

    fn release(&self) {
        self.words
            .held
            .lock()
            .drain(..)
            .for_each(|held| _ = held.send(()));
    }
}

fn framed(words: &[&[u8]]) -> Vec<u8> {
    let frame = |word: &&[u8]| [&u32::try_from(word.len()).unwrap().to_be_bytes(), *word].concat();
    words.iter().flat_map(frame).collect()
}

async fn send(stream: &mut TcpStream, words: &[&[u8]]) {
    stream.write_all(&framed(words)).await.unwrap();
}

async fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let frame = async {
        let size = stream.read_u32().await.unwrap() as usize;
        let mut frame = vec![0; size];
        stream.read_exact(&mut frame).await.unwrap();
        frame
    };
    timeout(LONG, frame).await.expect("an answer comes")
}

/// The other side has closed the connection, without another byte.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    let end = timeout(LONG, stream.read(&mut byte))
        .await
        .expect("the connection ends");
    matches!(end, Ok(0) | Err(_))
}

#[tokio::test]
async fn requests_start_in_order_and_are_answered_in_order() {
    let node = node(NetLimits::default()).await;
    let mut stream = node.connect().await;
    send(&mut stream, &[b"hold", b"second", b"silence", b"third"]).await;
    node.until_started(4).await;
    assert!(
        timeout(SHORT, stream.read_u8()).await.is_err(),
        "the first answer is not there yet"
    );
    node.release();
    for expected in ["hold", "second", "third"] {
        assert_eq!(receive(&mut stream).await, expected.as_bytes());
    }
}

#[tokio::test]
async fn what_may_not_overlap_is_alone() {
    let node = node(NetLimits::default()).await;
    let mut stream = node.connect().await;
    let requests: [&[u8]; 6] = [b"hold", b"hold", b"alone, hold", b"word", b"alone", b"word"];
    send(&mut stream, &requests).await;
    for (started, released) in [(2, 2), (3, 1), (6, 0)] {
        node.until_started(started).await;
        sleep(SHORT / 3).await;
        assert_eq!(
            (node.started(), node.words.held.lock().len()),
            (started, released)
        );
        node.release();
    }
    for expected in requests {
        assert_eq!(receive(&mut stream).await, expected);
    }
}

#[tokio::test]
async fn what_turns_out_to_be_alone_holds_up_what_is_behind_it() {
    let node = node(NetLimits::default()).await;
    let mut stream = node.connect().await;
    let requests: [&[u8]; 4] = [b"hold", b"hold all", b"word", b"hold"];
    send(&mut stream, &requests).await;
    for started in [2, 4] {
        node.until_started(started).await;
        sleep(SHORT / 3).await;
        assert_eq!(node.started(), started);
        node.release();
    }
    for expected in requests {
        assert_eq!(receive(&mut stream).await, expected);
    }
}

#[tokio::test]
async fn a_frame_may_arrive_in_any_pieces() {
    let node = node(NetLimits::default()).await;
    let mut stream = node.connect().await;
    stream.set_nodelay(true).unwrap();
    let long = vec![b'x'; 100_000];
    let bytes = framed(&[b"one", b"", &long]);
    for piece in [
        &bytes[..2],
        &bytes[2..5],
        &bytes[5..9],
        &bytes[9..20_000],
        &bytes[20_000..],
    ] {
        stream.write_all(piece).await.unwrap();
        sleep(Duration::from_millis(5)).await;
    }
    for expected in [b"one".to_vec(), Vec::new(), long] {
        assert_eq!(receive(&mut stream).await, expected);
    }
}

#[tokio::test]
async fn sizes_out_of_bounds_end_the_connection() {
    let node = node(NetLimits {
        request_bytes_max: 1000,
        ..NetLimits::default()
    })
    .await;
    for size in [1001, i32::MAX, -1, i32::MIN] {
        let mut stream = node.connect().await;
        stream.write_all(&size.to_be_bytes()).await.unwrap();
        assert!(is_closed(&mut stream).await, "size {size}");
    }
    let mut stream = node.connect().await;
    send(&mut stream, &[&[b'x'; 1000]]).await;
    assert_eq!(receive(&mut stream).await.len(), 1000);
}

#[tokio::test]
async fn who_sends_nothing_or_half_a_request_is_cut_off() {
    let node = node(NetLimits {
        first_frame_max: SHORT,
        started_frame_max: SHORT,
        ..NetLimits::default()
    })
    .await;
    assert!(is_closed(&mut node.connect().await).await, "nothing was sent");

    let mut stream = node.connect().await;
    send(&mut stream, &[b"whole"]).await;
    assert_eq!(receive(&mut stream).await, b"whole");
    stream.write_all(&[0, 0, 0, 9, b'h']).await.unwrap();
    assert!(is_closed(&mut stream).await, "half a request was sent");

    // One byte at a time does not buy more time.
    let mut stream = node.connect().await;
    send(&mut stream, &[b"whole"]).await;
    assert_eq!(receive(&mut stream).await, b"whole");
    stream.write_all(&1000u32.to_be_bytes()).await.unwrap();
    let drip = async {
        while stream.write_all(&[0]).await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, drip).await.expect("the connection ends");
}

#[tokio::test]
async fn a_busy_connection_with_half_a_request_in_its_buffer_stays() {
    let node = node(NetLimits {
        started_frame_max: SHORT * 8,
        ..NetLimits::default()
    })
    .await;
    let mut stream = node.connect().await;
    stream.set_nodelay(true).unwrap();
    let frame = framed(&[b"word"]);
    let (half, rest) = frame.split_at(5);
    stream.write_all(half).await.unwrap();
    // The end of one request always comes together with the beginning of the next.
    for _ in 0..10 {
        sleep(SHORT).await;
        stream.write_all(&[rest, half].concat()).await.unwrap();
        assert_eq!(receive(&mut stream).await, b"word");
    }
}

#[tokio::test]
async fn requests_that_came_together_are_all_answered_however_many_turns_they_take() {
    let node = node(NetLimits::default()).await;
    let mut stream = node.connect().await;
    let words: Vec<String> = (0..1000).map(|number| format!("word {number}")).collect();
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    send(&mut stream, &words).await;
    for word in words {
        assert_eq!(receive(&mut stream).await, word);
    }
}

#[tokio::test]
async fn an_idle_connection_ends_and_one_that_waits_does_not() {
    let node = node(NetLimits {
        idle_max: SHORT,
        ..NetLimits::default()
    })
    .await;
    let mut waiting = node.connect().await;
    send(&mut waiting, &[b"hold"]).await;
    let mut idle = node.connect().await;
    send(&mut idle, &[b"word"]).await;
    assert_eq!(receive(&mut idle).await, b"word");
    assert!(is_closed(&mut idle).await);
    sleep(SHORT * 2).await;
    node.release();
    assert_eq!(receive(&mut waiting).await, b"hold");
}

#[tokio::test]
async fn a_pipeline_is_bounded() {
    let node = node(NetLimits {
        in_flight_max: 5,
        ..NetLimits::default()
    })
    .await;
    let mut stream = node.connect().await;
    send(&mut stream, &[b"hold".as_slice(); 50]).await;
    node.until_started(5).await;
    sleep(SHORT).await;
    assert_eq!(node.started(), 5);
    for answered in 0..50 {
        node.until_started((answered + 1).clamp(5, 50)).await;
        node.release();
        assert_eq!(receive(&mut stream).await, b"hold");
    }
}

#[tokio::test]
async fn who_does_not_read_holds_one_backlog_and_is_cut_off() {
    let node = node(NetLimits {
        write_stall_max: SHORT * 4,
        backlog_bytes_max: 1 << 20,
        send_buffer_bytes: Some(64 << 10),
        ..NetLimits::default()
    })
    .await;
    let mut stream = node.connect().await;
    send(&mut stream, &[b"big".as_slice(); 20]).await;
    node.until_started(1).await;
    sleep(SHORT).await;
    // Each answer is above the backlog's bound, so the next request is started only when the socket has taken it.
    assert!(node.started() <= 4, "{} were started", node.started());
    let mut all = Vec::new();
    let read = async {
        sleep(SHORT * 6).await;
        stream.read_to_end(&mut all).await
    };
    let end = timeout(LONG, read).await.expect("the connection ends");
    assert!(end.is_err() || all.len() < 20 * (3 << 20), "all was delivered");
}

#[tokio::test]
async fn memory_and_files_reach_a_slow_reader_whole() {
    let node = node(NetLimits {
        send_buffer_bytes: Some(16 << 10),
        ..NetLimits::default()
    })
    .await;
    let content: Vec<u8> = (0..2_500_000u32).map(|i| ((i * 7) >> 3) as u8).collect();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content).unwrap();
    *node.words.file.lock() = Some(FileSlice {
        file: Arc::new(file),
        position: 100,
        len: 2_000_000,
    });
    let expected = [b"head", &content[100..2_000_100], b"tail"].concat();
    let mut stream = node.connect().await;
    send(&mut stream, &[b"file", b"between", b"file"]).await;
    let size = stream.read_u32().await.unwrap() as usize;
    let mut received = Vec::new();
    while received.len() < size {
        let mut piece = vec![0; (size - received.len()).min(30_000)];
        let read = stream.read(&mut piece).await.unwrap();
        received.extend_from_slice(&piece[..read]);
        tokio::task::yield_now().await;
    }
    assert!(received == expected, "{size} bytes differ");
    assert_eq!(receive(&mut stream).await, b"between");
    assert!(receive(&mut stream).await == expected);
}

#[tokio::test]
async fn what_is_not_in_memory_is_loaded_and_sent() {
    let node = node(NetLimits::default()).await;
    let content: Vec<u8> = (0..3_000_000u32).map(|i| (i / 1000) as u8).collect();
    let mut file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    file.write_all(&content).unwrap();
    file.sync_all().unwrap();
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
    *node.words.file.lock() = Some(FileSlice {
        file: Arc::new(file),
        position: 1,
        len: 2_999_000,
    });
    let mut stream = node.connect().await;
    send(&mut stream, &[b"file", b"file", b"word"]).await;
    let expected = [b"head", &content[1..2_999_001], b"tail"].concat();
    for _ in 0..2 {
        assert!(receive(&mut stream).await == expected);
    }
    assert_eq!(receive(&mut stream).await, b"word");
}

#[tokio::test]
async fn a_segment_that_is_too_short_ends_the_connection() {
    let node = node(NetLimits::default()).await;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[1; 10]).unwrap();
    *node.words.file.lock() = Some(FileSlice {
        file: Arc::new(file),
        position: 0,
        len: 20,
    });
    let mut stream = node.connect().await;
    send(&mut stream, &[b"file"]).await;
    let mut all = Vec::new();
    timeout(LONG, stream.read_to_end(&mut all))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(all.len(), 4 + 4 + 10);
}

#[tokio::test]
async fn a_close_comes_after_the_answers_before_it() {
    let node = node(NetLimits::default()).await;
    let mut stream = node.connect().await;
    send(&mut stream, &[b"hold", b"close", b"never"]).await;
    node.until_started(2).await;
    node.release();
    assert_eq!(receive(&mut stream).await, b"hold");
    assert!(is_closed(&mut stream).await);
}

#[tokio::test]
async fn what_a_peer_asked_for_before_it_went_is_done() {
    let node = node(NetLimits::default()).await;
    let mut stream = node.connect().await;
    send(&mut stream, &[b"finish", b"finish"]).await;
    drop(stream);
    let finished = async {
        while node.words.finished.load(Ordering::SeqCst) < 2 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, finished).await.expect("both are done");
}

#[tokio::test]
async fn a_throttled_connection_is_answered_first_and_read_later() {
    let node = node(NetLimits::default()).await;
    let mut stream = node.connect().await;
    send(&mut stream, &[b"throttle"]).await;
    assert_eq!(receive(&mut stream).await, b"throttle");
    send(&mut stream, &[b"next"]).await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!(node.started(), 1);
    assert_eq!(receive(&mut stream).await, b"next");
}

#[tokio::test]
async fn too_many_connections_are_refused() {
    let node = node(NetLimits {
        admission: Admission {
            connections_per_ip_max: 2,
            ..Admission::default()
        },
        ..NetLimits::default()
    })
    .await;
    let mut open = [node.connect().await, node.connect().await];
    for stream in &mut open {
        send(stream, &[b"word"]).await;
        assert_eq!(receive(stream).await, b"word");
    }
    assert!(is_closed(&mut node.connect().await).await);
    drop(open);
    let admitted = async {
        loop {
            let mut stream = node.connect().await;
            if stream.write_all(&framed(&[b"word"])).await.is_ok() && stream.read_u32().await.is_ok() {
                break;
            }
        }
    };
    timeout(LONG, admitted).await.expect("a place is free again");
}

#[tokio::test]
async fn a_stop_answers_what_is_under_way_and_accepts_no_more() {
    let node = node(NetLimits::default()).await;
    let mut busy = node.connect().await;
    let mut idle = node.connect().await;
    send(&mut idle, &[b"word"]).await;
    assert_eq!(receive(&mut idle).await, b"word");
    send(&mut busy, &[b"hold"]).await;
    node.until_started(2).await;
    let (words, address) = (node.words.clone(), node.address);
    let stop = tokio::spawn(node.server.shutdown());
    assert!(is_closed(&mut idle).await);
    send(&mut busy, &[b"late"]).await;
    words.held.lock().drain(..).for_each(|held| _ = held.send(()));
    assert_eq!(receive(&mut busy).await, b"hold");
    assert!(is_closed(&mut busy).await);
    timeout(LONG, stop).await.expect("the stop ends").unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    assert_eq!(words.started.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let node = node(NetLimits {
        drain_max: SHORT,
        ..NetLimits::default()
    })
    .await;
    let mut stream = node.connect().await;
    send(&mut stream, &[b"hold"]).await;
    node.until_started(1).await;
    timeout(LONG, node.server.shutdown())
        .await
        .expect("the stop ends");
    assert!(is_closed(&mut stream).await);
}
