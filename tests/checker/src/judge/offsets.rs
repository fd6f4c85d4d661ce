//! The group's offsets, alone and beside the records that were made from what lies below them.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Isolation, Outcome, Partition, Value};

use super::index::{Fate, Index, Span, largest_before};
use super::{Findings, Rule};

pub fn judge(index: &Index, findings: &mut Findings) {
    offsets_only_rise(index, findings);
    offsets_come_from_commits(index, findings);
    inputs_are_copied_once(index, findings);
}

/// Reads, and commits that were acknowledged, in real time. The clients here never commit backwards.
fn offsets_only_rise(index: &Index, findings: &mut Findings) {
    let mut by_partition: BTreeMap<Partition, Vec<Span>> = BTreeMap::new();
    for transaction in index.transactions.values() {
        let committed = transaction
            .ends
            .iter()
            .find(|(end, commit)| *commit && end.outcome == Outcome::Ok);
        let Some((end, _)) = committed else { continue };
        for (operation, partition, offset) in &transaction.offsets {
            if operation.outcome == Outcome::Ok {
                by_partition.entry(*partition).or_default().push(Span {
                    called: end.called,
                    done: end.done,
                    figure: *offset,
                });
            }
        }
    }
    let set = index.set_offsets.iter();
    let set = set.filter(|(operation, ..)| operation.outcome == Outcome::Ok);
    for (operation, partition, offset) in set.chain(&index.offset_reads) {
        by_partition.entry(*partition).or_default().push(Span {
            called: operation.called,
            done: operation.done,
            figure: *offset,
        });
    }
    for (partition, spans) in by_partition {
        for (span, before) in spans.iter().zip(largest_before(&spans)) {
            if before.is_some_and(|before| before > span.figure) {
                findings.add(
                    Rule::OffsetBack,
                    format!("partition {partition}: offset {} after {before:?}", span.figure),
                );
            }
        }
    }
}

fn offsets_come_from_commits(index: &Index, findings: &mut Findings) {
    let mut possible: BTreeSet<(Partition, i64)> = BTreeSet::new();
    for transaction in index.transactions.values() {
        if transaction.fate() == Fate::Aborted {
            continue;
        }
        for (operation, partition, offset) in &transaction.offsets {
            if operation.outcome != Outcome::Failed {
                possible.insert((*partition, *offset));
            }
        }
    }
    for (operation, partition, offset) in &index.set_offsets {
        if operation.outcome != Outcome::Failed {
            possible.insert((*partition, *offset));
        }
    }
    for (_, partition, offset) in &index.offset_reads {
        if *offset >= 0 && !possible.contains(&(*partition, *offset)) {
            findings.add(
                Rule::OffsetAborted,
                format!("partition {partition}: nothing that may count committed offset {offset}"),
            );
        }
    }
}

/// Of each input below the group's last offset one copy counts, and none of those from it on.
fn inputs_are_copied_once(index: &Index, findings: &mut Findings) {
    let mut last: BTreeMap<Partition, (u64, i64)> = BTreeMap::new();
    for (operation, partition, offset) in &index.offset_reads {
        let newest = last.entry(*partition).or_insert((operation.called, *offset));
        *newest = (*newest).max((operation.called, *offset));
    }
    // What offsets outside of transactions say is not how far anybody has copied.
    for (_, partition, _) in &index.set_offsets {
        last.remove(partition);
    }
    let copies = copies_that_count(index);
    for (partition, (_, end)) in last {
        let Some(inputs) = index.last_read(partition, Isolation::Committed) else {
            continue;
        };
        for (offset, value) in &inputs.by_offset {
            let found = copies.get(value).copied().unwrap_or(0);
            if found != u32::from(*offset < end) {
                findings.add(
                    Rule::Copy,
                    format!(
                        "input {value} at {partition}@{offset} has {found} copies, with offset {end} committed"
                    ),
                );
            }
        }
    }
}

fn copies_that_count(index: &Index) -> BTreeMap<Value, u32> {
    let mut copies = BTreeMap::new();
    for partition in index.partitions() {
        let held = index.last_read(partition, Isolation::Committed);
        for value in held.into_iter().flat_map(|held| &held.values) {
            let sent = index.send_of.get(value).and_then(|at| index.sends.get(*at));
            let Some((_, send)) = sent else { continue };
            let copied = send.values.iter().zip(&send.sources).find(|(it, _)| *it == value);
            if let Some((_, source)) = copied {
                *copies.entry(*source).or_insert(0) += 1;
            }
        }
    }
    copies
}
