//! Bytes to messages and back: frames, headers, requests, answers.
//!
//! The messages are kafka-protocol's types; [`messages`] holds the versions and messages of Kafka 4.3 that it lacks.
//! Handlers see decoded requests and hand back messages or a [`Body`]; sockets see [`service`].

pub mod body;
pub mod codec;
pub mod error;
pub mod header;
pub mod messages;
pub mod schema;
pub mod service;

pub use body::{Body, Chunk};
pub use codec::{RequestBody, ResponseBody, decode, encode};
pub use error::WireError;
