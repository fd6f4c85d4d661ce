//! What can be wrong with bytes from a client, and with an answer that does not fit its version.

use thiserror::Error;

use super::schema::Problem;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum WireError {
    #[error("the request ends too early")]
    Truncated,
    #[error("a length of {announced} does not fit into the {remaining} bytes that are left")]
    OutOfBounds { announced: i64, remaining: usize },
    #[error("a variable-length integer of more than 32 bits")]
    OverlongVarint,
    #[error("a string is not UTF-8")]
    NotUtf8,
    #[error("field {field}: {problem}")]
    Field { field: &'static str, problem: Problem },
    #[error("API key {0} is unknown")]
    UnknownApiKey(i16),
    #[error("version {version} of API key {key} is not supported")]
    UnsupportedVersion { key: i16, version: i16 },
    #[error("the request does not decode: {0}")]
    Malformed(String),
    #[error("the answer does not encode: {0}")]
    Unencodable(String),
}
