//! An answer on its way to a socket: chunks of memory and ranges of files, in order.

use bytes::Bytes;
use ottla_base::FileSlice;

/// One part of an answer.
#[derive(Clone, Debug)]
pub enum Chunk {
    Bytes(Bytes),
    /// Record bytes that stay in their segment until `sendfile`.
    File(FileSlice),
}

impl Chunk {
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(slice) => slice.len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A list of chunks. Empty chunks are dropped, so a reader never meets one.
#[derive(Clone, Debug, Default)]
pub struct Body {
    chunks: Vec<Chunk>,
    len: usize,
}

impl Body {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push_bytes(&mut self, bytes: Bytes) {
        self.push(Chunk::Bytes(bytes));
    }

    pub fn push_file(&mut self, slice: FileSlice) {
        self.push(Chunk::File(slice));
    }

    pub fn push(&mut self, chunk: Chunk) {
        if !chunk.is_empty() {
            self.len += chunk.len();
            self.chunks.push(chunk);
        }
    }

    /// The chunks of `other` follow those of `self`.
    pub fn append(&mut self, other: Body) {
        self.len += other.len;
        self.chunks.extend(other.chunks);
    }

    /// Bytes in all chunks together.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    pub fn into_chunks(self) -> Vec<Chunk> {
        self.chunks
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let mut body = Self::new();
        body.push_bytes(bytes);
        body
    }
}
