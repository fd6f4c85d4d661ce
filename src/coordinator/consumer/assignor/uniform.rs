//! The `uniform` assignor: the same number of partitions for everybody, and what somebody has stays there if it can.
//!
//! Where all members subscribe to the same topics, everybody is brought to the quota in one pass. Elsewhere a partition goes
//! to whoever of its topic's subscribers has least, and then partitions move while that makes the group more even.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_base::Uuid;

use super::{Assignment, Members};
use crate::consumer::assignment::Partitions;
use crate::consumer::topics::Topics;

/// How often all partitions are looked at to make the group more even. Each look moves what it can, so few do.
const BALANCE_ROUNDS_MAX: usize = 16;

pub fn assign(members: &Members, topics: &Topics) -> Assignment {
    let mut subscriptions = members.values().map(|member| &member.subscribed);
    let Some(first) = subscriptions.next() else {
        return Assignment::new();
    };
    if subscriptions.all(|subscription| subscription == first) {
        assign_alike(members, first, topics)
    } else {
        Mixed::new(members, topics).assign()
    }
}

fn assign_alike(members: &Members, subscribed: &BTreeSet<Uuid>, topics: &Topics) -> Assignment {
    let mut unassigned = all_partitions(subscribed, topics);
    let quota = unassigned.len() / members.len().max(1);
    let mut extra = unassigned.len() % members.len().max(1);
    let mut assignment = Assignment::new();
    let mut unfilled: Vec<(&Arc<str>, usize)> = Vec::new();
    for (index, (id, member)) in members.iter().enumerate() {
        let mut room = quota + usize::from(extra > 0);
        let mut kept = Partitions::new();
        for (topic, partition) in pairs(&member.target) {
            // What is not to be assigned any more, or is another's already, is in nobody's way.
            if room > 0 && unassigned.remove(&(topic, partition)) {
                kept.entry(topic).or_default().insert(partition);
                room -= 1;
            }
        }
        let mut is_longer = extra > 0;
        // Whoever is full without it leaves the longer share to those behind, as long as there are enough of them.
        if room > 0 && is_longer && members.len() - index > extra {
            room -= 1;
            is_longer = false;
        }
        extra -= usize::from(is_longer);
        if room > 0 {
            unfilled.push((id, room));
        }
        assignment.insert(id.clone(), kept);
    }
    for (id, room) in unfilled {
        let target = assignment.entry(id.clone()).or_default();
        for _ in 0..room {
            let Some((topic, partition)) = unassigned.pop_first() else {
                break;
            };
            target.entry(topic).or_default().insert(partition);
        }
    }
    assignment
}

fn all_partitions(subscribed: &BTreeSet<Uuid>, topics: &Topics) -> BTreeSet<(Uuid, i32)> {
    let partitions = |topic: &Uuid| {
        let topic = *topic;
        (0..topics.partition_count(topic)).map(move |partition| (topic, partition))
    };
    subscribed.iter().flat_map(partitions).collect()
}

fn pairs(partitions: &Partitions) -> impl Iterator<Item = (Uuid, i32)> + '_ {
    partitions
        .iter()
        .flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)))
}

/// A group whose members subscribe to different topics.
struct Mixed<'a> {
    topics: &'a Topics,
    members: &'a Members,
    /// By topic; topics that the same members subscribe to share an audience.
    audiences: BTreeMap<Uuid, usize>,
    /// The members of each audience, those with the least first.
    by_load: Vec<BTreeSet<(usize, &'a Arc<str>)>>,
    owners: BTreeMap<(Uuid, i32), &'a Arc<str>>,
    loads: BTreeMap<&'a Arc<str>, Load>,
}

/// How many partitions a member has, and the audiences that it is in.
#[derive(Default)]
struct Load {
    partitions: usize,
    audiences: Vec<usize>,
}

