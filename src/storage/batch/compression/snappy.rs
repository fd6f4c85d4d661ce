//! Snappy, in the two shapes that Kafka meets: the block stream of snappy-java ("xerial"), which its clients write, and
//! a bare snappy block, which some others do.
//!
//! ```text
//! xerial: 82 'SNAPPY' 00, i32 version = 1, i32 compatible = 1, then { i32 length, that many bytes of snappy block }
//! ```
//! A new xerial header may follow any block: concatenated streams are one stream.

use std::io::{self, BufRead, Read};

const HEADER: &[u8; 16] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// The first bytes of a header, where a block's length may stand instead. As a length it would be negative.
const HEADER_MARK: u32 = 0x8253_4e41;
const MAGIC_BYTES: usize = 8;
const HEADER_BYTES: usize = 16;
/// The block size of snappy-java, and so of Kafka's clients.
const BLOCK_BYTES: usize = 32 << 10;
/// No element of a snappy block gives more than 64 bytes for three: an announced size beyond that is a lie, and is
/// refused before memory is taken for it.
const EXPANSION_MAX: usize = 22;

pub(super) struct Decoder<'a> {
    rest: &'a [u8],
    is_framed: bool,
    block: Vec<u8>,
    read: usize,
}

impl<'a> Decoder<'a> {
    pub fn new(blob: &'a [u8]) -> Self {
        let is_framed = blob.len() >= HEADER_BYTES && blob.get(..MAGIC_BYTES) == HEADER.get(..MAGIC_BYTES);
        Self {
            rest: if is_framed {
                blob.get(HEADER_BYTES..).unwrap_or_default()
            } else {
                blob
            },
            is_framed,
            block: Vec::new(),
            read: 0,
        }
    }

    /// The compressed bytes of the next block, if there is one.
    fn next_block(&mut self) -> io::Result<Option<&'a [u8]>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        if !self.is_framed {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        let mut len = self.length()?;
        while len == HEADER_MARK {
            self.rest = self
                .rest
                .get(HEADER_BYTES - 4..)
                .ok_or(io::ErrorKind::UnexpectedEof)?;
            if self.rest.is_empty() {
                return Ok(None);
            }
            len = self.length()?;
        }
        let (block, rest) = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        self.rest = rest;
        Ok(Some(block))
    }

    fn length(&mut self) -> io::Result<u32> {
        let (len, rest) = self
            .rest
            .split_first_chunk::<4>()
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*len))
    }
}

impl BufRead for Decoder<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // A loop, since a block may be empty.
        while self.read >= self.block.len() {
            let Some(block) = self.next_block()? else {
                return Ok(&[]);
            };
            let len = snap::raw::decompress_len(block)?;
            if len > block.len().saturating_mul(EXPANSION_MAX) {
                return Err(io::Error::other("a snappy block announces more than it can hold"));
            }
            self.block.resize(len, 0);
            let written = snap::raw::Decoder::new().decompress(block, &mut self.block)?;
            self.block.truncate(written);
            self.read = 0;
        }
        Ok(self.block.get(self.read..).unwrap_or_default())
    }

    fn consume(&mut self, read: usize) {
        self.read = self.read.saturating_add(read);
    }
}

impl Read for Decoder<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut available = self.fill_buf()?;
        let read = available.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

pub(super) fn encode(from: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let mut out = HEADER.to_vec();
    let mut encoder = snap::raw::Encoder::new();
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    loop {
        block.clear();
        Read::take(&mut *from, BLOCK_BYTES as u64).read_to_end(&mut block)?;
        if block.is_empty() {
            return Ok(out);
        }
        let packed = encoder.compress_vec(&block)?;
        out.extend_from_slice(&(packed.len() as u32).to_be_bytes());
        out.extend_from_slice(&packed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(blob: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Decoder::new(blob).read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn a_bare_block_is_read() {
        let packed = snap::raw::Encoder::new().compress_vec(b"bare").unwrap();
        assert_eq!(all(&packed).unwrap(), b"bare");
    }

    #[test]
    fn concatenated_streams_are_one() {
        let one = encode(&mut b"one".as_slice()).unwrap();
        let two = encode(&mut b"two".as_slice()).unwrap();
        assert_eq!(all(&[one, two].concat()).unwrap(), b"onetwo");
    }

    #[test]
    fn an_announced_size_takes_no_memory() {
        // A bare block whose varint says 2^32 - 1 bytes and whose content is one byte.
        assert!(all(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0x00]).is_err());
    }

    #[test]
    fn a_length_past_the_end_is_an_error() {
        let mut packed = encode(&mut b"three".as_slice()).unwrap();
        packed.pop();
        assert_eq!(all(&packed).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
