//! The cluster as the metadata log tells it: one immutable picture, shared by every reader.
//!
//! The image is built of persistent maps, so that a clone costs nothing and a change copies only what it touches. Whoever
//! holds an `Arc<Image>` sees one moment of the cluster for as long as it likes. Records are applied by [`Image::apply`],
//! which also notes in a [`Delta`] what the rooms have to hear of.

pub mod acls;
pub mod cluster;
pub mod configs;
pub mod features;
pub mod quotas;
pub mod scram;
pub mod topics;

use std::sync::Arc;

use imbl::OrdMap;

pub use acls::Acl;
pub use cluster::{Broker, ControllerRegistration, Endpoint, FeatureRange, Voter};
pub use configs::{ConfigKind, ConfigResource, Configs};
pub use features::Features;
pub use quotas::{ClientQuotas, QuotaEntity};
pub use scram::{Scram, ScramCredential, ScramMechanism};
pub use topics::{Partition, Topic, Topics};

use crate::delta::Delta;
use crate::records::{DelegationTokenRecord, Record};
use ottla_base::Uuid;

/// A record that cannot be applied: the log contradicts itself, and nothing may be served from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error("{record} names broker {broker_id}, which is not registered")]
    UnknownBroker { record: &'static str, broker_id: i32 },
    #[error("{record} names topic {topic_id}, which does not exist")]
    UnknownTopic { record: &'static str, topic_id: Uuid },
    #[error("{record} names partition {partition} of topic {topic}, which does not exist")]
    UnknownPartition {
        record: &'static str,
        topic: String,
        partition: i32,
    },
    #[error("topic {0} is created a second time")]
    DuplicateTopic(String),
    #[error("config resource type {0} is not known")]
    UnknownConfigKind(i8),
    #[error("feature {name} is finalized at {level}, which this build does not support")]
    UnsupportedFeature { name: String, level: i16 },
    #[error("SCRAM mechanism {0} is not known")]
    UnknownScramMechanism(i8),
    #[error("{0} inside a metadata transaction that is already open, or without one")]
    UnbalancedTransaction(&'static str),
}

/// All cluster metadata at one offset. Cloning is cheap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    /// Offset of the last record that was applied; -1 before the first.
    pub offset: i64,
    /// Leader epoch of that record.
    pub epoch: i32,
    pub features: Features,
    pub brokers: OrdMap<i32, Arc<Broker>>,
    pub controllers: OrdMap<i32, Arc<ControllerRegistration>>,
    pub topics: Topics,
    pub configs: Configs,
    pub client_quotas: ClientQuotas,
    /// The first producer id that no block has taken; `None` before the first block.
    pub next_producer_id: Option<i64>,
    pub acls: OrdMap<Uuid, Arc<Acl>>,
    pub scram: Scram,
    pub delegation_tokens: OrdMap<String, Arc<DelegationTokenRecord>>,
    /// The quorum's voters, when they live in the log (`kraft.version` 1); they come from control records.
    pub voters: Arc<Vec<Voter>>,
}

impl Image {
    /// The cluster before its first record.
    pub fn empty() -> Self {
        Self {
            offset: -1,
            epoch: -1,
            ..Self::default()
        }
    }

    /// The state that a partition of a topic has, by the topic's name.
    pub fn partition(&self, topic: &str, partition: i32) -> Option<&Arc<Partition>> {
        self.topics.by_name(topic)?.partitions.get(&partition)
    }

    /// Applies one record. Records of an open metadata transaction must go through [`crate::replay::Replay`].
    pub fn apply(&mut self, record: &Record, offset: i64, delta: &mut Delta) -> Result<(), ImageError> {
        match record {
            Record::FeatureLevel(r) => self.features.apply(r, delta)?,
            Record::RegisterBroker(r) => self.register_broker(r, delta),
            Record::UnregisterBroker(r) => self.unregister_broker(r, delta)?,
            Record::FenceBroker(r) => self.change_broker(r.id, record.name(), delta, |b| b.fenced = true)?,
            Record::UnfenceBroker(r) => {
                self.change_broker(r.id, record.name(), delta, |b| b.fenced = false)?
            }
            Record::BrokerRegistrationChange(r) => {
                self.change_broker(r.broker_id, record.name(), delta, |b| b.change(r))?;
            }
            Record::RegisterController(r) => {
                let controller = ControllerRegistration::from(r);
                self.controllers.insert(r.controller_id, Arc::new(controller));
            }
            Record::Topic(r) => self.topics.create(r, delta)?,
            Record::RemoveTopic(r) => {
                let name = self.topics.remove(r, delta)?;
                self.configs.remove_topic(&name);
            }
            Record::Partition(r) => self.topics.put_partition(r, delta)?,
            Record::PartitionChange(r) => self.topics.change_partition(r, delta)?,
            Record::ClearElr(r) => self.topics.clear_elr(r, delta)?,
            Record::Config(r) => self.configs.apply(r, delta)?,
            Record::ClientQuota(r) => self.client_quotas.apply(r, delta),
            Record::ProducerIds(r) => self.next_producer_id = Some(r.next_producer_id),
            Record::AccessControlEntry(_) | Record::RemoveAccessControlEntry(_) => {
                self.apply_acl(record, delta)
            }
            Record::UserScramCredential(r) => self.scram.put(r, delta)?,
            Record::RemoveUserScramCredential(r) => self.scram.remove(r, delta)?,
            Record::DelegationToken(r) => {
                self.delegation_tokens
                    .insert(r.token_id.clone(), Arc::new(r.clone()));
                delta.delegation_tokens = true;
            }
            Record::RemoveDelegationToken(r) => {
                self.delegation_tokens.remove(&r.token_id);
                delta.delegation_tokens = true;
            }
            Record::NoOp(_) | Record::ZkMigrationState(_) => {}
            Record::BeginTransaction(_) | Record::EndTransaction(_) | Record::AbortTransaction(_) => {
                return Err(ImageError::UnbalancedTransaction(record.name()));
            }
        }
        self.offset = offset;
        Ok(())
    }

    fn apply_acl(&mut self, record: &Record, delta: &mut Delta) {
        match record {
            Record::AccessControlEntry(r) => {
                self.acls.insert(r.id, Arc::new(Acl::from(r)));
            }
            Record::RemoveAccessControlEntry(r) => {
                self.acls.remove(&r.id);
            }
            _ => return,
        }
        delta.acls = true;
    }
}
