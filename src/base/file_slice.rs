//! Record bytes that stay in a file until the socket asks for them.

use std::fs::File;
use std::sync::Arc;

/// A range of an open file. Holding it keeps the file's bytes readable even if the file is deleted meanwhile,
/// so a fetch answer that is under way outlives retention.
#[derive(Clone, Debug)]
pub struct FileSlice {
    pub file: Arc<File>,
    pub position: u64,
    pub len: usize,
}
