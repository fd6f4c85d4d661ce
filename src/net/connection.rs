//! One connection, one task: read, start, answer in order, write; and every reason for which it ends, in one log line.
//!
//! Requests are started in the order of arrival: those that may overlap while others are under way, all others alone.
//! Answers that are not there yet wait in `in_flight`, which polls them all and hands them out in order. While answers wait for
//! the socket, no further request is started: a peer that does not read holds at most one backlog. Requests that came together
//! are answered together, but only so many in one turn: the connections that share the thread have theirs.

use std::future::{Future, ready};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, StreamExt};
use thiserror::Error;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking, yield_now};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::buffers::BufferPool;
use super::inbound::{FrameError, Inbound};
use super::limits::NetLimits;
use super::outbound::Outbound;
use super::residency;
use crate::wire::service::{Answer, ConnectionInfo, Pending, Service};

/// Why a connection ended.
#[derive(Debug, Error)]
pub enum Closed {
    #[error("the peer closed it")]
    ByPeer,
    #[error("the peer closed it in the middle of a frame")]
    MidFrame,
    #[error("the node stops")]
    Shutdown,
    #[error("no whole request in the first {0:?}")]
    NoFirstFrame(Duration),
    #[error("a request was begun and not finished in {0:?}")]
    SlowFrame(Duration),
    #[error("the peer read none of its answers for {0:?}")]
    SlowReader(Duration),
    #[error("idle for {0:?} (connections.max.idle.ms)")]
    Idle(Duration),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Closed {
    /// Whether an operator should hear of it: the peer broke a rule or hit a limit.
    pub fn is_offence(&self) -> bool {
        match self {
            Self::ByPeer | Self::Shutdown | Self::Idle(_) | Self::Io(_) | Self::MidFrame => false,
            Self::NoFirstFrame(_)
            | Self::SlowFrame(_)
            | Self::SlowReader(_)
            | Self::Refused(_)
            | Self::Frame(_) => true,
        }
    }
}

/// Serves one connection until it ends, and says why it did.
pub async fn serve(
    stream: TcpStream,
    info: Arc<ConnectionInfo>,
    service: Arc<dyn Service>,
    limits: Arc<NetLimits>,
    buffers: Arc<BufferPool>,
    stop: watch::Receiver<bool>,
) -> Closed {
    let now = Instant::now();
    let mut connection = Connection {
        inbound: Inbound::new(buffers, limits.request_bytes_max),
        outbound: Outbound::default(),
        in_flight: FuturesOrdered::new(),
        waiting: None,
        is_alone: false,
        has_more: false,
        stream,
        info,
        service,
        limits,
        opened: now,
        has_sent_a_frame: false,
        last_frame: now,
        frame_begun: None,
        write_stalled: None,
        muted_until: None,
        loading: None,
        close_after: None,
    };
    match connection.run(stop).await {
        Ok(never) => match never {},
        Err(closed) => {
            connection.finish_unanswered();
            closed
        }
    }
}

enum Never {}

/// Most requests that are started in one turn: about a millisecond of small ones. A turn that ends early costs a look for events.
const TURN_REQUESTS: usize = 256;

struct Connection {
    stream: TcpStream,
    info: Arc<ConnectionInfo>,
    service: Arc<dyn Service>,
    limits: Arc<NetLimits>,
    inbound: Inbound,
    outbound: Outbound,
    in_flight: FuturesOrdered<InFlight>,
    /// A whole request that may not overlap with those in flight.
    waiting: Option<Bytes>,
    /// Nothing may overlap with what is in flight.
    is_alone: bool,
    /// The turn was over before all whole frames were started.
    has_more: bool,
    opened: Instant,
    has_sent_a_frame: bool,
    last_frame: Instant,
    /// When the frame that is under way began to arrive.
    frame_begun: Option<Instant>,
    /// Since when the socket has taken nothing although answers wait.
    write_stalled: Option<Instant>,
    muted_until: Option<Instant>,
    /// Reads from a disk what is to be sent next.
    loading: Option<JoinHandle<()>>,
    /// The connection ends with this reason once the answers before it are written.
    close_after: Option<String>,
}

/// What made the task run.
enum Event {
    Readable,
    NextTurn,
    Writable,
    Loaded,
    Answered(Answer),
    Deadline,
    Stop,
}

impl Connection {
    async fn run(&mut self, mut stop: watch::Receiver<bool>) -> Result<Never, Closed> {
        let mut alarm = pin!(sleep_until(self.deadline()));
        loop {
            match self.next_event(alarm.as_mut(), &mut stop).await {
                Event::Readable => self.read()?,
                Event::NextTurn => {}
                Event::Writable => self.write()?,
                Event::Loaded => self.write_loaded()?,
                Event::Answered(answer) => {
                    self.answer(answer)?;
                    self.write()?;
                }
                Event::Deadline => {
                    self.check_deadlines()?;
                    alarm.as_mut().reset(self.deadline());
                }
                Event::Stop => return Err(self.drain().await),
            }
            self.start_requests()?;
            self.close_if_done()?;
        }
    }

