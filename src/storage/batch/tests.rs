//! Batches that Apache Kafka 4.3.1 wrote, and what the unit tests of this room share.

use proptest::prelude::*;

use super::control::{ControlRecord, EndTxn};
use super::*;

pub(super) const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

type Headers = Vec<(Vec<u8>, Option<Vec<u8>>)>;
pub(super) type SourceRecord = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Headers);

/// Records as a producer might send them: times around now, null and empty keys and values, some headers.
pub(super) fn arbitrary_records() -> impl Strategy<Value = Vec<SourceRecord>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    let header = (bytes(), proptest::option::of(bytes()));
    let record = (
        0i64..1 << 42,
        proptest::option::of(bytes()),
        proptest::option::of(bytes()),
        proptest::collection::vec(header, 0..3),
    );
    proptest::collection::vec(record, 1..40)
}

/// The bytes of a golden file: hex digits, blanks, and comments from `#` to the end of the line.
pub(super) fn golden(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or(""))
        .flat_map(str::bytes)
        .filter_map(|byte| (byte as char).to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn kafkas_abort_marker_is_read_and_written() {
    let bytes = golden(include_str!("../../../tests/golden/abort_marker.hex"));
    assert!(crc_is_valid(&bytes));
    let header = BatchHeader::parse(&bytes).unwrap();
    assert_eq!(
        (header.base_offset, header.producer_id, header.producer_epoch),
        (6, 8, 1)
    );
    assert!(header.is_control() && header.is_transactional());
    assert_eq!(control::end_txn_of(&header, &bytes), Ok(Some((EndTxn::Abort, 0))));

    let ours = control::end_txn_marker(EndTxn::Abort, 8, 1, 0, header.base_timestamp);
    let mut ours = ValidBatch::trusted(&ours).unwrap();
    ours.place(6, 0);
    assert_eq!([ours.header_bytes().as_slice(), &ours.body].concat(), bytes);
}

#[test]
fn kafkas_cleaned_marker_has_its_horizon() {
    let bytes = golden(include_str!("../../../tests/golden/cleaned_abort_marker.hex"));
    assert!(crc_is_valid(&bytes));
    let header = BatchHeader::parse(&bytes).unwrap();
    assert_eq!(header.delete_horizon_ms(), Some(0x01a1_fda8_7593));
    let kept: Vec<Record> = records(&bytes, 1 << 10).unwrap().map(Result::unwrap).collect();
    assert_eq!(kept[0].timestamp, header.max_timestamp);
    assert_eq!(
        ControlRecord::parse(kept[0].key.as_ref().unwrap(), kept[0].value.as_ref().unwrap()),
        Ok(ControlRecord::EndTxn {
            kind: EndTxn::Abort,
            coordinator_epoch: 4
        })
    );
    // The same cleaning, done here, gives the same bytes.
    let uncleaned = BatchHeader {
        attributes: 0x30,
        base_timestamp: kept[0].timestamp,
        ..header
    };
    assert_eq!(
        rewrite(&uncleaned, &kept, header.delete_horizon_ms()).unwrap(),
        bytes
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 61..400), codec in 0u8..6) {
        // Past the header's own checks, so that the records are reached.
        let length = bytes.len() as i32 - 12;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[16] = 2;
        bytes[22] = codec;
        bytes[57..59].copy_from_slice(&[0, 0]);
        if let Ok(records) = records(&bytes, 1 << 20) {
            records.for_each(drop);
        }
    }
}
