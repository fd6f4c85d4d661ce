//! Producer ids for the producers of this broker, from blocks that the controller hands out (KIP-730).
//!
//! No id is ever handed out twice: a block belongs to this broker alone, and what is left of it when the process ends is lost.

use ottla_base::ErrorCode;
use ottla_metadata::controller::ProducerIdBlock;
use tokio::sync::Mutex;
use tracing::info;

use super::ControllerHandle;

pub struct ProducerIds {
    broker_id: i32,
    controller: ControllerHandle,
    /// What is left of the block. Whoever finds it empty fetches the next one, and the others wait for that.
    left: Mutex<std::ops::Range<i64>>,
}

impl ProducerIds {
    pub fn new(broker_id: i32, controller: ControllerHandle) -> Self {
        Self {
            broker_id,
            controller,
            left: Mutex::new(0..0),
        }
    }

    /// An id that no producer has had.
    pub async fn next(&self) -> Result<i64, ErrorCode> {
        let mut left = self.left.lock().await;
        if let Some(id) = left.next() {
            return Ok(id);
        }
        let ProducerIdBlock { first, count } = self.next_block().await?;
        info!(first, count, "block of producer ids");
        *left = first..first + i64::from(count);
        left.next().ok_or(ErrorCode::UnknownServerError)
    }

    async fn next_block(&self) -> Result<ProducerIdBlock, ErrorCode> {
        let broker_id = self.broker_id;
        let allocated = self.controller.try_write(move |controller, image, _| {
            let epoch = image.brokers.get(&broker_id).map_or(-1, |broker| broker.epoch);
            controller.allocate_producer_ids(image, broker_id, epoch)
        });
        allocated.await.map_err(|problem| problem.code)
    }
}
