//! DeleteAcls (31), versions 1-3: each filter is answered SECURITY_DISABLED, as there is no authorizer.

use kafka_protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use kafka_protocol::messages::{DeleteAclsRequest, DeleteAclsResponse};
use ottla_base::ErrorCode;

use super::NO_AUTHORIZER;
use crate::api::text::message;
use crate::api::{Ctx, Reply};

pub fn handle(_ctx: &Ctx, request: DeleteAclsRequest) -> Reply<DeleteAclsResponse> {
    let refused = DeleteAclsFilterResult::default()
        .with_error_code(ErrorCode::SecurityDisabled.code())
        .with_error_message(message(NO_AUTHORIZER));
    let results = vec![refused; request.filters.len()];
    Reply::Now(DeleteAclsResponse::default().with_filter_results(results))
}
