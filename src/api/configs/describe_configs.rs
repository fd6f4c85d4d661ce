//! DescribeConfigs (32), versions 1-4: every key of a resource with its value, where it comes from, type, documentation and
//! the other levels on which it has a value.
//!
//! - Topics must exist; groups and subscriptions need not: what nobody has configured shows the defaults.
//! - A broker answers for itself and, under the empty name, for the dynamic values of all brokers.
//! - Broker loggers (KIP-412) are the levels of this process.
//! - Values of passwords, and of keys that nobody knows, are null. Internal keys are not shown.

use std::collections::BTreeMap;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_base::config::describe::{self, Entry};
use ottla_base::config::{ConfigError, Effective, Kind};
use ottla_base::{ErrorCode, topic_name};
use ottla_metadata::Image;
use ottla_metadata::image::{ConfigKind, ConfigResource};

use super::{BROKER_LOGGER, effective, loggers, own};
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: DescribeConfigsRequest) -> Reply<DescribeConfigsResponse> {
    let is_unknown = |resource: &&DescribeConfigsResource| {
        ConfigKind::from_code(resource.resource_type).is_none() && resource.resource_type != BROKER_LOGGER
    };
    let results = match request.resources.iter().find(is_unknown) {
        Some(unknown) => refuse_all(&request, unknown),
        None => describe_all(ctx, &request),
    };
    Reply::Now(DescribeConfigsResponse::default().with_results(results))
}

/// A type that does not exist spoils the whole request, as in Kafka.
fn refuse_all(
    request: &DescribeConfigsRequest,
    unknown: &DescribeConfigsResource,
) -> Vec<DescribeConfigsResult> {
    let name = &unknown.resource_name;
    let error = ConfigError::bad_request(format!("Unexpected resource type UNKNOWN for resource {name}"));
    request
        .resources
        .iter()
        .map(|resource| refused(resource, &error))
        .collect()
}

fn describe_all(ctx: &Ctx, request: &DescribeConfigsRequest) -> Vec<DescribeConfigsResult> {
    let image = ctx.image();
    let asker = Asker {
        ctx,
        image: &image,
        effective: effective(ctx, &image),
        request,
    };
    request
        .resources
        .iter()
        .map(|resource| asker.resource(resource))
        .collect()
}

/// One request and what it is answered from.
struct Asker<'a> {
    ctx: &'a Ctx,
    image: &'a Image,
    effective: Effective,
    request: &'a DescribeConfigsRequest,
}

