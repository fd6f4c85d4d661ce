//! A partition as Metadata and DescribeTopicPartitions show it: its leader if clients can reach it, and what is offline.

use ottla_base::ErrorCode;
use ottla_base::ids::{DIRECTORY_LOST, Uuid};
use ottla_metadata::Image;
use ottla_metadata::image::Partition;
use ottla_metadata::image::topics::NO_LEADER;

use crate::api::{Ctx, endpoints};

/// What clients are told of a partition beside its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionView {
    pub error: ErrorCode,
    pub leader: i32,
    pub offline: Vec<i32>,
}

pub fn view(ctx: &Ctx, image: &Image, partition: &Partition) -> PartitionView {
    let offline = offline_replicas(image, partition);
    let (error, leader) = match endpoints::broker(ctx, image, partition.leader) {
        Some(broker) if !broker.fenced => (ErrorCode::None, partition.leader),
        Some(_) => (ErrorCode::LeaderNotAvailable, NO_LEADER),
        None if is_alive(image, partition.leader) => (ErrorCode::ListenerNotFound, NO_LEADER),
        None => (ErrorCode::LeaderNotAvailable, NO_LEADER),
    };
    PartitionView {
        error,
        leader,
        offline,
    }
}

fn is_alive(image: &Image, broker: i32) -> bool {
    image.brokers.get(&broker).is_some_and(|broker| !broker.fenced)
}

/// Replicas on brokers that do not serve, or in a log dir that is offline there.
fn offline_replicas(image: &Image, partition: &Partition) -> Vec<i32> {
    let directories = partition
        .directories
        .iter()
        .copied()
        .map(Some)
        .chain(std::iter::repeat(None));
    let replicas = partition.replicas.iter().copied().zip(directories);
    replicas
        .filter(|(broker, directory)| !is_alive(image, *broker) || is_offline(image, *broker, *directory))
        .map(|(broker, _)| broker)
        .collect()
}

fn is_offline(image: &Image, broker: i32, directory: Option<Uuid>) -> bool {
    let (Some(directory), Some(broker)) = (directory, image.brokers.get(&broker)) else {
        return false;
    };
    let is_reserved = directory.as_u128() < 100 && directory != DIRECTORY_LOST;
    !is_reserved && !broker.directories.contains(&directory)
}
