//! AlterConfigs (33), versions 0-2: sets all keys of a resource at once; what is not named is removed.
//!
//! Deprecated in favour of IncrementalAlterConfigs, because two clients that do this at the same time undo one another's
//! changes; old clients still use it. Loggers cannot be changed this way.

use std::collections::BTreeMap;

use kafka_protocol::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};
use kafka_protocol::protocol::StrBytes;

use super::changes::{Asked, AskedKey, Fate, Sorted, merge, sort};
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: AlterConfigsRequest) -> Reply<AlterConfigsResponse> {
    let validate_only = request.validate_only;
    let asked = request.resources.iter().map(asked).collect();
    let mut sorted = sort(ctx, asked, validate_only, true);
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
        .map(|(_, name, changes)| {
            let value = |change: &ottla_base::config::alter::Change| {
                Some((change.key.clone(), change.value.clone()?))
            };
            (
                name.clone(),
                changes.iter().filter_map(value).collect::<BTreeMap<_, _>>(),
            )
        })
        .collect();
    let written = ctx
        .node
        .controller
        .write(move |controller, image, _now_ms| controller.alter_configs(image, &resources, validate_only));
    let answered = written
        .await
        .map(|answers| answers.into_iter().map(|(_, answer)| answer).collect());
    merge(&mut sorted, answered)
}

fn asked(resource: &AlterConfigsResource) -> Asked {
    const SET: i8 = 0;
    let key = |config: &AlterableConfig| AskedKey {
        name: config.name.to_string(),
        op: SET,
        value: config.value.as_ref().map(ToString::to_string),
    };
    Asked {
        kind: resource.resource_type,
        name: resource.resource_name.to_string(),
        keys: resource.configs.iter().map(key).collect(),
    }
}

fn response(names: Vec<(i8, StrBytes)>, fates: Vec<Fate>) -> AlterConfigsResponse {
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
    AlterConfigsResponse::default().with_responses(names.into_iter().zip(fates).map(one).collect())
}
