//! The way of a decided transaction to its partitions.

use std::pin::Pin;
use std::sync::Arc;

use ottla_base::{ErrorCode, TopicPartition};
use ottla_coordinator::transaction::command::Markers;
use ottla_metadata::Image;
use ottla_storage::batch::control::EndTxn;

use crate::runtime::{MarkerWriter, TxnMarker};

/// An answer for each partition of the markers, in any order.
pub type Sending = Pin<Box<dyn Future<Output = Vec<(Arc<str>, i32, ErrorCode)>> + Send>>;

/// Writes markers wherever the partitions are led. What fails is sent again by the coordinator, so this tries once.
pub trait MarkerSender: Send + Sync {
    fn send(&self, image: Arc<Image>, markers: Markers) -> Sending;
}

/// For a node that leads all partitions there are.
pub struct LocalMarkers {
    pub writer: Arc<MarkerWriter>,
}

impl MarkerSender for LocalMarkers {
    fn send(&self, image: Arc<Image>, markers: Markers) -> Sending {
        let writer = self.writer.clone();
        Box::pin(async move {
            let partitions = markers
                .partitions
                .iter()
                .flat_map(|(topic, indexes)| indexes.iter().map(move |index| (topic.clone(), *index)));
            // What has been deleted has no readers who wait for the end of the transaction.
            let (there, gone): (Vec<_>, Vec<_>) =
                partitions.partition(|(topic, index)| exists(&image, topic, *index));
            let there: Vec<TopicPartition> = there
                .into_iter()
                .map(|(topic, index)| TopicPartition::new(topic, index))
                .collect();
            let errors = writer.write(marker(&markers), &there).await;
            let written = there
                .into_iter()
                .zip(errors)
                .map(|(partition, error)| (partition.topic, partition.partition, error));
            let gone = gone
                .into_iter()
                .map(|(topic, index)| (topic, index, ErrorCode::None));
            written.chain(gone).collect()
        })
    }
}

fn marker(markers: &Markers) -> TxnMarker {
    TxnMarker {
        producer_id: markers.producer_id,
        producer_epoch: markers.producer_epoch,
        kind: match markers.committed {
            true => EndTxn::Commit,
            false => EndTxn::Abort,
        },
        coordinator_epoch: markers.coordinator_epoch,
        transaction_version: markers.transaction_version,
    }
}

fn exists(image: &Image, topic: &str, partition: i32) -> bool {
    image
        .topics
        .by_name(topic)
        .is_some_and(|topic| topic.partitions.contains_key(&partition))
}
