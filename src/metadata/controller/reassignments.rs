//! Replicas are moved: a reassignment is started, replaced, cancelled and listed here; AlterPartition finishes it.

use ottla_base::{ErrorCode, TopicPartition};

use super::topics::check_replicas;
use super::{Controller, Election, Outcome, Problem};
use crate::image::topics::RECOVERING;
use crate::image::{Image, Partition, Topic};
use crate::records::Record;

/// Where one partition is to go; `None` cancels what is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reassignment {
    pub partition: TopicPartition,
    pub replicas: Option<Vec<i32>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OngoingReassignment {
    pub partition: TopicPartition,
    pub replicas: Vec<i32>,
    pub adding: Vec<i32>,
    pub removing: Vec<i32>,
}

impl Controller {
    pub fn alter_reassignments(
        &self,
        image: &Image,
        requests: &[Reassignment],
        allow_factor_change: bool,
    ) -> Outcome<Vec<(TopicPartition, Result<(), Problem>)>> {
        let mut records = Vec::new();
        let mut response = Vec::with_capacity(requests.len());
        for request in requests {
            let result = self.reassign(image, request, allow_factor_change);
            let result = result.map(|record| records.extend(record));
            response.push((request.partition.clone(), result));
        }
        Outcome { records, response }
    }

    fn reassign(
        &self,
        image: &Image,
        request: &Reassignment,
        allow_factor_change: bool,
    ) -> Result<Option<Record>, Problem> {
        let id = &request.partition;
        let unknown = |what: String| Problem::new(ErrorCode::UnknownTopicOrPartition, what);
        let topic = image
            .topics
            .by_name(&id.topic)
            .ok_or_else(|| unknown(format!("Unable to find a topic named {}.", id.topic)))?;
        let partition = topic
            .partitions
            .get(&id.partition)
            .ok_or_else(|| unknown(format!("Unable to find partition {}:{}.", id.topic, id.partition)))?;
        match &request.replicas {
            None => self.cancel(image, topic, id.partition, partition),
            Some(target) => {
                check_replicas(image, target, None)?;
                if !allow_factor_change && target.len() != factor_of(partition) {
                    return Err(Problem::new(
                        ErrorCode::InvalidReplicationFactor,
                        format!(
                            "The replication factor is changed from {} to {}",
                            factor_of(partition),
                            target.len()
                        ),
                    ));
                }
                Ok(self.start(image, topic, id.partition, partition, target))
            }
        }
    }

    /// The new replicas come first in the list, those that are to go stay behind them until the new ones are in sync.
    fn start(
        &self,
        image: &Image,
        topic: &Topic,
        index: i32,
        partition: &Partition,
        target: &[i32],
    ) -> Option<Record> {
        let rules = self.rules(image).of(image, topic);
        let mut change = rules.change(image, topic, index, partition);
        let is_new = |id: &i32| !partition.replicas.contains(id) || partition.adding.contains(id);
        change.adding = target.iter().copied().filter(is_new).collect();
        change.removing = partition
            .replicas
            .iter()
            .copied()
            .filter(|id| !target.contains(id))
            .collect();
        change.replicas = [target, change.removing.as_slice()].concat();
        change.build().map(Record::from)
    }

    fn cancel(
        &self,
        image: &Image,
        topic: &Topic,
        index: i32,
        partition: &Partition,
    ) -> Result<Option<Record>, Problem> {
        if !partition.is_reassigning() {
            return Err(Problem::new(
                ErrorCode::NoReassignmentInProgress,
                "No partition reassignment is in progress.",
            ));
        }
        let rules = self.rules(image).of(image, topic);
        let mut change = rules.change(image, topic, index, partition);
        let was_there = |id: &i32| !partition.adding.contains(id);
        change.replicas.retain(was_there);
        change.isr.retain(was_there);
        change.adding.clear();
        change.removing.clear();
        if change.isr.is_empty() {
            if !rules.allows_unclean_election {
                return Err(Problem::new(
                    ErrorCode::InvalidReplicaAssignment,
                    format!(
                        "Unable to revert partition assignment for {}:{index} because it would require an unclean leader \
                         election.",
                        topic.name
                    ),
                ));
            }
            change.election = Election::Unclean;
            // All that was in sync goes. Without ELR somebody must stay in the ISR, and whoever it is may lack something.
            if !image.features.is_elr_enabled() {
                let alive = |id: &&i32| image.active_broker(**id).is_some();
                let chosen = change.replicas.iter().find(alive).or(change.replicas.first());
                change.isr = chosen.copied().into_iter().collect();
                change.leader_recovery = RECOVERING;
            }
        }
        Ok(change.build().map(Record::from))
    }
}

/// Reassignments under way; of all topics when there is no list.
pub fn ongoing(image: &Image, of: Option<&[TopicPartition]>) -> Vec<OngoingReassignment> {
    let describe = |topic: &Topic, index: i32, partition: &Partition| OngoingReassignment {
        partition: TopicPartition::new(topic.name.clone(), index),
        replicas: partition.replicas.clone(),
        adding: partition.adding.clone(),
        removing: partition.removing.clone(),
    };
    let wanted = |topic: &Topic, index: i32| {
        of.is_none_or(|of| {
            of.iter()
                .any(|id| id.topic == topic.name && id.partition == index)
        })
    };
    let mut found = Vec::new();
    for topic in image.topics.iter() {
        for (index, partition) in topic.partitions.iter().filter(|(_, p)| p.is_reassigning()) {
            if wanted(topic, *index) {
                found.push(describe(topic, *index, partition));
            }
        }
    }
    found
}

/// How many replicas the partition has when nothing moves.
fn factor_of(partition: &Partition) -> usize {
    partition.replicas.len() - partition.adding.len()
}
