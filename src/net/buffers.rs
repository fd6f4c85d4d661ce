//! Read buffers that go round: a connection with bytes to read has one, an idle connection has none.
//!
//! A buffer that went back to the allocator after each read would be large enough for it to merge and split its free
//! memory every time, and a larger one would be mapped and faulted in anew. Those that are free lie here, up to a bound.

use bytes::BytesMut;
use parking_lot::Mutex;

/// A new buffer: as much as lies in a socket with Kafka's default of `socket.receive.buffer.bytes`, and so many small
/// requests in one read.
const BUFFER_BYTES: usize = 128 << 10;
/// Buffers that have grown for large requests are kept up to this size.
const BUFFER_BYTES_MAX: usize = 2 << 20;
/// Of all free buffers together.
const FREE_BYTES_MAX: usize = 8 << 20;

/// The free buffers of a server.
#[derive(Default)]
pub struct BufferPool(Mutex<Free>);

#[derive(Default)]
struct Free {
    buffers: Vec<BytesMut>,
    bytes: usize,
}

impl BufferPool {
    /// An empty buffer.
    pub fn take(&self) -> BytesMut {
        let mut free = self.0.lock();
        let Some(buffer) = free.buffers.pop() else {
            drop(free);
            return BytesMut::with_capacity(BUFFER_BYTES);
        };
        free.bytes -= buffer.capacity();
        buffer
    }

    /// Keeps `buffer` for whoever reads next, unless a frame in it is still in use.
    pub fn give_back(&self, mut buffer: BytesMut) {
        buffer.clear();
        // Frames were taken off its front: what they took can be had again only when all of them are gone.
        let is_whole = buffer.capacity() == BUFFER_BYTES || buffer.try_reclaim(buffer.capacity() + 1);
        if !is_whole || buffer.capacity() > BUFFER_BYTES_MAX {
            return;
        }
        let mut free = self.0.lock();
        if free.bytes + buffer.capacity() <= FREE_BYTES_MAX {
            free.bytes += buffer.capacity();
            free.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free_bytes(pool: &BufferPool) -> usize {
        pool.0.lock().bytes
    }

    #[test]
    fn a_buffer_comes_back_whole_once_its_frames_are_gone() {
        let pool = BufferPool::default();
        let mut buffer = pool.take();
        buffer.extend_from_slice(&[7; 1000]);
        let memory = buffer.as_ptr();
        drop(buffer.split_to(600));
        pool.give_back(buffer);
        assert_eq!(free_bytes(&pool), BUFFER_BYTES);
        let again = pool.take();
        assert_eq!(
            (again.as_ptr(), again.len(), again.capacity()),
            (memory, 0, BUFFER_BYTES)
        );
        assert_eq!(free_bytes(&pool), 0);
    }

    #[test]
    fn a_buffer_that_has_grown_is_counted_whole() {
        let pool = BufferPool::default();
        let mut buffer = BytesMut::zeroed(1 << 20);
        drop(buffer.split_to(800 << 10));
        pool.give_back(buffer);
        assert_eq!(free_bytes(&pool), 1 << 20);
    }

    #[test]
    fn a_buffer_with_a_frame_in_use_is_not_shared() {
        let pool = BufferPool::default();
        let mut buffer = pool.take();
        buffer.extend_from_slice(&[7; 1000]);
        let frame = buffer.split_to(600).freeze();
        pool.give_back(buffer);
        assert_eq!(free_bytes(&pool), 0);
        assert_eq!(frame, vec![7; 600]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let pool = BufferPool::default();
        let mut large = BytesMut::zeroed(BUFFER_BYTES_MAX + 1);
        drop(large.split_to(1000));
        pool.give_back(large);
        assert_eq!(free_bytes(&pool), 0);
        for _ in 0..100 {
            pool.give_back(BytesMut::with_capacity(BUFFER_BYTES));
        }
        assert_eq!(free_bytes(&pool), FREE_BYTES_MAX);
    }
}
