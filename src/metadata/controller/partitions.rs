//! Partitions are added to a topic.

use ottla_base::ErrorCode;
use ottla_base::limits::PARTITIONS_PER_REQUEST_MAX;

use super::topics::{check_assignment, new_partition, too_many_partitions};
use super::{Controller, Outcome, Problem, placement};
use crate::image::{Image, Topic};
use crate::records::Record;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreatePartitions {
    pub topic: String,
    /// How many partitions the topic is to have.
    pub count: i32,
    /// The replicas of each added partition, or the controller's choice.
    pub assignments: Option<Vec<Vec<i32>>>,
}

impl Controller {
    /// Adds partitions; each topic succeeds or fails by itself.
    pub fn create_partitions(
        &mut self,
        image: &Image,
        requests: &[CreatePartitions],
        validate_only: bool,
    ) -> Outcome<Vec<(String, Result<(), Problem>)>> {
        let mut records = Vec::new();
        let mut response = Vec::with_capacity(requests.len());
        for request in requests {
            let result = self.add_partitions(image, request, &mut records);
            response.push((request.topic.clone(), result));
        }
        if validate_only {
            records.clear();
        }
        Outcome { records, response }
    }

    fn add_partitions(
        &mut self,
        image: &Image,
        request: &CreatePartitions,
        records: &mut Vec<Record>,
    ) -> Result<(), Problem> {
        let topic = image
            .topics
            .by_name(&request.topic)
            .ok_or_else(|| Problem::new(ErrorCode::UnknownTopicOrPartition, ""))?;
        let additional = additional_partitions(topic, request)?;
        if records.len() + additional > PARTITIONS_PER_REQUEST_MAX {
            return Err(too_many_partitions());
        }
        let replication_factor = topic
            .partitions
            .values()
            .next()
            .map_or(1, |partition| partition.replicas.len());
        let first = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        let placed = match &request.assignments {
            None => placement::place(image, additional, replication_factor, &mut self.random)?,
            Some(given) => {
                check_given(image, first, additional, replication_factor, given)?;
                given.clone()
            }
        };
        for (partition_id, replicas) in (first..).zip(placed) {
            records.push(new_partition(image, topic.id, partition_id, replicas).into());
        }
        Ok(())
    }
}

fn additional_partitions(topic: &Topic, request: &CreatePartitions) -> Result<usize, Problem> {
    let now = topic.partitions.len();
    let refuse = |message: String| Err(Problem::new(ErrorCode::InvalidPartitions, message));
    match usize::try_from(request.count) {
        Ok(count) if count == now => refuse(format!("Topic already has {now} partition(s).")),
        Ok(count) if count > now => Ok(count - now),
        _ => refuse(format!(
            "The topic {} currently has {now} partition(s); {} would not be an increase.",
            topic.name, request.count
        )),
    }
}

fn check_given(
    image: &Image,
    first: i32,
    additional: usize,
    replication_factor: usize,
    given: &[Vec<i32>],
) -> Result<(), Problem> {
    if given.len() != additional {
        return Err(Problem::new(
            ErrorCode::InvalidReplicaAssignment,
            format!(
                "Attempted to add {additional} additional partition(s), but only {} assignment(s) were specified.",
                given.len()
            ),
        ));
    }
    (first..)
        .zip(given)
        .try_for_each(|(id, replicas)| check_assignment(image, id, replicas, Some(replication_factor)))
}
