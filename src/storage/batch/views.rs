//! A pass over the records of a batch that looks at keys and values and keeps neither: all that the cleaner needs of most
//! batches, and a coordinator that loads of all.

#![deny(clippy::indexing_slicing)]

use std::borrow::Cow;

use super::cursor::Cursor;
use super::{AnyBatch, BatchError, BatchHeader, Codec, HEADER_BYTES, compression};

/// A record whose key and value are its batch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordView<'a> {
    pub offset: i64,
    pub key: Option<&'a [u8]>,
    /// A record without a value is a tombstone.
    pub value: Option<&'a [u8]>,
}

/// Shows every record of `batch`, one whole batch of any magic, to `visit`. `bytes_max` limits what a compressed batch may
/// decompress to.
pub fn visit_records(
    batch: &[u8],
    bytes_max: usize,
    mut visit: impl FnMut(RecordView<'_>),
) -> Result<(), BatchError> {
    match AnyBatch::parse(batch)? {
        AnyBatch::Current(header) => visit_current(&header, batch, bytes_max, visit),
        AnyBatch::Legacy(_) => {
            for record in super::records(batch, bytes_max)? {
                let record = record?;
                visit(RecordView {
                    offset: record.offset,
                    key: record.key.as_deref(),
                    value: record.value.as_deref(),
                });
            }
            Ok(())
        }
    }
}

fn visit_current(
    header: &BatchHeader,
    batch: &[u8],
    bytes_max: usize,
    mut visit: impl FnMut(RecordView<'_>),
) -> Result<(), BatchError> {
    let blob = batch
        .get(HEADER_BYTES..header.size_bytes())
        .ok_or(BatchError::Truncated)?;
    let blob = match header.codec()? {
        Codec::None => Cow::Borrowed(blob),
        codec => Cow::Owned(compression::decompress(codec, blob, bytes_max)?),
    };
    let mut rest = Cursor::new(&blob);
    for _ in 0..usize::try_from(header.record_count).map_err(|_| BatchError::BadCount)? {
        let body_bytes = usize::try_from(rest.varint()?).map_err(|_| BatchError::NegativeLength)?;
        let mut body = Cursor::new(rest.take(body_bytes)?);
        let _attributes = body.i8()?;
        let _timestamp_delta = body.varlong()?;
        let offset_delta = body.varint()?;
        let key = body.nullable_bytes()?;
        visit(RecordView {
            offset: header.base_offset.wrapping_add(i64::from(offset_delta)),
            key,
            value: body.nullable_bytes()?,
        });
    }
    match rest.is_empty() {
        true => Ok(()),
        false => Err(BatchError::TrailingBytes),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{CODECS, arbitrary_records};
    use super::super::{BatchBuilder, BatchOptions, records};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn views_are_the_records(source in arbitrary_records(), base_offset in 0i64..1 << 40) {
            for codec in CODECS {
                let mut builder = BatchBuilder::new(BatchOptions { codec, base_offset, ..BatchOptions::default() });
                for (timestamp, key, value, _) in &source {
                    builder.append(*timestamp, key.as_deref(), value.as_deref(), &[]);
                }
                let batch = builder.build();
                let mut seen = Vec::new();
                visit_records(&batch, 1 << 24, |r| seen.push((r.offset, r.key.map(<[u8]>::to_vec), r.value.map(<[u8]>::to_vec)))).unwrap();
                let expected: Vec<_> = records(&batch, 1 << 24)
                    .unwrap()
                    .map(Result::unwrap)
                    .map(|r| (r.offset, r.key.map(|k| k.to_vec()), r.value.map(|v| v.to_vec())))
                    .collect();
                prop_assert_eq!(seen, expected);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 61..200), count in 0u8..9) {
            let length = (bytes.len() - 12) as i32;
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            bytes[16] = 2;
            bytes[57..61].copy_from_slice(&[0, 0, 0, count]);
            let _ = visit_records(&bytes, 1 << 16, |_| {});
        }
    }
}
