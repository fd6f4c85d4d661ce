//! The seam between sockets and requests: `net` hands a frame to a [`Service`] and gets an [`Answer`], now or later.
//!
//! `net` never names `api`, and `api` never names `net`.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::future::BoxFuture;
use ottla_base::config::Listener;
use parking_lot::Mutex;

use super::Body;

/// Answers requests. Called once per frame of a connection, in the order of arrival; what it does before it returns happens
/// in that order, the futures it returns run concurrently where requests may overlap, and the answers are written in the
/// order of the frames.
pub trait Service: Send + Sync + 'static {
    /// Whether the request may be started while others of its kind, from the same connection, are under way. All others
    /// wait until everything before them is answered: Kafka works on one request of a connection at a time, and clients
    /// rely on it (who commits an offset and asks for it next is told the new one).
    fn may_overlap(&self, frame: &[u8]) -> bool;

    fn call(&self, connection: &Arc<ConnectionInfo>, frame: Bytes) -> Pending;
}

/// An answer that is there, or one that will be.
pub enum Pending {
    Now(Answer),
    Later(BoxFuture<'static, Answer>),
    /// No request is started before this one is answered.
    Alone(BoxFuture<'static, Answer>),
}

/// What the connection does once the request's turn to be answered has come.
#[derive(Debug)]
pub enum Answer {
    /// Write this: the answer's header and body. The frame's size goes before it.
    Frame(Body),
    /// Write this, then read no further request for so many milliseconds.
    Throttled(Body, u64),
    /// A request without an answer (produce with acks = 0).
    Silence,
    /// Close the connection; the text says why.
    Close(String),
}

/// Who is at the other end, as far as the connection knows.
pub struct ConnectionInfo {
    pub listener: Arc<Listener>,
    pub local_addr: SocketAddr,
    pub peer_addr: SocketAddr,
    /// `User:ANONYMOUS` on a listener without authentication.
    pub principal: Arc<str>,
    /// Name and version of the client's library, known once it has sent ApiVersions 3 or newer.
    pub client_software: OnceLock<(String, String)>,
    pub state: ConnectionState,
}

/// What handlers remember of a connection as long as it is open. Each has a type of its own for it, which neither `net`
/// nor `wire` knows.
#[derive(Default)]
pub struct ConnectionState(Mutex<Vec<Box<dyn Any + Send>>>);

impl ConnectionState {
    /// Runs `f` on what is remembered as a `T`, at first its default.
    pub fn with<T: Default + Send + 'static, R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let mut states = self.0.lock();
        if let Some(state) = states.iter_mut().find_map(|state| state.downcast_mut::<T>()) {
            return f(state);
        }
        let mut state = T::default();
        let result = f(&mut state);
        states.push(Box::new(state));
        result
    }
}

impl ConnectionInfo {
    pub fn new(listener: Arc<Listener>, local_addr: SocketAddr, peer_addr: SocketAddr) -> Self {
        Self {
            listener,
            local_addr,
            peer_addr,
            principal: Arc::from("User:ANONYMOUS"),
            client_software: OnceLock::new(),
            state: ConnectionState::default(),
        }
    }
}

impl fmt::Debug for ConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} -> {} ({})",
            self.peer_addr, self.local_addr, self.principal
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_remembers_by_type() {
        let state = ConnectionState::default();
        state.with(|count: &mut u32| *count += 2);
        state.with(|text: &mut String| text.push('a'));
        assert_eq!(state.with(|count: &mut u32| *count), 2);
        assert_eq!(state.with(|text: &mut String| text.clone()), "a");
    }
}
