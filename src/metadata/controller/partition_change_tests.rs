//! Changes of partitions as a table: a partition, what happens to it, what is written.

use super::*;
use crate::controller::tests::{cluster, elr_cluster};

/// `replicas/isr/elr/last known/leader`, as in `1,2,3/1,2/-/-/1`.
fn partition(text: &str) -> Partition {
    let fields: Vec<&str> = text.split('/').collect();
    let ids = |text: &str| -> Vec<i32> { text.split(',').filter_map(|id| id.parse().ok()).collect() };
    let replicas = ids(fields[0]);
    Partition {
        directories: vec![ottla_base::ids::DIRECTORY_UNASSIGNED; replicas.len()],
        isr: ids(fields[1]),
        elr: ids(fields[2]),
        last_known_elr: ids(fields[3]),
        leader: fields[4].parse().unwrap(),
        replicas,
        ..Partition::default()
    }
}

fn shown(partition: &Partition) -> String {
    let ids = |ids: &[i32]| match ids {
        [] => "-".to_owned(),
        ids => ids.iter().map(i32::to_string).collect::<Vec<_>>().join(","),
    };
    format!(
        "{}/{}/{}/{}/{}",
        ids(&partition.replicas),
        ids(&partition.isr),
        ids(&partition.elr),
        ids(&partition.last_known_elr),
        partition.leader
    )
}

#[track_caller]
fn check(image: &Image, before: &str, change: impl Fn(&mut PartitionChange<'_>), after: &str, epochs: i32) {
    let before = partition(before);
    let mut builder = PartitionChange::new(image, Uuid::from_u128(9), 0, &before);
    change(&mut builder);
    let record = builder.build();
    let mut result = before.clone();
    if let Some(record) = &record {
        result.change(record);
    }
    assert_eq!(shown(&result), after);
    assert_eq!(result.leader_epoch, epochs, "leader epochs started");
    assert_eq!(result.partition_epoch, i32::from(record.is_some()));
}

fn leave(id: i32) -> impl Fn(&mut PartitionChange<'_>) {
    move |change| {
        change.leaving = Some(id);
        change.isr.retain(|member| *member != id);
    }
}

#[test]
fn a_broker_leaves() {
    let alive = cluster(&[(1, false), (2, false), (3, false)]);
    check(&alive, "1,2,3/1,2,3/-/-/1", leave(1), "1,2,3/2,3/-/-/2", 1);
    check(&alive, "1,2,3/1,2,3/-/-/1", leave(3), "1,2,3/1,2/-/-/1", 0);
    // Without ELR the last one stays in the ISR, so that it can come back.
    check(&alive, "1/1/-/-/1", leave(1), "1/1/-/-/-1", 1);
    check(&alive, "1,2/1/-/-/1", leave(1), "1,2/1/-/-/-1", 1);
    // Nothing changes for those whom it does not concern.
    check(&alive, "1,2/1,2/-/-/1", leave(3), "1,2/1,2/-/-/1", 0);
}

#[test]
fn a_broker_leaves_and_stays_eligible() {
    let alive = elr_cluster(&[(1, false), (2, false), (3, false)]);
    check(&alive, "1/1/-/-/1", leave(1), "1/-/1/1/-1", 1);
    let min_two = |id| {
        move |change: &mut PartitionChange<'_>| {
            change.min_isr = 2;
            leave(id)(change);
        }
    };
    check(&alive, "1,2/1,2/-/-/1", min_two(1), "1,2/2/1/-/2", 1);
    check(&alive, "1,2/1,2/-/-/1", leave(1), "1,2/2/-/-/2", 1);
    // Whoever went down uncleanly is not eligible.
    let unclean = |change: &mut PartitionChange<'_>| {
        change.unclean_shutdown = Some(1);
        leave(1)(change);
    };
    check(&alive, "1/1/-/-/1", unclean, "1/-/-/1/-1", 1);
    check(&alive, "1/-/1/1/-1", unclean, "1/-/-/1/-1", 0);
}

#[test]
fn a_broker_comes_back() {
    let alive = cluster(&[(1, false), (2, false), (3, true)]);
    check(&alive, "1/1/-/-/-1", |_| {}, "1/1/-/-/1", 1);
    check(&alive, "3/3/-/-/-1", |_| {}, "3/3/-/-/-1", 0);
    let elr = elr_cluster(&[(1, false), (2, false), (3, true)]);
    check(&elr, "1/-/1/1/-1", |_| {}, "1/1/-/-/1", 1);
    check(&elr, "3,2/-/2,3/3/-1", |_| {}, "3,2/2/3/-/2", 1);
    // The last leader may come back alone even if nobody is eligible.
    check(&elr, "1,2/-/-/1/-1", |_| {}, "1,2/1/-/-/1", 1);
    check(&elr, "3,2/-/-/3/-1", |_| {}, "3,2/-/-/3/-1", 0);
}

#[test]
fn the_last_leader_comes_back_recovering() {
    let elr = elr_cluster(&[(1, false)]);
    let before = partition("1/-/-/1/-1");
    let record = PartitionChange::new(&elr, Uuid::from_u128(9), 0, &before)
        .build()
        .unwrap();
    assert_eq!(record.leader_recovery_state, RECOVERING);
    let before = partition("1/-/1/1/-1");
    let record = PartitionChange::new(&elr, Uuid::from_u128(9), 0, &before)
        .build()
        .unwrap();
    assert_eq!(
        record.leader_recovery_state, -1,
        "an eligible leader has everything"
    );
}

#[test]
fn elections() {
    let alive = cluster(&[(1, false), (2, false), (3, true)]);
    let elect = |election| move |change: &mut PartitionChange<'_>| change.election = election;
    check(
        &alive,
        "1,2/1,2/-/-/2",
        elect(Election::Preferred),
        "1,2/1,2/-/-/1",
        1,
    );
    check(
        &alive,
        "1,2/2/-/-/2",
        elect(Election::Preferred),
        "1,2/2/-/-/2",
        0,
    );
    check(
        &alive,
        "1,2/1,2/-/-/2",
        elect(Election::Online),
        "1,2/1,2/-/-/2",
        0,
    );
    check(&alive, "3,2/3/-/-/-1", elect(Election::Online), "3,2/3/-/-/-1", 0);
    check(&alive, "3,2/3/-/-/-1", elect(Election::Unclean), "3,2/2/-/-/2", 1);
}

#[test]
fn a_reassignment_ends_when_the_new_replicas_are_in_sync() {
    let alive = cluster(&[(1, false), (2, false), (3, false)]);
    let reassigning = |isr: &'static [i32]| {
        move |change: &mut PartitionChange<'_>| {
            change.adding = vec![3];
            change.removing = vec![1];
            change.replicas = vec![2, 3, 1];
            change.isr = isr.to_vec();
        }
    };
    check(
        &alive,
        "1,2/1,2/-/-/1",
        reassigning(&[1, 2]),
        "2,3,1/1,2/-/-/1",
        0,
    );
    check(
        &alive,
        "2,3,1/1,2/-/-/1",
        reassigning(&[1, 2, 3]),
        "2,3/2,3/-/-/2",
        1,
    );
}
