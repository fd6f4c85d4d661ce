//! Topics are created and deleted.

use std::collections::{BTreeMap, BTreeSet};

use ottla_base::config::Settings as _;
use ottla_base::config::alter::validate_topic;
use ottla_base::ids::METADATA_TOPIC;
use ottla_base::limits::{PARTITIONS_PER_REQUEST_MAX, TOPIC_NAME_LENGTH_MAX};
use ottla_base::{ErrorCode, Uuid};

use super::{Controller, Draft, Outcome, Problem, placement};
use crate::image::topics::NO_LEADER;
use crate::image::{ConfigKind, Image};
use crate::records::{ClearElrRecord, ConfigRecord, PartitionRecord, RemoveTopicRecord, TopicRecord};

/// One topic to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateTopic {
    pub name: String,
    /// -1 for the cluster's default, and when there is an assignment.
    pub partitions: i32,
    /// -1 for the cluster's default, and when there is an assignment.
    pub replication_factor: i16,
    /// The replicas of each partition; empty lets the controller place them.
    pub assignments: Vec<(i32, Vec<i32>)>,
    pub configs: Vec<(String, Option<String>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    pub id: Uuid,
    pub partitions: i32,
    pub replication_factor: i16,
}

pub type CreateTopicsResult = Vec<(String, Result<CreatedTopic, Problem>)>;

impl Controller {
    /// Creates topics; each succeeds or fails by itself, and those that succeed are one batch.
    pub fn create_topics(
        &mut self,
        image: &Image,
        topics: &[CreateTopic],
        validate_only: bool,
    ) -> Outcome<CreateTopicsResult> {
        let total: usize = topics.iter().map(partitions_asked_for).sum();
        let mut draft = Draft::new(image);
        let mut response = Vec::with_capacity(topics.len());
        for topic in topics {
            let result = if total > PARTITIONS_PER_REQUEST_MAX {
                Err(too_many_partitions())
            } else {
                self.create_topic(&mut draft, topic)
            };
            response.push((topic.name.clone(), result));
        }
        if validate_only {
            return Outcome::nothing(response);
        }
        Outcome {
            records: draft.records,
            response,
        }
    }

    /// Deletes topics by their ids.
    pub fn delete_topics(&self, image: &Image, ids: &[Uuid]) -> Outcome<Vec<(Uuid, Result<(), Problem>)>> {
        let mut seen = BTreeSet::new();
        let mut records = Vec::new();
        let mut delete = |id: Uuid| {
            if image.topics.by_id(id).is_none() {
                return Err(Problem::new(
                    ErrorCode::UnknownTopicId,
                    "This server does not host this topic ID.",
                ));
            }
            if seen.insert(id) {
                records.push(RemoveTopicRecord { topic_id: id }.into());
            }
            Ok(())
        };
        let response = ids.iter().map(|id| (*id, delete(*id))).collect();
        Outcome { records, response }
    }

    fn create_topic(&mut self, draft: &mut Draft, topic: &CreateTopic) -> Result<CreatedTopic, Problem> {
        validate_topic_name(&topic.name)?;
        refuse_existing(&draft.image, &topic.name)?;
        let partitions = if topic.assignments.is_empty() {
            self.placed_partitions(&draft.image, topic)?
        } else {
            assigned_partitions(&draft.image, topic)?
        };
        self.check_configs(&draft.image, topic)?;
        let topic_id = self.unused_topic_id(&draft.image);
        let created = CreatedTopic {
            id: topic_id,
            partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
            replication_factor: partitions.first().map_or(0, |replicas| replicas.len() as i16),
        };
        // Nothing is left of the topic if one of its records is refused.
        let mut attempt = Draft::new(&draft.image);
        attempt.push(TopicRecord {
            name: topic.name.clone(),
            topic_id,
        })?;
        push_configs(&mut attempt, topic)?;
        for (index, replicas) in (0i32..).zip(partitions) {
            attempt.push(new_partition(&draft.image, topic_id, index, replicas))?;
        }
        draft.records.append(&mut attempt.records);
        draft.image = attempt.image;
        Ok(created)
    }

    fn unused_topic_id(&mut self, image: &Image) -> Uuid {
        loop {
            let id = self.random.uuid();
            if image.topics.by_id(id).is_none() {
                return id;
            }
        }
    }

