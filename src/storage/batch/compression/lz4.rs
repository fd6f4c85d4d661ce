//! LZ4 frames. Kafka's clients read only frames of independent blocks, so that is what is written: 64 KB blocks, no
//! checksums of blocks or content. Kafka's levels choose its high-compression encoder, which the library here lacks:
//! a level changes how small the result is, never whether it can be read.

use std::io::{self, BufRead};

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

pub(super) fn decoder(blob: &[u8]) -> impl BufRead + '_ {
    FrameDecoder::new(blob)
}

pub(super) fn encode(from: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let frame = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Independent);
    let encoder = FrameEncoder::with_frame_info(frame, Vec::new());
    super::copy_into(from, encoder)?
        .finish()
        .map_err(io::Error::other)
}

/// `blob` with the header checksum that its frame descriptor should have. Clients of Kafka before 0.10 computed it over
/// the magic number too, and message sets of magic 0 still carry it so.
pub(crate) fn repair_descriptor(blob: &[u8]) -> Vec<u8> {
    /// Where the descriptor begins, its size without and with a content size, and the flag that says which.
    const DESCRIPTOR_AT: usize = 4;
    const DESCRIPTOR_BYTES: usize = 2;
    const CONTENT_SIZE_BYTES: usize = 8;
    const CONTENT_SIZE_FLAG: u8 = 0x08;

    let mut repaired = blob.to_vec();
    let has_size = blob
        .get(DESCRIPTOR_AT)
        .is_some_and(|flags| flags & CONTENT_SIZE_FLAG != 0);
    let end = DESCRIPTOR_AT + DESCRIPTOR_BYTES + if has_size { CONTENT_SIZE_BYTES } else { 0 };
    if let (Some(descriptor), Some(checksum)) = (blob.get(DESCRIPTOR_AT..end), repaired.get_mut(end)) {
        *checksum = (twox_hash::XxHash32::oneshot(0, descriptor) >> 8) as u8;
    }
    repaired
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_opens_as_kafka_writes_it() {
        let packed = encode(&mut b"abc".as_slice()).unwrap();
        assert_eq!(packed[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
    }
}
