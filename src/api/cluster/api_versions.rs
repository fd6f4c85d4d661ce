//! ApiVersions (18), versions 0-4: what this node answers, and the features of the cluster.
//!
//! A version above 4 is answered in the form of version 0 with UNSUPPORTED_VERSION and the range for ApiVersions itself,
//! so that any client can read it and ask again. Version 3 and newer name the client's library; names that no library
//! would have are refused with INVALID_REQUEST, since they end up in metrics and logs.

use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use ottla_base::ErrorCode;

use crate::api::table::{self, Row, Scope};
use crate::api::{Ctx, Reply};
use crate::wire::{self, Body, WireError};

pub fn handle(ctx: &Ctx, request: ApiVersionsRequest) -> Reply<ApiVersionsResponse> {
    if ctx.api_version >= 3 {
        let (name, version) = (&*request.client_software_name, &*request.client_software_version);
        if !is_software_name(name) || !is_software_name(version) {
            return Reply::Now(
                ApiVersionsResponse::default().with_error_code(ErrorCode::InvalidRequest.code()),
            );
        }
        // The first one stands: a connection has one client.
        let _ = ctx
            .connection
            .client_software
            .set((name.to_owned(), version.to_owned()));
    }
    Reply::Now(ApiVersionsResponse::default().with_api_keys(advertised()))
}

/// The answer to a version of `key` that is not served: ApiVersions is answered, everything else is not.
pub fn unsupported_version(key: i16) -> Option<Result<Body, WireError>> {
    if key != ApiKey::ApiVersions as i16 {
        return None;
    }
    let own = table::row(key).and_then(api_version);
    let response = ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UnsupportedVersion.code())
        .with_api_keys(own.into_iter().collect());
    Some(wire::encode(key, 0, response))
}

fn advertised() -> Vec<ApiVersion> {
    table::rows()
        .iter()
        .filter(|row| matches!(row.scope, Scope::Broker | Scope::Both))
        .filter_map(api_version)
        .collect()
}

fn api_version(row: &Row) -> Option<ApiVersion> {
    let versions = row.works()?;
    Some(
        ApiVersion::default()
            .with_api_key(row.key)
            .with_min_version(*versions.start())
            .with_max_version(*versions.end()),
    )
}

/// Letters, digits, dots and hyphens, beginning and ending with a letter or a digit.
fn is_software_name(text: &str) -> bool {
    let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    is_edge(text.chars().next())
        && is_edge(text.chars().next_back())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
}
