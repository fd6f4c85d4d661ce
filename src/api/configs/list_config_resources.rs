//! ListConfigResources (74), versions 0-1: the resources that have configurations (KIP-1142).
//!
//! Version 0 was ListClientMetricsResources and knows only those. An empty list of types asks for all; a type that the
//! version does not have is UNSUPPORTED_VERSION. Groups and subscriptions are listed when something was set for them,
//! topics and brokers always.

use kafka_protocol::messages::list_config_resources_response::ConfigResource;
use kafka_protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_base::ErrorCode;
use ottla_metadata::Image;
use ottla_metadata::image::ConfigKind;

use super::BROKER_LOGGER;
use crate::api::{Ctx, Reply, endpoints};

pub fn handle(ctx: &Ctx, request: ListConfigResourcesRequest) -> Reply<ListConfigResourcesResponse> {
    let supported: &[i8] = if ctx.api_version == 0 {
        &[CLIENT_METRICS]
    } else {
        IN_ORDER
    };
    let response = ListConfigResourcesResponse::default();
    if request
        .resource_types
        .iter()
        .any(|kind| !supported.contains(kind))
    {
        return Reply::Now(response.with_error_code(ErrorCode::UnsupportedVersion.code()));
    }
    let is_wanted = |kind: &&i8| request.resource_types.is_empty() || request.resource_types.contains(*kind);
    let image = ctx.image();
    let resources = supported
        .iter()
        .filter(is_wanted)
        .flat_map(|kind| resources(ctx, &image, *kind));
    Reply::Now(response.with_config_resources(resources.collect()))
}

const TOPIC: i8 = ConfigKind::Topic as i8;
const BROKER: i8 = ConfigKind::Broker as i8;
const CLIENT_METRICS: i8 = ConfigKind::ClientMetrics as i8;
const GROUP: i8 = ConfigKind::Group as i8;

/// The order in which Kafka lists them.
const IN_ORDER: &[i8] = &[GROUP, CLIENT_METRICS, BROKER_LOGGER, BROKER, TOPIC];

fn resources(ctx: &Ctx, image: &Image, kind: i8) -> Vec<ConfigResource> {
    let names: Vec<String> = match kind {
        TOPIC => image.topics.iter().map(|topic| topic.name.to_string()).collect(),
        BROKER | BROKER_LOGGER => endpoints::alive(ctx, image)
            .iter()
            .map(|broker| broker.id.to_string())
            .collect(),
        _ => {
            let configured = image
                .configs
                .iter()
                .filter(|(resource, _)| resource.kind.code() == kind);
            configured.map(|(resource, _)| resource.name.clone()).collect()
        }
    };
    let resource = |name| {
        ConfigResource::default()
            .with_resource_name(StrBytes::from_string(name))
            .with_resource_type(kind)
    };
    names.into_iter().map(resource).collect()
}
