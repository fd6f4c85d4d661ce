//! Each value once, where its producer was told, in the order of sending, and for good.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Isolation, Outcome, Partition, Producer};

use super::index::{Index, Span, largest_before};
use super::{Findings, Rule};

pub fn judge(index: &Index, findings: &mut Findings) {
    each_value_is_known_and_once(index, findings);
    each_place_has_one_value(index, findings);
    nothing_is_lost(index, findings);
    what_was_read_stays(index, findings);
    order_is_kept(index, findings);
}

fn each_value_is_known_and_once(index: &Index, findings: &mut Findings) {
    for (value, places) in &index.places {
        if places.len() > 1 {
            findings.add(Rule::Duplicate, format!("value {value} stands at {places:?}"));
        }
        let sent = index.send_of.get(value).and_then(|at| index.sends.get(*at));
        let Some((operation, send)) = sent else {
            findings.add(
                Rule::Phantom,
                format!("value {value} at {places:?} was never sent"),
            );
            continue;
        };
        if operation.outcome == Outcome::Failed {
            findings.add(
                Rule::Phantom,
                format!("value {value} at {places:?} had been refused"),
            );
        }
        for (partition, offset) in places.iter().filter(|(it, _)| *it != send.partition) {
            findings.add(
                Rule::Phantom,
                format!(
                    "value {value} of partition {} was read at {partition}@{offset}",
                    send.partition
                ),
            );
        }
    }
}

fn each_place_has_one_value(index: &Index, findings: &mut Findings) {
    let mut holders: BTreeMap<(Partition, i64), BTreeSet<u64>> = BTreeMap::new();
    for (value, places) in &index.places {
        for place in places {
            holders.entry(*place).or_default().insert(*value);
        }
    }
    for (operation, send) in &index.sends {
        let (Outcome::Ok, Some(base)) = (operation.outcome, send.offset) else {
            continue;
        };
        for (value, offset) in send.values.iter().zip(base..) {
            holders
                .entry((send.partition, offset))
                .or_default()
                .insert(*value);
            let read = index.places.get(value);
            if let Some(read) = read.filter(|read| !read.contains(&(send.partition, offset))) {
                findings.add(
                    Rule::Moved,
                    format!("value {value} was acknowledged at offset {offset} and read at {read:?}"),
                );
            }
        }
    }
    for ((partition, offset), values) in holders.iter().filter(|(_, values)| values.len() > 1) {
        findings.add(
            Rule::Moved,
            format!("{partition}@{offset} is the place of each of {values:?}"),
        );
    }
}

/// Under read_uncommitted all that was acknowledged; under read_committed what counts. A transaction that counts in part
/// is [`Rule::Torn`], and found there.
fn nothing_is_lost(index: &Index, findings: &mut Findings) {
    for (operation, send) in index.sends.iter().filter(|(it, _)| it.outcome == Outcome::Ok) {
        let Some(held) = index.last_read(send.partition, Isolation::Uncommitted) else {
            findings.add(
                Rule::Unread,
                format!("partition {} was written to and not read", send.partition),
            );
            continue;
        };
        for value in send.values.iter().filter(|value| !held.values.contains(value)) {
            findings.add(
                Rule::Lost,
                format!(
                    "value {value} was acknowledged (partition {}, offset {:?})",
                    send.partition, send.offset
                ),
            );
        }
        if send.txn.is_some() || !index.must_count(operation, send) {
            continue;
        }
        let Some(counted) = index.last_read(send.partition, Isolation::Committed) else {
            continue;
        };
        for value in send.values.iter().filter(|value| !counted.values.contains(value)) {
            findings.add(
                Rule::Lost,
                format!("value {value} does not count under read_committed"),
            );
        }
    }
}

fn what_was_read_stays(index: &Index, findings: &mut Findings) {
    for (_, poll) in &index.polls {
        let Some(held) = index.last_read(poll.partition, poll.isolation) else {
            continue;
        };
        for (offset, value) in poll
            .records
            .iter()
            .filter(|(at, _)| !held.by_offset.contains_key(at))
        {
            findings.add(
                Rule::Lost,
                format!(
                    "value {value} was read at {}@{offset} and is gone",
                    poll.partition
                ),
            );
        }
    }
}

/// In a producer's own order, whatever came of the sends; and in real time across producers.
fn order_is_kept(index: &Index, findings: &mut Findings) {
    let mut last_of: BTreeMap<(Producer, Partition), (i64, u64)> = BTreeMap::new();
    let mut by_partition: BTreeMap<Partition, Vec<(Span, u64)>> = BTreeMap::new();
    for (operation, send) in &index.sends {
        let (Some(offset), Some(first)) = (index.offset_of(send), send.values.first()) else {
            continue;
        };
        let earlier = last_of.insert((send.producer, send.partition), (offset, *first));
        if let Some((before, value)) = earlier.filter(|(before, _)| *before >= offset) {
            findings.add(
                Rule::Reordered,
                format!(
                    "partition {}: its producer sent {value} ({before}) before {first} ({offset})",
                    send.partition
                ),
            );
        }
        let done = match operation.outcome {
            Outcome::Ok => operation.done,
            // Nobody knows when it arrived.
            Outcome::Failed | Outcome::Unknown => u64::MAX,
        };
        let span = Span {
            called: operation.called,
            done,
            figure: offset,
        };
        by_partition
            .entry(send.partition)
            .or_default()
            .push((span, *first));
    }
    for (partition, sends) in by_partition {
        let spans: Vec<Span> = sends.iter().map(|(span, _)| *span).collect();
        for ((span, value), before) in sends.iter().zip(largest_before(&spans)) {
            if before.is_some_and(|before| before >= span.figure) {
                findings.add(
                    Rule::Reordered,
                    format!(
                        "partition {partition}: {value} got offset {} after {before:?} was acknowledged",
                        span.figure
                    ),
                );
            }
        }
    }
}
