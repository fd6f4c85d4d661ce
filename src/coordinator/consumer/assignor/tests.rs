//! What the assignors promise: every partition once, evenly, and nothing moved without need.

use std::collections::{BTreeMap, BTreeSet};

use ottla_base::Uuid;
use proptest::prelude::*;

use super::*;
use crate::consumer::topics::{Topic, Topics};

fn topics(partitions: &[usize]) -> Topics {
    let topic = |(index, count): (usize, &usize)| Topic {
        id: Uuid::from_u128(index as u128 + 1),
        name: format!("t{index}").into(),
        partition_racks: vec![Vec::new(); *count],
    };
    Topics::new(1, partitions.iter().enumerate().map(topic))
}

fn member(subscribed: impl IntoIterator<Item = u128>, target: Partitions) -> MemberSpec {
    MemberSpec {
        instance_id: None,
        subscribed: subscribed.into_iter().map(Uuid::from_u128).collect(),
        target,
    }
}

fn sizes(assignment: &Assignment) -> Vec<usize> {
    let size = |partitions: &Partitions| partitions.values().map(BTreeSet::len).sum();
    assignment.values().map(size).collect()
}

#[test]
fn range_gives_the_same_numbers_of_every_topic() {
    let members: Members = ["a", "b"]
        .map(|id| (id.into(), member([1, 2], Partitions::new())))
        .into();
    let assignment = Assignor::Range.assign(&members, &topics(&[3, 3]));
    let first = BTreeMap::from([1, 2].map(|topic| (Uuid::from_u128(topic), BTreeSet::from([0, 1]))));
    assert_eq!(assignment.get("a"), Some(&first));
    assert_eq!(sizes(&assignment), [4, 2]);
}

#[test]
fn uniform_counts_over_all_topics() {
    let members: Members = ["a", "b"]
        .map(|id| (id.into(), member([1, 2], Partitions::new())))
        .into();
    assert_eq!(
        sizes(&Assignor::Uniform.assign(&members, &topics(&[3, 3]))),
        [3, 3]
    );
}

/// Members by the topics (a bit each) that they subscribe to.
fn group() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    (
        prop::collection::vec(1u8..8, 1..7),
        prop::collection::vec(0usize..9, 3),
    )
}

fn members_of(subscriptions: &[u8], before: &Assignment) -> Members {
    let member = |(index, bits): (usize, &u8)| {
        let id: Arc<str> = format!("m{index}").into();
        let subscribed = (0..3u128)
            .filter(|topic| bits & (1 << topic) != 0)
            .map(|topic| topic + 1);
        let target = before.get(&id).cloned().unwrap_or_default();
        (id, self::member(subscribed, target))
    };
    subscriptions.iter().enumerate().map(member).collect()
}

proptest! {
    #[test]
    fn everything_subscribed_is_assigned_once(
        (subscriptions, partitions) in group(), again in prop::collection::vec(1u8..8, 1..7)
    ) {
        let topics = topics(&partitions);
        for assignor in [Assignor::Uniform, Assignor::Range] {
            let before = assignor.assign(&members_of(&subscriptions, &Assignment::new()), &topics);
            let members = members_of(&again, &before);
            let assignment = assignor.assign(&members, &topics);
            let mut seen = BTreeSet::new();
            for (id, target) in &assignment {
                for (topic, numbers) in target {
                    prop_assert!(members[id].subscribed.contains(topic));
                    for partition in numbers {
                        prop_assert!(seen.insert((*topic, *partition)), "two owners");
                    }
                }
            }
            let wanted: BTreeSet<Uuid> = members.values().flat_map(|m| m.subscribed.clone()).collect();
            let count: i32 = wanted.iter().map(|topic| topics.partition_count(*topic)).sum();
            prop_assert_eq!(seen.len() as i32, count);
        }
    }

    #[test]
    fn uniform_is_even_and_keeps_still((count, partitions) in (1usize..7, prop::collection::vec(0usize..9, 3))) {
        let topics = topics(&partitions);
        let alike = vec![7u8; count];
        let assignment = Assignor::Uniform.assign(&members_of(&alike, &Assignment::new()), &topics);
        let sizes = sizes(&assignment);
        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        let again = Assignor::Uniform.assign(&members_of(&alike, &assignment), &topics);
        prop_assert_eq!(assignment, again);
    }
}
