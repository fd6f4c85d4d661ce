//! Writes batches of magic 2: those of the coordinators, of the metadata log and of the log cleaner.

use bytes::Bytes;

use super::compression::{self, Compression};
use super::header::{
    NO_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, attributes,
    with_delete_horizon,
};
use super::record::{RecordParts, put_record};
use super::{BatchError, BatchHeader, Codec, HEADER_BYTES, Record, TimestampType};

/// What a batch says about itself before it has a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    pub codec: Codec,
    /// `None`: the codec's default.
    pub level: Option<i32>,
    pub timestamp_type: TimestampType,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub transactional: bool,
    pub control: bool,
    pub leader_epoch: i32,
    pub base_offset: i64,
}

impl Default for BatchOptions {
    /// A plain batch: uncompressed, CreateTime, no producer id, base offset 0.
    fn default() -> Self {
        Self {
            codec: Codec::None,
            level: None,
            timestamp_type: TimestampType::CreateTime,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            transactional: false,
            control: false,
            leader_epoch: NO_LEADER_EPOCH,
            base_offset: 0,
        }
    }
}

/// Collects records and makes one batch of them.
pub struct BatchBuilder {
    options: BatchOptions,
    records: Vec<u8>,
    scratch: Vec<u8>,
    record_count: i32,
    last_offset_delta: i32,
    base_timestamp: Option<i64>,
    max_timestamp: i64,
}

impl BatchBuilder {
    pub fn new(options: BatchOptions) -> Self {
        Self {
            options,
            records: Vec::new(),
            scratch: Vec::new(),
            record_count: 0,
            last_offset_delta: -1,
            base_timestamp: None,
            max_timestamp: NO_TIMESTAMP,
        }
    }

    /// Adds a record behind the last one. A negative timestamp other than −1 is not a time: Kafka's builder refuses it,
    /// and so must the caller.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&[u8], Option<&[u8]>)],
    ) {
        let delta = self.last_offset_delta + 1;
        self.append_at(delta, timestamp, RecordParts { key, value, headers });
    }

    pub fn record_count(&self) -> i32 {
        self.record_count
    }

    /// The size of the batch if it is not compressed: what a caller who packs records weighs.
    pub fn size_bytes(&self) -> usize {
        HEADER_BYTES + self.records.len()
    }

    fn append_at(&mut self, offset_delta: i32, timestamp: i64, parts: RecordParts<'_>) {
        let base = *self.base_timestamp.get_or_insert(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(base);
        put_record(
            &mut self.records,
            &mut self.scratch,
            timestamp_delta,
            offset_delta,
            parts,
        );
        self.record_count += 1;
        self.last_offset_delta = offset_delta;
        self.max_timestamp = self.max_timestamp.max(timestamp);
    }

    /// The batch. Compressing into memory cannot fail but for a level that the codec does not have; then the batch is
    /// stored uncompressed, which every reader understands.
    pub fn build(self) -> Bytes {
        let options = self.options;
        let target = Compression {
            codec: options.codec,
            level: options.level,
        };
        let (codec, body) = match compression::compress(target, &mut self.records.as_slice()) {
            Ok(body) => (options.codec, body),
            Err(_) => (Codec::None, self.records),
        };
        let header = BatchHeader {
            base_offset: options.base_offset,
            length: 0,
            leader_epoch: options.leader_epoch,
            magic: 2,
            crc: 0,
            attributes: attributes(
                codec,
                options.timestamp_type,
                options.transactional,
                options.control,
            ),
            last_offset_delta: self.last_offset_delta,
            base_timestamp: self.base_timestamp.unwrap_or(NO_TIMESTAMP),
            max_timestamp: self.max_timestamp,
            producer_id: options.producer_id,
            producer_epoch: options.producer_epoch,
            base_sequence: options.base_sequence,
            record_count: self.record_count,
        };
        seal(header, &body)
    }
}

/// Rewrites a batch with only the records that the cleaner keeps. What the producer and the readers rely on stays:
/// base offset, last offset, sequence, producer id and epoch, leader epoch, codec, timestamp type, largest timestamp of
/// those kept. With a `delete_horizon_ms` the batch carries it, in place of its base timestamp.
///
/// No records at all gives the empty batch that keeps a producer's last sequence alive.
pub fn rewrite(
    original: &BatchHeader,
    kept: &[Record],
    delete_horizon_ms: Option<i64>,
) -> Result<Bytes, BatchError> {
    let mut header = BatchHeader {
        record_count: i32::try_from(kept.len()).map_err(|_| BatchError::BadCount)?,
        ..*original
    };
    if kept.is_empty() {
        header.base_timestamp = NO_TIMESTAMP;
        header.attributes = attributes(
            Codec::None,
            original.timestamp_type(),
            original.is_transactional(),
            original.is_control(),
        );
        return Ok(seal(header, &[]));
    }
    let horizon = delete_horizon_ms.or(original.delete_horizon_ms());
    if horizon.is_some() {
        header.attributes = with_delete_horizon(header.attributes);
    }
    header.base_timestamp = horizon
        .or(kept.first().map(|first| first.timestamp))
        .unwrap_or(NO_TIMESTAMP);
    if original.timestamp_type() == TimestampType::CreateTime {
        header.max_timestamp = kept
            .iter()
            .map(|record| record.timestamp)
            .max()
            .unwrap_or(NO_TIMESTAMP);
    }
    let (mut plain, mut scratch) = (Vec::new(), Vec::new());
    for record in kept {
        let offset_delta =
            i32::try_from(record.offset - original.base_offset).map_err(|_| BatchError::BadCount)?;
        let headers: Vec<_> = record
            .headers
            .iter()
            .map(|(k, v)| (k.as_ref(), v.as_deref()))
            .collect();
        let parts = RecordParts {
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
        };
        let timestamp_delta = record.timestamp.wrapping_sub(header.base_timestamp);
        put_record(&mut plain, &mut scratch, timestamp_delta, offset_delta, parts);
    }
    let body = compression::compress(Compression::of(original.codec()?), &mut plain.as_slice())?;
    Ok(seal(header, &body))
}

