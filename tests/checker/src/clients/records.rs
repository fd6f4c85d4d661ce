//! Values as records, and records of a fetch as values. A value is the record's own; nothing else stands in it.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, Record, RecordBatchDecoder, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};

use crate::history::{Isolation, Value};

/// Before the batch's length, and that itself.
const BATCH_PREFIX_BYTES: usize = 12;
const ABORT: [u8; 4] = [0, 0, 0, 0];

#[derive(Clone, Copy, Debug)]
pub struct Sender {
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub is_transactional: bool,
}

pub fn pack(sender: Sender, first_sequence: i32, values: &[Value], now_ms: i64) -> Result<Bytes> {
    let records: Vec<Record> = values
        .iter()
        .zip(0..)
        .map(|(value, at)| Record {
            transactional: sender.is_transactional,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            producer_id: sender.producer_id,
            producer_epoch: sender.producer_epoch,
            timestamp_type: TimestampType::Creation,
            offset: i64::from(at),
            sequence: first_sequence + at,
            timestamp: now_ms,
            key: None,
            value: Some(Bytes::from(value.to_string())),
            headers: Default::default(),
        })
        .collect();
    let options = RecordEncodeOptions {
        version: 2,
        compression: Compression::None,
    };
    let mut batch = BytesMut::new();
    RecordBatchEncoder::encode(&mut batch, &records, &options)?;
    Ok(batch.freeze())
}

/// The values from `from` on that count under the isolation, and where to go on.
pub fn unpack(data: &PartitionData, isolation: Isolation, from: i64) -> Result<(Vec<(i64, Value)>, i64)> {
    let mut aborted: Vec<(i64, i64)> = data
        .aborted_transactions
        .iter()
        .flatten()
        .map(|it| (it.first_offset, it.producer_id.0))
        .collect();
    aborted.sort_unstable();
    let mut aborted = aborted.into_iter().peekable();
    let mut aborting = BTreeSet::new();
    let (mut values, mut next) = (Vec::new(), from);
    let mut bytes = whole_batches(data.records.clone().unwrap_or_default());
    for record in RecordBatchDecoder::decode_all(&mut bytes)?
        .into_iter()
        .flat_map(|set| set.records)
    {
        while let Some((_, producer_id)) = aborted.next_if(|(first, _)| *first <= record.offset) {
            aborting.insert(producer_id);
        }
        next = next.max(record.offset + 1);
        if record.control {
            if record.key.as_deref() == Some(&ABORT) {
                aborting.remove(&record.producer_id);
            }
            continue;
        }
        let is_hidden = isolation == Isolation::Committed
            && record.transactional
            && aborting.contains(&record.producer_id);
        if is_hidden || record.offset < from {
            continue;
        }
        let text = record.value.as_deref().context("a record without a value")?;
        values.push((record.offset, std::str::from_utf8(text)?.parse()?));
    }
    Ok((values, next))
}

/// The end of a fetch may be a part of a batch.
fn whole_batches(bytes: Bytes) -> Bytes {
    let mut end = 0;
    while let Some(prefix) = bytes.get(end..end + BATCH_PREFIX_BYTES) {
        let length = prefix[8..]
            .iter()
            .fold(0usize, |length, byte| length << 8 | usize::from(*byte));
        if bytes.len() - end - BATCH_PREFIX_BYTES < length {
            break;
        }
        end += BATCH_PREFIX_BYTES + length;
    }
    bytes.slice(..end)
}
