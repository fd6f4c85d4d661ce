//! One pass over the partitions of a fetch: who gets how many bytes.
//!
//! Partitions are served in order, each up to its own limit and what the answer has left. The first one that has anything
//! is given its first batch whole, however large, so that a reader always gets on; after it the limits hold.

use std::sync::Arc;

use ottla_base::ErrorCode;
use ottla_storage::ReadBound;

use super::fetch_response::FetchedPartition;
use super::fetch_session::PartitionWant;
use crate::replica::{Partition, PartitionRead, ReadRequest};

/// What to read, resolved once; a waiting fetch reads it again and again.
pub(super) struct ReadPlan {
    pub targets: Vec<Target>,
    /// −1 for a consumer.
    pub replica_id: i32,
    pub bound: ReadBound,
    pub leader_only: bool,
    pub max_bytes: usize,
}

pub(super) struct Target {
    pub index: i32,
    pub want: PartitionWant,
    pub partition: Result<Arc<Partition>, ErrorCode>,
}

/// What a pass has found, one entry for each target.
pub(super) struct FetchRead {
    pub partitions: Vec<FetchedPartition>,
    pub bytes: usize,
    /// Waiting would be wrong: an error, a log that differs, or data in an older segment, which no append will add to.
    pub must_answer: bool,
}

impl ReadPlan {
    pub fn read(&self) -> FetchRead {
        let mut read = FetchRead {
            partitions: Vec::with_capacity(self.targets.len()),
            bytes: 0,
            must_answer: false,
        };
        for target in &self.targets {
            let fetched = match self.read_one(target, &read) {
                Ok(found) => {
                    read.must_answer |= found.diverging_epoch.is_some() || found.has_more_behind;
                    fetched(target.index, found)
                }
                Err(error) => {
                    read.must_answer = true;
                    FetchedPartition::failed(target.index, error)
                }
            };
            read.bytes += fetched.records_bytes();
            read.partitions.push(fetched);
        }
        read
    }

    fn read_one(&self, target: &Target, so_far: &FetchRead) -> Result<PartitionRead, ErrorCode> {
        let partition = target.partition.as_ref().map_err(|error| *error)?;
        let wanted_bytes = usize::try_from(target.want.max_bytes).unwrap_or(0);
        let request = ReadRequest {
            offset: target.want.fetch_offset,
            max_bytes: wanted_bytes.min(self.max_bytes.saturating_sub(so_far.bytes)),
            bound: self.bound,
            min_one_batch: so_far.bytes == 0,
            current_leader_epoch: target.want.current_leader_epoch,
            last_fetched_epoch: target.want.last_fetched_epoch,
            leader_only: self.leader_only,
        };
        let found = partition.read(&request).map_err(|error| error.code())?;
        if self.replica_id >= 0 && found.diverging_epoch.is_none() {
            partition
                .follower_fetched(self.replica_id, target.want.fetch_offset)
                .map_err(|error| error.code())?;
        }
        Ok(found)
    }
}

fn fetched(index: i32, read: PartitionRead) -> FetchedPartition {
    let result = read.result;
    let aborted = result.aborted.map(|aborted| {
        let pairs = aborted
            .iter()
            .map(|range| (range.producer_id, range.first_offset));
        pairs.collect()
    });
    FetchedPartition {
        index,
        error: ErrorCode::None,
        high_watermark: result.high_watermark,
        last_stable_offset: result.last_stable_offset,
        log_start_offset: result.log_start_offset,
        diverging_epoch: read.diverging_epoch,
        current_leader: None,
        aborted_transactions: aborted,
        records: result.slice,
    }
}

#[cfg(test)]
mod tests {
    use ottla_metadata::records::PartitionChangeRecord;
    use ottla_storage::AppendOrigin;

    use super::*;
    use crate::replica::test_node::{NODE_ID, TOPIC_ID, TestNode, batch, partition};
    use crate::replica::{Acks, NO_EPOCH};

