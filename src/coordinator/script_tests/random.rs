//! Scripts that nobody wrote: whatever members do, in whatever order and however often appends fail, the group stays sound,
//! everybody is answered once, and a restart finds what was committed.

use proptest::prelude::*;

use super::Stage;
use super::print;
use super::world::World;

/// Longer than any session, so that whoever does nothing is gone.
const FOR_EVER_MS: i64 = 2_000_000;

fn line() -> impl Strategy<Value = String> {
    let member = prop::sample::select(vec!["a", "b", "c", "d"]);
    let protocols = prop::sample::select(vec!["range", "range,sticky", "sticky,range"]);
    let versions = prop::sample::select(vec![3, 9]);
    let static_member =
        (prop::sample::select(vec!["i", "j"]), any::<bool>()).prop_map(|(instance, returns)| {
            let member = if returns { " member=-" } else { "" };
            format!("join {instance}{member} instance={instance}")
        });
    prop_oneof![
        6 => (member.clone(), protocols, versions)
            .prop_map(|(member, protocols, v)| format!("join {member} protocols={protocols} v={v}")),
        3 => static_member,
        6 => member.clone().prop_map(|member| format!("sync {member} assign=a:1,b:2,c:3,d:4,i:5,j:6")),
        2 => prop::sample::select(vec!["i", "j"])
            .prop_map(|member| format!("sync {member} instance={member} assign=a:1,b:2,c:3,d:4,i:5,j:6")),
        3 => member.clone().prop_map(|member| format!("heartbeat {member}")),
        2 => member.clone().prop_map(|member| format!("leave {member}")),
        2 => (member, 0..100).prop_map(|(member, offset)| format!("commit {member} offset={offset}")),
        1 => (0..100).prop_map(|offset| format!("commit offset={offset}")),
        5 => prop::sample::select(vec![0, 100, 3_000, 9_999, 30_000]).prop_map(|ms| format!("wait {ms}")),
        1 => Just("append fails".to_owned()),
        1 => Just("append holds".to_owned()),
        3 => Just("release".to_owned()),
        1 => Just("restart".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_group_stays_sound(lines in prop::collection::vec(line(), 1..60)) {
        let mut world = World::new();
        world.run("config delay=100 max_size=5");
        for line in &lines {
            world.run(line);
            for group in world.shard().groups.values() {
                group.check();
            }
        }
        world.run("release");
        world.run(&format!("wait {FOR_EVER_MS}"));
        prop_assert_eq!(world.waiting(), Vec::<&str>::new());
        let fetched = world.run("fetch");
        let state = print::state(world.shard(), "g");
        world.run("restart");
        prop_assert_eq!(world.run("fetch"), fetched);
        // A member that the log knows is back with a new session; when that has ended, all is as it was.
        world.run(&format!("wait {FOR_EVER_MS}"));
        let restarted = print::state(world.shard(), "g");
        prop_assert_eq!(restarted.contains("[]"), state.contains("[]"), "{} and {}", restarted, state);
    }
}
