//! IncrementalAlterConfigs (44), versions 0-1: sets, deletes, appends to and subtracts from single keys (KIP-339).
//!
//! The broker checks brokers' keys and applies log levels; everything else is judged and written by the controller. Each
//! resource succeeds or fails by itself; `validate_only` changes nothing.

use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::changes::{Alteration, Asked, AskedKey, Fate, carry_out, told};
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: IncrementalAlterConfigsRequest) -> Reply<IncrementalAlterConfigsResponse> {
    let alteration = Alteration {
        asked: request.resources.iter().map(asked).collect(),
        validate_only: request.validate_only,
        replaces_all: false,
    };
    carry_out(ctx, alteration, |fates| {
        let answers = request.resources.into_iter().zip(fates).map(answer);
        IncrementalAlterConfigsResponse::default().with_responses(answers.collect())
    })
}

fn asked(resource: &AlterConfigsResource) -> Asked {
    let key = |config: &AlterableConfig| AskedKey {
        name: config.name.to_string(),
        op: config.config_operation,
        value: config.value.as_ref().map(ToString::to_string),
    };
    Asked {
        kind: resource.resource_type,
        name: resource.resource_name.to_string(),
        keys: resource.configs.iter().map(key).collect(),
    }
}

fn answer((resource, fate): (AlterConfigsResource, Fate)) -> AlterConfigsResourceResponse {
    let (code, message) = told(fate);
    AlterConfigsResourceResponse::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name)
        .with_error_code(code)
        .with_error_message(message)
}
