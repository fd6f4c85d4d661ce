//! Binds the listeners, accepts, and drains when the node stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ottla_base::config::Listener;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, error, info, warn};

use super::buffers::BufferPool;
use super::connection;
use super::limits::{ConnectionCount, NetLimits};
use crate::wire::service::{ConnectionInfo, Service};

/// How long an accept loop rests after an error such as "too many open files": trying again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// All listeners of a node. Binding and serving are two steps, so that no client is served before the node is ready and a
/// port that is taken stops the start early.
pub struct Server {
    bound: Vec<(Arc<Listener>, TcpListener)>,
    limits: Arc<NetLimits>,
    count: Arc<ConnectionCount>,
    buffers: Arc<BufferPool>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Server {
    pub fn new(limits: NetLimits) -> Self {
        Self {
            bound: Vec::new(),
            count: Arc::new(ConnectionCount::new(limits.admission.clone())),
            limits: Arc::new(limits),
            buffers: Arc::default(),
            stop: watch::Sender::new(false),
            tasks: JoinSet::new(),
        }
    }

    /// Binds every address that the listener's host stands for, and returns them.
    pub async fn bind(&mut self, listener: Arc<Listener>) -> io::Result<Vec<SocketAddr>> {
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for mut address in resolve(&listener.host, listener.port).await? {
            if let (0, Some(first)) = (address.port(), addresses.first()) {
                // Port 0 means "any", but the same one for every address of the listener.
                address.set_port(first.port());
            }
            match bind_one(address, &self.limits) {
                Ok(socket) => {
                    addresses.push(socket.local_addr()?);
                    self.bound.push((listener.clone(), socket));
                }
                // A machine without IPv6 still has the IPv4 half of "localhost" or of "every address".
                Err(error) if is_absent(&error) && address.is_ipv6() => debug!(%address, %error, "not bound"),
                Err(error) => return Err(error),
            }
        }
        match addresses.is_empty() {
            true => Err(io::Error::new(
                io::ErrorKind::AddrNotAvailable,
                "no address of the host can be bound",
            )),
            false => Ok(addresses),
        }
    }

    /// Begins to accept on the listeners that are bound and not yet served.
    pub fn serve(&mut self, service: &Arc<dyn Service>) {
        for (listener, socket) in self.bound.drain(..) {
            let acceptor = Acceptor {
                listener,
                limits: self.limits.clone(),
                count: self.count.clone(),
                buffers: self.buffers.clone(),
                service: service.clone(),
                stop: self.stop.subscribe(),
            };
            self.tasks.spawn(acceptor.run(socket));
        }
    }

    /// Where the limits on connections can be changed while the server runs.
    pub fn admission(&self) -> Arc<ConnectionCount> {
        self.count.clone()
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.count.open()
    }

    /// Stops accepting, lets answers that are under way finish within the limit, and closes every connection.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(self.limits.drain_max * 2, all).await.is_err() {
            warn!("connections did not end in time; they are cut off");
        }
    }
}

struct Acceptor {
    listener: Arc<Listener>,
    limits: Arc<NetLimits>,
    count: Arc<ConnectionCount>,
    buffers: Arc<BufferPool>,
    service: Arc<dyn Service>,
    stop: watch::Receiver<bool>,
}

impl Acceptor {
    async fn run(self, socket: TcpListener) {
        let mut connections = JoinSet::new();
        let mut stop = self.stop.clone();
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                Some(ended) = connections.join_next(), if !connections.is_empty() => {
                    if let Err(error) = ended {
                        error!(listener = %self.listener.name, %error, "a connection ended by a fault of this node");
                    }
                }
                accepted = socket.accept() => match accepted {
                    Ok((stream, peer)) => self.admit(stream, peer, &mut connections),
                    Err(error) => {
                        warn!(listener = %self.listener.name, %error, "cannot accept");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(socket);
        while connections.join_next().await.is_some() {}
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr, connections: &mut JoinSet<()>) {
        let permit = match self.count.admit(peer.ip()) {
            Ok(permit) => permit,
            Err(limit) => {
                warn!(%peer, listener = %self.listener.name, "connection refused: {limit}");
                return;
            }
        };
        let Ok(local) = tune(&stream, &self.limits) else {
            return;
        };
        let info = Arc::new(ConnectionInfo::new(self.listener.clone(), local, peer));
        let (service, limits, stop) = (self.service.clone(), self.limits.clone(), self.stop.clone());
        let buffers = self.buffers.clone();
        connections.spawn(async move {
            let closed = connection::serve(stream, info, service, limits, buffers, stop).await;
            if closed.is_offence() {
                info!(%peer, "connection closed: {closed}");
            } else {
                debug!(%peer, "connection closed: {closed}");
            }
            drop(permit);
        });
    }
}

/// Ends when the node begins to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is a stop too.
    let _ = stop.wait_for(|stopping| *stopping).await;
}

/// Options of an accepted socket; its local address.
fn tune(stream: &TcpStream, limits: &NetLimits) -> io::Result<SocketAddr> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_keepalive(true)?;
    if let Some(bytes) = limits.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    stream.local_addr()
}

/// An empty host is every address of the machine, as in Kafka's `PLAINTEXT://:9092`.
async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if host.is_empty() {
        return Ok(vec![
            SocketAddr::from(([0u16; 8], port)),
            SocketAddr::from(([0u8; 4], port)),
        ]);
    }
    let mut addresses: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.dedup();
    Ok(addresses)
}

fn bind_one(address: SocketAddr, limits: &NetLimits) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if let Some(bytes) = limits.receive_buffer_bytes {
        // Before listen: accepted sockets inherit it, and the window scale is fixed in the handshake.
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(&address.into())?;
    socket.listen(limits.listen_backlog)?;
    TcpListener::from_std(socket.into())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported
    ) || error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT)
}
