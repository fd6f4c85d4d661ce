//! A leader reports who is in sync: the only way in which an ISR grows, and the way in which it usually shrinks.

use ottla_base::{ErrorCode, Uuid};

use super::brokers::check_epoch;
use super::{Controller, Draft, Outcome, Problem};
use crate::image::topics::RECOVERING;
use crate::image::{Image, Partition};

/// A member of the ISR that a leader asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsrMember {
    pub broker_id: i32,
    /// -1 when the leader does not know it.
    pub broker_epoch: i64,
}

/// One partition of an AlterPartition request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterPartition {
    pub topic_id: Uuid,
    pub partition_id: i32,
    pub leader_epoch: i32,
    pub isr: Vec<IsrMember>,
    pub leader_recovery: i8,
    pub partition_epoch: i32,
}

/// The partition as it is after the change, or why there is none.
pub type AlterPartitionResult = Result<Partition, ErrorCode>;

impl Controller {
    pub fn alter_partition(
        &self,
        image: &Image,
        broker_id: i32,
        broker_epoch: i64,
        changes: &[AlterPartition],
    ) -> Result<Outcome<Vec<AlterPartitionResult>>, Problem> {
        check_epoch(image, broker_id, broker_epoch)?;
        let mut draft = Draft::new(image);
        let response = changes
            .iter()
            .map(|change| self.alter_one(&mut draft, broker_id, change))
            .collect();
        Ok(Outcome {
            records: draft.records,
            response,
        })
    }

    fn alter_one(&self, draft: &mut Draft, broker_id: i32, request: &AlterPartition) -> AlterPartitionResult {
        let image = draft.image.clone();
        let topic = image
            .topics
            .by_id(request.topic_id)
            .ok_or(ErrorCode::UnknownTopicId)?;
        let partition = topic
            .partitions
            .get(&request.partition_id)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        check_epochs(partition, broker_id, request)?;
        check_isr(&image, partition, request)?;
        let rules = self.rules(&image).of(&image, topic);
        let mut change = rules.change(&image, topic, request.partition_id, partition);
        change.isr = request.isr.iter().map(|member| member.broker_id).collect();
        change.leader_recovery = request.leader_recovery;
        let Some(record) = change.build() else {
            return Ok(partition.as_ref().clone());
        };
        let mut after = partition.as_ref().clone();
        after.change(&record);
        draft.push(record).map_err(|problem| problem.code)?;
        // A finished reassignment can take the leadership away from the one who asks: the change holds all the same.
        if after.leader != broker_id {
            return Err(ErrorCode::NewLeaderElected);
        }
        Ok(after)
    }
}

/// A higher epoch than ours means that another controller leads by now.
fn check_epochs(partition: &Partition, broker_id: i32, request: &AlterPartition) -> Result<(), ErrorCode> {
    let is_ahead =
        request.leader_epoch > partition.leader_epoch || request.partition_epoch > partition.partition_epoch;
    let checks = [
        (is_ahead, ErrorCode::NotController),
        (
            request.leader_epoch < partition.leader_epoch,
            ErrorCode::FencedLeaderEpoch,
        ),
        (broker_id != partition.leader, ErrorCode::InvalidRequest),
        (
            request.partition_epoch < partition.partition_epoch,
            ErrorCode::InvalidUpdateVersion,
        ),
    ];
    match checks.into_iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, code)) => Err(code),
        None => Ok(()),
    }
}

fn check_isr(image: &Image, partition: &Partition, request: &AlterPartition) -> Result<(), ErrorCode> {
    let mut ids: Vec<i32> = request.isr.iter().map(|member| member.broker_id).collect();
    ids.sort_unstable();
    let has_twice = ids.windows(2).any(|pair| pair.first() == pair.last());
    let is_stranger = ids.iter().any(|id| !partition.replicas.contains(id));
    if has_twice || is_stranger || !ids.contains(&partition.leader) {
        return Err(ErrorCode::InvalidRequest);
    }
    if request.leader_recovery == RECOVERING && ids.len() > 1 {
        return Err(ErrorCode::InvalidRequest);
    }
    if request.leader_recovery == RECOVERING && partition.leader_recovery != RECOVERING {
        return Err(ErrorCode::InvalidRequest);
    }
    let is_eligible = |member: &IsrMember| {
        image
            .active_broker(member.broker_id)
            .is_some_and(|broker| member.broker_epoch == -1 || member.broker_epoch == broker.epoch)
    };
    if !request.isr.iter().all(is_eligible) {
        return Err(ErrorCode::IneligibleReplica);
    }
    Ok(())
}
