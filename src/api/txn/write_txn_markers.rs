//! WriteTxnMarkers 1-2: a transaction coordinator ends transactions in partitions that this broker leads.
//!
//! Since 2 the coordinator says by which rules the transaction was run: from `transaction.version` 2 on the marker's epoch must
//! be a new one (KIP-1228). The coordinator of this very node takes the same way without a request.
//!
//! An answer names each producer once, however many of its transactions the request ends.

use std::collections::BTreeMap;

use kafka_protocol::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use kafka_protocol::messages::{ProducerId, WriteTxnMarkersResponse};
use ottla_base::{ErrorCode, TopicPartition};
use ottla_storage::batch::control::EndTxn;

use crate::api::text::topic_name;
use crate::api::{Ctx, Reply};
use crate::runtime::{MarkerWriter, TxnMarker};
use crate::wire::messages::WriteTxnMarkersRequest;
use crate::wire::messages::write_txn_markers::Marker;

/// Of one producer, by topic and partition.
type Results = BTreeMap<String, BTreeMap<i32, ErrorCode>>;

pub fn handle(ctx: &Ctx, request: WriteTxnMarkersRequest) -> Reply<WriteTxnMarkersResponse> {
    let markers = ctx.node.markers.clone();
    Reply::later(async move { response(write_all(&markers, request.markers).await) })
}

/// One marker after the other: two of the same producer come in the order of its transactions.
async fn write_all(writer: &MarkerWriter, markers: Vec<Marker>) -> BTreeMap<i64, Results> {
    let mut by_producer: BTreeMap<i64, Results> = BTreeMap::new();
    for marker in markers {
        let results = by_producer.entry(marker.producer_id).or_default();
        let partitions = partitions(&marker);
        let errors = writer.write(txn_marker(&marker), &partitions).await;
        for (partition, error) in partitions.iter().zip(errors) {
            let topic = results.entry(partition.topic.to_string()).or_default();
            topic.insert(partition.partition, error);
        }
    }
    by_producer
}

fn txn_marker(marker: &Marker) -> TxnMarker {
    TxnMarker {
        producer_id: marker.producer_id,
        producer_epoch: marker.producer_epoch,
        kind: match marker.transaction_result {
            true => EndTxn::Commit,
            false => EndTxn::Abort,
        },
        coordinator_epoch: marker.coordinator_epoch,
        transaction_version: marker.transaction_version.into(),
    }
}

fn partitions(marker: &Marker) -> Vec<TopicPartition> {
    let topics = marker.topics.iter();
    let partitions = topics.flat_map(|topic| {
        let indexes = topic.partition_indexes.iter();
        indexes.map(|index| TopicPartition::new(topic.name.as_str(), *index))
    });
    partitions.collect()
}

fn response(by_producer: BTreeMap<i64, Results>) -> WriteTxnMarkersResponse {
    let partition = |(index, error): (i32, ErrorCode)| {
        WritableTxnMarkerPartitionResult::default()
            .with_partition_index(index)
            .with_error_code(error.code())
    };
    let topic = |(name, partitions): (String, BTreeMap<i32, ErrorCode>)| {
        WritableTxnMarkerTopicResult::default()
            .with_name(topic_name(&name))
            .with_partitions(partitions.into_iter().map(partition).collect())
    };
    let markers = by_producer.into_iter().map(|(producer_id, results)| {
        WritableTxnMarkerResult::default()
            .with_producer_id(ProducerId(producer_id))
            .with_topics(results.into_iter().map(topic).collect())
    });
    WriteTxnMarkersResponse::default().with_markers(markers.collect())
}
