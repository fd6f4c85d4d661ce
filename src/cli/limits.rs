//! The operating system's limit on open files, raised as far as the process may.
//!
//! Every segment that is in use and every connection is an open file. The usual soft limit of 1024 is there for old
//! programs that use `select`; the hard limit is what the administrator allows.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::{debug, warn};

/// Below this a broker with a few thousand partitions will run out.
const OPEN_FILES_WANTED: u64 = 16_384;

pub(super) fn raise_open_files() {
    let (soft, hard) = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok(limits) => limits,
        Err(error) => return warn!(%error, "the limit on open files cannot be read"),
    };
    if soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        return warn!(%error, soft, hard, "the limit on open files cannot be raised");
    }
    match hard < OPEN_FILES_WANTED {
        true => warn!(
            hard,
            "the limit on open files is low for a broker; raise it with ulimit -Hn or LimitNOFILE"
        ),
        false => debug!(hard, "limit on open files"),
    }
}
