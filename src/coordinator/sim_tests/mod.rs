//! Members of both protocols that do what real clients do, in every order that a die can think of, while topics grow, appends
//! fail and the coordinator restarts. Whatever happens: no partition has two owners, epochs only go up, the log says what the
//! memory says, also after compaction, and when it is quiet again everything is assigned.

mod client;
mod coordinator;

use std::collections::{BTreeMap, BTreeSet};

use ottla_base::Uuid;
use proptest::prelude::*;

use client::{Client, Kind};
use coordinator::Coordinator;

/// What happens next; members are known by their number.
#[derive(Clone, Debug)]
enum Event {
    Start(usize, Kind),
    /// The member does what is next for it.
    Tick(usize),
    Leave(usize),
    /// The process is gone without a word.
    Crash(usize),
    Wait(i64),
    Grow,
    Restart,
    FailNext,
    Hold,
    Release,
}

const MEMBERS: usize = 5;
/// Of those, the ones with an instance id.
const STATIC_MEMBERS: usize = 2;

/// A check reads the whole log.
const LOG_CHECK_EVERY: usize = 8;

struct Sim {
    coordinator: Coordinator,
    clients: BTreeMap<usize, Client>,
    started: usize,
}

impl Sim {
    fn new() -> Self {
        Self {
            coordinator: Coordinator::new(),
            clients: BTreeMap::new(),
            started: 0,
        }
    }

    fn run(&mut self, event: &Event) {
        match event {
            Event::Start(number, kind) => {
                if !self.clients.contains_key(number) {
                    self.started += 1;
                    let instance = (*number < STATIC_MEMBERS).then(|| format!("i{number}"));
                    let client = Client::new(self.started, kind.clone(), instance);
                    self.clients.insert(*number, client);
                }
            }
            Event::Tick(number) => self.tick(*number),
            Event::Leave(number) => {
                if let Some(mut client) = self.clients.remove(number) {
                    client.leave(&mut self.coordinator);
                }
            }
            Event::Crash(number) => {
                self.clients.remove(number);
            }
            Event::Wait(ms) => self.wait(*ms),
            Event::Grow => self.coordinator.grow(),
            Event::Restart => {
                self.coordinator.check_log();
                self.coordinator.restart();
            }
            Event::FailNext => self.coordinator.fail_next(),
            Event::Hold => self.coordinator.hold(),
            Event::Release => self.coordinator.release(),
        }
        self.check();
    }

    fn tick(&mut self, number: usize) {
        if let Some(client) = self.clients.get_mut(&number) {
            client.tick(&mut self.coordinator);
            if client.has_given_up() {
                self.clients.remove(&number);
            }
        }
    }

    /// A client that has not been heard of for its session knows by its own clock that it has nothing any more.
    fn wait(&mut self, ms: i64) {
        let until_ms = self.coordinator.now_ms() + ms;
        let coordinator = &self.coordinator;
        self.clients
            .retain(|_, client| !client.is_late_at(until_ms, coordinator));
        self.coordinator.wait(ms);
    }

    fn check(&self) {
        let mut owners: BTreeMap<(Uuid, i32), usize> = BTreeMap::new();
        for (number, client) in &self.clients {
            for partition in client.owned() {
                if let Some(other) = owners.insert(partition, *number) {
                    panic!("{partition:?} is owned by {other} and {number}");
                }
            }
        }
    }

    /// Everybody does what there is to do until there is nothing left.
    fn settle(&mut self) {
        self.coordinator.release();
        for _ in 0..60 {
            for _ in 0..3 {
                (0..MEMBERS).for_each(|number| self.tick(number));
                self.check();
            }
            self.wait(3_000);
        }
    }

    fn check_settled(&self) {
        if self.clients.is_empty() {
            return;
        }
        assert_eq!(self.coordinator.state(), "Stable");
        let owned: BTreeSet<(Uuid, i32)> = self.clients.values().flat_map(Client::owned).collect();
        assert_eq!(owned, self.coordinator.all_partitions());
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        3 => Just(Kind::Consumer),
        1 => Just(Kind::ConsumerByRegex),
        2 => Just(Kind::Eager),
        2 => Just(Kind::Cooperative),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let member = 0..MEMBERS;
    prop_oneof![
        8 => (member.clone(), kind()).prop_map(|(member, kind)| Event::Start(member, kind)),
        30 => member.clone().prop_map(Event::Tick),
        2 => member.clone().prop_map(Event::Leave),
        2 => member.prop_map(Event::Crash),
        4 => prop::sample::select(vec![0, 500, 1_000, 4_000, 11_000]).prop_map(Event::Wait),
        1 => Just(Event::Grow),
        1 => Just(Event::Restart),
        1 => Just(Event::FailNext),
        1 => Just(Event::Hold),
        3 => Just(Event::Release),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_group_of_both_protocols_stays_sound(events in prop::collection::vec(event(), 1..120)) {
        let mut sim = Sim::new();
        for (number, event) in events.iter().enumerate() {
            sim.run(event);
            if number % LOG_CHECK_EVERY == 0 {
                sim.coordinator.check_log();
            }
        }
        sim.settle();
        sim.coordinator.check_log();
        sim.check_settled();
    }
}

/// A static member waits in its join when another's heartbeat begins the upgrade, and dies; the upgrade cannot be written.
#[test]
fn a_failed_upgrade_keeps_nobody_who_is_gone() {
    let mut sim = Sim::new();
    for event in [
        Event::Start(1, Kind::Eager),
        Event::Start(0, Kind::Eager),
        Event::Tick(1),
        Event::Start(3, Kind::Consumer),
        Event::FailNext,
        Event::Tick(0),
        Event::Tick(3),
        Event::Tick(0),
        Event::Crash(0),
        Event::Leave(3),
    ] {
        sim.run(&event);
    }
    sim.settle();
    sim.check_settled();
}
