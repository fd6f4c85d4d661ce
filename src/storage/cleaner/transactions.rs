//! Which batches belong to aborted transactions, and which markers are no longer needed, as a pass over a log finds out.
//!
//! A marker may go when the pass met no batch of its transaction: then no reader can need it. What was aborted goes as
//! soon as it is seen; its entry in the transaction index stays as long as there was such a batch in the pass.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::batch::BatchHeader;
use crate::batch::control::EndTxn;
use crate::txn_index::AbortedTxn;

#[derive(Default)]
pub(super) struct TransactionsInPass {
    /// Not begun yet, by first offset.
    coming: VecDeque<AbortedTxn>,
    /// By producer: the aborted transaction that the pass is in, and whether a batch of it was met.
    aborted: HashMap<i64, (AbortedTxn, bool)>,
    /// Producers of whose committed transaction a batch was met.
    committed: HashSet<i64>,
}

/// What a marker means to the pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MarkerUse {
    /// Data of the transaction was met.
    Needed,
    /// As before, of an aborted transaction: it stands in the index of the segment that takes the marker.
    NeededWithIndex(AbortedTxn),
    NotNeeded,
}

impl TransactionsInPass {
    /// Makes aborted transactions known, those that overlap the segment that comes next.
    pub fn expect(&mut self, mut aborted: Vec<AbortedTxn>) {
        aborted.retain(|txn| !self.coming.contains(txn));
        self.coming.extend(aborted);
        self.coming
            .make_contiguous()
            .sort_unstable_by_key(|txn| txn.first_offset);
    }

    /// Takes note of a batch that is no control batch; true when it was aborted.
    pub fn on_data(&mut self, header: &BatchHeader) -> bool {
        self.begin_up_to(header.last_offset());
        if !header.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&header.producer_id) {
            Some((_, is_met)) => {
                *is_met = true;
                true
            }
            None => {
                self.committed.insert(header.producer_id);
                false
            }
        }
    }

    /// Takes note of a marker. `kind` is `None` for an empty control batch, which an earlier pass has left.
    pub fn on_marker(&mut self, header: &BatchHeader, kind: Option<EndTxn>) -> MarkerUse {
        self.begin_up_to(header.last_offset());
        match kind {
            Some(EndTxn::Abort) => match self.aborted.remove(&header.producer_id) {
                Some((txn, true)) => MarkerUse::NeededWithIndex(txn),
                _ => MarkerUse::NotNeeded,
            },
            Some(EndTxn::Commit) if self.committed.remove(&header.producer_id) => MarkerUse::Needed,
            Some(EndTxn::Commit) | None => MarkerUse::NotNeeded,
        }
    }

    fn begin_up_to(&mut self, offset: i64) {
        while let Some(txn) = self.coming.front()
            && txn.first_offset <= offset
        {
            let txn = *txn;
            self.coming.pop_front();
            self.aborted.entry(txn.producer_id).or_insert((txn, false));
        }
    }
}