impl<'a> Mixed<'a> {
    fn new(members: &'a Members, topics: &'a Topics) -> Self {
        let mut subscribers: BTreeMap<Uuid, Vec<&Arc<str>>> = BTreeMap::new();
        for (id, member) in members {
            for topic in &member.subscribed {
                subscribers.entry(*topic).or_default().push(id);
            }
        }
        let mut new = Self {
            topics,
            members,
            audiences: BTreeMap::new(),
            by_load: Vec::new(),
            owners: BTreeMap::new(),
            loads: members.keys().map(|id| (id, Load::default())).collect(),
        };
        let mut known: BTreeMap<Vec<&Arc<str>>, usize> = BTreeMap::new();
        for (topic, subscribers) in subscribers {
            let audience = known.get(&subscribers).copied();
            let audience = audience.unwrap_or_else(|| new.add_audience(&subscribers));
            known.insert(subscribers, audience);
            new.audiences.insert(topic, audience);
        }
        new
    }

    fn add_audience(&mut self, subscribers: &[&'a Arc<str>]) -> usize {
        let audience = self.by_load.len();
        self.by_load.push(subscribers.iter().map(|id| (0, *id)).collect());
        for id in subscribers {
            if let Some(load) = self.loads.get_mut(id) {
                load.audiences.push(audience);
            }
        }
        audience
    }

    fn assign(mut self) -> Assignment {
        self.keep();
        self.assign_rest();
        for _ in 0..BALANCE_ROUNDS_MAX {
            if !self.balance() {
                break;
            }
        }
        let mut assignment: Assignment = self
            .members
            .keys()
            .map(|id| (id.clone(), Partitions::new()))
            .collect();
        for ((topic, partition), owner) in self.owners {
            let target = assignment.entry(owner.clone()).or_default();
            target.entry(topic).or_default().insert(partition);
        }
        assignment
    }

    /// Everybody keeps what is still there and still subscribed to; evening out comes later.
    fn keep(&mut self) {
        for (id, member) in self.members {
            for (topic, partition) in pairs(&member.target) {
                let is_there = partition < self.topics.partition_count(topic);
                if is_there
                    && member.subscribed.contains(&topic)
                    && !self.owners.contains_key(&(topic, partition))
                {
                    self.give((topic, partition), id);
                }
            }
        }
    }

    /// Topics with the fewest subscribers first: for theirs there is the least choice.
    fn assign_rest(&mut self) {
        let size = |audience: &usize| self.by_load.get(*audience).map_or(0, BTreeSet::len);
        let mut by_choice: Vec<(usize, Uuid)> = self
            .audiences
            .iter()
            .map(|(topic, audience)| (size(audience), *topic))
            .collect();
        by_choice.sort();
        for (_, topic) in by_choice {
            for partition in 0..self.topics.partition_count(topic) {
                let is_free = !self.owners.contains_key(&(topic, partition));
                if let Some(least) = self.least_loaded(topic).filter(|_| is_free) {
                    self.give((topic, partition), least);
                }
            }
        }
    }

    /// Moves partitions to members that have at least two less; returns whether anything moved.
    fn balance(&mut self) -> bool {
        let mut has_moved = false;
        let partitions: Vec<(Uuid, i32)> = self.owners.keys().copied().collect();
        for partition in partitions {
            let (Some(owner), Some(least)) = (
                self.owners.get(&partition).copied(),
                self.least_loaded(partition.0),
            ) else {
                continue;
            };
            if self.load(owner) >= self.load(least) + 2 {
                self.change_load(owner, |load| load.saturating_sub(1));
                self.give(partition, least);
                has_moved = true;
            }
        }
        has_moved
    }

    fn give(&mut self, partition: (Uuid, i32), to: &'a Arc<str>) {
        self.change_load(to, |load| load + 1);
        self.owners.insert(partition, to);
    }

    fn change_load(&mut self, id: &'a Arc<str>, change: impl Fn(usize) -> usize) {
        let Some(load) = self.loads.get_mut(id) else {
            return;
        };
        let before = load.partitions;
        load.partitions = change(before);
        for audience in &load.audiences {
            if let Some(members) = self.by_load.get_mut(*audience) {
                members.remove(&(before, id));
                members.insert((load.partitions, id));
            }
        }
    }

    fn load(&self, id: &Arc<str>) -> usize {
        self.loads.get(id).map_or(0, |load| load.partitions)
    }

    fn least_loaded(&self, topic: Uuid) -> Option<&'a Arc<str>> {
        let members = self.by_load.get(*self.audiences.get(&topic)?)?;
        members.first().map(|(_, id)| *id)
    }
}
