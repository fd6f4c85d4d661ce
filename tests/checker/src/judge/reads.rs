//! What polls say of themselves and of each other.

use std::collections::BTreeMap;

use crate::history::{Isolation, Partition, Poll};

use super::index::{Index, Span, largest_before};
use super::{Findings, Rule};

pub fn judge(index: &Index, findings: &mut Findings) {
    for (_, poll) in &index.polls {
        goes_forward(poll, findings);
        leaves_nothing_out(index, poll, findings);
    }
    for limit in [&HIGH_WATERMARK, &LAST_STABLE_OFFSET] {
        limits_only_rise(index, limit, findings);
        nothing_lies_beyond(index, limit, findings);
    }
}

/// How far polls may see.
struct Limit {
    name: &'static str,
    of: fn(&Poll) -> i64,
    /// The end of what a poll has shown, for which the limit must have been there.
    shown: fn(&Poll) -> i64,
}

const HIGH_WATERMARK: Limit = Limit {
    name: "high watermark",
    of: |poll| poll.high_watermark,
    shown: |poll| match poll.last_stable_offset > poll.high_watermark {
        true => poll.last_stable_offset,
        false => end_of_records(poll),
    },
};

const LAST_STABLE_OFFSET: Limit = Limit {
    name: "last stable offset",
    of: |poll| poll.last_stable_offset,
    shown: |poll| match poll.isolation {
        Isolation::Committed => end_of_records(poll),
        Isolation::Uncommitted => 0,
    },
};

fn end_of_records(poll: &Poll) -> i64 {
    poll.records.last().map_or(0, |(offset, _)| offset + 1)
}

fn goes_forward(poll: &Poll, findings: &mut Findings) {
    let first = poll.records.first().filter(|(offset, _)| *offset < poll.from);
    let back = poll.records.windows(2).find(|pair| pair[0].0 >= pair[1].0);
    if first.is_some() || back.is_some() {
        findings.add(
            Rule::Skipped,
            format!(
                "partition {}: a poll from {} has offsets out of order",
                poll.partition, poll.from
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

/// On one replica, as here, and through its restarts. It is more than Apache Kafka promises: there a leader may begin with the
/// high watermark of a checkpoint (KIP-207).
fn limits_only_rise(index: &Index, limit: &Limit, findings: &mut Findings) {
    for (partition, spans) in spans(index, limit.of) {
        let told: Vec<Span> = spans.iter().map(|(span, _)| *span).collect();
        for (span, before) in told.iter().zip(largest_before(&told)) {
            if before.is_some_and(|before| before > span.figure) {
                findings.add(
                    Rule::WatermarkBack,
                    format!(
                        "partition {partition}: the {} is {} after {before:?}",
                        limit.name, span.figure
                    ),
                );
            }
        }
    }
}

/// A poll may say less of its limit than it has used: Apache Kafka looks at the limit, then reads, and what was appended in
/// between is there. Polls that begin later cannot.
fn nothing_lies_beyond(index: &Index, limit: &Limit, findings: &mut Findings) {
    for (partition, spans) in spans(index, limit.shown) {
        let shown: Vec<Span> = spans.iter().map(|(span, _)| *span).collect();
        for ((_, poll), before) in spans.iter().zip(largest_before(&shown)) {
            let told = (limit.of)(poll);
            if before.is_some_and(|before| before > told) {
                findings.add(
                    Rule::BeyondStable,
                    format!(
                        "partition {partition}: the {} is {told}, and there was a poll up to {before:?} before",
                        limit.name
                    ),
                );
            }
        }
    }
}

fn spans<'h>(index: &Index<'h>, figure: fn(&Poll) -> i64) -> BTreeMap<Partition, Vec<(Span, &'h Poll)>> {
    let mut by_partition: BTreeMap<Partition, Vec<(Span, &Poll)>> = BTreeMap::new();
    for (operation, poll) in &index.polls {
        let span = Span {
            called: operation.called,
            done: operation.done,
            figure: figure(poll),
        };
        by_partition
            .entry(poll.partition)
            .or_default()
            .push((span, *poll));
    }
    by_partition
}
