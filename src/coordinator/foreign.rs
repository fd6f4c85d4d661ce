//! Groups of the protocols that do not run here yet. Their records stay in the log as they are, and nobody may make classic
//! groups of them or delete them by halves: what wrote them may come back and read on.

use std::collections::BTreeMap;

use crate::command::ListedGroup;
use crate::records::{GroupKey, Record};

#[derive(Debug, Default)]
pub(crate) struct ForeignGroups {
    /// Kafka's name of each group's type.
    types: BTreeMap<String, &'static str>,
}

impl ForeignGroups {
    pub fn contains(&self, group: &str) -> bool {
        self.types.contains_key(group)
    }

    /// Their members cannot be heard of here, so they have none.
    pub fn listed(&self) -> impl Iterator<Item = ListedGroup> {
        self.types.iter().map(|(id, group_type)| ListedGroup {
            group_id: id.clone(),
            protocol_type: (*group_type).to_owned(),
            state: "Empty",
            group_type,
        })
    }

    /// A group is there from its metadata record on until that is deleted.
    pub fn replay(&mut self, record: &Record) {
        match record {
            Record::ShareGroupMetadata(key, value) => self.set(key, "share", value.is_some()),
            Record::StreamsGroupMetadata(key, value) => self.set(key, "streams", value.is_some()),
            _ => {}
        }
    }

    fn set(&mut self, key: &GroupKey, group_type: &'static str, is_there: bool) {
        if is_there {
            self.types.insert(key.group.clone(), group_type);
        } else {
            self.types.remove(&key.group);
        }
    }
}
