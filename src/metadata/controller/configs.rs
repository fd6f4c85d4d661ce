//! Dynamic configs are changed, key by key or as a whole.

use std::collections::BTreeMap;

use ottla_base::config::alter::{Change, Op, apply, validate_client_metrics, validate_group, validate_topic};
use ottla_base::config::{ConfigError, Scope};
use ottla_base::{ErrorCode, topic_name};

use super::{Controller, Outcome, Problem, pairs};
use crate::image::{ConfigKind, ConfigResource, Image};
use crate::records::{ClearElrRecord, ConfigRecord, Record};

const MIN_ISR: &str = "min.insync.replicas";

pub type AlterConfigsResult = Vec<(ConfigResource, Result<(), Problem>)>;

impl Controller {
    /// Changes single keys; each resource succeeds or fails by itself.
    pub fn incremental_alter_configs(
        &self,
        image: &Image,
        resources: &[(ConfigResource, Vec<Change>)],
        validate_only: bool,
    ) -> Outcome<AlterConfigsResult> {
        self.alter(image, resources, validate_only, |resource, changes| {
            let current = image.configs.get(resource);
            let mut after = Vec::with_capacity(changes.len());
            for change in changes {
                let value = apply(
                    scope_of(resource),
                    current.get(&change.key).map(String::as_str),
                    change,
                )?;
                after.push((change.key.clone(), value));
            }
            Ok(after)
        })
    }

    /// Sets all keys of each resource; what is not named is removed.
    pub fn alter_configs(
        &self,
        image: &Image,
        resources: &[(ConfigResource, BTreeMap<String, String>)],
        validate_only: bool,
    ) -> Outcome<AlterConfigsResult> {
        self.alter(image, resources, validate_only, |resource, values| {
            let mut after = Vec::new();
            for (key, value) in values {
                let change = Change {
                    key: key.clone(),
                    op: Op::Set,
                    value: Some(value.clone()),
                };
                after.push((key.clone(), apply(scope_of(resource), None, &change)?));
            }
            let unnamed = image
                .configs
                .get(resource)
                .keys()
                .filter(|key| !values.contains_key(*key));
            after.extend(unnamed.map(|key| (key.clone(), None)));
            Ok(after)
        })
    }

    fn alter<C>(
        &self,
        image: &Image,
        resources: &[(ConfigResource, C)],
        validate_only: bool,
        after: impl Fn(&ConfigResource, &C) -> Result<Vec<(String, Option<String>)>, ConfigError>,
    ) -> Outcome<AlterConfigsResult> {
        let mut records = Vec::new();
        let mut response = Vec::with_capacity(resources.len());
        for (resource, change) in resources {
            let result = after(resource, change)
                .map_err(Problem::from)
                .and_then(|after| self.alter_resource(image, resource, after));
            let result = result.map(|mut made| records.append(&mut made));
            response.push((resource.clone(), result));
        }
        if validate_only {
            records.clear();
        }
        Outcome { records, response }
    }

    fn alter_resource(
        &self,
        image: &Image,
        resource: &ConfigResource,
        changes: Vec<(String, Option<String>)>,
    ) -> Result<Vec<Record>, Problem> {
        refuse_name(resource)?;
        let before: BTreeMap<&str, &str> = pairs(image, resource).collect();
        let mut own = before.clone();
        for (key, value) in &changes {
            match value {
                Some(value) => own.insert(key, value),
                None => own.remove(key.as_str()),
            };
        }
        self.validate(image, resource, &own, &before)?;
        refuse_unknown(image, resource)?;
        let elr = image.features.is_elr_enabled();
        let touches_min_isr = changes.iter().any(|(key, _)| key == MIN_ISR);
        if elr && touches_min_isr {
            refuse_min_isr(resource, &own)?;
        }
        let mut records = Vec::new();
        for (key, value) in changes {
            // A broker's value is written again even when it is the same: that is how a node is told to read its files anew.
            let is_same = before.get(key.as_str()).copied() == value.as_deref();
            if is_same && resource.kind != ConfigKind::Broker {
                continue;
            }
            if elr && key == MIN_ISR {
                records.push(clear_elr(resource));
            }
            records.push(config_record(resource, key, value));
        }
        Ok(records)
    }

    fn validate(
        &self,
        image: &Image,
        resource: &ConfigResource,
        own: &BTreeMap<&str, &str>,
        before: &BTreeMap<&str, &str>,
    ) -> Result<(), Problem> {
        match resource.kind {
            ConfigKind::Topic => validate_topic(own, before, &self.effective(image))?,
            ConfigKind::Group => validate_group(own, &self.effective(image))?,
            ConfigKind::ClientMetrics => validate_client_metrics(&resource.name, own)?,
            // Only the broker itself knows what its keys may be; it has checked them before it sent the request.
            ConfigKind::Broker => {}
        }
        Ok(())
    }
}

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        Self::new(error.code, error.message)
    }
}

fn scope_of(resource: &ConfigResource) -> Scope {
    match resource.kind {
        ConfigKind::Topic => Scope::Topic,
        ConfigKind::Broker => Scope::Broker,
        ConfigKind::ClientMetrics => Scope::ClientMetrics,
        ConfigKind::Group => Scope::Group,
    }
}

/// Kafka judges the name, then the values, and only then whether there is such a thing.
fn refuse_name(resource: &ConfigResource) -> Result<(), Problem> {
    let problem = match resource.kind {
        ConfigKind::Topic if resource.name.is_empty() => {
            "Default topic resources are not allowed.".to_owned()
        }
        ConfigKind::Group if resource.name.is_empty() => {
            "Default group resources are not allowed.".to_owned()
        }
        ConfigKind::Topic => match topic_name::problem(&resource.name) {
            Some(problem) => return Err(Problem::new(ErrorCode::InvalidTopicException, problem)),
            None => return Ok(()),
        },
        _ => return Ok(()),
    };
    Err(Problem::new(ErrorCode::InvalidRequest, problem))
}

