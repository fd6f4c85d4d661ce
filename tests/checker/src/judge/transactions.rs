//! All of a transaction or nothing of it, nothing before its end, and nothing from a producer that was fenced.

use std::collections::BTreeSet;

use crate::history::{Action, Isolation, Outcome, Poll, Producer, Send};

use super::index::{Fate, Index, Transaction};
use super::{Findings, Rule};

pub fn judge(index: &Index, findings: &mut Findings) {
    for (id, transaction) in &index.transactions {
        is_whole_or_absent(index, *id, transaction, findings);
        ends_by_its_owner(index, *id, transaction, findings);
    }
    fenced_producers_write_nothing(index, findings);
    for (operation, poll) in &index.polls {
        holds_nothing_open(index, operation.done, poll, findings);
    }
    stable_offsets_wait(index, findings);
    nothing_hangs(index, findings);
}

fn is_whole_or_absent(index: &Index, id: u64, transaction: &Transaction, findings: &mut Findings) {
    let sends: Vec<&Send> = transaction
        .sends
        .iter()
        .filter_map(|at| index.sends.get(*at))
        .filter(|(operation, _)| operation.outcome == Outcome::Ok)
        .map(|(_, send)| *send)
        .collect();
    let every = transaction.sends.iter().filter_map(|at| index.sends.get(*at));
    let seen: BTreeSet<u64> = every
        .flat_map(|(_, send)| &send.values)
        .filter(|value| index.committed_values.contains(value))
        .copied()
        .collect();
    let fate = transaction.fate();
    if fate == Fate::Aborted {
        if !seen.is_empty() {
            findings.add(
                Rule::Aborted,
                format!("transaction {id} was not committed, and {seen:?} were read"),
            );
        }
        return;
    }
    if fate == Fate::Unknown && seen.is_empty() {
        return;
    }
    let missing: Vec<u64> = sends
        .iter()
        .filter_map(|send| Some((send, index.last_read(send.partition, Isolation::Committed)?)))
        .flat_map(|(send, held)| send.values.iter().filter(|value| !held.values.contains(value)))
        .copied()
        .collect();
    if missing.is_empty() {
        return;
    }
    if seen.is_empty() {
        findings.add(
            Rule::Lost,
            format!("transaction {id} was committed, and nothing of it counts: {missing:?}"),
        );
    } else {
        findings.add(
            Rule::Torn,
            format!("transaction {id}: {seen:?} count, {missing:?} do not"),
        );
    }
}

fn ends_by_its_owner(index: &Index, id: u64, transaction: &Transaction, findings: &mut Findings) {
    let Some(producer) = transaction.producer else {
        return;
    };
    let fenced_at = index.fenced_at(producer);
    let ends = transaction.ends.iter().map(|(operation, _)| *operation);
    let offsets = transaction.offsets.iter().map(|(operation, ..)| *operation);
    for operation in ends.chain(offsets) {
        if operation.outcome == Outcome::Ok && operation.called > fenced_at {
            let what = match operation.action {
                Action::End { .. } => "ended",
                _ => "added offsets to",
            };
            findings.add(
                Rule::Zombie,
                format!(
                    "producer {} of incarnation {} {what} transaction {id} after it was fenced",
                    producer.id, producer.incarnation
                ),
            );
        }
    }
}

fn fenced_producers_write_nothing(index: &Index, findings: &mut Findings) {
    for (operation, send) in &index.sends {
        if operation.called <= index.fenced_at(send.producer) {
            continue;
        }
        let read = send.values.iter().any(|value| index.places.contains_key(value));
        if read || operation.outcome == Outcome::Ok {
            let Producer { id, incarnation } = send.producer;
            findings.add(
                Rule::Zombie,
                format!(
                    "producer {id} of incarnation {incarnation} wrote {:?} after it was fenced",
                    send.values
                ),
            );
        }
    }
}

fn holds_nothing_open(index: &Index, done: u64, poll: &Poll, findings: &mut Findings) {
    if poll.isolation == Isolation::Uncommitted {
        return;
    }
    for (offset, value) in &poll.records {
        let sent = index.send_of.get(value).and_then(|at| index.sends.get(*at));
        let txn = sent.and_then(|(_, send)| index.transactions.get(&send.txn?));
        let Some(transaction) = txn else { continue };
        if transaction.fate() != Fate::Aborted && transaction.commit_called() > done {
            findings.add(
                Rule::Unstable,
                format!(
                    "value {value} at {}@{offset} was read before its transaction was ended",
                    poll.partition
                ),
            );
        }
    }
}

/// From the acknowledgement of a transaction's record until somebody asks for its end, stable offsets stay at or below it.
fn stable_offsets_wait(index: &Index, findings: &mut Findings) {
    for (operation, send) in &index.sends {
        let (Outcome::Ok, Some(offset), Some(txn)) = (operation.outcome, send.offset, send.txn) else {
            continue;
        };
        let Some(transaction) = index.transactions.get(&txn) else {
            continue;
        };
        let ends = transaction.ends.iter().map(|(operation, _)| operation.called);
        let ended = ends.min().unwrap_or(u64::MAX);
        let until = ended.min(index.fencing_called(send.producer));
        let first = index
            .polls
            .partition_point(|(poll, _)| poll.called <= operation.done);
        let meanwhile = index.polls.iter().skip(first);
        for (_, poll) in meanwhile
            .take_while(|(poll, _)| poll.called < until)
            .filter(|(poll, _)| poll.done < until)
        {
            if poll.partition == send.partition && poll.last_stable_offset > offset {
                findings.add(
                    Rule::StablePastOpen,
                    format!(
                        "partition {}: stable up to {} while transaction {txn} was open from {offset}",
                        poll.partition, poll.last_stable_offset
                    ),
                );
            }
        }
    }
}

fn nothing_hangs(index: &Index, findings: &mut Findings) {
    for (_, poll) in index.polls.iter().filter(|(_, poll)| poll.is_final) {
        if poll.last_stable_offset < poll.high_watermark {
            findings.add(
                Rule::Hanging,
                format!(
                    "partition {}: stable up to {} of {}",
                    poll.partition, poll.last_stable_offset, poll.high_watermark
                ),
            );
        }
    }
}
