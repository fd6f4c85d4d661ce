//! The schema language against bytes written down by hand, and against arbitrary bytes.

use bytes::Bytes;
use proptest::prelude::*;

use super::{Reader, Schema, SchemaError, Writer};
use crate::Uuid;

record_schema! {
    struct Everything: versions 0..=3, flexible 2.. {
        small: i8 = -1;
        port: u16;
        ratio: f64;
        on: bool = true;
        id: Uuid;
        name: String;
        rack: Option<String>;
        secret: Bytes;
        parts: Vec<Part>;
        late: i32 = 9, versions 1..;
        /// Declared before tag 0, written after it.
        second: Option<Part> = Some(Part::default()), versions 2.., tag 1;
        first: Option<Vec<i32>>, versions 2.., tag 0;
        maybe: Option<Part>;
    }

    struct Part {
        number: i32;
        text: Option<String>, versions 3.., tag 4;
    }
}

fn encode(value: &Everything, version: i16) -> Bytes {
    let mut writer = Writer::new();
    value.encode(&mut writer, version).unwrap();
    writer.into_bytes()
}

fn decode(bytes: &[u8], version: i16) -> Result<Everything, SchemaError> {
    let mut reader = Reader::new(bytes);
    let value = Everything::decode(&mut reader, version)?;
    reader.expect_end()?;
    Ok(value)
}

#[test]
fn flexible_and_plain_bytes_are_kafkas() {
    let value = Everything {
        name: "ab".into(),
        parts: vec![Part {
            number: 5,
            text: Some("x".into()),
        }],
        second: None,
        first: Some(vec![1]),
        ..Everything::default()
    };
    let zeros = [0u8; 16];
    let head = [&[0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], &zeros].concat();
    let plain = [
        &head[..],
        &[0, 2, b'a', b'b', 0xff, 0xff, 0, 0, 0, 0],
        &[0, 0, 0, 1, 0, 0, 0, 5, 0xff],
    ]
    .concat();
    assert_eq!(&encode(&value, 0)[..], &plain[..]);
    let flexible = [
        &head[..],
        &[3, b'a', b'b', 0, 1],             // name, rack = null, secret = empty
        &[2, 0, 0, 0, 5, 1, 4, 2, 2, b'x'], // one part with its tag 4
        &[0, 0, 0, 9],                      // late
        &[0xff],                            // maybe = null, outside a tag: -1
        &[2, 0, 5, 2, 0, 0, 0, 1, 1, 1, 0], // tag 0: [1]; tag 1: null inside a tag: varint 0
    ]
    .concat();
    assert_eq!(&encode(&value, 3)[..], &flexible[..]);
    assert_eq!(decode(&flexible, 3), Ok(value));
}

#[test]
fn versions_outside_the_range_are_refused() {
    for version in [-1, 4, i16::MAX] {
        let refused = SchemaError::UnsupportedVersion {
            name: "Everything",
            version,
        };
        assert_eq!(decode(&[], version), Err(refused.clone()));
        assert_eq!(
            Everything::default().encode(&mut Writer::new(), version),
            Err(refused)
        );
    }
}

#[test]
fn unknown_tags_are_skipped() {
    record_schema! { struct Plain: versions 0..=0, flexible 0.. { number: i8; } }
    let mut reader = Reader::new(&[7, 1, 99, 3, 1, 2, 3]);
    assert_eq!(Plain::decode(&mut reader, 0), Ok(Plain { number: 7 }));
    reader.expect_end().unwrap();
}

#[test]
fn an_announced_count_buys_no_memory() {
    record_schema! { struct Many: versions 0..=1, flexible 1.. { items: Vec<String>; } }
    assert_eq!(
        Many::decode(&mut Reader::new(&[0x7f, 0xff, 0xff, 0xff]), 0),
        Err(SchemaError::Truncated)
    );
    assert_eq!(
        Many::decode(&mut Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f, 1]), 1),
        Err(SchemaError::Truncated)
    );
    assert_eq!(
        Many::decode(&mut Reader::new(&[0]), 1),
        Err(SchemaError::UnexpectedNull)
    );
}

fn part() -> impl Strategy<Value = Part> {
    any::<i32>().prop_map(|number| Part { number, text: None })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        version in 2i16..=3,
        name in ".{0,40}",
        rack in proptest::option::of(".{0,200}"),
        secret in proptest::collection::vec(any::<u8>(), 0..300),
        parts in proptest::collection::vec(part(), 0..20),
        second in proptest::option::of(part()),
        first in proptest::option::of(proptest::collection::vec(any::<i32>(), 0..10)),
        maybe in proptest::option::of(part()),
    ) {
        let value = Everything { name, rack, secret: secret.into(), parts, second, first, maybe, ..Everything::default() };
        prop_assert_eq!(decode(&encode(&value, version), version), Ok(value));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), version in 0i16..=3) {
        let _ = decode(&bytes, version);
    }
}
