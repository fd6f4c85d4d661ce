//! Answers to a socket: memory by `sendmsg`, ranges of segments by `sendfile`, in order, as far as the socket takes them.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use bytes::{Buf, BytesMut};
use nix::sys::sendfile::sendfile64;
use nix::sys::socket::{MsgFlags, sendmsg};
use ottla_base::FileSlice;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::residency;
use crate::wire::{Body, Chunk};

/// Most slices of memory that one system call takes.
const SLICES_MAX: usize = 64;
/// Parts of answers up to this size are copied together: that costs less than a slice of each for the kernel to look at.
const SMALL_BYTES: usize = 512;

/// Answers whose turn has come, waiting for the socket.
#[derive(Debug, Default)]
pub struct Outbound {
    chunks: VecDeque<Chunk>,
    /// Small parts behind the last chunk, not yet a chunk themselves.
    small: BytesMut,
    bytes: usize,
    /// The piece of a file whose turn it is, but which is not in memory.
    cold: Option<FileSlice>,
    /// Bytes at the front that were just loaded: they are sent without another look, or a machine short of memory could
    /// load the same piece for ever.
    loaded_bytes: usize,
}

impl Outbound {
    /// Puts a frame behind those that wait; fails when it is longer than a frame can be.
    pub fn push(&mut self, body: Body) -> io::Result<()> {
        let size = i32::try_from(body.len())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "an answer longer than 2 GiB"))?;
        self.bytes += 4 + body.len();
        self.small.extend_from_slice(&size.to_be_bytes());
        for chunk in body.into_chunks() {
            match chunk {
                Chunk::Bytes(bytes) if bytes.len() <= SMALL_BYTES => self.small.extend_from_slice(&bytes),
                chunk => {
                    self.gather();
                    self.chunks.push_back(chunk);
                }
            }
        }
        Ok(())
    }

    /// Makes a chunk of the small parts.
    fn gather(&mut self) {
        if !self.small.is_empty() {
            let small = std::mem::take(&mut self.small);
            self.chunks.push_back(Chunk::Bytes(small.freeze()));
        }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The piece of a file that must be loaded before anything more can be written; then tell [`Self::loaded`].
    pub fn cold(&self) -> Option<&FileSlice> {
        self.cold.as_ref()
    }

    pub fn loaded(&mut self) {
        self.loaded_bytes = self.cold.take().map_or(0, |piece| piece.len);
    }

    /// Writes until all is written, the socket takes no more, or the next bytes are cold; returns the bytes that went out.
    pub fn write(&mut self, stream: &TcpStream) -> io::Result<usize> {
        self.gather();
        let mut written = 0;
        while let Some(front) = self.chunks.front() {
            if let Chunk::File(slice) = front
                && self.loaded_bytes == 0
            {
                let piece = residency::piece(slice);
                if !residency::is_resident(&piece) {
                    self.cold = Some(piece);
                    break;
                }
                self.loaded_bytes = piece.len;
            }
            let result = stream.try_io(Interest::WRITABLE, || match front {
                Chunk::Bytes(_) => send_memory(&self.chunks, stream),
                Chunk::File(slice) => send_file(slice, self.loaded_bytes, stream),
            });
            match result {
                Ok(sent) => {
                    written += sent;
                    self.consume(sent);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    fn consume(&mut self, mut sent: usize) {
        self.bytes -= sent;
        self.loaded_bytes = self.loaded_bytes.saturating_sub(sent);
        while let Some(front) = self.chunks.front_mut() {
            let len = front.len();
            if sent >= len {
                sent -= len;
                self.chunks.pop_front();
                continue;
            }
            match front {
                Chunk::Bytes(bytes) => bytes.advance(sent),
                Chunk::File(slice) => {
                    slice.position += sent as u64;
                    slice.len -= sent;
                }
            }
            break;
        }
    }
}

/// The chunks of memory at the front in one call. What follows from a file is announced with `MSG_MORE`, so that the small
/// header does not travel as a packet of its own.
fn send_memory(chunks: &VecDeque<Chunk>, stream: &TcpStream) -> io::Result<usize> {
    let memory = chunks.iter().map_while(|chunk| match chunk {
        Chunk::Bytes(bytes) => Some(IoSlice::new(bytes)),
        Chunk::File(_) => None,
    });
    let slices: Vec<IoSlice<'_>> = memory.take(SLICES_MAX).collect();
    let mut flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    if chunks.len() > slices.len() {
        flags |= MsgFlags::from_bits_retain(nix::libc::MSG_MORE);
    }
    let fd = std::os::fd::AsRawFd::as_raw_fd(&stream.as_fd());
    Ok(sendmsg::<()>(fd, &slices, &[], flags, None)?)
}

fn send_file(slice: &FileSlice, bytes_max: usize, stream: &TcpStream) -> io::Result<usize> {
    let mut position = i64::try_from(slice.position).map_err(io::Error::other)?;
    let count = slice.len.min(bytes_max);
    match sendfile64(stream.as_fd(), slice.file.as_fd(), Some(&mut position), count)? {
        // A segment shorter than the answer that was promised from it: the peer has the header, so there is no way back.
        0 => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "a segment ended before the answer did",
        )),
        sent => Ok(sent),
    }
}
