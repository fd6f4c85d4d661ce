//! Producer ids are handed out in blocks, so that a broker need not ask for each.

use ottla_base::ErrorCode;

use super::{Controller, Outcome, Problem};
use crate::image::Image;
use crate::records::ProducerIdsRecord;

/// Ids in a block (KIP-730).
const BLOCK_IDS: i64 = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    pub first: i64,
    pub count: i32,
}

impl Controller {
    pub fn allocate_producer_ids(
        &self,
        image: &Image,
        broker_id: i32,
        broker_epoch: i64,
    ) -> Result<Outcome<ProducerIdBlock>, Problem> {
        super::brokers::check_epoch(image, broker_id, broker_epoch)?;
        let first = image.next_producer_id.unwrap_or(0);
        let next_producer_id = first
            .checked_add(BLOCK_IDS)
            .ok_or_else(|| Problem::new(ErrorCode::UnknownServerError, "Exhausted all producer ids."))?;
        let record = ProducerIdsRecord {
            broker_id,
            broker_epoch,
            next_producer_id,
        };
        Ok(Outcome {
            records: vec![record.into()],
            response: ProducerIdBlock {
                first,
                count: BLOCK_IDS as i32,
            },
        })
    }
}
