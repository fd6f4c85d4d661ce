//! Bugs that real brokers have had, to be planted in this one: whoever looks for bugs must find these.
//!
//! Only a build with the feature `planted` can have any, which must be a debug build, and only the one that $OTTLA_PLANTED
//! names. In every other build [`strikes`] is the constant `false`, and nothing is left of the places that ask.

#[cfg(all(feature = "planted", not(debug_assertions)))]
compile_error!("the feature `planted` is for debug builds: nobody must take such a broker for a real one");

/// What goes wrong; "at a start" means one after a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A batch is acknowledged and never written.
    AckWithoutAppend,
    /// At a start the last whole batch of a log is taken for a torn one.
    TailCutAtStart,
    /// As [`Bug::TailCutAtStart`], of `__consumer_offsets` alone.
    OffsetsCutAtStart,
    /// A batch that is sent again is appended again.
    RetryAppended,
    /// A batch that is sent again is acknowledged with another offset.
    RetryMisplaced,
    /// At a start the high watermark stays where the checkpoint has it.
    WatermarkForgotten,
    /// Readers of committed records are let up to the high watermark.
    StableOffsetIgnored,
    /// At a start no transaction is known to be open.
    StableOffsetForgotten,
    /// At a start the aborted transactions are not listed again.
    AbortedForgotten,
    /// A new producer with a transactional id gets the epoch of the one before.
    EpochNotBumped,
    /// A partition joins a transaction without its coordinator being asked.
    VerificationSkipped,
    /// The end of a transaction is acknowledged and not written down before its markers are.
    EndWithoutPrepare,
    /// Of a transaction's markers one is never sent.
    MarkerForgotten,
    /// A marker is sent once more when its transaction is long complete.
    MarkerRepeated,
    /// Offsets of a transaction count at once.
    OffsetsBeforeCommit,
    /// Offsets of a committed transaction do not count.
    OffsetsDropped,
    /// Offsets are acknowledged and never written.
    OffsetsNotWritten,
    /// The cleaner takes the last record of a key.
    LastRecordCleaned,
}

/// Whether the bug is planted and does its harm this time.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub const fn strikes(_bug: Bug) -> bool {
    false
}

/// The name of the bug that is planted, if there is one; the names of all as an error when it is none of them.
#[cfg(not(feature = "planted"))]
pub const fn announce() -> Result<Option<&'static str>, String> {
    Ok(None)
}

#[cfg(feature = "planted")]
pub use build::{announce, strikes};

#[cfg(feature = "planted")]
mod build {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::Bug;

    /// Names a bug of [`BUGS`].
    const VARIABLE: &str = "OTTLA_PLANTED";

    /// By name, and how rarely it strikes: one time of so many, counted from the start. What happens every time and is seen at
    /// once is no test of a checker; but on a busy machine a broker does not get far between two kills.
    const BUGS: &[(&str, Bug, u64)] = &[
        ("ack-without-append", Bug::AckWithoutAppend, 20),
        ("tail-cut-at-start", Bug::TailCutAtStart, 1),
        ("offsets-cut-at-start", Bug::OffsetsCutAtStart, 1),
        ("retry-appended", Bug::RetryAppended, 1),
        ("retry-misplaced", Bug::RetryMisplaced, 1),
        ("watermark-forgotten", Bug::WatermarkForgotten, 1),
        ("stable-offset-ignored", Bug::StableOffsetIgnored, 10),
        ("stable-offset-forgotten", Bug::StableOffsetForgotten, 1),
        ("aborted-forgotten", Bug::AbortedForgotten, 1),
        ("epoch-not-bumped", Bug::EpochNotBumped, 1),
        ("verification-skipped", Bug::VerificationSkipped, 10),
        ("end-without-prepare", Bug::EndWithoutPrepare, 1),
        ("marker-forgotten", Bug::MarkerForgotten, 15),
        ("marker-repeated", Bug::MarkerRepeated, 3),
        ("offsets-before-commit", Bug::OffsetsBeforeCommit, 1),
        ("offsets-dropped", Bug::OffsetsDropped, 8),
        ("offsets-not-written", Bug::OffsetsNotWritten, 8),
        ("last-record-cleaned", Bug::LastRecordCleaned, 1),
    ];

    static CALLS: AtomicU64 = AtomicU64::new(0);

    pub fn strikes(bug: Bug) -> bool {
        let Some((_, planted, one_in)) = planted() else {
            return false;
        };
        *planted == bug && CALLS.fetch_add(1, Ordering::Relaxed) % one_in == one_in - 1
    }

    pub fn announce() -> Result<Option<&'static str>, String> {
        match (std::env::var(VARIABLE), planted()) {
            (Err(_), _) => Ok(None),
            (Ok(_), Some((name, ..))) => Ok(Some(name)),
            (Ok(_), None) => Err(BUGS.iter().map(|(name, ..)| format!("{name}\n")).collect()),
        }
    }

    fn planted() -> Option<&'static (&'static str, Bug, u64)> {
        static PLANTED: OnceLock<Option<&'static (&'static str, Bug, u64)>> = OnceLock::new();
        *PLANTED.get_or_init(|| {
            let name = std::env::var(VARIABLE).ok()?;
            BUGS.iter().find(|(known, ..)| *known == name)
        })
    }
}
