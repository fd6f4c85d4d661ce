//! The rules: what may not be seen of a broker that promises exactly-once. Pure; each rule is one pass over the history.
//!
//! What nobody was told may have gone either way, but one way for everybody. What happened at the same time may have happened
//! in either order. Everything else is a finding.

mod index;
mod offsets;
mod reads;
mod records;
mod transactions;

use std::fmt;

use crate::history::History;

use index::Index;

/// Names are the words of a report and of the test cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// A value was read that nobody had sent there, or whose sending the broker had refused.
    Phantom,
    /// A value that was acknowledged, or read once, is not there in the end.
    Lost,
    /// One value at two places.
    Duplicate,
    /// Two values at one place, or one at another than its producer was told.
    Moved,
    /// A producer's records, or records sent one after the other's end, stand in another order.
    Reordered,
    /// A value of a transaction that was not committed was read under read_committed.
    Aborted,
    /// Of one transaction some values count and others do not.
    Torn,
    /// A value was read under read_committed before anybody asked to commit it.
    Unstable,
    /// The last stable offset has passed the first record of an open transaction.
    StablePastOpen,
    /// A poll under read_committed held records beyond the last stable offset of a later one, or any poll beyond the high
    /// watermark of a later one.
    BeyondStable,
    /// A fenced producer still wrote, or ended a transaction.
    Zombie,
    /// A high watermark or a last stable offset went back.
    WatermarkBack,
    /// A poll left out records, or had them in another order than they stand.
    Skipped,
    /// An input was not copied exactly once up to the group's offset, or copied beyond it.
    Copy,
    /// A group's offset went back, or misses a commit that was acknowledged.
    OffsetBack,
    /// A group's offset is one that only an aborted transaction, or nobody, had committed.
    OffsetAborted,
    /// In the end the last stable offset is still behind the high watermark.
    Hanging,
    /// Something was sent to a partition that nobody read to its end: nothing can be said about it.
    Unread,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub rule: Rule,
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.text)
    }
}

/// All that contradicts the promises, sorted by rule.
pub fn judge(history: &History) -> Vec<Finding> {
    let index = Index::new(history);
    let mut findings = Findings::default();
    records::judge(&index, &mut findings);
    transactions::judge(&index, &mut findings);
    reads::judge(&index, &mut findings);
    offsets::judge(&index, &mut findings);
    findings.0.sort();
    findings.0.dedup();
    findings.0
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, rule: Rule, text: String) {
        self.0.push(Finding { rule, text });
    }
}

#[cfg(test)]
mod tests;
