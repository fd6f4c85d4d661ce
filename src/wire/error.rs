//! What can be wrong with bytes from a client, and with an answer that does not fit its version.

use thiserror::Error;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum WireError {
    #[error("the request ends too early")]
    Truncated,
    #[error("{0} bytes follow the end of the request")]
    TrailingBytes(usize),
    #[error("a length or count of {announced} does not fit into the {remaining} bytes that are left")]
    LengthOutOfBounds { announced: i64, remaining: usize },
    #[error("a length or count is null where the version has no null")]
    UnexpectedNull,
    #[error("a variable-length integer is longer than five bytes")]
    OverlongVarint,
    #[error("a string is not UTF-8")]
    NotUtf8,
    #[error("tagged fields are not in ascending order")]
    UnorderedTags,
    #[error("API key {0} is unknown")]
    UnknownApiKey(i16),
    #[error("version {version} of API key {key} is not supported")]
    UnsupportedVersion { key: i16, version: i16 },
    #[error("the request does not decode: {0}")]
    Malformed(String),
    #[error("the answer does not encode: {0}")]
    Unencodable(String),
}
