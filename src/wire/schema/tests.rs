//! The tables agree with kafka-protocol, and no body that is cut or has a wrong length gets past the check.

use super::every::{decode_only, through_kafka_protocol};
use super::sample::{Form, Length, Sample, crowd, sample};
use super::{Message, check, memory_limit_bytes, message};
use crate::counting::allocated;

/// Every key and version, filled and with nulls.
fn every_sample(mut test: impl FnMut(&Message, i16, &Sample)) {
    for key in 0..=92 {
        let Some(message) = message(key) else {
            assert!((4..=7).contains(&key), "key {key} has no shape");
            continue;
        };
        assert_eq!(message.key, key);
        for version in message.first..=message.last {
            test(message, version, &sample(message, version, false));
            test(message, version, &sample(message, version, true));
        }
    }
}

#[test]
fn whole_requests_pass_and_kafka_protocol_reads_them_the_same_way() {
    let mut lacking = Vec::new();
    every_sample(|message, version, sample| {
        let body = &sample.body;
        assert_eq!(
            check(message.key, version, body),
            Ok(0),
            "{} {version}",
            message.name
        );
        match through_kafka_protocol(message.key, version, body) {
            Some(again) => assert_eq!(again.as_ref(), Ok(body), "{} {version}", message.name),
            None => lacking.push(format!("{} {version}", message.name)),
        }
    });
    lacking.dedup();
    let known = [
        "OffsetCommit 10",
        "OffsetFetch 10",
        "InitProducerId 6",
        "WriteTxnMarkers 2",
        "BrokerHeartbeat 2",
        "ShareFetch 2",
        "ShareAcknowledge 2",
        "AddRaftVoter 1",
        "WriteShareGroupState 1",
        "ReadShareGroupStateSummary 1",
        "StreamsGroupHeartbeat 0",
        "StreamsGroupDescribe 0",
        "DescribeShareGroupOffsets 1",
    ];
    assert_eq!(lacking, known);
}

#[test]
fn a_request_cut_at_any_byte_is_refused() {
    every_sample(|message, version, sample| {
        for end in 0..sample.body.len() {
            let result = check(message.key, version, &sample.body[..end]);
            assert!(result.is_err(), "{} {version} cut at {end}", message.name);
        }
    });
}

#[test]
fn bytes_behind_a_request_are_counted_and_left_alone() {
    every_sample(|message, version, sample| {
        let mut body = sample.body.clone();
        body.extend([0, 0, 0]);
        assert_eq!(
            check(message.key, version, &body),
            Ok(3),
            "{} {version}",
            message.name
        );
    });
}

#[test]
fn a_wrong_length_is_refused_wherever_it_stands() {
    let mut cases = 0;
    every_sample(|message, version, sample| {
        for length in &sample.lengths {
            for body in wrong_lengths(&sample.body, *length) {
                cases += 1;
                // A null where it is allowed leaves the elements over, as bytes behind the request.
                let result = check(message.key, version, &body);
                assert!(
                    result != Ok(0),
                    "{} {version}: {length:?} in {body:x?}",
                    message.name
                );
            }
        }
    });
    assert!(cases > 10_000, "only {cases} cases");
}

/// The body with the length replaced by -2, by null where there is none, by one more than what is left, by the largest
/// value, and by a varint that never ends.
fn wrong_lengths(body: &[u8], length: Length) -> Vec<Vec<u8>> {
    let width = match length.form {
        Form::Int16 => 2,
        Form::Int32 => 4,
        Form::Uvarint | Form::Plain => 1,
    };
    let (before, behind) = (&body[..length.at], &body[length.at + width..]);
    let with = |bytes: &[u8]| [before, bytes, behind].concat();
    let left = behind.len();
    let mut bodies = match length.form {
        Form::Int16 => vec![
            with(&(-2i16).to_be_bytes()),
            with(&u16::try_from(left + 1).unwrap().to_be_bytes()),
            with(&i16::MAX.to_be_bytes()),
        ],
        Form::Int32 => vec![
            with(&(-2i32).to_be_bytes()),
            with(&u32::try_from(left + 1).unwrap().to_be_bytes()),
            with(&i32::MAX.to_be_bytes()),
        ],
        Form::Uvarint => vec![
            with(&uvarint(left + 2)),
            with(&uvarint(i32::MAX as usize)),
            with(&[0xff, 0xff, 0xff, 0xff, 0x0f]),
            with(&[0xff; 6]),
        ],
        Form::Plain => vec![
            with(&uvarint(left + 1)),
            with(&[0xff, 0xff, 0xff, 0xff, 0x0f]),
            with(&[0xff; 6]),
        ],
    };
    if !length.nullable {
        bodies.extend(match length.form {
            Form::Int16 => Some(with(&[0xff; 2])),
            Form::Int32 => Some(with(&[0xff; 4])),
            Form::Uvarint => Some(with(&[0])),
            Form::Plain => None,
        });
    }
    bodies
}

fn uvarint(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

#[test]
fn what_passes_the_check_decodes_within_the_limit() {
    let mut passed = 0;
    let mut refused = 0;
    for message in (0..=92).filter_map(message) {
        for version in [message.first, message.last] {
            for (depth, count, unknown) in crowds() {
                let body = crowd(
                    message,
                    version.clamp(message.first, message.last),
                    depth,
                    count,
                    unknown,
                );
                if check(message.key, version, &body).is_err() {
                    refused += 1;
                    continue;
                }
                let (decoded, bytes) = allocated(|| decode_only(message.key, version, &body));
                passed += usize::from(decoded.is_some());
                let limit = memory_limit_bytes(body.len());
                assert!(
                    bytes <= limit,
                    "{} {version}: {count} elements at depth {depth} (unknown fields: {unknown}) are {} bytes and take {bytes}",
                    message.name,
                    body.len(),
                );
            }
        }
    }
    assert!(
        passed > 500 && refused > 100,
        "{passed} passed, {refused} were refused"
    );
}

/// Depth, number of elements, unknown fields.
fn crowds() -> impl Iterator<Item = (usize, usize, bool)> {
    let counts = [1_000, 15_000];
    let at_depth = move |depth| {
        counts
            .into_iter()
            .flat_map(move |count| [(depth, count, false), (depth, count, true)])
    };
    (0..3).flat_map(at_depth)
}
