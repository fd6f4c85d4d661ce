//! IncrementalAlterConfigs (44), versions 0-1: sets, deletes, appends to and subtracts from single keys (KIP-339).
//!
//! The broker checks brokers' keys and applies log levels; everything else is judged and written by the controller. Each
//! resource succeeds or fails by itself; `validate_only` changes nothing.

use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use kafka_protocol::protocol::StrBytes;

use super::changes::{Asked, AskedKey, Fate, Sorted, merge, sort};
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: IncrementalAlterConfigsRequest) -> Reply<IncrementalAlterConfigsResponse> {
    let validate_only = request.validate_only;
    let asked = request.resources.iter().map(asked).collect();
    let mut sorted = sort(ctx, asked, validate_only, false);
    let names: Vec<(i8, StrBytes)> = request
        .resources
        .into_iter()
        .map(|resource| (resource.resource_type, resource.resource_name))
        .collect();
    if sorted.for_controller.is_empty() {
        return Reply::Now(response(names, merge(&mut sorted, Ok(Vec::new()))));
    }
    let ctx = ctx.clone();
    Reply::later(async move {
        let fates = write(&ctx, sorted, validate_only).await;
        response(names, fates)
    })
}

async fn write(ctx: &Ctx, mut sorted: Sorted, validate_only: bool) -> Vec<Fate> {
    let resources: Vec<_> = sorted
        .for_controller
        .iter()
        .map(|(_, name, changes)| (name.clone(), changes.clone()))
        .collect();
    let written = ctx.node.controller.write(move |controller, image, _now_ms| {
        controller.incremental_alter_configs(image, &resources, validate_only)
    });
    let answered = written
        .await
        .map(|answers| answers.into_iter().map(|(_, answer)| answer).collect());
    merge(&mut sorted, answered)
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

fn response(names: Vec<(i8, StrBytes)>, fates: Vec<Fate>) -> IncrementalAlterConfigsResponse {
    let one = |((kind, name), fate): ((i8, StrBytes), Fate)| {
        let (code, message) = match fate {
            Ok(()) => (0, None),
            Err(error) => (error.code.code(), Some(StrBytes::from_string(error.message))),
        };
        AlterConfigsResourceResponse::default()
            .with_resource_type(kind)
            .with_resource_name(name)
            .with_error_code(code)
            .with_error_message(message)
    };
    IncrementalAlterConfigsResponse::default().with_responses(names.into_iter().zip(fates).map(one).collect())
}
