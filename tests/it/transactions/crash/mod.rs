//! The broker dies between each two of its writes: from some change of the disk on nothing reaches it any more, the process is gone,
//! and another one opens what is there. Each change of a whole life of transactions is tried: the coordinator's records, the data,
//! the offsets of groups, the markers in each partition, the metadata and what a start writes.
//!
//! There are two kinds of clients. Either the clients come back and ask once more for what was not answered: then nothing at
//! all may be different from a life without a crash. Or they are gone for good: then what was answered holds, what was left open is
//! aborted when its time is over, and what was under way is there as a whole or not at all, in both partitions and in the offsets.
//!
//! A life takes about 200 changes and a tenth of a second of CPU time in a debug build. With `transaction.version` 2 each change is
//! tried with one kind of clients in turn, with 1 and 0 each fifth; `OTTLA_CRASH_EVERYWHERE=1` tries all of them with both.

mod history;
mod life;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use life::{Clients, Life, NEVER};

use super::{Node, prepare};

const SETTINGS: [(&str, &str); 5] = [
    ("transaction.state.log.num.partitions", "1"),
    ("offsets.topic.num.partitions", "1"),
    ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "5"),
    // The clock is moved by hand, and no broker is missed for that.
    ("broker.session.timeout.ms", "100000000"),
    ("log.cleaner.enable", "false"),
];
const PARTITIONS: i32 = 2;
/// Lives at the same time: most of each is waiting for the other side of a socket.
const THREADS: usize = 4;

/// Who takes part: two producers of the new protocol with the same transactional id, and an old client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    New,
    Successor,
    Old,
}
use Who::{New, Old, Successor};

impl Who {
    /// Of its transactions, and of the group whose offsets are part of them.
    fn id(self) -> &'static str {
        match self {
            New | Successor => "new",
            Old => "old",
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A producer begins, or begins again, which fences whoever had its id.
    Begin(Who),
    Send(Who, i32, &'static str),
    /// The group has come so far.
    Move(Who, i64),
    End(Who, bool),
    /// It does not come back in time.
    TimeOut(Who),
    /// Somebody else has ended what it had begun: it can do nothing any more.
    Fenced(Who),
}
use Step::{Begin, End, Fenced, Move, Send, TimeOut};

const COMMIT: bool = true;
const ABORT: bool = false;

const LIFE: &[Step] = &[
    // One after the other, each in both partitions and with offsets.
    Begin(New),
    Send(New, 0, "a"),
    Send(New, 1, "a"),
    Move(New, 10),
    End(New, COMMIT),
    Send(New, 0, "never"),
    Send(New, 1, "never"),
    Move(New, 11),
    End(New, ABORT),
    Begin(Old),
    Send(Old, 0, "b"),
    Send(Old, 1, "b"),
    Move(Old, 20),
    End(Old, COMMIT),
    Send(Old, 1, "never"),
    Move(Old, 21),
    End(Old, ABORT),
    // Side by side.
    Send(New, 0, "c"),
    Send(Old, 0, "d"),
    Send(New, 1, "c"),
    Send(Old, 1, "d"),
    Move(Old, 22),
    End(Old, COMMIT),
    Move(New, 12),
    End(New, COMMIT),
    // The next one with the same id ends what is open, and goes on.
    Send(New, 0, "never"),
    Move(New, 13),
    Begin(Successor),
    Fenced(New),
    Send(Successor, 1, "e"),
    End(Successor, COMMIT),
    // Out of time, both of them.
    Send(Old, 0, "never"),
    Move(Old, 23),
    Send(Successor, 1, "never"),
    TimeOut(Old),
    TimeOut(Successor),
    Fenced(Old),
    Fenced(Successor),
    Begin(Old),
    Send(Old, 0, "f"),
    End(Old, COMMIT),
];

/// A node that has run once, whose topics are there.
fn template(level: i16) -> Node {
    let mut node = Node::start_formatted(&SETTINGS, &[("transaction.version", level)]);
    prepare(&node, PARTITIONS);
    node.close();
    node
}

/// Tries every change, or every so many of them, each with one kind of clients; with `OTTLA_CRASH_EVERYWHERE` every one with both.
fn crash_everywhere(level: i16, every: usize) {
    let template = template(level);
    let mut whole = Life::begin(&template, level, Clients::ComeBack, NEVER);
    whole.live();
    let changes = NEVER - whole.changes_left;
    assert!(changes > 100, "the life is too short to say anything: {changes}");
    let lives: Vec<(usize, Clients)> = match std::env::var_os("OTTLA_CRASH_EVERYWHERE") {
        Some(_) => (1..=changes)
            .flat_map(|change| [(change, Clients::ComeBack), (change, Clients::AreGone)])
            .collect(),
        None => (1..=changes)
            .step_by(every)
            .zip([Clients::AreGone, Clients::ComeBack].into_iter().cycle())
            .collect(),
    };
    let (next, deaths) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((change, clients)) = lives.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let mut life = Life::begin(&template, level, *clients, *change);
                    life.live();
                    deaths.fetch_add(usize::from(life.died), Ordering::SeqCst);
                }
            });
        }
    });
    // The last of them are only reached if the life takes as many changes as it did before.
    let deaths = deaths.into_inner();
    assert!(
        deaths * 10 > lives.len() * 9,
        "{deaths} of {} have died",
        lives.len()
    );
}

#[test]
fn transactions_outlive_a_crash_at_any_change_of_the_disk() {
    crash_everywhere(2, 1);
}

#[test]
fn transactions_of_version_1_outlive_a_crash_at_any_change_of_the_disk() {
    crash_everywhere(1, 5);
}

#[test]
fn transactions_of_version_0_outlive_a_crash_at_any_change_of_the_disk() {
    crash_everywhere(0, 5);
}
