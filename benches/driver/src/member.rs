//! A member of either protocol as a task: it joins when it is told to, sends its heartbeats, commits and leaves.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::ValueEnum;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use crate::board::{Board, Standing};
use crate::classic::{self, ClassicMember};
use crate::connection::Connection;
use crate::consumer::ConsumerMember;
use crate::errors;
use crate::histogram::Histogram;

const OFFSET_COMMIT: i16 = 9;

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Protocol {
    Classic,
    Consumer,
}

/// Whose member it is, and what it reads.
#[derive(Clone)]
pub struct Place {
    pub group: GroupId,
    pub group_number: u32,
    pub seat: usize,
    pub topic: StrBytes,
    /// How many the topic has.
    pub partitions: i32,
}

pub enum Order {
    Join,
    /// Answered when the broker has answered.
    Leave(oneshot::Sender<()>),
    /// Was due at this moment.
    Commit(Instant),
}

/// The hand that a bench has on a member.
pub struct Member {
    pub orders: mpsc::UnboundedSender<Order>,
    /// Asks for a heartbeat now.
    pub nudge: Rc<Notify>,
}

/// How long each commit took since it was due.
#[derive(Default)]
pub struct Commits {
    pub latencies: RefCell<Histogram>,
    pub changed: Notify,
}

pub struct MemberTask {
    pub connection: Connection,
    pub place: Place,
    pub role: Role,
    pub orders: mpsc::UnboundedReceiver<Order>,
    pub nudge: Rc<Notify>,
    pub board: Rc<Board>,
    pub commits: Rc<Commits>,
}

pub enum Role {
    Classic(ClassicMember),
    Consumer(ConsumerMember),
}

impl MemberTask {
    pub async fn run(mut self) -> Result<()> {
        let mut is_member = false;
        let mut next_beat = Instant::now();
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    None => return Ok(()),
                    Some(Order::Join) => {
                        let standing = self.join().await?;
                        self.board.report(self.place.seat, Some(standing));
                        is_member = true;
                        next_beat = Instant::now() + self.heartbeat_interval();
                    }
                    Some(Order::Leave(done)) => {
                        self.leave().await?;
                        self.board.report(self.place.seat, None);
                        is_member = false;
                        let _ = done.send(());
                    }
                    Some(Order::Commit(due)) => {
                        self.commit().await?;
                        self.commits.latencies.borrow_mut().record(due.elapsed());
                        self.commits.changed.notify_one();
                    }
                },
                () = self.nudge.notified(), if is_member => next_beat = self.beat().await?,
                () = tokio::time::sleep_until(next_beat), if is_member => next_beat = self.beat().await?,
            }
        }
    }

    async fn join(&mut self) -> Result<Standing> {
        match &mut self.role {
            Role::Classic(member) => member.join(&mut self.connection, &self.place).await,
            Role::Consumer(member) => member.join(&mut self.connection, &self.place).await,
        }
    }

    /// Returns when the next one is due.
    async fn beat(&mut self) -> Result<Instant> {
        let standing = match &mut self.role {
            Role::Classic(member) => member.beat(&mut self.connection, &self.place).await?,
            Role::Consumer(member) => member.beat(&mut self.connection, &self.place).await?,
        };
        self.board.report(self.place.seat, Some(standing));
        Ok(Instant::now() + self.heartbeat_interval())
    }

    async fn leave(&mut self) -> Result<()> {
        match &mut self.role {
            Role::Classic(member) => member.leave(&mut self.connection, &self.place).await,
            Role::Consumer(member) => member.leave(&mut self.connection, &self.place).await,
        }
    }

    async fn commit(&mut self) -> Result<()> {
        let (member_id, epoch, partition) = match &self.role {
            Role::Classic(member) => (
                &member.member_id,
                member.generation,
                member.assigned.first().copied(),
            ),
            Role::Consumer(member) => {
                let owned = member.owned.iter().flat_map(|topic| &topic.partitions);
                (&member.member_id, member.epoch, owned.copied().next())
            }
        };
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(partition.unwrap_or(0))
            .with_committed_offset(self.commits.latencies.borrow().count() as i64)
            .with_committed_metadata(Some(StrBytes::new()));
        let topic = OffsetCommitRequestTopic::default()
            .with_name(TopicName(self.place.topic.clone()))
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(self.place.group.clone())
            .with_member_id(member_id.clone())
            .with_generation_id_or_member_epoch(epoch)
            .with_topics(vec![topic]);
        let answer = self.connection.call(OFFSET_COMMIT, &request).await?;
        let told = answer.topics.iter().flat_map(|topic| &topic.partitions);
        match told.map(|partition| partition.error_code).next() {
            Some(errors::NONE) => Ok(()),
            error => bail!("OffsetCommit: error {error:?}"),
        }
    }

    fn heartbeat_interval(&self) -> Duration {
        match &self.role {
            Role::Classic(_) => classic::HEARTBEAT_INTERVAL,
            Role::Consumer(member) => member.heartbeat_interval,
        }
    }
}
