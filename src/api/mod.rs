//! Requests to answers: one file per API key, one row per API key in [`table`].
//!
//! A handler is `pub fn handle(ctx: &Ctx, request: XRequest) -> Reply<XResponse>` in `api/<family>/<api>.rs`. It runs in
//! the order in which the connection's requests arrived, so what must happen in order happens before it returns; what has
//! to wait goes into [`Reply::Later`] (where produce and fetch overlap, and everything else runs alone). To add one: write the
//! file, name it in the family's `mod.rs`, and put its path into the last column of its row in `table.rs`. From then on
//! ApiVersions advertises it.

pub mod ctx;
pub mod dispatch;
pub mod endpoints;
pub mod operations;
pub mod reply;
pub mod table;
pub mod text;

pub mod acls;
pub mod cluster;
pub mod configs;
pub mod data;
pub mod groups;
pub mod telemetry;
pub mod topics;
pub mod txn;

pub use ctx::{Ctx, Node};
pub use reply::{Answered, Reply};
