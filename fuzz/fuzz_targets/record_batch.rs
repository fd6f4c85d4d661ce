//! A batch as a client sends it: validation and the walk over its records end without a panic, and what was validated is
//! a batch whose records can be read.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla_storage::batch::{
    AnyBatch, BatchHeader, CompressionType, HEADER_BYTES, TimestampType, ValidationRules, records, validate,
};

const DECOMPRESSED_BYTES_MAX: usize = 1 << 20;
const NOW_MS: i64 = 1_700_000_000_000;

fuzz_target!(|data: &[u8]| {
    let _ = AnyBatch::parse(data);
    read_all(data);
    let batch = Bytes::from(with_right_frame(data.to_vec()));
    read_all(&batch);
    for client in [true, false] {
        let rules = ValidationRules {
            max_message_bytes: 1 << 20,
            compact: false,
            compression: CompressionType::Producer,
            timestamp_type: TimestampType::CreateTime,
            before_max_ms: i64::MAX,
            after_max_ms: i64::MAX,
            allow_control: !client,
            client,
        };
        if let Ok(valid) = validate(batch.clone(), &rules, NOW_MS) {
            let stored = [&valid.header_bytes()[..], &valid.body].concat();
            let count = records(&stored, DECOMPRESSED_BYTES_MAX).map(|all| all.filter(Result::is_ok).count());
            assert_eq!(count.ok(), usize::try_from(valid.header.record_count).ok());
        }
    }
});

fn read_all(batch: &[u8]) {
    if let Ok(all) = records(batch, DECOMPRESSED_BYTES_MAX) {
        for record in all {
            if record.is_err() {
                break;
            }
        }
    }
}

/// The same bytes with magic, length and checksum set right, so that the fuzzer gets past them.
fn with_right_frame(mut data: Vec<u8>) -> Vec<u8> {
    if data.len() < HEADER_BYTES {
        return data;
    }
    let length = i32::try_from(data.len() - 12).unwrap_or(0);
    data[8..12].copy_from_slice(&length.to_be_bytes());
    data[16] = 2;
    if let Ok(header) = BatchHeader::parse(&data) {
        let crc = header.compute_crc(&data[HEADER_BYTES..]);
        data[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    data
}
