//! Tests of the checks on produced batches.

use proptest::prelude::*;

use super::super::tests::{CODECS, arbitrary_records};
use super::super::{BatchBuilder, BatchOptions, Record, crc_is_valid, records};
use super::*;

const NOW_MS: i64 = 1_000_000_000;

fn rules() -> ValidationRules {
    ValidationRules {
        max_message_bytes: 1 << 20,
        compact: false,
        compression: CompressionType::Producer,
        timestamp_type: TimestampType::CreateTime,
        before_max_ms: i64::MAX,
        after_max_ms: 3_600_000,
        allow_control: false,
        client: true,
    }
}

fn batch_of(options: BatchOptions, timestamps: &[i64]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for timestamp in timestamps {
        builder.append(*timestamp, None, Some(b"value value value value"), &[]);
    }
    builder.build()
}

fn batch(codec: Codec, timestamps: &[i64]) -> Bytes {
    batch_of(
        BatchOptions {
            codec,
            ..BatchOptions::default()
        },
        timestamps,
    )
}

/// `batch` with its header changed and its checksum put right.
fn changed(batch: &Bytes, change: impl FnOnce(&mut BatchHeader)) -> Bytes {
    let mut header = BatchHeader::parse(batch).unwrap();
    change(&mut header);
    header.crc = header.compute_crc(&batch[HEADER_BYTES..]);
    [header.encode().as_slice(), &batch[HEADER_BYTES..]]
        .concat()
        .into()
}

fn whole(valid: &ValidBatch) -> Vec<u8> {
    [valid.header_bytes().as_slice(), &valid.body].concat()
}

fn read(batch: &[u8]) -> Vec<Record> {
    records(batch, 1 << 24).unwrap().map(Result::unwrap).collect()
}

fn message(result: Result<ValidBatch, ValidationError>) -> String {
    match result {
        Err(ValidationError::InvalidRecord { message, .. }) => message,
        other => panic!("expected InvalidRecord, found {other:?}"),
    }
}

#[test]
fn a_good_batch_keeps_its_memory_and_its_checksum() {
    for codec in CODECS {
        let sent = batch(codec, &[NOW_MS - 2, NOW_MS, NOW_MS - 1]);
        let mut valid = validate(sent.clone(), &rules(), NOW_MS).unwrap();
        assert_eq!(valid.body.as_ptr(), sent[HEADER_BYTES..].as_ptr());
        assert_eq!(valid.offset_of_max_timestamp_delta, 1);
        valid.place(500, 7);
        let stored = whole(&valid);
        assert_eq!(stored[CRC_FROM..], sent[CRC_FROM..]);
        assert!(crc_is_valid(&stored));
        assert_eq!(read(&stored)[2].offset, 502);
    }
}

#[test]
fn frames_are_refused_in_kafkas_order() {
    let good = batch(Codec::None, &[NOW_MS]);
    let mut other_magic = good.to_vec();
    other_magic[16] = 1;
    assert!(message(validate(other_magic.into(), &rules(), NOW_MS)).contains("magic 1"));
    let two = [good.as_ref(), good.as_ref()].concat();
    assert!(message(validate(two.into(), &rules(), NOW_MS)).contains("exactly one"));
    assert!(message(validate(good.slice(..good.len() - 1), &rules(), NOW_MS)).contains("end before"));
    assert!(message(validate(Bytes::new(), &rules(), NOW_MS)).contains("end before"));

    let mut flipped = good.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    assert_eq!(
        validate(flipped.clone().into(), &rules(), NOW_MS),
        Err(ValidationError::Corrupt)
    );
    let small = ValidationRules {
        max_message_bytes: good.len() - 1,
        ..rules()
    };
    let too_large = ValidationError::TooLarge {
        size_bytes: good.len(),
        max_bytes: good.len() - 1,
    };
    assert_eq!(validate(flipped.into(), &small, NOW_MS), Err(too_large));
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let good = batch(Codec::None, &[NOW_MS, NOW_MS]);
    let refused = |change: fn(&mut BatchHeader)| message(validate(changed(&good, change), &rules(), NOW_MS));
    assert!(refused(|h| h.base_offset = 3).contains("base offset"));
    assert!(refused(|h| h.record_count = 0).contains("0 records"));
    assert!(refused(|h| h.record_count = -1).contains("-1 records"));
    assert!(refused(|h| h.last_offset_delta = 7).contains("delta of 7"));
    assert!(refused(|h| h.producer_id = 5).contains("sequence number -1"));
    assert!(refused(|h| h.attributes |= 0x20).contains("control"));
    // The count and the records themselves.
    assert!(refused(|h| (h.record_count, h.last_offset_delta) = (1, 0)).contains("left over"));
    assert!(refused(|h| (h.record_count, h.last_offset_delta) = (3, 2)).contains("end before"));
    let unknown = changed(&good, |h| h.attributes |= 7);
    assert_eq!(
        validate(unknown, &rules(), NOW_MS),
        Err(ValidationError::UnsupportedCompression)
    );
}

