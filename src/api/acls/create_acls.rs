//! CreateAcls (30), versions 1-3: each ACL is refused with SECURITY_DISABLED, as there is no authorizer.

use kafka_protocol::messages::create_acls_response::AclCreationResult;
use kafka_protocol::messages::{CreateAclsRequest, CreateAclsResponse};
use ottla_base::ErrorCode;

use super::NO_AUTHORIZER;
use crate::api::text::message;
use crate::api::{Ctx, Reply};

pub fn handle(_ctx: &Ctx, request: CreateAclsRequest) -> Reply<CreateAclsResponse> {
    let refused = AclCreationResult::default()
        .with_error_code(ErrorCode::SecurityDisabled.code())
        .with_error_message(message(NO_AUTHORIZER));
    let results = vec![refused; request.creations.len()];
    Reply::Now(CreateAclsResponse::default().with_results(results))
}
