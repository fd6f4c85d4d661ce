//! The dynamic configs: what was set for a topic, a broker, all brokers, a group or a client-metrics subscription.

use imbl::OrdMap;

use super::ImageError;
use crate::delta::Delta;
use crate::records::ConfigRecord;

/// What a config belongs to. The numbers are Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum ConfigKind {
    Topic = 2,
    Broker = 4,
    ClientMetrics = 16,
    Group = 32,
}

impl ConfigKind {
    pub fn from_code(code: i8) -> Option<Self> {
        [Self::Topic, Self::Broker, Self::ClientMetrics, Self::Group]
            .into_iter()
            .find(|kind| kind.code() == code)
    }

    pub fn code(self) -> i8 {
        self as i8
    }
}

/// One thing that has configs. The broker with the empty name is the default of all brokers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    pub kind: ConfigKind,
    pub name: String,
}

impl ConfigResource {
    pub fn new(kind: ConfigKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }

    pub fn topic(name: impl Into<String>) -> Self {
        Self::new(ConfigKind::Topic, name)
    }

    pub fn broker(id: i32) -> Self {
        Self::new(ConfigKind::Broker, id.to_string())
    }

    pub fn cluster_default() -> Self {
        Self::new(ConfigKind::Broker, "")
    }
}

/// All dynamic configs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configs {
    resources: OrdMap<ConfigResource, OrdMap<String, String>>,
    none: OrdMap<String, String>,
}

impl Configs {
    /// What was set for the resource; empty when nothing was.
    pub fn get(&self, resource: &ConfigResource) -> &OrdMap<String, String> {
        self.resources.get(resource).unwrap_or(&self.none)
    }

    /// One value of one resource.
    pub fn value(&self, resource: &ConfigResource, name: &str) -> Option<&str> {
        self.get(resource).get(name).map(String::as_str)
    }

    /// Every resource that has a config, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&ConfigResource, &OrdMap<String, String>)> {
        self.resources.iter()
    }

    /// The resources of one kind that have a config, in the order of their names.
    pub fn of_kind(&self, kind: ConfigKind) -> impl Iterator<Item = (&str, &OrdMap<String, String>)> {
        let all = self.resources.range(ConfigResource::new(kind, "")..);
        all.take_while(move |(resource, _)| resource.kind == kind)
            .map(|(resource, values)| (resource.name.as_str(), values))
    }

    pub(super) fn apply(&mut self, record: &ConfigRecord, delta: &mut Delta) -> Result<(), ImageError> {
        let kind = ConfigKind::from_code(record.resource_type)
            .ok_or(ImageError::UnknownConfigKind(record.resource_type))?;
        let resource = ConfigResource::new(kind, record.resource_name.as_str());
        let values = self.resources.entry(resource.clone()).or_default();
        match &record.value {
            Some(value) => {
                values.insert(record.name.clone(), value.clone());
            }
            None => {
                values.remove(&record.name);
            }
        }
        if values.is_empty() {
            self.resources.remove(&resource);
        }
        delta.configs.insert(resource);
        Ok(())
    }

    pub(super) fn remove_topic(&mut self, name: &str) {
        self.resources.remove(&ConfigResource::topic(name));
    }
}