    /// Replicas for a topic that leaves the choice to the controller.
    fn placed_partitions(&mut self, image: &Image, topic: &CreateTopic) -> Result<Vec<Vec<i32>>, Problem> {
        if topic.replication_factor == 0 || topic.replication_factor < -1 {
            return Err(Problem::new(
                ErrorCode::InvalidReplicationFactor,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            ));
        }
        if topic.partitions == 0 || topic.partitions < -1 {
            return Err(Problem::new(
                ErrorCode::InvalidPartitions,
                "Number of partitions was set to an invalid non-positive value.",
            ));
        }
        let effective = self.effective(image);
        let partitions = match topic.partitions {
            -1 => effective.i32("num.partitions"),
            given => given,
        };
        let replication_factor = match topic.replication_factor {
            -1 => effective.i32("default.replication.factor"),
            given => given.into(),
        };
        let count = usize::try_from(partitions).unwrap_or(0);
        if count > PARTITIONS_PER_REQUEST_MAX {
            return Err(too_many_partitions());
        }
        let factor = usize::try_from(replication_factor).unwrap_or(0);
        placement::place(image, count, factor, &mut self.random)
    }

    fn check_configs(&self, image: &Image, topic: &CreateTopic) -> Result<(), Problem> {
        let nulls: Vec<&str> = topic
            .configs
            .iter()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name.as_str())
            .collect();
        if !nulls.is_empty() {
            return Err(Problem::new(
                ErrorCode::InvalidConfig,
                format!("Null value not supported for topic configs: {}", nulls.join(",")),
            ));
        }
        let own: BTreeMap<&str, &str> = topic
            .configs
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)))
            .collect();
        validate_topic(&own, &BTreeMap::new(), &self.effective(image))?;
        Ok(())
    }
}

/// Refuses what no topic may be called (and no directory could).
pub fn validate_topic_name(name: &str) -> Result<(), Problem> {
    let refuse = |why: String| Err(Problem::new(ErrorCode::InvalidTopicException, why));
    if name == METADATA_TOPIC {
        return Err(Problem::new(
            ErrorCode::InvalidRequest,
            format!("Creation of internal topic {METADATA_TOPIC} is prohibited."),
        ));
    }
    if name.is_empty() {
        return refuse("Topic name is invalid: the empty string is not allowed".into());
    }
    if name == "." || name == ".." {
        return refuse(format!("Topic name is invalid: '{name}' is not allowed"));
    }
    if name.len() > TOPIC_NAME_LENGTH_MAX {
        return refuse(format!(
            "Topic name is invalid: the length of '{name}' is longer than the max allowed length {TOPIC_NAME_LENGTH_MAX}"
        ));
    }
    if !name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    {
        return refuse(format!(
            "Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' \
             and '-'"
        ));
    }
    Ok(())
}

/// Names that differ only in `.` and `_` collide, since metric names turn one into the other.
fn refuse_existing(image: &Image, name: &str) -> Result<(), Problem> {
    if image.topics.by_name(name).is_some() {
        return Err(Problem::new(
            ErrorCode::TopicAlreadyExists,
            format!("Topic '{name}' already exists."),
        ));
    }
    if !name.contains(['.', '_']) {
        return Ok(());
    }
    let unified = |byte: u8| if byte == b'.' { b'_' } else { byte };
    let collides =
        |other: &str| other.len() == name.len() && other.bytes().map(unified).eq(name.bytes().map(unified));
    match image.topics.iter().find(|topic| collides(&topic.name)) {
        None => Ok(()),
        Some(other) => Err(Problem::new(
            ErrorCode::InvalidTopicException,
            format!("Topic '{name}' collides with existing topic: {}", other.name),
        )),
    }
}

fn assigned_partitions(image: &Image, topic: &CreateTopic) -> Result<Vec<Vec<i32>>, Problem> {
    let manual = "A manual partition assignment was specified, but";
    if topic.replication_factor != -1 {
        let message = format!("{manual} replication factor was not set to -1.");
        return Err(Problem::new(ErrorCode::InvalidRequest, message));
    }
    if topic.partitions != -1 {
        let message = format!("{manual} numPartitions was not set to -1.");
        return Err(Problem::new(ErrorCode::InvalidRequest, message));
    }
    let by_index: BTreeMap<i32, &Vec<i32>> = topic.assignments.iter().map(|(i, r)| (*i, r)).collect();
    let is_sequence = by_index.keys().copied().eq(0..topic.assignments.len() as i32);
    if !is_sequence {
        return Err(Problem::new(
            ErrorCode::InvalidReplicaAssignment,
            "partitions should be a consecutive 0-based integer sequence",
        ));
    }
    let mut replication_factor = None;
    let mut partitions = Vec::with_capacity(by_index.len());
    for (index, replicas) in by_index {
        check_assignment(image, index, replicas, replication_factor)?;
        replication_factor = Some(replicas.len());
        partitions.push(replicas.clone());
    }
    Ok(partitions)
}

