//! What a committed batch did to the image, for the rooms that must act on it.
//!
//! A delta names what changed and not how: whoever acts looks at the new image. It can be carried over several batches, since
//! naming a thing twice changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_base::Uuid;

use crate::image::{ConfigResource, Topic};

/// The difference between two images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delta {
    /// Topics that are new or have changed partitions, with the partitions that changed.
    pub topics: BTreeMap<Uuid, TopicDelta>,
    /// Topics that are gone, as they last were.
    pub deleted_topics: BTreeMap<Uuid, Arc<Topic>>,
    pub configs: BTreeSet<ConfigResource>,
    /// Brokers that registered, changed or left.
    pub brokers: BTreeSet<i32>,
    pub features: bool,
    pub acls: bool,
    pub scram: bool,
    pub client_quotas: bool,
    pub delegation_tokens: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicDelta {
    pub created: bool,
    pub partitions: BTreeSet<i32>,
}

impl Delta {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The delta that turns the empty image into this one: for the first publication after a start.
    pub fn of_everything(image: &crate::Image) -> Self {
        let topics = image.topics.iter().map(|topic| {
            let partitions = topic.partitions.keys().copied().collect();
            let created = true;
            (topic.id, TopicDelta { created, partitions })
        });
        Self {
            topics: topics.collect(),
            deleted_topics: BTreeMap::new(),
            configs: image
                .configs
                .iter()
                .map(|(resource, _)| resource.clone())
                .collect(),
            brokers: image.brokers.keys().copied().collect(),
            features: true,
            acls: true,
            scram: true,
            client_quotas: true,
            delegation_tokens: true,
        }
    }

    pub(crate) fn topic_created(&mut self, id: Uuid) {
        self.topics.entry(id).or_default().created = true;
    }

    pub(crate) fn partition_changed(&mut self, id: Uuid, partition: i32) {
        self.topics.entry(id).or_default().partitions.insert(partition);
    }

    pub(crate) fn topic_deleted(&mut self, topic: Arc<Topic>) {
        let born_here = self.topics.remove(&topic.id).is_some_and(|t| t.created);
        if !born_here {
            self.deleted_topics.insert(topic.id, topic);
        }
    }
}
