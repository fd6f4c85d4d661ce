//! Leaders are elected on request, and from time to time for the preferred ones.

use ottla_base::{ErrorCode, TopicPartition};

use super::{Controller, Election, Outcome, Problem, TopicRules};
use crate::image::{Image, Partition};
use crate::records::Record;

/// Most leaders that one pass of the balancer moves.
const BALANCED_PER_PASS_MAX: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionKind {
    Preferred,
    Unclean,
}

pub type ElectionResult = (TopicPartition, Result<(), Problem>);

impl Controller {
    /// Elects leaders for the partitions, or for all when there is no list; then what needs no election is left out.
    pub fn elect_leaders(
        &self,
        image: &Image,
        kind: ElectionKind,
        partitions: Option<&[TopicPartition]>,
    ) -> Outcome<Vec<ElectionResult>> {
        let mut records = Vec::new();
        let mut response = Vec::new();
        match partitions {
            Some(partitions) => {
                for partition in partitions {
                    let result = self.elect(image, kind, partition, &mut records);
                    response.push((partition.clone(), result));
                }
            }
            None => {
                for partition in all_partitions(image) {
                    let result = self.elect(image, kind, &partition, &mut records);
                    if !matches!(&result, Err(problem) if problem.code == ErrorCode::ElectionNotNeeded) {
                        response.push((partition, result));
                    }
                }
            }
        }
        Outcome { records, response }
    }

    /// Gives leaderships back to the preferred replicas that can take them. The response says whether there may be more.
    pub fn balance_leaders(&self, image: &Image) -> Outcome<bool> {
        self.sweep(
            image,
            Election::Preferred,
            |_| true,
            |partition| partition.leader != partition.preferred_leader(),
        )
    }

    /// Elects uncleanly where a partition has no leader and its topic allows it.
    pub fn elect_unclean_where_allowed(&self, image: &Image) -> Outcome<bool> {
        self.sweep(
            image,
            Election::Unclean,
            |rules| rules.allows_unclean_election,
            |partition| !partition.has_leader(),
        )
    }

    fn sweep(
        &self,
        image: &Image,
        election: Election,
        is_allowed: impl Fn(&TopicRules) -> bool,
        is_wanted: impl Fn(&Partition) -> bool,
    ) -> Outcome<bool> {
        let rules = self.rules(image);
        let mut records: Vec<Record> = Vec::new();
        for topic in image.topics.iter() {
            let mut wanted = topic.partitions.iter().filter(|(_, p)| is_wanted(p)).peekable();
            let rules = match wanted.peek() {
                Some(_) => rules.of(image, topic),
                None => continue,
            };
            for (index, partition) in wanted.take_while(|_| is_allowed(&rules)) {
                let mut change = rules.change(image, topic, *index, partition);
                change.election = election;
                records.extend(change.build().map(Record::from));
                if records.len() >= BALANCED_PER_PASS_MAX {
                    return Outcome {
                        records,
                        response: true,
                    };
                }
            }
        }
        Outcome {
            records,
            response: false,
        }
    }

    fn elect(
        &self,
        image: &Image,
        kind: ElectionKind,
        id: &TopicPartition,
        records: &mut Vec<Record>,
    ) -> Result<(), Problem> {
        let unknown = |what: String| Problem::new(ErrorCode::UnknownTopicOrPartition, what);
        let topic = image
            .topics
            .by_name(&id.topic)
            .ok_or_else(|| unknown(format!("No such topic as {}", id.topic)))?;
        let partition = topic
            .partitions
            .get(&id.partition)
            .ok_or_else(|| unknown(format!("No such partition as {id}")))?;
        let (is_needed, election, unavailable) = match kind {
            ElectionKind::Preferred => (
                partition.leader != partition.preferred_leader(),
                Election::Preferred,
                ErrorCode::PreferredLeaderNotAvailable,
            ),
            ElectionKind::Unclean => (
                !partition.has_leader(),
                Election::Unclean,
                ErrorCode::EligibleLeadersNotAvailable,
            ),
        };
        if !is_needed {
            let message = "Leader election not needed for topic partition.";
            return Err(Problem::new(ErrorCode::ElectionNotNeeded, message));
        }
        let rules = self.rules(image).of(image, topic);
        let mut change = rules.change(image, topic, id.partition, partition);
        change.election = election;
        let record = change.build().filter(|record| record.leader >= 0);
        let record = record.ok_or_else(|| Problem::new(unavailable, unavailable_message(kind)))?;
        records.push(record.into());
        Ok(())
    }
}

fn unavailable_message(kind: ElectionKind) -> &'static str {
    match kind {
        ElectionKind::Preferred => "The preferred leader was not available.",
        ElectionKind::Unclean => "Eligible topic partition leaders are not available.",
    }
}

fn all_partitions(image: &Image) -> impl Iterator<Item = TopicPartition> {
    image.topics.iter().flat_map(|topic| {
        topic
            .partitions
            .keys()
            .map(|index| TopicPartition::new(topic.name.clone(), *index))
    })
}
