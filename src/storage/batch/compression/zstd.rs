//! Zstandard frames, any level, one or several.

use std::io::{self, BufRead, BufReader};

/// Largest window a frame may ask for, as a power of two: 128 MiB, zstd's own default limit and Kafka's, and what its
/// highest level uses. The memory is taken page by page as output is produced, so the limit on output guards it too.
const WINDOW_LOG_MAX: u32 = 27;
const LEVEL_DEFAULT: i32 = 3;

pub(super) fn decoder(blob: &[u8]) -> io::Result<impl BufRead + '_> {
    let mut decoder = ::zstd::stream::read::Decoder::with_buffer(blob)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(BufReader::with_capacity(super::BUFFER_BYTES, decoder))
}

pub(super) fn encode(level: Option<i32>, from: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let encoder = ::zstd::stream::write::Encoder::new(Vec::new(), level.unwrap_or(LEVEL_DEFAULT))?;
    super::copy_into(from, encoder)?.finish()
}
