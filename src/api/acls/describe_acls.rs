//! DescribeAcls (29), versions 1-3: SECURITY_DISABLED, as there is no authorizer.

use kafka_protocol::messages::{DescribeAclsRequest, DescribeAclsResponse};
use ottla_base::ErrorCode;

use super::NO_AUTHORIZER;
use crate::api::text::message;
use crate::api::{Ctx, Reply};

pub fn handle(_ctx: &Ctx, _request: DescribeAclsRequest) -> Reply<DescribeAclsResponse> {
    let response = DescribeAclsResponse::default()
        .with_error_code(ErrorCode::SecurityDisabled.code())
        .with_error_message(message(NO_AUTHORIZER));
    Reply::Now(response)
}
