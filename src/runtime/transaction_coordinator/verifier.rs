//! Partitions ask about a transaction before they append its first batch.

use std::sync::Arc;

use ottla_base::planted::{self, Bug};
use ottla_base::{ErrorCode, TopicPartition};
use ottla_coordinator::transaction::command::AddPartitions;
use ottla_coordinator::transaction::state::{EPOCH_BUMP_VERSION, Partitions};
use ottla_coordinator::transaction::{Command, Reply};

use super::TransactionCoordinator;
use crate::replica::verification::Verifying;
use crate::replica::{TransactionVerifier, VerifyTransaction};
use crate::runtime::group_coordinator::internal_topics::TRANSACTION_STATE;

impl TransactionVerifier for Arc<TransactionCoordinator> {
    fn verify(&self, question: VerifyTransaction) -> Verifying {
        if planted::strikes(Bug::VerificationSkipped) {
            let answers = vec![ErrorCode::None; question.partitions.len()];
            return Box::pin(std::future::ready(answers));
        }
        if self.image.load().topics.by_name(TRANSACTION_STATE).is_none() {
            // Nobody has ever asked for a coordinator; whoever looks for one makes the topic.
            let answers = vec![ErrorCode::CoordinatorNotAvailable; question.partitions.len()];
            return Box::pin(std::future::ready(answers));
        }
        let command = match question.adds_partitions {
            true => Command::AddPartitions(request(&question)),
            false => Command::VerifyPartitions(request(&question)),
        };
        let answer = self.submit(&question.transactional_id, command);
        Box::pin(async move { answers(&question.partitions, answer.await) })
    }
}

fn request(question: &VerifyTransaction) -> AddPartitions {
    let mut partitions = Partitions::new();
    for TopicPartition { topic, partition } in &question.partitions {
        partitions.entry(topic.clone()).or_default().insert(*partition);
    }
    AddPartitions {
        transactional_id: question.transactional_id.clone(),
        producer_id: question.producer_id,
        producer_epoch: question.producer_epoch,
        partitions,
        // Only clients that speak it leave the adding to the partitions.
        client_version: EPOCH_BUMP_VERSION,
    }
}

fn answers(partitions: &[TopicPartition], reply: Reply) -> Vec<ErrorCode> {
    let all = |error| vec![error; partitions.len()];
    match reply {
        Reply::Done => all(ErrorCode::None),
        Reply::Failed(error) => all(error),
        Reply::Verified(results) => {
            let of = |partition: &TopicPartition| {
                let result = results
                    .iter()
                    .find(|(topic, index, _)| (topic, *index) == (&partition.topic, partition.partition));
                result.map_or(ErrorCode::UnknownServerError, |(_, _, error)| *error)
            };
            partitions.iter().map(of).collect()
        }
        _ => all(ErrorCode::UnknownServerError),
    }
}
