//! The floor: servers that know no protocol and do nothing but what the kernel must be asked to do. Received bytes get a checksum
//! and go into a file; sent ones come out of a file by `sendfile`. The clients are those that a broker gets, byte for byte.
//!
//! CPU time is that of the serving threads alone. Memory that the machine has not touched before costs several times more than
//! memory in use, so each run first writes a file as large as what follows needs: that one is dropped, or is the one that is read.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use nix::sys::sendfile::sendfile64;
use nix::sys::socket::{MsgFlags, send, setsockopt, sockopt};

use crate::frames::{self, FETCH};
use crate::histogram::Histogram;
use crate::pipeline::{Answers, connect};
use crate::process::{Cpu, Work};
use crate::produce::Shape;

const TOPIC: &str = "floor";
/// Frames that are smaller are received together, as long as they are no more than this.
const RECEIVE_BYTES: usize = 256 << 10;
/// Length, API key and version, correlation id.
const FRAME_HEAD_BYTES: usize = 12;

#[derive(Args)]
struct Place {
    /// Where the file is written: on the disk that the brokers have, so that it is the same page cache and the same file system.
    #[arg(long)]
    dir: PathBuf,
    /// Kafka's default of `socket.receive.buffer.bytes` and `socket.send.buffer.bytes`; 0 leaves it to the kernel.
    #[arg(long, default_value_t = 102_400)]
    socket_buffer_bytes: usize,
}

#[derive(Args)]
pub struct ProduceOptions {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Args)]
pub struct ConsumeOptions {
    #[command(flatten)]
    place: Place,
    /// To receive, and of the file.
    #[arg(long, default_value_t = 1_000_000_000)]
    bytes: u64,
    /// Of one answer.
    #[arg(long, default_value_t = 1 << 20)]
    max_bytes: usize,
    /// Consumers of the same file, each of which reads as much.
    #[arg(long, default_value_t = 1)]
    consumers: usize,
}

/// A file that is gone when the run is over.
pub struct Scratch {
    path: PathBuf,
    pub file: File,
}

pub fn produce(options: ProduceOptions) -> Result<()> {
    let pipeline = options.shape.pipeline()?;
    let mut frame = options.shape.frame(TOPIC)?;
    Scratch::filled(&options.place.dir, pipeline.requests * frame.len() as u64)?;
    let log = Scratch::new(&options.place.dir, 0)?;
    let (listener, address) = options.place.listen()?;
    let frame_bytes = frame.len();
    let begun = Instant::now();
    let (cpu, latencies) = thread::scope(|scope| {
        let server = scope.spawn(|| metered(&listener, |stream| append_all(stream, &log.file, frame_bytes)));
        let stream = connect(&address)?;
        let latencies = pipeline.run(&stream, &mut frame, &pipeline.begin(), |_| Ok(()));
        drop(stream);
        Ok::<_, anyhow::Error>((joined(server.join())?, latencies?))
    })?;
    let work = options.shape.work(latencies);
    work.print("floor-produce", begun.elapsed(), cpu, None)
}

pub fn consume(options: ConsumeOptions) -> Result<()> {
    let log = Scratch::filled(&options.place.dir, options.bytes.max(options.max_bytes as u64))?;
    let (listener, address) = options.place.listen()?;
    let request = frames::fetch_request(TOPIC, 0, i32::try_from(options.max_bytes)?);
    let frame = frames::request(FETCH, 0, &frames::CLIENT_ID, &request)?;
    let begun = Instant::now();
    let serve = |stream| send_all(stream, &log.file, frame.len(), options.max_bytes);
    let (cpu, work) = thread::scope(|scope| {
        let pairs: Vec<_> = (0..options.consumers)
            .map(|_| {
                let server = scope.spawn(|| metered(&listener, serve));
                (server, scope.spawn(|| read_all(&address, &frame, options.bytes)))
            })
            .collect();
        let (mut cpu, mut work) = (Cpu::default(), Work::default());
        for (server, client) in pairs {
            work.add(joined(client.join())?);
            cpu = cpu.and(joined(server.join())?);
        }
        Ok::<_, anyhow::Error>((cpu, work))
    })?;
    work.print("floor-consume", begun.elapsed(), cpu, None)
}

/// Serves one connection; returns what that has cost this thread.
fn metered(listener: &TcpListener, serve: impl Fn(TcpStream) -> Result<()>) -> Result<Cpu> {
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let before = Cpu::of_this_thread()?;
    serve(stream)?;
    Ok(Cpu::of_this_thread()?.since(before))
}

