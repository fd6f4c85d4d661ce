//! The nodes: brokers with their state, controllers, and the voters of the quorum.

use std::ops::RangeInclusive;
use std::sync::Arc;

use ottla_base::Uuid;
use ottla_base::ids::{DIRECTORY_LOST, DIRECTORY_MIGRATING, DIRECTORY_UNASSIGNED};

use super::{Image, ImageError};
use crate::delta::Delta;
use crate::features::MetadataVersion;
use crate::records::{
    BrokerRegistrationChangeRecord, EndPointRecord, FeatureRangeRecord, RegisterBrokerRecord,
    RegisterControllerRecord, UnregisterBrokerRecord,
};

/// A registered broker.
#[derive(Clone, Debug, PartialEq)]
pub struct Broker {
    pub id: i32,
    pub epoch: i64,
    pub incarnation_id: Uuid,
    pub is_migrating_zk_broker: bool,
    pub endpoints: Vec<Endpoint>,
    pub features: Vec<FeatureRange>,
    pub rack: Option<String>,
    /// A fenced broker leads nothing and is shown to no client.
    pub fenced: bool,
    pub in_controlled_shutdown: bool,
    /// Ids of the log dirs that are online, sorted.
    pub directories: Vec<Uuid>,
    /// Log dirs that take no new replicas; `None` until the broker has said so.
    pub cordoned_directories: Option<Vec<Uuid>>,
}

pub type Endpoint = EndPointRecord;
pub type FeatureRange = FeatureRangeRecord;

/// A registered controller.
#[derive(Clone, Debug, PartialEq)]
pub struct ControllerRegistration {
    pub id: i32,
    pub incarnation_id: Uuid,
    pub zk_migration_ready: bool,
    pub endpoints: Vec<Endpoint>,
    pub features: Vec<FeatureRange>,
}

/// A voter of the quorum, as the log's control records name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    pub id: i32,
    pub directory_id: Uuid,
    /// Listener name, host and port.
    pub endpoints: Vec<(String, String, u16)>,
    /// The levels of `kraft.version` that it can speak.
    pub kraft_versions: (i16, i16),
}

impl Broker {
    /// Whether the broker may lead and be in an ISR.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == listener)
    }

    /// Whether a replica that lies in this dir is there to be read. Reserved ids other than "lost" are dirs that are not known
    /// yet, which counts as online.
    pub fn has_online_directory(&self, directory: Uuid) -> bool {
        match directory {
            DIRECTORY_LOST => false,
            DIRECTORY_MIGRATING | DIRECTORY_UNASSIGNED => true,
            directory => self.directories.is_empty() || self.directories.contains(&directory),
        }
    }

    /// Whether every log dir is closed for new replicas (KIP-1066).
    pub fn is_cordoned(&self) -> bool {
        let cordoned = self.cordoned_directories.as_deref().unwrap_or_default();
        !self.directories.is_empty() && self.directories.iter().all(|id| cordoned.contains(id))
    }

    /// The dir that a new replica on this broker gets: the only one, or the broker chooses.
    pub fn directory_for_new_replica(&self) -> Uuid {
        match self.directories.as_slice() {
            [only] => *only,
            [] => DIRECTORY_MIGRATING,
            _ => DIRECTORY_UNASSIGNED,
        }
    }

    /// The levels of a feature that this broker understands: only 0 of one that it has not named.
    pub fn feature_range(&self, feature: &str) -> RangeInclusive<i16> {
        self.features
            .iter()
            .find(|f| f.name == feature)
            .map_or(0..=0, |f| f.min_supported_version..=f.max_supported_version)
    }

    pub(super) fn change(&mut self, change: &BrokerRegistrationChangeRecord) {
        match change.fenced {
            1 => self.fenced = true,
            -1 => self.fenced = false,
            _ => {}
        }
        if change.in_controlled_shutdown == 1 {
            self.in_controlled_shutdown = true;
        }
        if !change.log_dirs.is_empty() {
            self.directories = sorted(&change.log_dirs);
        }
        if let Some(cordoned) = &change.cordoned_log_dirs {
            self.cordoned_directories = Some(sorted(cordoned));
        }
    }

    pub fn to_record(&self, version: MetadataVersion) -> RegisterBrokerRecord {
        RegisterBrokerRecord {
            broker_id: self.id,
            is_migrating_zk_broker: self.is_migrating_zk_broker,
            incarnation_id: self.incarnation_id,
            broker_epoch: self.epoch,
            end_points: self.endpoints.clone(),
            features: self.features.clone(),
            rack: self.rack.clone(),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: self.directories.clone(),
            cordoned_log_dirs: self
                .cordoned_directories
                .clone()
                .filter(|_| version.has_cordoned_dirs()),
        }
    }
}

impl From<&RegisterBrokerRecord> for Broker {
    fn from(record: &RegisterBrokerRecord) -> Self {
        Self {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            is_migrating_zk_broker: record.is_migrating_zk_broker,
            endpoints: record.end_points.clone(),
            features: by_name(&record.features),
            rack: record.rack.clone(),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            directories: sorted(&record.log_dirs),
            cordoned_directories: record.cordoned_log_dirs.as_deref().map(sorted),
        }
    }
}

impl ControllerRegistration {
    pub fn to_record(&self) -> RegisterControllerRecord {
        RegisterControllerRecord {
            controller_id: self.id,
            incarnation_id: self.incarnation_id,
            zk_migration_ready: self.zk_migration_ready,
            end_points: self.endpoints.clone(),
            features: self.features.clone(),
        }
    }
}

impl From<&RegisterControllerRecord> for ControllerRegistration {
    fn from(record: &RegisterControllerRecord) -> Self {
        Self {
            id: record.controller_id,
            incarnation_id: record.incarnation_id,
            zk_migration_ready: record.zk_migration_ready,
            endpoints: record.end_points.clone(),
            features: by_name(&record.features),
        }
    }
}

impl Image {
    /// The broker, if it is registered and serves clients.
    pub fn active_broker(&self, id: i32) -> Option<&Arc<Broker>> {
        self.brokers.get(&id).filter(|broker| broker.is_active())
    }

    pub(super) fn register_broker(&mut self, record: &RegisterBrokerRecord, delta: &mut Delta) {
        self.brokers
            .insert(record.broker_id, Arc::new(Broker::from(record)));
        delta.brokers.insert(record.broker_id);
    }

    pub(super) fn unregister_broker(
        &mut self,
        record: &UnregisterBrokerRecord,
        delta: &mut Delta,
    ) -> Result<(), ImageError> {
        let broker_id = record.broker_id;
        self.brokers.remove(&broker_id).ok_or(ImageError::UnknownBroker {
            record: "UnregisterBrokerRecord",
            broker_id,
        })?;
        delta.brokers.insert(broker_id);
        Ok(())
    }

    pub(super) fn change_broker(
        &mut self,
        broker_id: i32,
        record: &'static str,
        delta: &mut Delta,
        change: impl FnOnce(&mut Broker),
    ) -> Result<(), ImageError> {
        let broker = self
            .brokers
            .get_mut(&broker_id)
            .ok_or(ImageError::UnknownBroker { record, broker_id })?;
        change(Arc::make_mut(broker));
        delta.brokers.insert(broker_id);
        Ok(())
    }
}

/// A set by its meaning; Kafka writes it in any order.
fn by_name(features: &[FeatureRange]) -> Vec<FeatureRange> {
    let mut features = features.to_vec();
    features.sort_by(|a, b| a.name.cmp(&b.name));
    features
}

fn sorted(ids: &[Uuid]) -> Vec<Uuid> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}
