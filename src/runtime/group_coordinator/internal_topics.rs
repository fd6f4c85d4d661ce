//! The topics that coordinators keep their records in: which partition a key belongs to, and how a topic is made when it is
//! first needed.

use ottla_base::ErrorCode;
use ottla_base::config::Settings;
use ottla_metadata::controller::CreateTopic;
use tracing::{info, warn};

use crate::runtime::ControllerHandle;

pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";
pub const TRANSACTION_STATE: &str = "__transaction_state";

/// A topic that the brokers keep for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InternalTopic {
    ConsumerOffsets,
    TransactionState,
}

impl InternalTopic {
    pub fn name(self) -> &'static str {
        match self {
            Self::ConsumerOffsets => CONSUMER_OFFSETS,
            Self::TransactionState => TRANSACTION_STATE,
        }
    }

    /// The partitions that it is created with.
    pub fn partitions(self, config: &impl Settings) -> i32 {
        config.i32(match self {
            Self::ConsumerOffsets => "offsets.topic.num.partitions",
            Self::TransactionState => "transaction.state.log.num.partitions",
        })
    }

    /// The topic as Kafka's brokers create it.
    pub fn create(self, config: &impl Settings) -> CreateTopic {
        let setting = |key: &str, value: String| (key.to_owned(), Some(value));
        let (replication_key, configs) = match self {
            Self::ConsumerOffsets => (
                "offsets.topic.replication.factor",
                vec![
                    setting("cleanup.policy", "compact".to_owned()),
                    setting("compression.type", "producer".to_owned()),
                    setting(
                        "segment.bytes",
                        config.i32("offsets.topic.segment.bytes").to_string(),
                    ),
                ],
            ),
            Self::TransactionState => (
                "transaction.state.log.replication.factor",
                vec![
                    setting("cleanup.policy", "compact".to_owned()),
                    setting("compression.type", "uncompressed".to_owned()),
                    setting(
                        "min.insync.replicas",
                        config.i32("transaction.state.log.min.isr").to_string(),
                    ),
                    setting(
                        "segment.bytes",
                        config.i32("transaction.state.log.segment.bytes").to_string(),
                    ),
                    setting("unclean.leader.election.enable", "false".to_owned()),
                ],
            ),
        };
        CreateTopic {
            name: self.name().to_owned(),
            partitions: self.partitions(config),
            replication_factor: i16::try_from(config.i32(replication_key)).unwrap_or(i16::MAX),
            configs,
            ..CreateTopic::default()
        }
    }

    /// Makes the topic unless somebody else just did. It is there, and its leaders are known here, when this returns.
    pub async fn ensure(
        self,
        config: &impl Settings,
        controller: &ControllerHandle,
    ) -> Result<(), ErrorCode> {
        let topic = self.create(config);
        let created =
            controller.write(move |controller, image, _| controller.create_topics(image, &[topic], false));
        for (name, result) in created.await? {
            match result {
                Ok(topic) => info!(
                    topic = name,
                    partitions = topic.partitions,
                    "created for the coordinators"
                ),
                Err(problem) if problem.code == ErrorCode::TopicAlreadyExists => {}
                Err(problem) => {
                    warn!(topic = name, %problem, "the coordinators' topic cannot be created");
                    return Err(problem.code);
                }
            }
        }
        Ok(())
    }
}

/// The partition of a key: Java's hash of its text, without its sign, modulo the number of partitions.
pub fn partition_for(key: &str, partitions: i32) -> i32 {
    let hash = key.encode_utf16().fold(0i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    // The smallest int has no absolute value; Kafka takes 0 for it.
    hash.checked_abs()
        .unwrap_or(0)
        .checked_rem(partitions)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::partition_for;

    #[test]
    fn keys_belong_where_java_puts_them() {
        for (key, partition) in [
            ("", 0),
            ("g", 3),
            ("g-classic", 18),
            ("console-consumer-12345", 6),
            ("größe-😀", 21),
            // Hashes to the smallest int.
            ("polygenelubricants", 0),
        ] {
            assert_eq!(partition_for(key, 50), partition, "{key}");
        }
    }
}
