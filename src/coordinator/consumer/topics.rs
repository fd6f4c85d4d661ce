//! What groups know of topics: names, ids, partitions and the racks these are in. Taken from the metadata image.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ottla_base::Uuid;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub id: Uuid,
    pub name: String,
    /// The racks that each partition has replicas in, in any order.
    pub partition_racks: Vec<Vec<String>>,
}

/// All topics, as of one version of the metadata image.
#[derive(Clone, Debug, Default)]
pub struct Topics {
    version: i64,
    by_name: BTreeMap<String, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
}

impl Topics {
    pub fn new(version: i64, topics: impl IntoIterator<Item = Topic>) -> Self {
        let mut all = Self {
            version,
            ..Self::default()
        };
        for topic in topics {
            let topic = Arc::new(topic);
            all.by_id.insert(topic.id, topic.clone());
            all.by_name.insert(topic.name.clone(), topic);
        }
        all
    }

    pub fn version(&self) -> i64 {
        self.version
    }

    pub fn by_id(&self, id: Uuid) -> Option<&Topic> {
        self.by_id.get(&id).map(Arc::as_ref)
    }

    pub fn by_name(&self, name: &str) -> Option<&Topic> {
        self.by_name.get(name).map(Arc::as_ref)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    pub fn partition_count(&self, id: Uuid) -> i32 {
        let count = self.by_id(id).map_or(0, |topic| topic.partition_racks.len());
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    /// Names of topics that are not there have no id, and nothing of them can be assigned.
    pub fn ids<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> BTreeSet<Uuid> {
        names
            .into_iter()
            .filter_map(|name| self.by_name(name))
            .map(|topic| topic.id)
            .collect()
    }
}
