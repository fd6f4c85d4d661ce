//! Bytes from a socket to frames: an announced size and that many bytes.
//!
//! The buffer is sized by what has arrived, never by what was announced, so a thousand peers that announce 100 MiB and
//! send 1 KiB cost what they sent. A frame is a slice of the buffer: no byte is copied after the kernel handed it over, save
//! those of a frame whose end is yet to come, and a buffer is not used again while a slice of it is alive. Only short frames
//! are copied out, since a long poll that waits for minutes would keep a whole buffer for its few bytes.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

use super::buffers::BufferPool;

/// Room that a read gets at least.
const READ_BYTES: usize = 16 << 10;
/// Room that a read gets when it can be had for no more than moving the frame under way: one system call then brings many
/// requests, and their answers leave together.
const ROOMY_READ_BYTES: usize = 64 << 10;
/// Room that a frame under way may claim before any of its bytes are there: pages not written to cost nothing.
const CLAIM_BYTES: usize = 256 << 10;
const SIZE_BYTES: usize = 4;
/// Frames up to this size are copied out of the buffer.
const SHORT_FRAME_BYTES: usize = 2 << 10;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    #[error("a frame of {size} bytes was announced; socket.request.max.bytes is {max}")]
    TooLarge { size: i64, max: usize },
    #[error("a frame of {0} bytes was announced")]
    Negative(i32),
}

/// The bytes of a connection that are not yet part of a started request.
pub struct Inbound {
    /// None of the pool's unless bytes of a frame are here or are being read.
    buffer: BytesMut,
    pool: Arc<BufferPool>,
    request_bytes_max: usize,
}

impl Inbound {
    pub fn new(pool: Arc<BufferPool>, request_bytes_max: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            pool,
            request_bytes_max,
        }
    }

    /// Whether part of a frame has arrived.
    pub fn has_partial_frame(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next whole frame, without its size; `None` until it is complete.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(size) = self.announced()? else {
            return Ok(None);
        };
        if self.buffer.len() < SIZE_BYTES + size {
            return Ok(None);
        }
        self.buffer.advance(SIZE_BYTES);
        if size > SHORT_FRAME_BYTES {
            return Ok(Some(self.buffer.split_to(size).freeze()));
        }
        let frame = self.buffer.get(..size).map(Bytes::copy_from_slice);
        self.buffer.advance(size);
        Ok(frame)
    }

    /// The buffer with room for the next read: as much as has already arrived of the frame under way, so that a large
    /// frame is complete after a few reads and an announcement alone claims no memory.
    pub fn room(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() == 0 {
            self.buffer = self.pool.take();
        }
        let missing = match self.announced() {
            Ok(Some(size)) => (SIZE_BYTES + size).saturating_sub(self.buffer.len()),
            Ok(None) | Err(_) => 0,
        };
        let claim = missing.min(self.buffer.len().max(CLAIM_BYTES)).max(READ_BYTES);
        if !self.buffer.try_reclaim(claim.max(ROOMY_READ_BYTES)) {
            self.buffer.reserve(claim);
        }
        &mut self.buffer
    }

    /// An idle connection keeps no buffer.
    pub fn release_when_empty(&mut self) {
        if self.buffer.is_empty() {
            self.pool.give_back(std::mem::take(&mut self.buffer));
        }
    }

    fn announced(&self) -> Result<Option<usize>, FrameError> {
        let Some(size) = self.buffer.first_chunk::<SIZE_BYTES>() else {
            return Ok(None);
        };
        let size = i32::from_be_bytes(*size);
        let max = self.request_bytes_max;
        match usize::try_from(size) {
            Err(_) => Err(FrameError::Negative(size)),
            Ok(bytes) if bytes > max => Err(FrameError::TooLarge {
                size: i64::from(size),
                max,
            }),
            Ok(bytes) => Ok(Some(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in frames {
            bytes.extend(i32::try_from(frame.len()).unwrap().to_be_bytes());
            bytes.extend(frame);
        }
        bytes
    }

    #[test]
    fn an_announcement_claims_no_more_than_a_bounded_room() {
        let mut inbound = Inbound::new(Arc::default(), 100 << 20);
        inbound.room().extend_from_slice(&(100i32 << 20).to_be_bytes());
        assert!(inbound.room().capacity() <= CLAIM_BYTES + READ_BYTES);
        assert_eq!(inbound.next_frame(), Ok(None));
    }

    #[test]
    fn sizes_out_of_bounds_are_refused() {
        let mut inbound = Inbound::new(Arc::default(), 10);
        inbound.room().extend_from_slice(&11i32.to_be_bytes());
        assert_eq!(
            inbound.next_frame(),
            Err(FrameError::TooLarge { size: 11, max: 10 })
        );
        let mut inbound = Inbound::new(Arc::default(), 10);
        inbound.room().extend_from_slice(&(-1i32).to_be_bytes());
        assert_eq!(inbound.next_frame(), Err(FrameError::Negative(-1)));
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
            step in 1usize..50,
        ) {
            let mut inbound = Inbound::new(Arc::default(), 1 << 20);
            let mut out = Vec::new();
            for part in framed(&frames).chunks(step) {
                inbound.room().extend_from_slice(part);
                while let Some(frame) = inbound.next_frame().unwrap() {
                    out.push(frame.to_vec());
                }
            }
            prop_assert_eq!(out, frames);
            prop_assert!(!inbound.has_partial_frame());
        }
    }
}
