//! The machine of transactions driven by scripts, `testdata/transaction*.txt`; see `crate::script_tests` for their form.
//!
//! `work:` is what the machine wants done outside: the script answers with `markers`, or with `append` and `ids` how the
//! log and the controller behave.

mod print;
mod random;
mod world;

use crate::script_tests::run;
use world::World;

#[test]
fn producers_begin() {
    run::<World>("transaction_init.txt");
}

#[test]
fn transactions_end() {
    run::<World>("transaction_end.txt");
}

#[test]
fn partitions_enter() {
    run::<World>("transaction_partitions.txt");
}

#[test]
fn markers_and_failures() {
    run::<World>("transaction_markers.txt");
}

#[test]
fn time_and_administration() {
    run::<World>("transaction_time.txt");
}

/// Each trap that others fell into, by its name.
#[test]
fn traps_of_others() {
    run::<World>("transaction_traps.txt");
}