    async fn next_event(&mut self, mut alarm: Pin<&mut Sleep>, stop: &mut watch::Receiver<bool>) -> Event {
        let may_read = self.may_read();
        // Deadlines mostly move away, with each request: an alarm that is early finds nothing due and is set anew.
        let deadline = self.deadline();
        if deadline < alarm.deadline() {
            alarm.as_mut().reset(deadline);
        }
        let may_answer = !self.in_flight.is_empty() && self.outbound.bytes() < self.limits.backlog_bytes_max;
        tokio::select! {
            biased;
            Some(answer) = self.in_flight.next(), if may_answer => Event::Answered(answer),
            () = loaded(&mut self.loading), if self.loading.is_some() => Event::Loaded,
            _ = self.stream.ready(Interest::WRITABLE), if self.may_write() => Event::Writable,
            () = yield_now(), if self.has_more => Event::NextTurn,
            _ = self.stream.ready(Interest::READABLE), if may_read => Event::Readable,
            _ = stop.wait_for(|stopping| *stopping) => Event::Stop,
            () = alarm => Event::Deadline,
        }
    }

    /// Whether another request may be started now.
    fn may_start(&self) -> bool {
        self.close_after.is_none()
            && self.muted_until.is_none_or(|until| Instant::now() >= until)
            && self.in_flight.len() < self.limits.in_flight_max
            && self.outbound.bytes() < self.limits.backlog_bytes_max
    }

    fn may_read(&self) -> bool {
        self.waiting.is_none() && !self.has_more && self.may_start()
    }

