//! What a machine of transactions wants done, done: one worker per shard, one task per thing.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ottla_base::planted::{self, Bug};
use ottla_coordinator::transaction::command::{Markers, MarkersWritten, Work};
use ottla_coordinator::transaction::{Command, Reply, TransactionShard};
use ottla_metadata::Image;

use super::markers::MarkerSender;
use crate::runtime::coordinator_loop::ShardHandle;
use crate::runtime::producer_ids::ProducerIds;

const LATE: Duration = Duration::from_millis(60);

#[derive(Clone)]
pub(super) struct Worker {
    pub shard: ShardHandle<TransactionShard>,
    pub producer_ids: Arc<ProducerIds>,
    pub markers: Arc<dyn MarkerSender>,
    pub image: Arc<ArcSwap<Image>>,
}

impl Worker {
    /// Works until the shard is closed.
    pub async fn run(self) {
        while let Reply::Work(work) = self.shard.submit_after_load(Command::NextWork).await {
            for work in work {
                // Side by side: a partition that does not answer holds up its own transactions only.
                tokio::spawn(self.clone().act(work));
            }
        }
    }

    async fn act(self, work: Work) {
        let done = match work {
            Work::WriteMarkers(markers) => Command::MarkersWritten(self.write(markers).await),
            Work::FetchProducerId(id) => Command::ProducerIdFetched(id, self.producer_ids.next().await),
        };
        self.shard.notify(done);
    }

    async fn write(&self, markers: Markers) -> MarkersWritten {
        let (producer_id, producer_epoch) = (markers.producer_id, markers.producer_epoch);
        let transactional_id = markers.transactional_id.clone();
        if planted::strikes(Bug::MarkerRepeated) {
            tokio::spawn(self.clone().repeat(markers.clone()));
        }
        let results = self.markers.send(self.image.load_full(), markers).await;
        MarkersWritten {
            transactional_id,
            producer_id,
            producer_epoch,
            results,
        }
    }

    /// Of [`Bug::MarkerRepeated`]: as if a first try had been held up on its way.
    async fn repeat(self, markers: Markers) {
        tokio::time::sleep(LATE).await;
        self.markers.send(self.image.load_full(), markers).await;
    }
}
