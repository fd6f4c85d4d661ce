//! Watches the group's offsets all the time, those that transactions commit and those that it commits by itself.
//!
//! A committed offset that was lost is soon covered by the next one: only who looks in between can tell. The copiers look when
//! they begin anew; and a partition's offset that nobody commits again is not covered at all.

use std::time::Duration;

use anyhow::Result;
use kafka_protocol::messages::OffsetCommitRequest;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use tokio::time::sleep;

use crate::history::{Action, Partition};

use super::link::Link;
use super::reader::Reader;
use super::shared::{INPUTS, OUTPUTS, Shared};

const PAUSE: Duration = Duration::from_millis(5);
/// Reads for one commit: rare enough that a commit is read before the next one covers it.
const READS: u64 = 10;

pub async fn keep(shared: Shared) -> Result<()> {
    let mut reader = Reader::new(&shared);
    let mut link = Link::new(shared.clone());
    let mut offset = 0;
    while !shared.is_over() {
        let partition = u32::try_from(shared.below(u64::from(INPUTS + OUTPUTS)))?;
        // Those of the inputs are the copiers'.
        if partition >= INPUTS && shared.below(READS) == 0 {
            offset += 1;
            set_offset(&shared, &mut link, partition, offset).await;
        } else {
            reader.stable_offset(partition).await;
        }
        sleep(PAUSE).await;
    }
    for partition in 0..INPUTS + OUTPUTS {
        reader.committed(partition).await;
    }
    Ok(())
}

async fn set_offset(shared: &Shared, link: &mut Link, partition: Partition, offset: i64) {
    let (topic, number) = shared.place(partition);
    let committed = OffsetCommitRequestPartition::default()
        .with_partition_index(number)
        .with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic)
        .with_partitions(vec![committed]);
    let request = OffsetCommitRequest::default()
        .with_group_id(shared.group())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let called = shared.tick();
    let told = link.ask(8, &request, true, |answer| {
        let partitions = answer.topics.iter().flat_map(|it| &it.partitions);
        partitions.map(|it| it.error_code).next().unwrap_or(-1)
    });
    let outcome = told.await.outcome;
    shared.record(called, Action::SetOffset { partition, offset }, outcome);
}