    fn read(&mut self) -> Result<(), Closed> {
        match read_some(&self.stream, self.inbound.room()) {
            Ok(0) if self.inbound.has_partial_frame() => Err(Closed::MidFrame),
            Ok(0) => Err(Closed::ByPeer),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.inbound.release_when_empty();
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Starts the whole frames, as far as the limits allow, and writes what is answered at once.
    fn start_requests(&mut self) -> Result<(), Closed> {
        let mut answered = false;
        let mut left = TURN_REQUESTS;
        while left > 0 && self.may_start() {
            let Some(frame) = self.next_request()? else {
                break;
            };
            left -= 1;
            let overlaps = self.service.may_overlap(&frame);
            if !self.in_flight.is_empty() && (self.is_alone || !overlaps) {
                self.waiting = Some(frame);
                break;
            }
            self.is_alone = !overlaps;
            match self.service.call(&self.info, frame) {
                Pending::Now(answer) if self.in_flight.is_empty() => {
                    self.answer(answer)?;
                    answered = true;
                }
                Pending::Now(answer) => self.in_flight.push_back(InFlight::Ready(Some(answer))),
                Pending::Later(future) => self.in_flight.push_back(InFlight::Waiting(future)),
                Pending::Alone(future) => {
                    self.is_alone = true;
                    self.in_flight.push_back(InFlight::Waiting(future));
                }
            }
        }
        self.has_more = left == 0;
        self.note_partial_frame();
        if answered { self.write() } else { Ok(()) }
    }

    fn next_request(&mut self) -> Result<Option<Bytes>, Closed> {
        if let Some(frame) = self.waiting.take() {
            return Ok(Some(frame));
        }
        let frame = self.inbound.next_frame()?;
        if frame.is_some() {
            self.has_sent_a_frame = true;
            self.last_frame = Instant::now();
            self.frame_begun = None;
        }
        Ok(frame)
    }

    fn note_partial_frame(&mut self) {
        if !self.inbound.has_partial_frame() {
            self.frame_begun = None;
            self.inbound.release_when_empty();
        } else if self.may_read() {
            self.frame_begun.get_or_insert_with(Instant::now);
        } else {
            // The rest of it may lie in the socket: as long as we do not read, the peer is not slow.
            self.frame_begun = None;
        }
    }

    fn answer(&mut self, answer: Answer) -> Result<(), Closed> {
        match answer {
            Answer::Frame(body) => self.outbound.push(body)?,
            Answer::Throttled(body, throttle_ms) => {
                self.outbound.push(body)?;
                self.muted_until = Some(Instant::now() + Duration::from_millis(throttle_ms));
            }
            Answer::Silence => {}
            Answer::Close(reason) => self.close_after = Some(reason),
        }
        Ok(())
    }

    fn may_write(&self) -> bool {
        !self.outbound.is_empty() && self.loading.is_none()
    }

    fn write(&mut self) -> Result<(), Closed> {
        if self.loading.is_some() {
            return Ok(());
        }
        let written = self.outbound.write(&self.stream)?;
        if let Some(piece) = self.outbound.cold().cloned() {
            self.loading = Some(spawn_blocking(move || residency::load(&piece)));
        }
        if self.outbound.is_empty() || self.loading.is_some() {
            self.write_stalled = None;
        } else if written > 0 || self.write_stalled.is_none() {
            self.write_stalled = Some(Instant::now());
        }
        Ok(())
    }

    fn write_loaded(&mut self) -> Result<(), Closed> {
        self.loading = None;
        self.outbound.loaded();
        self.write()
    }

    fn close_if_done(&mut self) -> Result<(), Closed> {
        match &self.close_after {
            Some(reason) if self.outbound.is_empty() => Err(Closed::Refused(reason.clone())),
            _ => Ok(()),
        }
    }

    /// The next moment at which something may be due.
    fn deadline(&self) -> Instant {
        let mut deadline = match self.has_sent_a_frame {
            false => self.opened + self.limits.first_frame_max,
            true => self.last_frame + self.limits.idle_max,
        };
        let begun = self.frame_begun.map(|at| at + self.limits.started_frame_max);
        let stalled = self.write_stalled.map(|at| at + self.limits.write_stall_max);
        for other in [begun, stalled, self.muted_until].into_iter().flatten() {
            deadline = deadline.min(other);
        }
        deadline
    }

    fn check_deadlines(&mut self) -> Result<(), Closed> {
        let now = Instant::now();
        let over = |since: Instant, max: Duration| now >= since + max;
        if self.muted_until.is_some_and(|until| now >= until) {
            self.muted_until = None;
        }
        if !self.has_sent_a_frame && over(self.opened, self.limits.first_frame_max) {
            return Err(Closed::NoFirstFrame(self.limits.first_frame_max));
        }
        if self
            .frame_begun
            .is_some_and(|at| over(at, self.limits.started_frame_max))
        {
            return Err(Closed::SlowFrame(self.limits.started_frame_max));
        }
        if self
            .write_stalled
            .is_some_and(|at| over(at, self.limits.write_stall_max))
        {
            return Err(Closed::SlowReader(self.limits.write_stall_max));
        }
        if self.has_sent_a_frame && over(self.last_frame, self.limits.idle_max) {
            if self.in_flight.is_empty() && self.outbound.is_empty() {
                return Err(Closed::Idle(self.limits.idle_max));
            }
            self.last_frame = now;
        }
        Ok(())
    }

    /// The node stops: no further request is started, answers that are under way get a bounded time.
    async fn drain(&mut self) -> Closed {
        let drain_max = self.limits.drain_max;
        let rest = async {
            while !(self.in_flight.is_empty() && self.outbound.is_empty()) {
                tokio::select! {
                    Some(answer) = self.in_flight.next(), if !self.in_flight.is_empty() => self.answer(answer)?,
                    () = loaded(&mut self.loading), if self.loading.is_some() => self.write_loaded()?,
                    _ = self.stream.ready(Interest::WRITABLE), if self.may_write() => {}
                }
                self.write()?;
            }
            Ok::<(), Closed>(())
        };
        match timeout(drain_max, rest).await {
            Ok(Err(closed)) => closed,
            Ok(Ok(())) | Err(_) => Closed::Shutdown,
        }
    }

    /// A peer that has gone may have asked for something last, such as to leave its group: what was started is done, as far
    /// as it is soon done, though nobody hears of it.
    fn finish_unanswered(self) {
        let Self {
            in_flight, limits, ..
        } = self;
        if !in_flight.is_empty() {
            tokio::spawn(timeout(limits.drain_max, in_flight.for_each(|_| ready(()))));
        }
    }
}

/// Reads what is there. Less than there was room for is all: the socket then counts as drained, which spares each request
/// the system call that would only say so.
fn read_some(stream: &TcpStream, room: &mut BytesMut) -> io::Result<usize> {
    let free = room.capacity() - room.len();
    let mut read = Err(io::ErrorKind::WouldBlock.into());
    let drained = stream.try_io(Interest::READABLE, || {
        read = stream.try_read_buf(room);
        match read {
            // Whatever comes after this read is a new event: the readiness that is taken back is the one from before it.
            Ok(bytes) if (1..free).contains(&bytes) => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    });
    match drained {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => read,
    }
}

/// Ends when the thread that reads from the disk has done so.
async fn loaded(loading: &mut Option<JoinHandle<()>>) {
    if let Some(handle) = loading {
        // A thread that panicked has not loaded the piece; then `sendfile` waits for the disk itself.
        let _ = handle.await;
    }
}

/// An answer in its place in the order.
enum InFlight {
    Ready(Option<Answer>),
    Waiting(BoxFuture<'static, Answer>),
}

impl Future for InFlight {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        match self.get_mut() {
            Self::Ready(answer) => Poll::Ready(answer.take().unwrap_or(Answer::Silence)),
            Self::Waiting(future) => future.as_mut().poll(context),
        }
    }
}