/// Puts length and checksum into `header` and joins it with `body`.
pub(crate) fn seal(mut header: BatchHeader, body: &[u8]) -> Bytes {
    header.set_body_bytes(body.len());
    header.crc = header.compute_crc(body);
    let mut batch = Vec::with_capacity(HEADER_BYTES + body.len());
    batch.extend_from_slice(&header.encode());
    batch.extend_from_slice(body);
    batch.into()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{CODECS, arbitrary_records};
    use super::super::{crc_is_valid, records};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_built_is_read_back(source in arbitrary_records(), transactional: bool, base_offset in 0i64..1 << 40) {
            for codec in CODECS {
                let mut builder = BatchBuilder::new(BatchOptions { codec, transactional, base_offset, ..BatchOptions::default() });
                for (timestamp, key, value, headers) in &source {
                    let headers: Vec<_> = headers.iter().map(|(k, v)| (k.as_slice(), v.as_deref())).collect();
                    builder.append(*timestamp, key.as_deref(), value.as_deref(), &headers);
                }
                let batch = builder.build();
                prop_assert!(crc_is_valid(&batch));
                let header = BatchHeader::parse(&batch).unwrap();
                prop_assert_eq!(header.codec(), Ok(codec));
                prop_assert_eq!(header.is_transactional(), transactional);
                prop_assert_eq!(header.record_count as usize, source.len());
                prop_assert_eq!(header.next_offset(), base_offset + source.len() as i64);
                let read: Vec<Record> = records(&batch, 1 << 24).unwrap().map(Result::unwrap).collect();
                prop_assert_eq!(read.len(), source.len());
                for (i, (record, (timestamp, key, value, headers))) in read.iter().zip(&source).enumerate() {
                    prop_assert_eq!(record.offset, base_offset + i as i64);
                    prop_assert_eq!(record.timestamp, *timestamp);
                    prop_assert_eq!(record.key.as_deref(), key.as_deref());
                    prop_assert_eq!(record.value.as_deref(), value.as_deref());
                    prop_assert_eq!(record.headers.len(), headers.len());
                }
                prop_assert_eq!(Some(header.max_timestamp), source.iter().map(|record| record.0).max());
            }
        }

        #[test]
        fn every_truncation_is_an_error(source in arbitrary_records(), cut in 1usize..4000) {
            for codec in CODECS {
                let mut builder = BatchBuilder::new(BatchOptions { codec, ..BatchOptions::default() });
                for (timestamp, key, value, _) in &source {
                    builder.append(*timestamp, key.as_deref(), value.as_deref(), &[]);
                }
                let batch = builder.build();
                let cut = &batch[..batch.len() - 1 - cut % batch.len()];
                prop_assert!(!crc_is_valid(cut));
                prop_assert!(records(cut, 1 << 24).is_err());
            }
        }

        #[test]
        fn cleaning_keeps_offsets_and_sequence(source in arbitrary_records(), keep: u64, horizon in proptest::option::of(1i64..1 << 40)) {
            let mut builder = BatchBuilder::new(BatchOptions { producer_id: 9, producer_epoch: 1, base_sequence: 5, base_offset: 100, ..BatchOptions::default() });
            for (timestamp, key, value, _) in &source {
                builder.append(*timestamp, key.as_deref(), value.as_deref(), &[]);
            }
            let batch = builder.build();
            let before = BatchHeader::parse(&batch).unwrap();
            let kept: Vec<Record> = records(&batch, 1 << 24).unwrap().map(Result::unwrap).filter(|r| keep >> (r.offset % 64) & 1 == 1).collect();
            let cleaned = rewrite(&before, &kept, horizon).unwrap();
            prop_assert!(crc_is_valid(&cleaned));
            let after = BatchHeader::parse(&cleaned).unwrap();
            prop_assert_eq!((after.base_offset, after.last_offset(), after.last_sequence()), (before.base_offset, before.last_offset(), before.last_sequence()));
            prop_assert_eq!(after.delete_horizon_ms(), horizon.filter(|_| !kept.is_empty()));
            let read: Vec<Record> = records(&cleaned, 1 << 24).unwrap().map(Result::unwrap).collect();
            prop_assert_eq!(read, kept);
        }
    }
}
