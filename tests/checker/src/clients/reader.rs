//! Polls and committed offsets: what a consumer sees, told to the history.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse, OffsetFetchRequest};
use tokio::time::{Instant, sleep};

use crate::history::{Action, Isolation, Outcome, Partition, Poll, Value};

use super::link::Link;
use super::records;
use super::shared::{INPUTS, OUTPUTS, Shared};

const OFFSET_OUT_OF_RANGE: i16 = 1;
const UNSTABLE_OFFSET_COMMIT: i16 = 88;
/// For the markers of a transaction that has ended.
const STABLE_WAIT: Duration = Duration::from_secs(45);
const WAIT_MS: i32 = 50;
const PARTITION_BYTES: i32 = 1 << 20;
const PAUSE: Duration = Duration::from_millis(15);

pub struct Reader {
    shared: Shared,
    link: Link,
}

pub enum Stable {
    At(i64),
    NotYet,
}

struct Page {
    high_watermark: i64,
    last_stable_offset: i64,
    records: Vec<(i64, Value)>,
    next: i64,
}

impl Reader {
    pub fn new(shared: &Shared) -> Self {
        Self {
            shared: shared.clone(),
            link: Link::new(shared.clone()),
        }
    }

    /// Follows all partitions, and now and then begins one anew.
    pub async fn watch(mut self, isolation: Isolation) -> Result<()> {
        let mut positions: BTreeMap<Partition, i64> = BTreeMap::new();
        while !self.shared.is_over() {
            let chosen = self.shared.below(u64::from(INPUTS + OUTPUTS));
            let partition = u32::try_from(chosen)?;
            let position = positions.entry(partition).or_default();
            if self.shared.below(50) == 0 {
                *position = 0;
            }
            let polled = self.poll(partition, isolation, *position).await?;
            *position = polled.map_or(0, |(_, next)| next);
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Records, and where to go on; nothing when nobody answers, or the log is shorter than it was.
    pub async fn poll(
        &mut self,
        partition: Partition,
        isolation: Isolation,
        from: i64,
    ) -> Result<Option<(Vec<(i64, Value)>, i64)>> {
        let called = self.shared.tick();
        let Some(page) = self.page(partition, isolation, from).await? else {
            return Ok(None);
        };
        let poll = Poll {
            isolation,
            partition,
            from,
            is_final: false,
            high_watermark: page.high_watermark,
            last_stable_offset: page.last_stable_offset,
            records: page.records.clone(),
        };
        self.shared.record(called, Action::Poll(poll), Outcome::Ok);
        Ok(Some((page.records, page.next)))
    }

    /// A partition from its start to its end, once nothing in it is open.
    pub async fn drain(&mut self, partition: Partition, isolation: Isolation) -> Result<()> {
        let called = self.shared.tick();
        let (mut next, mut records) = (0, Vec::new());
        loop {
            let Some(page) = self.page(partition, isolation, next).await? else {
                bail!("partition {partition} cannot be read to its end");
            };
            let is_stuck = page.next == next;
            next = page.next;
            records.extend(page.records);
            let is_whole = next >= page.high_watermark && page.last_stable_offset >= page.high_watermark;
            if is_whole || (is_stuck && Instant::now() >= self.shared.last_answer_by()) {
                let poll = Poll {
                    isolation,
                    partition,
                    from: 0,
                    is_final: true,
                    high_watermark: page.high_watermark,
                    last_stable_offset: page.last_stable_offset,
                    records,
                };
                self.shared.record(called, Action::Poll(poll), Outcome::Ok);
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }

    /// The group's offset, -1 if there is none, once no open transaction may change it; nothing when nobody answers.
    pub async fn committed(&mut self, partition: Partition) -> Option<i64> {
        let deadline = self.shared.last_answer_by().min(Instant::now() + STABLE_WAIT);
        while Instant::now() < deadline {
            if let Stable::At(offset) = self.stable_offset(partition).await? {
                return Some(offset);
            }
            sleep(PAUSE).await;
        }
        None
    }

    pub async fn stable_offset(&mut self, partition: Partition) -> Option<Stable> {
        let (topic, number) = self.shared.place(partition);
        let topic = OffsetFetchRequestTopics::default()
            .with_name(topic)
            .with_partition_indexes(vec![number]);
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(self.shared.group())
            .with_member_epoch(-1)
            .with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default()
            .with_groups(vec![group])
            .with_require_stable(true);
        let called = self.shared.tick();
        let told = self.link.ask(9, &request, true, |answer| {
            let group = answer.groups.first();
            let partition = group.and_then(|it| it.topics.first()?.partitions.first());
            match (group, partition) {
                (Some(group), _) if group.error_code != 0 => group.error_code,
                // An answer, and a later one need not wait for the same.
                (_, Some(partition)) if partition.error_code == UNSTABLE_OFFSET_COMMIT => 0,
                (_, Some(partition)) => partition.error_code,
                _ => -1,
            }
        });
        let told = told.await;
        let answer = told.answer.filter(|_| told.outcome == Outcome::Ok)?;
        let answer = answer.groups.first()?.topics.first()?.partitions.first()?;
        if answer.error_code == UNSTABLE_OFFSET_COMMIT {
            return Some(Stable::NotYet);
        }
        let offset = answer.committed_offset;
        let action = Action::Committed { partition, offset };
        self.shared.record(called, action, Outcome::Ok);
        Some(Stable::At(offset))
    }

    async fn page(&mut self, partition: Partition, isolation: Isolation, from: i64) -> Result<Option<Page>> {
        let (topic, number) = self.shared.place(partition);
        let wanted = FetchPartition::default()
            .with_partition(number)
            .with_fetch_offset(from)
            .with_partition_max_bytes(PARTITION_BYTES);
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(WAIT_MS)
            .with_min_bytes(1)
            .with_max_bytes(PARTITION_BYTES)
            .with_isolation_level(i8::from(isolation == Isolation::Committed))
            .with_session_epoch(-1)
            .with_topics(vec![
                FetchTopic::default()
                    .with_topic(topic)
                    .with_partitions(vec![wanted]),
            ]);
        let told = self
            .link
            .ask(12, &request, true, |answer| {
                only_partition(answer).map_or(-1, |it| it.error_code)
            })
            .await;
        let Some(answer) = told.answer.filter(|_| told.outcome == Outcome::Ok) else {
            if told.error > 0 && told.error != OFFSET_OUT_OF_RANGE {
                bail!("Fetch of partition {partition} from {from}: error {}", told.error);
            }
            return Ok(None);
        };
        let Some(data) = only_partition(&answer) else {
            return Ok(None);
        };
        let (records, next) = records::unpack(data, isolation, from)?;
        Ok(Some(Page {
            high_watermark: data.high_watermark,
            last_stable_offset: data.last_stable_offset,
            records,
            next,
        }))
    }
}

fn only_partition(answer: &FetchResponse) -> Option<&PartitionData> {
    answer.responses.first()?.partitions.first()
}
