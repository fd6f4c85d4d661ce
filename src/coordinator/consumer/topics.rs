//! What groups know of topics: names, ids, partitions and the racks these are in. Taken from the metadata image.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdMap;
use ottla_base::Uuid;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub id: Uuid,
    pub name: Arc<str>,
    /// The racks that each partition has replicas in, in any order.
    pub partition_racks: Vec<Vec<String>>,
}

/// All topics, as of one version of the metadata image. The maps are persistent: the next version costs what has changed.
#[derive(Clone, Debug, Default)]
pub struct Topics {
    version: i64,
    by_name: OrdMap<Arc<str>, Arc<Topic>>,
    by_id: OrdMap<Uuid, Arc<Topic>>,
}

impl Topics {
    pub fn new(version: i64, topics: impl IntoIterator<Item = Topic>) -> Self {
        Self::default().changed(version, [], topics)
    }

    /// The next version: without the topics that are gone, and with those that are new or have changed.
    #[must_use]
    pub fn changed(
        &self,
        version: i64,
        gone: impl IntoIterator<Item = Uuid>,
        changed: impl IntoIterator<Item = Topic>,
    ) -> Self {
        let mut next = Self {
            version,
            ..self.clone()
        };
        for topic in gone.into_iter().filter_map(|id| self.by_id.get(&id)) {
            next.by_id.remove(&topic.id);
            next.by_name.remove(&topic.name);
        }
        for topic in changed.into_iter().map(Arc::new) {
            next.by_id.insert(topic.id, topic.clone());
            next.by_name.insert(topic.name.clone(), topic);
        }
        next
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
        self.by_name.keys().map(AsRef::as_ref)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(id: u128, name: &str, partitions: usize) -> Topic {
        Topic {
            id: Uuid::from_u128(id),
            name: name.into(),
            partition_racks: vec![Vec::new(); partitions],
        }
    }

    #[test]
    fn a_version_leaves_the_one_before_it_as_it_was() {
        let first = Topics::new(3, [topic(1, "a", 1), topic(2, "b", 2)]);
        let gone = [Uuid::from_u128(1), Uuid::from_u128(77)];
        let next = first.changed(4, gone, [topic(2, "b", 5), topic(9, "a", 1)]);
        assert_eq!(
            (next.version(), next.names().collect::<Vec<_>>()),
            (4, vec!["a", "b"])
        );
        assert_eq!(next.by_name("a").map(|topic| topic.id), Some(Uuid::from_u128(9)));
        assert_eq!(next.by_id(Uuid::from_u128(1)), None);
        assert_eq!(next.partition_count(Uuid::from_u128(2)), 5);
        assert_eq!(
            (first.version(), first.partition_count(Uuid::from_u128(2))),
            (3, 2)
        );
        assert_eq!(first.by_name("a").map(|topic| topic.id), Some(Uuid::from_u128(1)));
    }
}
