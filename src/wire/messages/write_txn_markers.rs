//! The request of WriteTxnMarkers 1-2: version 2 says by which rules the transaction was run.

use bytes::Bytes;
use ottla_base::record_schema;

use super::decode_schema;
use crate::wire::{RequestBody, WireError};

record_schema! {
    pub struct WriteTxnMarkersRequest: versions 1..=2, flexible 1.. {
        markers: Vec<Marker>;
    }

    pub struct Marker {
        producer_id: i64;
        producer_epoch: i16;
        /// False for an abort.
        transaction_result: bool;
        topics: Vec<MarkerTopic>;
        coordinator_epoch: i32;
        /// `transaction.version`.
        transaction_version: i8, versions 2..;
    }

    pub struct MarkerTopic {
        name: String;
        partition_indexes: Vec<i32>;
    }
}

impl RequestBody for WriteTxnMarkersRequest {
    fn decode_body(_key: i16, version: i16, body: &mut Bytes) -> Result<Self, WireError> {
        decode_schema(version, body)
    }
}
