//! Whatever producers, logs and partitions do: what holds of transactions always holds.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::print;
use super::world::World;
use crate::script_tests::Stage;

fn step() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "init p",
        "init p again",
        "init q id=p",
        "add p t-0",
        "add p t-1 tv=0",
        "add q t-0",
        "commit p",
        "commit p tv=0",
        "abort p",
        "abort q tv=0",
        "commit q",
        "wait 5000",
        "wait 70000",
        "append fails",
        "append holds",
        "release",
        "release",
        "restart",
        "version level=1",
        "version level=2",
        "expire",
        "markers-of p",
        "markers-of p",
        "markers-of p error=NOT_LEADER_OR_FOLLOWER",
        "markers-of p t-0 error=NOT_LEADER_OR_FOLLOWER",
        "ids-if-wanted",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_transaction_ends_in_one_way_and_ids_never_go_back(
        first_epoch in prop::sample::select(vec![0i16, 32_763]),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new();
        world.run(&format!("put p pid=50 epoch={first_epoch}"));
        let mut ends: BTreeMap<(i64, i16), bool> = BTreeMap::new();
        let mut epochs: BTreeMap<i64, i16> = BTreeMap::new();
        for line in steps {
            for happened in world.run_if_possible(line) {
                prop_assert!(!happened.contains("UNKNOWN_SERVER_ERROR"), "{line}: {happened}");
                check_marker(&happened, &mut ends)?;
                check_epoch(&happened, &mut epochs)?;
            }
        }
        come_to_rest(&mut world);
        for line in print::state(&world.shard) {
            prop_assert!(!line.contains("Prepare") && !line.contains("writing"), "{line}");
        }
        prop_assert_eq!(world.waiting(), Vec::<&str>::new());
        let before: Vec<String> = print::state(&world.shard).iter().map(|line| written_down(line)).collect();
        world.run("restart");
        let after: Vec<String> = print::state(&world.shard).iter().map(|line| written_down(line)).collect();
        prop_assert_eq!(before, after);
    }
}

/// The state without the one epoch that is only in memory.
fn written_down(line: &str) -> String {
    let words = line.split_whitespace().filter(|word| !word.starts_with("last="));
    words.collect::<Vec<_>>().join(" ")
}

/// All partitions work, and everything that has begun ends.
fn come_to_rest(world: &mut World) {
    world.run("release");
    for _ in 0..4 {
        world.run("wait 100");
        world.run_if_possible("ids-if-wanted");
        world.run_if_possible("markers-of p");
    }
}

/// All markers of an epoch say the same.
fn check_marker(happened: &str, ends: &mut BTreeMap<(i64, i16), bool>) -> Result<(), TestCaseError> {
    let words: Vec<&str> = happened.split_whitespace().collect();
    if let ["work:", end @ ("commit" | "abort"), _, "as", who, ..] = words[..] {
        let is_commit = end == "commit";
        let before = *ends.entry(parse(who)).or_insert(is_commit);
        // With version 0 several transactions have one epoch, so only version 2 can be held to it.
        if happened.contains("tv=2") {
            prop_assert_eq!(before, is_commit, "{}", happened);
        } else {
            ends.remove(&parse(who));
        }
    }
    Ok(())
}

/// What is written of a producer id has its latest epoch.
fn check_epoch(happened: &str, epochs: &mut BTreeMap<i64, i16>) -> Result<(), TestCaseError> {
    let words: Vec<&str> = happened.split_whitespace().collect();
    if let ["+", _, "=", _, who, ..] = words[..] {
        let (id, epoch) = parse(who);
        let latest = epochs.entry(id).or_insert(epoch);
        prop_assert!(epoch >= *latest, "{}", happened);
        *latest = epoch;
    }
    Ok(())
}

fn parse(who: &str) -> (i64, i16) {
    let (id, epoch) = who.split_once(':').expect("id:epoch");
    (id.parse().expect("id"), epoch.parse().expect("epoch"))
}
