//! What polls say of themselves and of each other.

use std::collections::BTreeMap;

use crate::history::{Isolation, Partition, Poll};

use super::index::{Index, Span, largest_before};
use super::{Findings, Rule};

pub fn judge(index: &Index, findings: &mut Findings) {
    for (_, poll) in &index.polls {
        stays_within_its_limits(poll, findings);
        leaves_nothing_out(index, poll, findings);
    }
    limits_only_rise(index, "high watermark", |poll| poll.high_watermark, findings);
    limits_only_rise(
        index,
        "last stable offset",
        |poll| poll.last_stable_offset,
        findings,
    );
}

fn stays_within_its_limits(poll: &Poll, findings: &mut Findings) {
    let limit = match poll.isolation {
        Isolation::Committed => poll.last_stable_offset.min(poll.high_watermark),
        Isolation::Uncommitted => poll.high_watermark,
    };
    let partition = poll.partition;
    if poll.last_stable_offset > poll.high_watermark {
        findings.add(
            Rule::BeyondStable,
            format!(
                "partition {partition}: stable up to {}, with a high watermark of {}",
                poll.last_stable_offset, poll.high_watermark
            ),
        );
    }
    for (offset, value) in poll.records.iter().filter(|(offset, _)| *offset >= limit) {
        findings.add(
            Rule::BeyondStable,
            format!("value {value} at {partition}@{offset} was read with a limit of {limit}"),
        );
    }
    let first = poll.records.first().filter(|(offset, _)| *offset < poll.from);
    let back = poll.records.windows(2).find(|pair| pair[0].0 >= pair[1].0);
    if first.is_some() || back.is_some() {
        findings.add(
            Rule::Skipped,
            format!(
                "partition {partition}: a poll from {} has offsets out of order",
                poll.from
            ),
        );
    }
}

/// Between where it began and the last record it has, a poll has all that the partition holds in the end.
fn leaves_nothing_out(index: &Index, poll: &Poll, findings: &mut Findings) {
    let held = index.last_read(poll.partition, poll.isolation);
    let (Some(held), Some((last, _))) = (held, poll.records.last()) else {
        return;
    };
    let polled: BTreeMap<i64, u64> = poll.records.iter().copied().collect();
    if *last < poll.from {
        return;
    }
    for (offset, value) in held.by_offset.range(poll.from..=*last) {
        if !polled.contains_key(offset) {
            findings.add(
                Rule::Skipped,
                format!(
                    "value {value} at {}@{offset} is missing from a poll of {}..={last}",
                    poll.partition, poll.from
                ),
            );
        }
    }
}

/// On one replica, as here: a new leader may begin with a lower one.
fn limits_only_rise(index: &Index, name: &str, limit: fn(&Poll) -> i64, findings: &mut Findings) {
    let mut by_partition: BTreeMap<Partition, Vec<Span>> = BTreeMap::new();
    for (operation, poll) in &index.polls {
        by_partition.entry(poll.partition).or_default().push(Span {
            called: operation.called,
            done: operation.done,
            figure: limit(poll),
        });
    }
    for (partition, spans) in by_partition {
        for (span, before) in spans.iter().zip(largest_before(&spans)) {
            if before.is_some_and(|before| before > span.figure) {
                findings.add(
                    Rule::WatermarkBack,
                    format!(
                        "partition {partition}: the {name} is {} after {before:?}",
                        span.figure
                    ),
                );
            }
        }
    }
}
