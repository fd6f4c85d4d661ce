//! gzip (RFC 1952): one member when written, any number of members when read, as the JDK does it.

use std::io::{self, BufRead, BufReader};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

pub(super) fn decoder(blob: &[u8]) -> impl BufRead + '_ {
    BufReader::with_capacity(super::BUFFER_BYTES, MultiGzDecoder::new(blob))
}

pub(super) fn encode(level: Option<i32>, from: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let level = match level.and_then(|level| u32::try_from(level).ok()) {
        Some(level @ 1..=9) => flate2::Compression::new(level),
        _ => flate2::Compression::default(),
    };
    super::copy_into(from, GzEncoder::new(Vec::new(), level))?.finish()
}