#[test]
fn timestamps_out_of_range_are_listed_one_by_one() {
    let sent = batch(
        Codec::Lz4,
        &[NOW_MS, NOW_MS + 3_600_001, NOW_MS + 3_600_000, -1, NOW_MS - 11],
    );
    let narrow = ValidationRules {
        before_max_ms: 10,
        ..rules()
    };
    match validate(sent, &narrow, NOW_MS) {
        Err(ValidationError::InvalidTimestamp { errors, .. }) => {
            assert_eq!(errors.iter().map(|e| e.index).collect::<Vec<_>>(), [1, 4]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_compacted_topic_needs_keys() {
    let compact = ValidationRules {
        compact: true,
        ..rules()
    };
    match validate(batch(Codec::None, &[NOW_MS, NOW_MS]), &compact, NOW_MS) {
        Err(ValidationError::InvalidRecord { errors, .. }) => assert_eq!(errors.len(), 2),
        other => panic!("{other:?}"),
    }
    let mut keyed = BatchBuilder::new(BatchOptions::default());
    keyed.append(NOW_MS, Some(b""), None, &[]);
    assert!(validate(keyed.build(), &compact, NOW_MS).is_ok());
}

#[test]
fn a_wrong_max_timestamp_is_put_right() {
    let sent = changed(&batch(Codec::Gzip, &[NOW_MS - 5, NOW_MS - 6]), |h| {
        h.max_timestamp = 1
    });
    let valid = validate(sent, &rules(), NOW_MS).unwrap();
    assert_eq!(valid.header.max_timestamp, NOW_MS - 5);
    assert!(crc_is_valid(&whole(&valid)));
}

#[test]
fn log_append_time_is_the_brokers() {
    let log_append = ValidationRules {
        timestamp_type: TimestampType::LogAppendTime,
        ..rules()
    };
    let valid = validate(batch(Codec::Zstd, &[5, 6]), &log_append, NOW_MS).unwrap();
    assert!(crc_is_valid(&whole(&valid)));
    assert!(
        read(&whole(&valid))
            .iter()
            .all(|record| record.timestamp == NOW_MS)
    );

    let claimed = changed(&batch(Codec::None, &[5]), |h| {
        h.set_timestamp_type(TimestampType::LogAppendTime)
    });
    assert!(matches!(
        validate(claimed, &log_append, NOW_MS),
        Err(ValidationError::InvalidTimestamp { .. })
    ));
}

#[test]
fn wrong_inner_offsets_are_renumbered() {
    for codec in CODECS {
        // A record with a wrong delta: what the cleaner would leave, sent by a client as if it were new.
        let gap = BatchHeader::parse(&batch(codec, &[1, 2])).unwrap();
        let kept: Vec<Record> = read(&batch(codec, &[1, 2, 3]))
            .into_iter()
            .filter(|r| r.offset != 1)
            .collect();
        let sent = super::super::rewrite(&gap, &kept, None).unwrap();
        let valid = validate(sent, &rules(), NOW_MS).unwrap();
        let stored = whole(&valid);
        assert!(crc_is_valid(&stored));
        assert_eq!(
            read(&stored)
                .iter()
                .map(|r| (r.offset, r.timestamp))
                .collect::<Vec<_>>(),
            [(0, 1), (1, 3)]
        );
    }
}

#[test]
fn headers_of_records_need_keys() {
    // One record: no key, no value, one header whose key length is -1.
    let mut good = BatchBuilder::new(BatchOptions::default());
    good.append(NOW_MS, None, None, &[(b"", None)]);
    let good = good.build();
    let mut body = good[HEADER_BYTES..].to_vec();
    let at = body.len() - 2;
    assert_eq!(body[at], 0);
    body[at] = 1;
    let bad = [&good[..HEADER_BYTES], &body].concat().into();
    assert!(message(validate(changed(&bad, |_| ()), &rules(), NOW_MS)).contains("no key"));
}

proptest! {
    #[test]
    fn conversion_keeps_the_records(source in arbitrary_records(), from in 0usize..5, to in 0usize..5, pid in -1i64..3) {
        let options = BatchOptions {
            codec: CODECS[from], producer_id: pid, producer_epoch: 2, base_sequence: 4, transactional: pid >= 0, ..BatchOptions::default()
        };
        let mut builder = BatchBuilder::new(options);
        for (timestamp, key, value, headers) in &source {
            let headers: Vec<_> = headers.iter().map(|(k, v)| (k.as_slice(), v.as_deref())).collect();
            builder.append(*timestamp, key.as_deref(), value.as_deref(), &headers);
        }
        let sent = builder.build();
        let fixed = CompressionType::Fixed(Compression::of(CODECS[to]));
        let lenient = ValidationRules { compression: fixed, after_max_ms: i64::MAX, ..rules() };
        let stored = whole(&validate(sent.clone(), &lenient, NOW_MS).unwrap());
        prop_assert!(crc_is_valid(&stored));
        let (before, after) = (BatchHeader::parse(&sent).unwrap(), BatchHeader::parse(&stored).unwrap());
        prop_assert_eq!(after.codec(), Ok(CODECS[to]));
        prop_assert_eq!((after.producer_id, after.producer_epoch, after.base_sequence), (before.producer_id, before.producer_epoch, before.base_sequence));
        prop_assert_eq!(after.is_transactional(), before.is_transactional());
        prop_assert_eq!(read(&stored), read(&sent));
    }

    #[test]
    fn arbitrary_bodies_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200), codec in 0u8..5, count in 1i32..6) {
        let framed = changed(&[batch(Codec::None, &[1])[..HEADER_BYTES].to_vec(), body.clone()].concat().into(), |h| {
            h.set_body_bytes(body.len());
            h.attributes = i16::from(codec);
            (h.record_count, h.last_offset_delta) = (count, count - 1);
        });
        let _ = validate(framed, &rules(), NOW_MS);
    }
}
