//! The `range` assignor: per topic, members in order get ranges of partitions, the first ones one more if it does not work out.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_base::Uuid;

use super::{Assignment, MemberSpec, Members};
use crate::consumer::assignment::Partitions;
use crate::consumer::topics::Topics;

/// What is left of a topic.
struct Ranges {
    next: i32,
    partitions: i32,
    quota: i32,
    extra: i32,
}

pub fn assign(members: &Members, topics: &Topics) -> Assignment {
    let mut subscribers: BTreeMap<Uuid, i32> = BTreeMap::new();
    for topic in members.values().flat_map(|member| &member.subscribed) {
        *subscribers.entry(*topic).or_default() += 1;
    }
    let ranges = |(topic, subscribers): (Uuid, i32)| {
        let partitions = topics.partition_count(topic);
        let quota = partitions.checked_div(subscribers).unwrap_or_default();
        let extra = partitions.checked_rem(subscribers).unwrap_or_default();
        let ranges = Ranges {
            next: 0,
            partitions,
            quota,
            extra,
        };
        (topic, ranges)
    };
    let mut ranges: BTreeMap<Uuid, Ranges> = subscribers.into_iter().map(ranges).collect();
    let mut assignment = Assignment::new();
    for (id, member) in in_order(members) {
        let mut partitions = Partitions::new();
        for topic in &member.subscribed {
            let range = ranges.get_mut(topic).map(Ranges::take).unwrap_or_default();
            if !range.is_empty() {
                partitions.insert(*topic, range.collect());
            }
        }
        assignment.insert(id.clone(), partitions);
    }
    assignment
}

impl Ranges {
    fn take(&mut self) -> std::ops::Range<i32> {
        let is_longer = self.extra > 0;
        self.extra -= i32::from(is_longer);
        let start = self.next;
        self.next = (start + self.quota + i32::from(is_longer)).min(self.partitions);
        start..self.next
    }
}

/// Static members first, by instance id, so that a restart does not change whose range is which.
fn in_order(members: &Members) -> Vec<(&Arc<str>, &MemberSpec)> {
    let mut ordered: Vec<_> = members.iter().collect();
    ordered.sort_by(|(a_id, a), (b_id, b)| {
        let key = |member: &MemberSpec| (member.instance_id.is_none(), member.instance_id.clone());
        key(a).cmp(&key(b)).then_with(|| a_id.cmp(b_id))
    });
    ordered
}
