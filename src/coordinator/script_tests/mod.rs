//! The group machine driven by scripts: `testdata/*.txt` hold requests and what comes of them, line by line.
//!
//! A case begins with `== its name`. A line is a command and its arguments; the lines behind it that begin with `> ` are the
//! answers (by the name of who waited for them), records (`+ key = value`, `- key` for a tombstone) and timers' work that
//! follow. `UPDATE_TESTDATA=1 cargo test -p ottla-coordinator` writes what happens into the files, to be read before it is
//! believed.

pub(crate) mod args;
mod classic;
mod consumer;
mod print;
mod random;
mod world;

use std::fs;
use std::path::Path;

use world::World;

use crate::{Machine, Now};

/// What a script acts on: it does a line and says what happened.
pub(crate) trait Stage {
    fn new() -> Self;
    fn run(&mut self, line: &str) -> Vec<String>;
}

/// Moves the time to the machine's next timer, if that is due by `until`.
pub(crate) fn goes_off(machine: &impl Machine, now: &mut Now, until: Now) -> bool {
    let Some(deadline_ms) = machine
        .next_deadline_ms()
        .filter(|at_ms| *at_ms <= until.uptime_ms)
    else {
        return false;
    };
    *now = later(*now, (deadline_ms - now.uptime_ms).max(0));
    true
}

pub(crate) fn later(now: Now, by_ms: i64) -> Now {
    Now {
        wall_ms: now.wall_ms + by_ms,
        uptime_ms: now.uptime_ms + by_ms,
    }
}

#[test]
fn classic_groups() {
    run::<World>("classic.txt");
}

#[test]
fn static_members() {
    run::<World>("static.txt");
}

#[test]
fn offsets() {
    run::<World>("offsets.txt");
}

#[test]
fn administration() {
    run::<World>("admin.txt");
}

#[test]
fn failed_appends_and_restarts() {
    run::<World>("log.txt");
}

#[test]
fn consumer_groups() {
    run::<World>("consumer.txt");
}

#[test]
fn consumer_groups_static_members() {
    run::<World>("consumer_static.txt");
}

#[test]
fn consumer_groups_subscriptions() {
    run::<World>("consumer_topics.txt");
}

#[test]
fn consumer_groups_log() {
    run::<World>("consumer_log.txt");
}

#[test]
fn upgrades() {
    run::<World>("upgrade.txt");
}

#[test]
fn classic_members_of_consumer_groups() {
    run::<World>("mixed.txt");
}

#[test]
fn downgrades() {
    run::<World>("downgrade.txt");
}

pub(crate) fn run<S: Stage>(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(file);
    let expected = fs::read_to_string(&path).expect("the script is there");
    let actual = replay_script::<S>(&expected);
    if std::env::var_os("UPDATE_TESTDATA").is_some() {
        fs::write(&path, &actual).expect("the script can be written");
    } else if let Some(line) = first_difference(&expected, &actual) {
        panic!(
            "{file}:{line}: something else happens now:\n{}",
            excerpt(&actual, line)
        );
    }
}

/// The script with its expectations replaced by what happens.
fn replay_script<S: Stage>(script: &str) -> String {
    let mut out = String::new();
    let mut stage = S::new();
    for line in script.lines() {
        let command = line.trim();
        if line.starts_with("> ") || line == ">" {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        if command.starts_with("== ") {
            stage = S::new();
        } else if !command.is_empty() && !command.starts_with('#') {
            for happened in stage.run(command) {
                out.push_str("> ");
                out.push_str(&happened);
                out.push('\n');
            }
        }
    }
    out
}

fn first_difference(expected: &str, actual: &str) -> Option<usize> {
    let longest = expected.lines().count().max(actual.lines().count());
    (0..longest)
        .find(|line| expected.lines().nth(*line) != actual.lines().nth(*line))
        .map(|line| line + 1)
}

fn excerpt(text: &str, line: usize) -> String {
    let from = line.saturating_sub(8);
    let lines: Vec<&str> = text.lines().skip(from).take(14).collect();
    lines.join("\n")
}
