//! A walk over the batches of a segment file: headers only, or whole batches when their checksums matter.

#![deny(clippy::indexing_slicing)]

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::batch::{AnyBatch, BatchError, HEADER_BYTES};

/// Bytes read ahead when only headers are wanted: a few dozen small batches, or one header of a large one.
const HEADER_CHUNK_BYTES: usize = 8 << 10;
/// Bytes read ahead when whole batches are wanted.
const BATCH_CHUNK_BYTES: usize = 256 << 10;

/// A batch and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    pub batch: AnyBatch,
    pub position: u64,
}

impl Placed {
    pub fn end(&self) -> u64 {
        self.position + self.batch.size_bytes() as u64
    }

    /// The offset in the batch's first field; a compressed message of the older formats has its last record's there.
    pub fn first_offset(&self) -> i64 {
        match &self.batch {
            AnyBatch::Current(header) => header.base_offset,
            AnyBatch::Legacy(header) => header.offset,
        }
    }
}

/// A damaged stretch with valid batches behind it. What follows is served; what lay in the stretch is answered with an
/// error, since nobody knows what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    pub segment_base: i64,
    pub position: u64,
    pub end: u64,
    /// The first offset that is not known, and the first that is known again.
    pub first_offset: i64,
    pub next_offset: i64,
}

/// Why a walk ended before the end of the file.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    #[error("cannot read at byte {position}: {source}")]
    Io { position: u64, source: std::io::Error },
    #[error("no batch at byte {position}: {source}")]
    Batch { position: u64, source: BatchError },
}

/// Walks from one batch to the next, up to `end`. A walk that meets an error is over.
pub struct Walk<'a> {
    file: &'a File,
    position: u64,
    end: u64,
    chunk: Vec<u8>,
    chunk_position: u64,
    chunk_bytes: usize,
    gaps: Vec<Gap>,
}

impl<'a> Walk<'a> {
    /// Headers only.
    pub fn headers(file: &'a File, position: u64, end: u64) -> Self {
        Self::new(file, position, end, HEADER_CHUNK_BYTES)
    }

    /// Whole batches: for [`Walk::next_whole`].
    pub fn batches(file: &'a File, position: u64, end: u64) -> Self {
        Self::new(file, position, end, BATCH_CHUNK_BYTES)
    }

    /// As [`Walk::batches`], reading so many bytes at a time.
    pub(crate) fn batches_by(file: &'a File, position: u64, end: u64, chunk_bytes: usize) -> Self {
        Self::new(file, position, end, chunk_bytes)
    }

    /// One whole batch, without reading further.
    pub(crate) fn one(file: &'a File, position: u64, end: u64) -> Self {
        Self::new(file, position, end, HEADER_BYTES)
    }

    fn new(file: &'a File, position: u64, end: u64, chunk_bytes: usize) -> Self {
        Self {
            file,
            position,
            end,
            chunk: Vec::new(),
            chunk_position: position,
            chunk_bytes,
            gaps: Vec::new(),
        }
    }

    /// Makes the walk jump over damaged stretches.
    pub fn over_gaps(mut self, gaps: Vec<Gap>) -> Self {
        self.gaps = gaps;
        self
    }

    /// Where the next batch begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next header; the batch it announces lies wholly before `end`.
    pub fn next_header(&mut self) -> Option<Result<Placed, WalkError>> {
        self.jump_gap();
        (self.position < self.end).then(|| {
            let placed = self.parse()?;
            if placed.end() > self.end {
                return Err(self.error(BatchError::Truncated));
            }
            self.position = placed.end();
            Ok(placed)
        })
    }

    /// The next batch with all its bytes, whose checksum has been verified.
    pub fn next_whole(&mut self) -> Option<Result<(Placed, &[u8]), WalkError>> {
        self.jump_gap();
        (self.position < self.end).then(|| self.whole())
    }

    fn whole(&mut self) -> Result<(Placed, &[u8]), WalkError> {
        let placed = self.parse()?;
        if placed.end() > self.end {
            return Err(self.error(BatchError::Truncated));
        }
        // The size is trusted only so far as the file really has these bytes.
        self.fill(placed.batch.size_bytes())?;
        let start = self.offset_in_chunk();
        let is_valid = self
            .chunk
            .get(start..start + placed.batch.size_bytes())
            .is_some_and(|bytes| placed.batch.crc_is_valid(bytes));
        if !is_valid {
            return Err(self.error(BatchError::BadCrc));
        }
        self.position = placed.end();
        let bytes = self.chunk.get(start..start + placed.batch.size_bytes());
        Ok((placed, bytes.unwrap_or_default()))
    }

    fn jump_gap(&mut self) {
        if let Some(gap) = self.gaps.iter().find(|gap| gap.position == self.position) {
            self.position = gap.end;
        }
    }

    fn parse(&mut self) -> Result<Placed, WalkError> {
        self.fill(HEADER_BYTES)?;
        let bytes = self.chunk.get(self.offset_in_chunk()..).unwrap_or_default();
        let batch = AnyBatch::parse(bytes).map_err(|source| self.error(source))?;
        Ok(Placed {
            batch,
            position: self.position,
        })
    }

    /// Sees to it that `len` bytes from the position on are in the chunk, as far as the file has them.
    fn fill(&mut self, len: usize) -> Result<(), WalkError> {
        let have = (self.chunk_position + self.chunk.len() as u64).saturating_sub(self.position);
        let left = self.end - self.position;
        if have >= (len as u64).min(left) {
            return Ok(());
        }
        let wanted = (self.chunk_bytes.max(len) as u64).min(left);
        self.chunk.resize(usize::try_from(wanted).unwrap_or(0), 0);
        self.chunk_position = self.position;
        let filled =
            read_up_to(self.file, &mut self.chunk, self.position).map_err(|source| WalkError::Io {
                position: self.position,
                source,
            })?;
        self.chunk.truncate(filled);
        Ok(())
    }

    fn offset_in_chunk(&self) -> usize {
        usize::try_from(self.position - self.chunk_position).unwrap_or(usize::MAX)
    }

    fn error(&self, source: BatchError) -> WalkError {
        WalkError::Batch {
            position: self.position,
            source,
        }
    }
}

/// Fills `buffer` from `position` on; fewer bytes only at the end of the file.
pub(crate) fn read_up_to(file: &File, buffer: &mut [u8], position: u64) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..)
        && !rest.is_empty()
    {
        match file.read_at(rest, position + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
