//! The byte vectors of a real 4.3.1 node, and the rules for what is unknown.

use proptest::prelude::*;

use super::transaction::TransactionRecord;
use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let pair = |p: &[u8]| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// Decodes a vector, and checks that it is written again byte for byte.
fn golden(key: &str, value: &str) -> Record {
    let (key, value) = (bytes(key), bytes(value));
    let record = Record::decode(&key, Some(&value)).unwrap();
    let encoded = record.encode().unwrap();
    assert_eq!(encoded.key, key);
    assert_eq!(encoded.value.unwrap(), value);
    record
}

#[test]
fn an_offset_commit_with_a_topic_id() {
    let record = golden(
        "0001 0009 672d636c6173736963 0003 736567 00000000",
        "0004 0000000000000064 00000000 0d 6d6574612d636c6173736963 000001a1fd943d08 01 00 10 b55520864c3441c59d89fc6311aab44c",
    );
    let Record::OffsetCommit(key, Some(value)) = record else {
        panic!("{record:?}")
    };
    assert_eq!(
        (key.group.as_str(), key.topic.as_str(), key.partition),
        ("g-classic", "seg", 0)
    );
    assert_eq!(
        (value.offset, value.leader_epoch, value.metadata.as_str()),
        (100, 0, "meta-classic")
    );
    assert!(!value.topic_id.is_nil());
}

#[test]
fn an_offset_commit_with_an_expiry_is_written_as_version_1() {
    let value = OffsetCommitValue {
        offset: 5,
        leader_epoch: 9,
        expire_timestamp: 77,
        ..Default::default()
    };
    let record = Record::OffsetCommit(OffsetCommitKey::default(), Some(value));
    let encoded = record.encode().unwrap();
    assert_eq!(encoded.value.as_ref().unwrap()[..2], [0, 1]);
    let Record::OffsetCommit(_, Some(read)) = Record::decode(&encoded.key, encoded.value.as_deref()).unwrap()
    else {
        panic!("another type");
    };
    assert_eq!((read.expire_timestamp, read.leader_epoch), (77, -1));
}

#[test]
fn an_empty_classic_group() {
    let record = golden(
        "0002 0009 672d636c6173736963",
        "0003 0000 00000000 ffff ffff 000001a1fd943bec 00000000",
    );
    let Record::GroupMetadata(_, Some(value)) = record else {
        panic!("{record:?}")
    };
    assert_eq!((value.generation, value.protocol, value.leader), (0, None, None));
    assert!(value.members.is_empty());
}

#[test]
fn the_records_of_a_consumer_group() {
    golden(
        "0003 000a 672d636f6e73756d6572",
        "0000 00000002 01 00 08 dd9f366d19830a0f",
    );
    golden("0003 000a 672d636f6e73756d6572", "0000 00000003 00");
    golden(
        "0006 000a 672d636f6e73756d6572",
        "0000 00000002 01 00 08 000001a1fd943df0",
    );
    golden(
        "0008 0001 67 0001 6d",
        "0000 00000002 00000000 00 03 c0ee4c2954f2400fb53cd22951b2f8dd 04 00000000 00000001 00000002 01 00 0d 04 00000002 \
         00000002 00000002 b55520864c3441c59d89fc6311aab44c 02 00000000 01 00 05 02 00000002 01 00",
    );
}

#[test]
fn a_member_without_classic_protocols_says_so() {
    let value = ConsumerGroupMemberMetadataValue {
        classic_member_metadata: None,
        ..Default::default()
    };
    let encoded = Record::ConsumerGroupMemberMetadata(MemberKey::default(), Some(value))
        .encode()
        .unwrap();
    assert!(encoded.value.unwrap().ends_with(&[1, 0, 1, 0]));
}

#[test]
fn a_tombstone_has_a_key_and_no_value() {
    let record = Record::GroupMetadata(GroupKey { group: "g".into() }, None);
    let encoded = record.encode().unwrap();
    assert_eq!(
        encoded,
        Encoded {
            key: bytes("0002 0001 67").into(),
            value: None
        }
    );
    assert_eq!(Record::decode(&encoded.key, None).unwrap(), record);
}

#[test]
fn the_records_of_a_transaction() {
    let key = bytes("0000 0006 74782d74776f");
    for value in [
        "0001 0000000000000008 0000 0000ea60 00 00 000001a1fd941edf ffffffffffffffff 01 00 08 0000000000000008",
        "0001 0000000000000008 0000 0000ea60 01 02 04 74786e 02 00000000 00 000001a1fd941f43 000001a1fd941f43 \
         02 00 08 0000000000000008 02 02 0002",
    ] {
        let value = bytes(value);
        let record = TransactionRecord::decode(&key, Some(&value)).unwrap();
        let encoded = record.encode(1).unwrap();
        assert_eq!(
            (encoded.key.as_ref(), encoded.value.unwrap().as_ref()),
            (&key[..], &value[..])
        );
    }
}

#[test]
fn what_newer_releases_write() {
    let unknown_type = Record::decode(&bytes("0018 0001 67"), Some(&bytes("0000 00")));
    assert_eq!(unknown_type, Err(RecordError::UnknownType(24)));
    let unknown_version = Record::decode(&bytes("0002 0001 67"), Some(&bytes("0005 00")));
    assert!(matches!(unknown_version, Err(RecordError::Malformed(_))));
}

#[test]
fn bytes_that_end_early_are_refused() {
    let key = bytes("0001 0009 672d636c6173736963 0003 736567 00000000");
    let value = bytes("0004 0000000000000064 00000000 0d 6d6574612d636c6173736963 000001a1fd943d08 00");
    assert!(Record::decode(&key, Some(&value)).is_ok());
    for len in 0..key.len() {
        assert!(Record::decode(&key[..len], Some(&value)).is_err());
    }
    for len in 0..value.len() {
        assert!(Record::decode(&key, Some(&value[..len])).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes of a known type and of a version that is written: what can be read can be written and read again.
    #[test]
    fn any_bytes_are_a_record_or_refused(
        key_type in 0i16..24,
        key in prop::collection::vec(0u8..8, 0..40),
        version in 0i16..5,
        value in prop::option::of(prop::collection::vec(any::<u8>(), 0..80)),
    ) {
        let key: Vec<u8> = key_type.to_be_bytes().into_iter().chain(key).collect();
        let value = value.map(|bytes| version.to_be_bytes().into_iter().chain(bytes).collect::<Vec<u8>>());
        if let Ok(record) = Record::decode(&key, value.as_deref()) {
            let encoded = record.encode().unwrap();
            let again = Record::decode(&encoded.key, encoded.value.as_deref()).unwrap();
            prop_assert_eq!(again.encode().unwrap(), encoded);
        }
    }
}
