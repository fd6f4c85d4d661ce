//! Whether file bytes are in the page cache, so that `sendfile` never makes a reactor thread wait for a disk.
//!
//! Consumers read mostly what was just written, and that is in memory. Where it is not, [`load`] reads it on a thread that
//! may wait, and then it is.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use nix::libc;
use ottla_base::FileSlice;

/// Bytes that are looked at, loaded and sent at once: what consumers ask for by default (`max.partition.fetch.bytes`).
pub const PIECE_BYTES: usize = 1 << 20;
/// The kernel reads as much ahead by default, so that one look stands for as many bytes.
const LOOK_BYTES: usize = 128 << 10;

/// The first piece of a slice.
pub fn piece(slice: &FileSlice) -> FileSlice {
    FileSlice {
        len: slice.len.min(PIECE_BYTES),
        ..slice.clone()
    }
}

/// Whether the bytes can be read without waiting, as far as a look here and there can tell. A file system that cannot say
/// is taken for one that is fast.
pub fn is_resident(slice: &FileSlice) -> bool {
    let last = slice.len.saturating_sub(1);
    (0..last)
        .step_by(LOOK_BYTES)
        .chain([last])
        .all(|at| is_byte_resident(slice, slice.position + at as u64))
}

/// Reads the bytes, and thereby into the page cache. May wait for the disk. An error is left for `sendfile` to meet.
pub fn load(slice: &FileSlice) {
    let mut scratch = vec![0; LOOK_BYTES];
    let mut position = slice.position;
    let end = slice.position + slice.len as u64;
    while position < end {
        match slice.file.read_at(&mut scratch, position) {
            Ok(read) if read > 0 => position += read as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => break,
        }
    }
}

#[allow(unsafe_code)]
fn is_byte_resident(slice: &FileSlice, position: u64) -> bool {
    let Ok(position) = libc::off_t::try_from(position) else {
        return true;
    };
    let mut byte = 0u8;
    let vector = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    // SAFETY: `vector` describes one writable byte that lives until the call returns, and the file is open as long as the
    // slice is.
    let read = unsafe {
        libc::preadv2(
            slice.file.as_raw_fd(),
            &raw const vector,
            1,
            position,
            libc::RWF_NOWAIT,
        )
    };
    read >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::WouldBlock
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::sync::Arc;

    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

    use super::*;

    /// A file of a megabyte that is on the disk and, where the file system lets go of it, not in memory.
    pub fn cold_file() -> File {
        let mut file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.write_all(&vec![7; 1 << 20]).unwrap();
        file.sync_all().unwrap();
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
        file
    }

    #[test]
    fn what_was_loaded_is_resident() {
        let slice = FileSlice {
            file: Arc::new(cold_file()),
            position: 100,
            len: 900_000,
        };
        load(&slice);
        assert!(is_resident(&slice));
        assert!(is_resident(&piece(&slice)));
    }

    #[test]
    fn what_is_not_there_does_not_wait() {
        let beyond = FileSlice {
            file: Arc::new(cold_file()),
            position: 5 << 20,
            len: 10,
        };
        assert!(is_resident(&beyond));
        load(&beyond);
    }
}
