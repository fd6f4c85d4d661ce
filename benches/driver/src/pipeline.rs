//! Several requests under way on one connection: one thread writes, another reads the answers, which come in order.

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};

use crate::frames::{LENGTH_BYTES, set_correlation_id};
use crate::histogram::Histogram;
use crate::schedule::Schedule;

/// More than any answer that a bench asks for.
const ANSWER_BYTES_MAX: usize = 64 << 20;

pub struct Pipeline {
    pub requests: u64,
    pub in_flight: usize,
    /// Requests a second; without it as many as are answered.
    pub rate: Option<f64>,
}

/// The answers of one connection.
pub struct Answers {
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

pub fn connect(address: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).context("connect")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Pipeline {
    /// The first request is due now.
    pub fn begin(&self) -> Schedule {
        Schedule::new(Instant::now(), self.rate)
    }

    /// Sends the same frame again and again, under a new correlation id each time. `check` looks at each answer, header included.
    pub fn run(
        &self,
        stream: &TcpStream,
        frame: &mut [u8],
        schedule: &Schedule,
        check: impl Fn(&[u8]) -> Result<()>,
    ) -> Result<Histogram> {
        let (permits, permitted) = sync_channel(self.in_flight);
        let (due, sent) = channel();
        thread::scope(|scope| {
            let writer = scope.spawn(|| self.write(stream, frame, schedule, permits, due));
            let read = self.read(stream, permitted, sent, check);
            if read.is_err() {
                // The writer may wait for a socket that nobody reads any more.
                let _ = stream.shutdown(Shutdown::Both);
            }
            let written = writer.join().map_err(|_| anyhow!("the writer panicked"))?;
            let latencies = read?;
            written?;
            Ok(latencies)
        })
    }

    fn write(
        &self,
        mut stream: &TcpStream,
        frame: &mut [u8],
        schedule: &Schedule,
        permits: SyncSender<()>,
        due: Sender<Instant>,
    ) -> Result<()> {
        // A sleep that ends when it should, not 50 us later.
        nix::sys::prctl::set_timerslack(1)?;
        for number in 0..self.requests {
            permits.send(()).context("the reader ended")?;
            due.send(schedule.wait(number)).context("the reader ended")?;
            set_correlation_id(frame, number as i32)?;
            stream.write_all(frame)?;
        }
        Ok(())
    }

    fn read(
        &self,
        stream: &TcpStream,
        permitted: Receiver<()>,
        sent: Receiver<Instant>,
        check: impl Fn(&[u8]) -> Result<()>,
    ) -> Result<Histogram> {
        let mut answers = Answers::of(stream)?;
        let mut latencies = Histogram::default();
        for number in 0..self.requests {
            let answer = answers.next()?;
            let due = sent.recv().context("an answer to no request")?;
            latencies.record(due.elapsed());
            permitted.recv().context("an answer to no request")?;
            if answer.get(..LENGTH_BYTES) != Some(&(number as i32).to_be_bytes()) {
                bail!("the answer to request {number} is not the next one");
            }
            check(answer)?;
        }
        Ok(latencies)
    }
}

impl Answers {
    pub fn of(stream: &TcpStream) -> Result<Self> {
        Ok(Self {
            stream: BufReader::with_capacity(64 << 10, stream.try_clone()?),
            body: Vec::new(),
        })
    }

    /// The next answer without its length.
    pub fn next(&mut self) -> Result<&[u8]> {
        self.receive()?;
        Ok(&self.body)
    }

    /// The same, to keep. [`Answers::give_back`] saves the next one its memory.
    pub fn take(&mut self) -> Result<Vec<u8>> {
        self.receive()?;
        Ok(std::mem::take(&mut self.body))
    }

    pub fn give_back(&mut self, body: Vec<u8>) {
        self.body = body;
    }

    fn receive(&mut self) -> Result<()> {
        let mut length = [0; LENGTH_BYTES];
        self.stream.read_exact(&mut length).context("no answer")?;
        let length = u32::from_be_bytes(length) as usize;
        if length > ANSWER_BYTES_MAX {
            bail!("an answer of {length} bytes");
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body).context("half an answer")?;
        Ok(())
    }
}
