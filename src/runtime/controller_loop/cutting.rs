//! How the records of one operation are cut into batches that the log accepts.

use ottla_metadata::{MetadataVersion, Record, RecordError};

use crate::runtime::metadata_log::batches::BATCH_BYTES_MAX;

/// Records of one batch, as Kafka limits them.
const RECORDS_PER_BATCH_MAX: usize = 10_000;
/// What a record needs in a batch besides its value: length, attributes, deltas and counts.
const RECORD_OVERHEAD_BYTES: usize = 32;

/// The records as batches; more than one must become a metadata transaction. Fails on a record that cannot be written at all,
/// before anything has been appended.
pub(super) fn cut(records: &[Record], version: MetadataVersion) -> Result<Vec<&[Record]>, RecordError> {
    let mut batches = Vec::new();
    let (mut rest, mut count, mut size_bytes) = (records, 0, 0);
    for record in records {
        let record_bytes = record.encode(version)?.len() + RECORD_OVERHEAD_BYTES;
        let is_full = count == RECORDS_PER_BATCH_MAX || size_bytes + record_bytes > BATCH_BYTES_MAX / 2;
        if is_full && let Some((batch, behind)) = rest.split_at_checked(count) {
            batches.push(batch);
            (rest, count, size_bytes) = (behind, 0, 0);
        }
        count += 1;
        size_bytes += record_bytes;
    }
    if !rest.is_empty() {
        batches.push(rest);
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_metadata::records::{ConfigRecord, NoOpRecord};

    fn config(value_bytes: usize) -> Record {
        ConfigRecord {
            value: Some("x".repeat(value_bytes)),
            ..ConfigRecord::default()
        }
        .into()
    }

    fn lengths(records: &[Record]) -> Vec<usize> {
        let batches = cut(records, MetadataVersion::LATEST).unwrap();
        assert_eq!(batches.concat(), records);
        batches.iter().map(|batch| batch.len()).collect()
    }

    #[test]
    fn batches_are_limited_by_records_and_by_bytes() {
        assert_eq!(lengths(&[]), Vec::<usize>::new());
        let no_ops = |count| vec![Record::from(NoOpRecord {}); count];
        assert_eq!(lengths(&no_ops(1)), vec![1]);
        assert_eq!(lengths(&no_ops(10_000)), vec![10_000]);
        assert_eq!(lengths(&no_ops(20_001)), vec![10_000, 10_000, 1]);
        let large = vec![config(30_000); 300];
        let cut = lengths(&large);
        assert!(
            cut.len() > 1 && cut.iter().all(|count| count * 30_000 < BATCH_BYTES_MAX),
            "{cut:?}"
        );
    }

    #[test]
    fn what_no_record_can_hold_is_refused() {
        assert!(cut(&[config(32_767)], MetadataVersion::LATEST).is_ok());
        assert!(cut(&[config(32_768)], MetadataVersion::LATEST).is_err());
    }
}