/// Every frame is `frame_bytes` long, so none is cut by the end of the buffer and nothing is ever moved in it.
fn append_all(mut stream: TcpStream, log: &File, frame_bytes: usize) -> Result<()> {
    let mut buffer = vec![0; frame_bytes * (RECEIVE_BYTES / frame_bytes).max(1)];
    let (mut done, mut received, mut position) = (0, 0, 0);
    let mut answers = Vec::new();
    loop {
        let count = stream.read(buffer.get_mut(received..).unwrap_or_default())?;
        if count == 0 {
            return Ok(());
        }
        received += count;
        while let Some(frame) = buffer.get(done..(done + frame_bytes).min(received)) {
            if frame.len() < frame_bytes {
                break;
            }
            let (head, body) = frame
                .split_at_checked(FRAME_HEAD_BYTES)
                .context("a short frame")?;
            black_box(crc32c::crc32c(body));
            log.write_all_at(body, position)?;
            position += body.len() as u64;
            answers.extend_from_slice(&8_u32.to_be_bytes());
            answers.extend_from_slice(head.get(8..).unwrap_or_default());
            answers.extend_from_slice(&[0; 4]);
            done += frame_bytes;
        }
        stream.write_all(&answers)?;
        answers.clear();
        if done == buffer.len() {
            (done, received) = (0, 0);
        }
    }
}

fn send_all(mut stream: TcpStream, log: &File, request_bytes: usize, max_bytes: usize) -> Result<()> {
    let log_bytes = log.metadata()?.len();
    let mut request = vec![0; request_bytes];
    let mut position = 0;
    let head = u32::try_from(max_bytes)?.to_be_bytes();
    // The length does not become a packet of its own.
    let more = MsgFlags::from_bits_retain(nix::libc::MSG_MORE);
    loop {
        if stream.read(&mut request[..1])? == 0 {
            return Ok(());
        }
        stream.read_exact(&mut request[1..])?;
        if position + max_bytes as u64 > log_bytes {
            position = 0;
        }
        send(stream.as_raw_fd(), &head, more)?;
        let (mut at, mut left) = (i64::try_from(position)?, max_bytes);
        while left > 0 {
            match sendfile64(&stream, log, Some(&mut at), left)? {
                0 => bail!("the file is shorter than it was"),
                count => left -= count,
            }
        }
        position += max_bytes as u64;
    }
}

fn read_all(address: &str, frame: &[u8], bytes: u64) -> Result<Work> {
    let mut stream = connect(address)?;
    let mut answers = Answers::of(&stream)?;
    let mut latencies = Histogram::default();
    let mut received = 0;
    while received < bytes {
        let begun = Instant::now();
        stream.write_all(frame)?;
        received += answers.next()?.len() as u64;
        latencies.record(begun.elapsed());
    }
    Ok(Work {
        bytes: received,
        ..Work::timed(latencies)
    })
}

fn joined<T>(ended: thread::Result<Result<T>>) -> Result<T> {
    ended.map_err(|_| anyhow!("a thread of the floor panicked"))?
}

impl Place {
    fn listen(&self) -> Result<(TcpListener, String)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        if self.socket_buffer_bytes > 0 {
            // Connections have what their listener has.
            setsockopt(&listener, sockopt::RcvBuf, &self.socket_buffer_bytes)?;
            setsockopt(&listener, sockopt::SndBuf, &self.socket_buffer_bytes)?;
        }
        let address = listener.local_addr()?.to_string();
        Ok((listener, address))
    }
}

impl Scratch {
    /// Scratch files of one run differ by their numbers.
    pub fn new(dir: &Path, number: usize) -> Result<Self> {
        let path = dir.join(format!("floor-{}-{number}", std::process::id()));
        let mut options = File::options();
        let file = options.read(true).write(true).create_new(true).open(&path)?;
        Ok(Self { path, file })
    }

    fn filled(dir: &Path, bytes: u64) -> Result<Self> {
        let scratch = Self::new(dir, 0)?;
        let chunk = vec![b'.'; 1 << 20];
        let mut left = bytes;
        while left > 0 {
            let count = left.min(chunk.len() as u64) as usize;
            (&scratch.file).write_all(chunk.get(..count).unwrap_or_default())?;
            left -= count as u64;
        }
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
