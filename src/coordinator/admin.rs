//! What administrators ask of groups: describe, list, delete.

use ottla_base::ErrorCode;

use crate::classic::State;
use crate::command::{DescribedGroup, ListGroups, ListedGroup, Reply};
use crate::consumer::group_tombstones;
use crate::machine::{Outcome, Token};
use crate::records::{GroupKey, Record};
use crate::shard::GroupShard;

/// The state of a group that is not there.
const DEAD: &str = "Dead";

impl GroupShard {
    pub(crate) fn describe(&self, ids: Vec<String>) -> Vec<DescribedGroup> {
        let classic = |id: &str| self.groups.get(id).filter(|_| !self.foreign.contains(id));
        let describe = |id: String| match classic(&id) {
            Some(group) => group.described(),
            None => DescribedGroup {
                message: Some(match self.consumer.contains(&id) || self.foreign.contains(&id) {
                    true => format!("Group {id} is not a classic group."),
                    false => format!("Group {id} not found."),
                }),
                group_id: id,
                error: ErrorCode::GroupIdNotFound,
                state: DEAD,
                protocol_type: String::new(),
                protocol_data: String::new(),
                members: Vec::new(),
            },
        };
        ids.into_iter().map(describe).collect()
    }

    pub(crate) fn list(&self, filter: &ListGroups) -> Vec<ListedGroup> {
        let passes = |allowed: &[String], value: &str| {
            allowed.is_empty()
                || allowed
                    .iter()
                    .any(|allowed| allowed.trim().eq_ignore_ascii_case(value))
        };
        let own = self
            .groups
            .values()
            .filter(|group| !self.foreign.contains(&group.id));
        let consumer = self.consumer.groups.values().map(|group| group.listed());
        let listed = own
            .map(|group| group.listed())
            .chain(consumer)
            .chain(self.foreign.listed());
        listed
            .filter(|group| passes(&filter.states, group.state) && passes(&filter.types, group.group_type))
            .collect()
    }

    /// Deletes what can be deleted: the offsets first, then the group.
    pub(crate) fn delete_groups(&self, ids: Vec<String>, token: Token) -> Outcome<Self> {
        let mut records = Vec::new();
        let mut results = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(group) = self.consumer.groups.get(id.as_str()) {
                let is_empty = group.members().len() == 0;
                if is_empty {
                    records.extend(self.offsets.tombstones(&id));
                    records.extend(group_tombstones(group, None));
                }
                let error = if is_empty {
                    ErrorCode::None
                } else {
                    ErrorCode::NonEmptyGroup
                };
                results.push((id, error));
                continue;
            }
            let error = match self.groups.get(id.as_str()) {
                // Whether it has members is not known here.
                _ if self.foreign.contains(&id) => ErrorCode::NonEmptyGroup,
                None => ErrorCode::GroupIdNotFound,
                Some(group) if !group.is_in(State::Empty) => ErrorCode::NonEmptyGroup,
                Some(_) => {
                    records.extend(self.offsets.tombstones(&id));
                    records.push(Record::GroupMetadata(GroupKey { group: id.clone() }, None));
                    ErrorCode::None
                }
            };
            results.push((id, error));
        }
        Outcome::write(records, token, Reply::DeletedGroups(results))
    }
}