impl Asker<'_> {
    fn resource(&self, resource: &DescribeConfigsResource) -> DescribeConfigsResult {
        let configs = match ConfigKind::from_code(resource.resource_type) {
            Some(kind) => self
                .entries(kind, &resource.resource_name)
                .map(|entries| self.shown(resource, entries)),
            None => self.loggers(resource),
        };
        match configs {
            Ok(configs) => result(resource).with_configs(configs),
            Err(error) => refused(resource, &error),
        }
    }

    fn entries(&self, kind: ConfigKind, name: &str) -> Result<Vec<Entry>, ConfigError> {
        let own = || own(self.image, &ConfigResource::new(kind, name));
        match kind {
            ConfigKind::Topic => self.topic(name, &own()),
            ConfigKind::Broker if name.is_empty() => Ok(describe::cluster_default(&self.effective)),
            ConfigKind::Broker => match broker_id(name)? {
                id if id == self.node_id() => Ok(describe::broker(&self.effective)),
                _ => Err(ConfigError::bad_request(format!(
                    "Unexpected broker id, expected {} or empty string, but received {name}",
                    self.node_id()
                ))),
            },
            ConfigKind::ClientMetrics if name.is_empty() => Err(ConfigError::bad_request(
                "Client metrics subscription name must not be empty",
            )),
            ConfigKind::ClientMetrics => Ok(describe::client_metrics(&own())),
            ConfigKind::Group if name.is_empty() => {
                Err(ConfigError::bad_request("Group name must not be empty"))
            }
            ConfigKind::Group => Ok(describe::group(&self.effective, &own())),
        }
    }

    fn topic(&self, name: &str, own: &BTreeMap<&str, &str>) -> Result<Vec<Entry>, ConfigError> {
        if let Some(problem) = topic_name::problem(name) {
            return Err(ConfigError {
                code: ErrorCode::InvalidTopicException,
                message: problem,
            });
        }
        match self.image.topics.by_name(name) {
            Some(_) => Ok(describe::topic(&self.effective, own)),
            // Kafka leaves the text empty here.
            None => Err(ConfigError {
                code: ErrorCode::UnknownTopicOrPartition,
                message: String::new(),
            }),
        }
    }

    fn loggers(
        &self,
        resource: &DescribeConfigsResource,
    ) -> Result<Vec<DescribeConfigsResourceResult>, ConfigError> {
        let name = resource.resource_name.as_str();
        if name.is_empty() {
            return Err(ConfigError::bad_request("Broker id must not be empty"));
        }
        if broker_id(name)? != self.node_id() {
            return Err(ConfigError::bad_request(format!(
                "Unexpected broker id, expected {} but received {name}",
                self.node_id()
            )));
        }
        let levels = loggers::all()
            .into_iter()
            .filter(|(logger, _)| is_wanted(resource, logger));
        let logger = |(logger, level): (String, &'static str)| {
            DescribeConfigsResourceResult::default()
                .with_name(StrBytes::from_string(logger))
                .with_value(Some(StrBytes::from_static_str(level)))
                .with_config_source(DYNAMIC_BROKER_LOGGER_CONFIG)
                .with_documentation(None)
        };
        Ok(levels.map(logger).collect())
    }

    fn shown(
        &self,
        resource: &DescribeConfigsResource,
        entries: Vec<Entry>,
    ) -> Vec<DescribeConfigsResourceResult> {
        let wanted = entries
            .into_iter()
            .filter(|entry| is_wanted(resource, &entry.name));
        wanted.map(|entry| self.entry(entry)).collect()
    }

    fn entry(&self, entry: Entry) -> DescribeConfigsResourceResult {
        let synonyms = match self.request.include_synonyms {
            true => entry.synonyms.into_iter().map(synonym).collect(),
            false => Vec::new(),
        };
        let documentation = entry.doc.filter(|_| self.request.include_documentation);
        DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_string(entry.name))
            .with_value(entry.value.map(StrBytes::from_string))
            .with_read_only(entry.is_read_only)
            .with_config_source(entry.origin as i8)
            .with_is_sensitive(entry.is_sensitive)
            .with_synonyms(synonyms)
            .with_config_type(type_code(entry.kind))
            .with_documentation(documentation.map(StrBytes::from_static_str))
    }

    fn node_id(&self) -> i32 {
        self.ctx.node.config.node_id
    }
}

fn is_wanted(resource: &DescribeConfigsResource, key: &str) -> bool {
    match &resource.configuration_keys {
        Some(keys) if !keys.is_empty() => keys.iter().any(|wanted| wanted.as_str() == key),
        _ => true,
    }
}

fn synonym(synonym: describe::Synonym) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default()
        .with_name(StrBytes::from_string(synonym.name))
        .with_value(synonym.value.map(StrBytes::from_string))
        .with_source(synonym.origin as i8)
}

fn broker_id(name: &str) -> Result<i32, ConfigError> {
    let fail = |_| ConfigError::bad_request(format!("Broker id must be an integer, but it is: {name}"));
    name.parse().map_err(fail)
}

fn result(resource: &DescribeConfigsResource) -> DescribeConfigsResult {
    DescribeConfigsResult::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone())
}

fn refused(resource: &DescribeConfigsResource, error: &ConfigError) -> DescribeConfigsResult {
    result(resource)
        .with_error_code(error.code.code())
        .with_error_message(Some(StrBytes::from_string(error.message.clone())))
}

const DYNAMIC_BROKER_LOGGER_CONFIG: i8 = 6;

/// The type's number on the wire; 0 is "unknown".
fn type_code(kind: Option<Kind>) -> i8 {
    match kind {
        None => 0,
        Some(Kind::Boolean) => 1,
        Some(Kind::String) => 2,
        Some(Kind::Int) => 3,
        Some(Kind::Short) => 4,
        Some(Kind::Long) => 5,
        Some(Kind::Double) => 6,
        Some(Kind::List) => 7,
        Some(Kind::Class) => 8,
        Some(Kind::Password) => 9,
    }
}