/// What every manual assignment must pass.
pub(super) fn check_assignment(
    image: &Image,
    partition_id: i32,
    replicas: &[i32],
    replication_factor: Option<usize>,
) -> Result<(), Problem> {
    check_replicas(image, replicas, replication_factor)?;
    if !replicas.iter().any(|id| image.active_broker(*id).is_some()) {
        return refuse_assignment(format!(
            "All brokers specified in the manual partition assignment for partition {partition_id} are fenced or in \
             controlled shutdown."
        ));
    }
    Ok(())
}

/// The part of the check that does not ask who is alive: a reassignment may name brokers that are down.
pub(super) fn check_replicas(
    image: &Image,
    replicas: &[i32],
    replication_factor: Option<usize>,
) -> Result<(), Problem> {
    if replicas.is_empty() {
        return refuse_assignment("The manual partition assignment includes an empty replica list.".into());
    }
    let mut sorted = replicas.to_vec();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair.first() == pair.last()) {
        let id = pair.first().copied().unwrap_or_default();
        return refuse_assignment(format!(
            "The manual partition assignment includes the broker {id} more than once."
        ));
    }
    if let Some(id) = sorted.iter().find(|id| !image.brokers.contains_key(*id)) {
        return refuse_assignment(format!(
            "The manual partition assignment includes broker {id}, but no such broker is registered."
        ));
    }
    match replication_factor {
        Some(factor) if factor != replicas.len() => refuse_assignment(format!(
            "The manual partition assignment includes a partition with {} replica(s), but this is not consistent with \
             previous partitions, which have {factor} replica(s).",
            replicas.len()
        )),
        _ => Ok(()),
    }
}

fn refuse_assignment(message: String) -> Result<(), Problem> {
    Err(Problem::new(ErrorCode::InvalidReplicaAssignment, message))
}

/// A partition at its beginning: whoever is alive is in sync with a log that is empty.
pub(super) fn new_partition(
    image: &Image,
    topic_id: Uuid,
    partition_id: i32,
    replicas: Vec<i32>,
) -> PartitionRecord {
    let isr: Vec<i32> = replicas
        .iter()
        .copied()
        .filter(|id| image.active_broker(*id).is_some())
        .collect();
    PartitionRecord {
        partition_id,
        topic_id,
        leader: isr.first().copied().unwrap_or(NO_LEADER),
        isr,
        leader_epoch: 0,
        partition_epoch: 0,
        directories: replicas
            .iter()
            .map(|id| placement::directory_for(image, *id))
            .collect(),
        replicas,
        ..PartitionRecord::default()
    }
}

/// The configs in the order of their names, as Kafka writes them.
fn push_configs(draft: &mut Draft, topic: &CreateTopic) -> Result<(), Problem> {
    let configs: BTreeMap<&String, &Option<String>> = topic.configs.iter().map(|(n, v)| (n, v)).collect();
    let sets_min_isr = configs.keys().any(|name| *name == "min.insync.replicas");
    for (name, value) in configs {
        draft.push(ConfigRecord {
            resource_type: ConfigKind::Topic.code(),
            resource_name: topic.name.clone(),
            name: name.clone(),
            value: value.clone(),
        })?;
    }
    if sets_min_isr && draft.image.features.is_elr_enabled() {
        let topic_name = topic.name.clone();
        draft.push(ClearElrRecord { topic_name })?;
    }
    Ok(())
}

fn partitions_asked_for(topic: &CreateTopic) -> usize {
    match topic.assignments.len() {
        0 => usize::try_from(topic.partitions).unwrap_or(1),
        assigned => assigned,
    }
}

pub(super) fn too_many_partitions() -> Problem {
    Problem::new(
        ErrorCode::PolicyViolation,
        format!(
            "Excessively large number of partitions per request. Maximum is {PARTITIONS_PER_REQUEST_MAX}."
        ),
    )
}
