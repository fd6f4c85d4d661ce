//! Sockets: listeners, connections, limits. Knows frames, not requests: a [`crate::wire::service::Service`] answers them.
//!
//! One task per connection ([`connection`]) reads frames into a buffer that grows with the bytes received ([`inbound`]) and
//! goes round when it is empty ([`buffers`]),
//! starts each request in order, and writes the answers in the same order by `sendmsg` and `sendfile` ([`outbound`]), never waiting for a
//! disk ([`residency`]).
//! [`limits`] bounds what a peer can make the node hold; [`server`] binds, accepts and drains.

pub mod buffers;
pub mod connection;
pub mod inbound;
pub mod limits;
pub mod outbound;
pub mod residency;
pub mod server;

pub use limits::{Admission, ConnectionCount, NetLimits};
pub use server::Server;

#[cfg(test)]
mod tests;
