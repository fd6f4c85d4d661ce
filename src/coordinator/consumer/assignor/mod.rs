//! Assignors: which member is to own which partition. Each gets the whole group, and returns the whole assignment.

mod range;
mod uniform;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_base::Uuid;

use super::assignment::Partitions;
use super::topics::Topics;

/// What an assignor is to know of a member.
#[derive(Clone, Debug)]
pub struct MemberSpec {
    pub instance_id: Option<String>,
    /// Only topics that are there.
    pub subscribed: BTreeSet<Uuid>,
    /// What it was to own until now.
    pub target: Partitions,
}

pub type Members = BTreeMap<Arc<str>, MemberSpec>;
pub type Assignment = BTreeMap<Arc<str>, Partitions>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// Evenly over all topics, and as much as possible where it was before.
    Uniform,
    /// The same ranges of every topic, so that partitions of the same number meet at the same member.
    Range,
}

impl Assignor {
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "uniform" => Some(Self::Uniform),
            "range" => Some(Self::Range),
            _ => None,
        }
    }

    /// As `group.consumer.assignors` names it: by its name, or by the class that it is in Kafka.
    pub fn by_setting(text: &str) -> Option<Self> {
        match text.strip_prefix("org.apache.kafka.coordinator.group.assignor.") {
            None => Self::by_name(text),
            Some("UniformAssignor") => Some(Self::Uniform),
            Some("RangeAssignor") => Some(Self::Range),
            Some(_) => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    pub fn assign(self, members: &Members, topics: &Topics) -> Assignment {
        match self {
            Self::Uniform => uniform::assign(members, topics),
            Self::Range => range::assign(members, topics),
        }
    }
}

#[cfg(test)]
mod tests;
