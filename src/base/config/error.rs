//! What can be wrong with a configuration value or a change to one.

use crate::ErrorCode;

/// A refusal, with the code a client is given and Kafka's words for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    pub code: ErrorCode,
    pub message: String,
}

impl ConfigError {
    /// The value or the key is not allowed.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            code: ErrorCode::InvalidConfig,
            message: message.into(),
        }
    }

    /// The request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self {
            code: ErrorCode::InvalidRequest,
            message: message.into(),
        }
    }

    pub(super) fn invalid_value(name: &str, value: &str, why: &str) -> Self {
        Self::invalid(format!("Invalid value {value} for configuration {name}: {why}"))
    }
}
