//! A stream that refuses to give more than so many bytes: the guard against decompression bombs.

use std::io::{self, BufRead, Read};

/// `inner`, up to `left` bytes; one byte more is an error, not an end.
pub(super) struct Limited<R> {
    inner: R,
    left: usize,
    bytes_max: usize,
}

impl<R: BufRead> Limited<R> {
    pub fn new(inner: R, bytes_max: usize) -> Self {
        Self {
            inner,
            left: bytes_max,
            bytes_max,
        }
    }
}

impl<R: BufRead> Read for Limited<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut available = self.fill_buf()?;
        let read = available.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Limited<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let available = self.inner.fill_buf()?;
        if available.is_empty() {
            return Ok(available);
        }
        match available.get(..available.len().min(self.left)) {
            Some(within) if !within.is_empty() => Ok(within),
            _ => Err(io::Error::other(OverLimit(self.bytes_max))),
        }
    }

    fn consume(&mut self, read: usize) {
        self.left = self.left.saturating_sub(read);
        self.inner.consume(read);
    }
}

#[derive(Debug, thiserror::Error)]
#[error("more than {0} bytes")]
struct OverLimit(usize);

/// The limit that `error` reports, if that is what it reports.
pub(super) fn bytes_max(error: &io::Error) -> Option<usize> {
    let OverLimit(bytes_max) = error.get_ref()?.downcast_ref()?;
    Some(*bytes_max)
}
