//! A member of a consumer group (KIP-848): everything by ConsumerGroupHeartbeat, the broker assigns.

use std::time::Duration;

use anyhow::{Result, bail};
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use ottla_base::Uuid;

use crate::board::Standing;
use crate::connection::Connection;
use crate::errors;
use crate::member::Place;

const CONSUMER_GROUP_HEARTBEAT: i16 = 1;
const REBALANCE_TIMEOUT_MS: i32 = 300_000;
const JOINS: i32 = 0;
const LEAVES: i32 = -1;

pub struct ConsumerMember {
    pub member_id: StrBytes,
    pub epoch: i32,
    pub owned: Vec<TopicPartitions>,
    pub heartbeat_interval: Duration,
}

impl ConsumerMember {
    pub fn new(place: &Place) -> Self {
        // Of its own making, as the protocol wants it; the same in every run.
        let id = Uuid::from_u128((u128::from(place.group_number) << 64) | place.seat as u128 | 1 << 127);
        Self {
            member_id: StrBytes::from_string(id.to_string()),
            epoch: JOINS,
            owned: Vec::new(),
            heartbeat_interval: Duration::from_secs(5),
        }
    }

    pub async fn join(&mut self, connection: &mut Connection, place: &Place) -> Result<Standing> {
        self.epoch = JOINS;
        self.owned.clear();
        let request = self
            .request(place)
            .with_rebalance_timeout_ms(REBALANCE_TIMEOUT_MS)
            .with_subscribed_topic_names(Some(vec![TopicName(place.topic.clone())]))
            .with_topic_partitions(Some(Vec::new()));
        loop {
            let told = connection.call(CONSUMER_GROUP_HEARTBEAT, &request).await?;
            match told.error_code {
                errors::COORDINATOR_LOAD_IN_PROGRESS
                | errors::COORDINATOR_NOT_AVAILABLE
                | errors::NOT_COORDINATOR => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                _ => return self.follow(told, connection, place).await,
            }
        }
    }

    /// A heartbeat, and those that acknowledge what it brings.
    pub async fn beat(&mut self, connection: &mut Connection, place: &Place) -> Result<Standing> {
        let request = self.request(place).with_rebalance_timeout_ms(-1);
        let told = connection.call(CONSUMER_GROUP_HEARTBEAT, &request).await?;
        if matches!(
            told.error_code,
            errors::FENCED_MEMBER_EPOCH | errors::UNKNOWN_MEMBER_ID
        ) {
            return Box::pin(self.join(connection, place)).await;
        }
        self.follow(told, connection, place).await
    }

    pub async fn leave(&mut self, connection: &mut Connection, place: &Place) -> Result<()> {
        self.epoch = LEAVES;
        let request = self.request(place);
        let told = connection.call(CONSUMER_GROUP_HEARTBEAT, &request).await?;
        match told.error_code {
            errors::NONE => Ok(()),
            error => bail!("ConsumerGroupHeartbeat: error {error}"),
        }
    }

    async fn follow(
        &mut self,
        mut told: ConsumerGroupHeartbeatResponse,
        connection: &mut Connection,
        place: &Place,
    ) -> Result<Standing> {
        loop {
            if told.error_code != errors::NONE {
                let message = told.error_message.unwrap_or_default();
                bail!(
                    "a member of a consumer group was told error {}: {}",
                    told.error_code,
                    message.as_str()
                );
            }
            self.epoch = told.member_epoch;
            self.heartbeat_interval =
                Duration::from_millis(u64::try_from(told.heartbeat_interval_ms).unwrap_or(5000));
            let Some(assignment) = told.assignment else { break };
            let topics = assignment.topic_partitions.into_iter();
            self.owned = topics
                .map(|topic| {
                    TopicPartitions::default()
                        .with_topic_id(topic.topic_id)
                        .with_partitions(topic.partitions)
                })
                .collect();
            // Only what has changed: to a request that says everything the answer says everything again.
            let request = self
                .request(place)
                .with_rebalance_timeout_ms(-1)
                .with_topic_partitions(Some(self.owned.clone()));
            told = connection.call(CONSUMER_GROUP_HEARTBEAT, &request).await?;
        }
        Ok(Standing {
            epoch: self.epoch,
            partitions: self.owned.iter().map(|topic| topic.partitions.len()).sum(),
        })
    }

    fn request(&self, place: &Place) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(place.group.clone())
            .with_member_id(self.member_id.clone())
            .with_member_epoch(self.epoch)
            .with_subscribed_topic_names(None)
            .with_topic_partitions(None)
    }
}
