//! A real broker in this process, real sockets, and a client that knows nothing but the protocol.

// All of this is test code, helpers included: what goes wrong ends the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod acls;
mod answers;
mod api_versions;
mod client;
mod command_line;
mod configs;
mod frozen_dir;
mod groups;
mod hostile;
mod node;
mod records;
mod refusals;
mod topics;
mod transactions;
