//! Bytes in pieces to frames, frames to headers: nothing is lost, nothing is larger than allowed, nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla::net::inbound::Inbound;
use ottla::wire::header::RequestHeader;

const FRAME_BYTES_MAX: usize = 10_000;

fuzz_target!(|data: &[u8]| {
    let Some((step, bytes)) = data.split_first() else {
        return;
    };
    let mut inbound = Inbound::new(Default::default(), FRAME_BYTES_MAX);
    let mut taken = 0;
    let mut given = 0;
    for piece in bytes.chunks(usize::from(*step).max(1)) {
        inbound.room().extend_from_slice(piece);
        given += piece.len();
        loop {
            match inbound.next_frame() {
                Ok(Some(mut frame)) => {
                    assert!(frame.len() <= FRAME_BYTES_MAX);
                    taken += 4 + frame.len();
                    assert_eq!(frame, bytes[taken - frame.len()..taken]);
                    let _ = RequestHeader::read(&mut frame);
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
        assert!(taken <= given);
        assert!(inbound.room().capacity() <= 2 * given + (512 << 10));
    }
});
