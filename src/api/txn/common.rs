//! What the APIs of transactions share.

use ottla_base::ErrorCode;
use ottla_coordinator::transaction::Reply;

/// The error in a reply that is not of the expected kind.
pub fn error_of(reply: &Reply) -> ErrorCode {
    match reply {
        Reply::Failed(error) => *error,
        _ => ErrorCode::UnknownServerError,
    }
}

/// The error as a client of this version knows it: PRODUCER_FENCED came with `since`, and was the same as another before.
pub fn fenced_as(error: ErrorCode, version: i16, since: i16) -> ErrorCode {
    match error {
        ErrorCode::ProducerFenced if version < since => ErrorCode::InvalidProducerEpoch,
        other => other,
    }
}