fn refuse_unknown(image: &Image, resource: &ConfigResource) -> Result<(), Problem> {
    let name = &resource.name;
    match resource.kind {
        ConfigKind::Topic if image.topics.by_name(name).is_none() => Err(Problem::new(
            ErrorCode::UnknownTopicOrPartition,
            format!("The topic '{name}' does not exist."),
        )),
        ConfigKind::Broker if !name.is_empty() => match name.parse::<i32>() {
            Ok(id) if image.brokers.contains_key(&id) => Ok(()),
            Ok(id) => Err(Problem::new(
                ErrorCode::BrokerIdNotRegistered,
                format!("No broker with id {id} found."),
            )),
            Err(_) => Err(Problem::new(
                ErrorCode::InvalidRequest,
                format!("Invalid broker name '{name}'"),
            )),
        },
        _ => Ok(()),
    }
}

/// With ELR every controller must know the same minimum, so it is the cluster's or the topic's and always there.
fn refuse_min_isr(resource: &ConfigResource, own: &BTreeMap<&str, &str>) -> Result<(), Problem> {
    let refuse = |message: &str| Err(Problem::new(ErrorCode::InvalidConfig, message));
    match (resource.kind, resource.name.is_empty()) {
        (ConfigKind::Broker, false) => {
            refuse("Broker-level min.insync.replicas cannot be altered while ELR is enabled.")
        }
        (ConfigKind::Broker, true) if !own.contains_key(MIN_ISR) => {
            refuse("Cluster-level min.insync.replicas cannot be removed while ELR is enabled.")
        }
        _ => Ok(()),
    }
}

/// Another minimum makes the eligible replicas doubtful. The cluster's concerns every topic.
fn clear_elr(resource: &ConfigResource) -> Record {
    let topic_name = match resource.kind {
        ConfigKind::Topic => resource.name.clone(),
        _ => String::new(),
    };
    ClearElrRecord { topic_name }.into()
}

fn config_record(resource: &ConfigResource, name: String, value: Option<String>) -> Record {
    let record = ConfigRecord {
        resource_type: resource.kind.code(),
        resource_name: resource.name.clone(),
        name,
        value,
    };
    record.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::tests::{House, topic};

    /// One change of a running cluster with topic `t`, and the value after it (`-` for none) or the refusal.
    #[track_caller]
    fn check(
        house: &mut House,
        resource: ConfigResource,
        key: &str,
        op: Op,
        value: Option<&str>,
        after: &str,
    ) {
        let change = Change {
            key: key.into(),
            op,
            value: value.map(Into::into),
        };
        let asked = [(resource.clone(), vec![change])];
        let outcome = house
            .controller
            .incremental_alter_configs(&house.image(), &asked, false);
        let (_, result) = house.done(outcome).pop().unwrap();
        let image = house.image();
        let shown = match &result {
            Ok(()) => image.configs.value(&resource, key).unwrap_or("-"),
            Err(problem) => problem.code.name(),
        };
        assert_eq!(shown, after, "{key} {op:?} {value:?}");
    }

    #[test]
    fn configs_change_key_by_key() {
        use Op::*;
        let mut house = House::started();
        house.create(topic("t", 1)).unwrap();
        let h = &mut house;
        let t = || ConfigResource::topic("t");
        let all = ConfigResource::cluster_default;
        check(h, t(), "retention.ms", Set, Some("7"), "7");
        check(h, t(), "retention.ms", Append, Some("7"), "INVALID_CONFIG");
        check(h, t(), "retention.ms", Set, Some("soon"), "INVALID_CONFIG");
        check(h, t(), "retention.ms", Delete, None, "-");
        check(
            h,
            t(),
            "cleanup.policy",
            Append,
            Some("compact"),
            "delete,compact",
        );
        check(h, t(), "cleanup.policy", Subtract, Some("delete"), "compact");
        check(h, t(), "nonsense", Set, Some("7"), "INVALID_CONFIG");
        check(
            h,
            ConfigResource::topic("u"),
            "retention.ms",
            Set,
            Some("7"),
            "UNKNOWN_TOPIC_OR_PARTITION",
        );
        check(
            h,
            ConfigResource::broker(1),
            "log.cleaner.threads",
            Set,
            Some("2"),
            "2",
        );
        check(
            h,
            ConfigResource::broker(9),
            "log.cleaner.threads",
            Set,
            Some("2"),
            "BROKER_ID_NOT_REGISTERED",
        );
        // With ELR the cluster's minimum always stands in the log, and no broker has one of its own.
        check(h, all(), "min.insync.replicas", Set, Some("2"), "2");
        check(h, all(), "min.insync.replicas", Delete, None, "INVALID_CONFIG");
        check(
            h,
            ConfigResource::broker(1),
            "min.insync.replicas",
            Set,
            Some("2"),
            "INVALID_CONFIG",
        );
    }

    #[test]
    fn configs_are_replaced_as_a_whole() {
        let mut house = House::started();
        house.create(topic("t", 1)).unwrap();
        let t = ConfigResource::topic("t");
        for (key, value) in [("retention.ms", "7"), ("segment.ms", "9")] {
            let whole = BTreeMap::from([(key.to_owned(), value.to_owned())]);
            let outcome = house
                .controller
                .alter_configs(&house.image(), &[(t.clone(), whole)], false);
            house.done(outcome).pop().unwrap().1.unwrap();
            let image = house.image();
            let own: Vec<_> = pairs(&image, &t).collect();
            assert_eq!(own, vec![(key, value)]);
        }
    }
}
