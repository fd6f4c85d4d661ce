//! What was asked, by whom, when, and what came of it.
//!
//! Outcomes are exact, since misfiled ones are how checkers lie: `Failed` means that the broker has said so, or never got the
//! request; `Unknown` that the request left and no answer came, or one that promises nothing.

/// Everything that clients did, in any order: the times tell which of two operations came first, or that they overlapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    pub operations: Vec<Operation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// A moment before the request left. Times are ticks of one counter that all clients share.
    pub called: u64,
    /// A moment after the answer came, or the client gave up.
    pub done: u64,
    pub action: Action,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    Ok,
    /// Has not happened and will not.
    Failed,
    /// Has happened, or will yet, or never.
    Unknown,
}

/// One life of a producer. A later incarnation of the same id fences the earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Producer {
    pub id: u32,
    pub incarnation: u32,
}

/// Unique in a history; so one that turns up twice was written twice.
pub type Value = u64;
pub type TxnId = u64;
/// All partitions of a history are numbered through, whatever their topics.
pub type Partition = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Isolation {
    Uncommitted,
    Committed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// InitProducerId.
    Init {
        producer: Producer,
    },
    Send(Send),
    /// TxnOffsetCommit of the one group of a history.
    CommitOffset {
        producer: Producer,
        txn: TxnId,
        partition: Partition,
        offset: i64,
    },
    /// OffsetCommit of that group, outside of transactions.
    SetOffset {
        partition: Partition,
        offset: i64,
    },
    /// EndTxn.
    End {
        producer: Producer,
        txn: TxnId,
        commit: bool,
    },
    Poll(Poll),
    /// OffsetFetch of stable offsets; -1 when there is none.
    Committed {
        partition: Partition,
        offset: i64,
    },
}

/// One batch of an idempotent producer, retried under its sequence number as long as that may help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    pub producer: Producer,
    pub txn: Option<TxnId>,
    pub partition: Partition,
    pub values: Vec<Value>,
    /// The values that these were made from, one for one, or nothing.
    pub sources: Vec<Value>,
    /// Of the first value, where the broker told it.
    pub offset: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    pub isolation: Isolation,
    pub partition: Partition,
    pub from: i64,
    /// The whole partition, to its end, after everything else.
    pub is_final: bool,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub records: Vec<(i64, Value)>,
}