    fn want(fetch_offset: i64, max_bytes: i32) -> PartitionWant {
        PartitionWant {
            fetch_offset,
            log_start_offset: -1,
            max_bytes,
            current_leader_epoch: NO_EPOCH,
            last_fetched_epoch: NO_EPOCH,
        }
    }

    /// Three partitions; the first is empty, the others hold one batch of ten records.
    fn node() -> TestNode {
        let mut node = TestNode::new(1);
        let lone = || partition(&[NODE_ID], &[NODE_ID]);
        node.create_topic("t", TOPIC_ID, vec![lone(), lone(), lone()]);
        for index in [1, 2] {
            let partition = node.partition(index);
            partition
                .append_blocking(batch(10), AppendOrigin::Client, Acks::All, 0)
                .unwrap();
        }
        node
    }

    fn plan(node: &TestNode, max_bytes: usize, wants: &[(i32, i64, i32)]) -> ReadPlan {
        let targets = wants.iter().map(|(index, offset, bytes)| Target {
            index: *index,
            want: want(*offset, *bytes),
            partition: Ok(node.partition(*index)),
        });
        ReadPlan {
            targets: targets.collect(),
            replica_id: -1,
            bound: ReadBound::HighWatermark,
            leader_only: true,
            max_bytes,
        }
    }

    #[test]
    fn bytes_are_dealt_out_in_order() {
        let node = node();
        let whole = batch(10).size_bytes();
        let half = whole as i32 / 2;
        /// The answer's limit; of each partition its index, its offset and its limit; the bytes that each gets.
        type Case<'a> = (usize, &'a [(i32, i64, i32)], &'a [usize]);
        let cases: &[Case<'_>] = &[
            (
                1 << 20,
                &[(0, 0, 1 << 20), (1, 0, 1 << 20), (2, 0, 1 << 20)],
                &[0, whole, whole],
            ),
            // The first that has anything is given a batch whole; behind it the limits hold.
            (1, &[(0, 0, 1), (1, 0, 1), (2, 0, 1)], &[0, whole, 0]),
            (1 << 20, &[(1, 0, half), (2, 0, half)], &[whole, 0]),
            (whole + 10, &[(1, 0, 1 << 20), (2, 0, 1 << 20)], &[whole, 0]),
            (2 * whole, &[(2, 5, 1 << 20), (1, 9, 1 << 20)], &[whole, whole]),
            (1 << 20, &[(2, 10, 1 << 20), (1, 10, 1 << 20)], &[0, 0]),
        ];
        for (max_bytes, wants, expected) in cases {
            let read = plan(&node, *max_bytes, wants).read();
            let bytes: Vec<_> = read
                .partitions
                .iter()
                .map(FetchedPartition::records_bytes)
                .collect();
            assert_eq!(&bytes, expected, "{max_bytes} {wants:?}");
            assert_eq!(read.bytes, expected.iter().sum::<usize>());
            assert!(!read.must_answer);
        }
    }

    #[test]
    fn an_error_is_answered_at_once_and_hides_nobody_else() {
        let mut node = node();
        node.change(PartitionChangeRecord {
            leader: 2,
            ..PartitionChangeRecord::default()
        });
        let read = plan(&node, 1 << 20, &[(0, 0, 100), (1, 11, 100), (2, 0, 1 << 20)]).read();
        let errors: Vec<_> = read.partitions.iter().map(|partition| partition.error).collect();
        assert_eq!(
            errors,
            [
                ErrorCode::NotLeaderOrFollower,
                ErrorCode::OffsetOutOfRange,
                ErrorCode::None
            ]
        );
        assert!(read.must_answer && read.bytes > 0);
        assert_eq!(read.partitions[1].high_watermark, -1);
        assert_eq!(read.partitions[2].high_watermark, 10);
    }

    #[test]
    fn readers_of_committed_data_get_the_list_of_aborted_transactions() {
        let node = node();
        let mut committed = plan(&node, 1 << 20, &[(1, 0, 1 << 20)]);
        assert_eq!(committed.read().partitions[0].aborted_transactions, None);
        committed.bound = ReadBound::LastStable;
        assert_eq!(committed.read().partitions[0].aborted_transactions, Some(vec![]));
    }
}
