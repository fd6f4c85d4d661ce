//! A real broker in this process, real sockets, and a client that knows nothing but the protocol.

mod api_versions;
mod client;
mod command_line;
mod configs;
mod hostile;
mod node;
mod records;
mod refusals;
