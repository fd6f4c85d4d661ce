//! AlterConfigs (33), versions 0-2: sets all keys of a resource at once; what is not named is removed.
//!
//! Deprecated in favour of IncrementalAlterConfigs, because two clients that do this at the same time undo one another's
//! changes; old clients still use it. Loggers cannot be changed this way.

use kafka_protocol::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::changes::{Alteration, Asked, AskedKey, Fate, carry_out, told};
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: AlterConfigsRequest) -> Reply<AlterConfigsResponse> {
    let alteration = Alteration {
        asked: request.resources.iter().map(asked).collect(),
        validate_only: request.validate_only,
        replaces_all: true,
    };
    carry_out(ctx, alteration, |fates| {
        let answers = request.resources.into_iter().zip(fates).map(answer);
        AlterConfigsResponse::default().with_responses(answers.collect())
    })
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

fn answer((resource, fate): (AlterConfigsResource, Fate)) -> AlterConfigsResourceResponse {
    let (code, message) = told(fate);
    AlterConfigsResourceResponse::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name)
        .with_error_code(code)
        .with_error_message(message)
}
