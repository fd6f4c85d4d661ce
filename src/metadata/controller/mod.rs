//! The active controller as a pure machine: a request, the image and the time go in; records and a response come out.
//!
//! Each operation reads the image of everything that has been proposed so far and answers with an [`Outcome`]. The records of
//! one outcome are one batch: all of them happen or none. What is not in the log is soft state and lives in [`Controller`]:
//! when each broker was last heard of, and the source of randomness. Losing it costs one session timeout.

mod alter_partition;
mod bootstrap;
mod brokers;
mod configs;
mod directories;
mod elections;
mod features;
mod partition_change;
mod partitions;
mod placement;
mod producer_ids;
mod random;
mod reassignments;
mod registration;
mod topics;

#[cfg(test)]
mod sim_tests;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_base::ErrorCode;
use ottla_base::config::{BrokerConfig, Effective, Settings as _};

pub use alter_partition::{AlterPartition, AlterPartitionResult, IsrMember};
pub use brokers::{Heartbeat, HeartbeatReply};
pub use configs::AlterConfigsResult;
pub use elections::{ElectionKind, ElectionResult};
pub use features::{FeatureUpdate, UpgradeType};
pub use partition_change::{Election, PartitionChange};
pub use partitions::CreatePartitions;
pub use producer_ids::ProducerIdBlock;
pub use random::Random;
pub use reassignments::{OngoingReassignment, Reassignment, ongoing as ongoing_reassignments};
pub use registration::RegisterBroker;
pub use topics::{CreateTopic, CreateTopicsResult, CreatedTopic, validate_topic_name};

use crate::delta::Delta;
use crate::image::{ConfigResource, Image, Partition, Topic};
use crate::records::Record;

/// What an operation does and what it answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<T> {
    /// One atomic batch; empty when nothing changes.
    pub records: Vec<Record>,
    pub response: T,
}

impl<T> Outcome<T> {
    pub fn nothing(response: T) -> Self {
        Self {
            records: Vec::new(),
            response,
        }
    }

    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Outcome<U> {
        Outcome {
            records: self.records,
            response: f(self.response),
        }
    }
}

/// Why an operation is refused, as the client will read it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Problem {
    pub code: ErrorCode,
    pub message: String,
}

impl Problem {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// The controller's soft state.
#[derive(Clone, Debug)]
pub struct Controller {
    config: Arc<BrokerConfig>,
    random: Random,
    sessions: BTreeMap<i32, brokers::Session>,
}

impl Controller {
    /// `seed` decides ids and placements: random in life, fixed in tests.
    pub fn new(config: Arc<BrokerConfig>, seed: u64) -> Self {
        Self {
            config,
            random: Random::new(seed),
            sessions: BTreeMap::new(),
        }
    }

    /// A fresh leader knows nothing of the brokers' heartbeats: each unfenced one gets a whole session to be heard of. Not so
    /// the broker of this very process: whoever held its registration before is gone, since the log dirs are ours.
    pub fn activate(&mut self, image: &Image, now_ms: i64) {
        self.sessions = image
            .brokers
            .values()
            .filter(|broker| !broker.fenced && Some(broker.id) != self.own_broker())
            .map(|broker| (broker.id, brokers::Session::new(now_ms)))
            .collect();
    }

    /// The broker of this very process, if it has one.
    fn own_broker(&self) -> Option<i32> {
        self.config.is_broker.then_some(self.config.node_id)
    }

    /// What is in force on this node: its file under the cluster's dynamic values and its own.
    pub fn effective(&self, image: &Image) -> Effective {
        let cluster = pairs(image, &ConfigResource::cluster_default());
        let broker = pairs(image, &ConfigResource::broker(self.config.node_id));
        Effective::new(Arc::clone(&self.config), cluster, broker)
    }

    fn rules(&self, image: &Image) -> Rules {
        Rules(self.effective(image))
    }
}

/// The configs that decide elections, as they are in force for topics.
struct Rules(Effective);

/// What a topic's configs say about elections.
#[derive(Clone, Copy)]
struct TopicRules {
    /// The ISR below which nothing can be committed, so that whoever was in it stays eligible.
    min_isr: usize,
    allows_unclean_election: bool,
}

impl Rules {
    fn of(&self, image: &Image, topic: &Topic) -> TopicRules {
        let settings = self.0.topic(pairs(image, &ConfigResource::topic(&*topic.name)));
        TopicRules {
            min_isr: usize::try_from(settings.i32("min.insync.replicas")).unwrap_or(1),
            allows_unclean_election: settings.bool("unclean.leader.election.enable"),
        }
    }
}

impl TopicRules {
    /// A change of the partition with the topic's rules filled in.
    fn change<'a>(
        self,
        image: &'a Image,
        topic: &Topic,
        partition_id: i32,
        partition: &'a Partition,
    ) -> PartitionChange<'a> {
        let mut change = PartitionChange::new(image, topic.id, partition_id, partition);
        change.min_isr = self.min_isr.min(partition.replicas.len());
        if self.allows_unclean_election {
            change.election = Election::Unclean;
        }
        change
    }
}

/// Records that build on one another: each is applied to a copy of the image before the next is made.
struct Draft {
    image: Image,
    records: Vec<Record>,
}

impl Draft {
    fn new(image: &Image) -> Self {
        Self {
            image: image.clone(),
            records: Vec::new(),
        }
    }

    fn push(&mut self, record: impl Into<Record>) -> Result<(), Problem> {
        let record = record.into();
        let offset = self.image.offset + 1;
        self.image
            .apply(&record, offset, &mut Delta::default())
            .map_err(|error| Problem::new(ErrorCode::UnknownServerError, error.to_string()))?;
        self.records.push(record);
        Ok(())
    }

    fn extend(&mut self, records: Vec<Record>) -> Result<(), Problem> {
        records.into_iter().try_for_each(|record| self.push(record))
    }
}

fn pairs<'a>(
    image: &'a Image,
    resource: &ConfigResource,
) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
    let values = image.configs.get(resource);
    values.iter().map(|(key, value)| (key.as_str(), value.as_str()))
}
