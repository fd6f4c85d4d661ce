//! Configurations of topics, brokers, groups and client metrics. One file per API.
//!
//! What a key is and what a change must pass stands in `ottla_base::config`; here requests are turned into its questions.

pub mod alter_configs;
mod changes;
pub mod describe_configs;
pub mod incremental_alter_configs;
pub mod list_config_resources;
pub mod loggers;

use std::collections::BTreeMap;

use ottla_base::config::Effective;
use ottla_metadata::Image;
use ottla_metadata::image::ConfigResource;

use super::Ctx;

/// Code of the resource type whose levels are not in the metadata log.
const BROKER_LOGGER: i8 = 8;

/// What is in force on this node as of the image.
pub(in crate::api) fn effective(ctx: &Ctx, image: &Image) -> Effective {
    let file = ctx.node.config.clone();
    let of_cluster = own(image, &ConfigResource::cluster_default());
    let of_broker = own(image, &ConfigResource::broker(file.node_id));
    Effective::new(file, of_cluster, of_broker)
}

/// The values a resource has of its own.
fn own<'a>(image: &'a Image, resource: &ConfigResource) -> BTreeMap<&'a str, &'a str> {
    let values = image.configs.get(resource).iter();
    values
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect()
}
