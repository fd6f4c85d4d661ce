//! Requests as bytes: built once, sent many times, so that a client under load does nothing but write.

use std::ops::Range;

use anyhow::{Context, Result};
use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{BrokerId, FetchRequest, ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
pub use ottla_checker::connection::{LENGTH_BYTES, request};
use ottla_storage::batch::{BatchBuilder, BatchOptions, Codec};

use crate::fill::{Random, now_ms, value};

pub const CLIENT_ID: StrBytes = StrBytes::from_static_str("bench");
pub const PRODUCE: i16 = 9;
/// The last version that names topics, not their ids.
pub const FETCH: i16 = 12;
/// Of the correlation id, behind the length, the API key and the version.
const CORRELATION_ID_AT: usize = 8;
const TIMEOUT_MS: i32 = 30_000;

pub fn set_correlation_id(frame: &mut [u8], correlation_id: i32) -> Result<()> {
    let place = frame.get_mut(CORRELATION_ID_AT..CORRELATION_ID_AT + 4);
    place
        .context("a frame without a correlation id")?
        .copy_from_slice(&correlation_id.to_be_bytes());
    Ok(())
}

/// One batch for partition 0.
pub fn produce_request(topic: &str, acks: i16, batch: Bytes) -> ProduceRequest {
    produce_to(topic, 0..1, acks, &batch)
}

/// The same batch for each of the partitions.
pub fn produce_to(topic: &str, partitions: Range<i32>, acks: i16, batch: &Bytes) -> ProduceRequest {
    let partition = |index| {
        PartitionProduceData::default()
            .with_index(index)
            .with_records(Some(batch.clone()))
    };
    let topic = TopicProduceData::default()
        .with_name(topic_name(topic))
        .with_partition_data(partitions.map(partition).collect());
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(TIMEOUT_MS)
        .with_topic_data(vec![topic])
}

/// Of partition 0 from `offset` on, in no session; waits for a record, but not for long.
pub fn fetch_request(topic: &str, offset: i64, max_bytes: i32) -> FetchRequest {
    const MAX_WAIT_MS: i32 = 100;
    let partition = FetchPartition::default()
        .with_fetch_offset(offset)
        .with_partition_max_bytes(max_bytes);
    let topic = FetchTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(MAX_WAIT_MS)
        .with_min_bytes(1)
        .with_max_bytes(max_bytes)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

/// Values of text, each of the same length and no two the same, without keys.
pub fn batch(records: usize, record_bytes: usize, codec: Codec) -> Bytes {
    let mut random = Random(3);
    let mut batch = BatchBuilder::new(BatchOptions {
        codec,
        ..BatchOptions::default()
    });
    let now_ms = now_ms();
    for _ in 0..records {
        batch.append(now_ms, None, Some(&value(&mut random, record_bytes)), &[]);
    }
    batch.build()
}

pub fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::RequestHeader;
    use kafka_protocol::protocol::{Decodable, HeaderVersion, Request};
    use ottla_storage::batch::{BatchHeader, crc_is_valid};

    #[test]
    fn a_frame_holds_what_a_broker_reads() {
        let sent = batch(7, 100, Codec::None);
        let mut frame = request(PRODUCE, 1, &CLIENT_ID, &produce_request("t", -1, sent.clone())).unwrap();
        set_correlation_id(&mut frame, 4711).unwrap();
        let mut bytes = frame.freeze();
        let length = bytes.split_to(LENGTH_BYTES);
        assert_eq!(length[..], u32::try_from(bytes.len()).unwrap().to_be_bytes());
        let header = RequestHeader::decode(&mut bytes, ProduceRequest::header_version(PRODUCE)).unwrap();
        assert_eq!(
            (header.correlation_id, header.request_api_key),
            (4711, ProduceRequest::KEY)
        );
        let read = ProduceRequest::decode(&mut bytes, PRODUCE).unwrap();
        assert_eq!(read.acks, -1);
        assert_eq!(read.topic_data[0].partition_data[0].records, Some(sent));
        assert!(bytes.is_empty());
    }

    #[test]
    fn a_batch_has_the_records_asked_for() {
        let plain = batch(7, 100, Codec::None);
        assert!(crc_is_valid(&plain));
        assert_eq!(BatchHeader::parse(&plain).unwrap().last_offset(), 6);
        assert!(plain.len() > 700);
        let packed = batch(70, 1000, Codec::Lz4);
        assert_eq!(BatchHeader::parse(&packed).unwrap().codec().unwrap(), Codec::Lz4);
        assert!(packed.len() < 70_000);
    }

    #[test]
    fn a_frame_too_short_for_a_correlation_id_is_refused() {
        assert!(set_correlation_id(&mut [0; 11], 1).is_err());
    }
}
