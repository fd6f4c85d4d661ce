//! ListOffsets 1-11: from a time, or a word for a place, to an offset.
//!
//! | asked for | since | answered with |
//! |---|---|---|
//! | -1 latest | 1 | last stable offset, high watermark or log end, by who asks |
//! | -2 earliest, -4 earliest local | 1, 8 | log start |
//! | -3 largest timestamp | 7 | the record that has it |
//! | -5 latest tiered, -6 earliest pending upload | 9, 11 | nothing: no log is tiered |
//! | a time | 1 | the first record that is not older |
//!
//! Since 2 READ_COMMITTED, since 4 leader epochs, since 5 OFFSET_NOT_AVAILABLE, since 10 a timeout for tiered lookups, which
//! there are none of.

use std::collections::HashSet;
use std::sync::Arc;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use ottla_base::ErrorCode;
use ottla_metadata::Image;
use ottla_storage::Log;

use super::locate;
use crate::api::{Ctx, Reply};
use crate::replica::{Partition, ReplicaError};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// The replica id of a consumer, and of a tool that looks at any replica.
const CONSUMER: i32 = -1;
const DEBUGGING: i32 = -2;
const READ_COMMITTED: i8 = 1;
const LEADER_EPOCH_FROM: i16 = 4;
const OFFSET_NOT_AVAILABLE_FROM: i16 = 5;

pub fn handle(ctx: &Ctx, request: ListOffsetsRequest) -> Reply<ListOffsetsResponse> {
    let needs_disk =
        |partition: &ListOffsetsPartition| partition.timestamp >= 0 || partition.timestamp == MAX_TIMESTAMP;
    let blocks = request
        .topics
        .iter()
        .flat_map(|topic| &topic.partitions)
        .any(needs_disk);
    let lookup = Lookup::new(ctx, &request);
    if !blocks {
        return Reply::Now(lookup.answer(request.topics));
    }
    let topics = request.topics;
    Reply::later(async move {
        let answer = tokio::task::spawn_blocking(move || lookup.answer(topics)).await;
        answer.unwrap_or_default()
    })
}

/// An offset with what is known of its record; −1 for what is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    timestamp: i64,
    offset: i64,
    leader_epoch: i32,
}

const NOTHING: Found = Found {
    timestamp: -1,
    offset: -1,
    leader_epoch: -1,
};

struct Lookup {
    ctx: Ctx,
    image: Arc<Image>,
    replica_id: i32,
    isolation_level: i8,
    /// Partitions that the request names more than once.
    duplicates: HashSet<(String, i32)>,
}

impl Lookup {
    fn new(ctx: &Ctx, request: &ListOffsetsRequest) -> Self {
        let mut seen = HashSet::new();
        let mut duplicates = HashSet::new();
        for topic in &request.topics {
            for partition in &topic.partitions {
                let key = (topic.name.to_string(), partition.partition_index);
                if !seen.insert(key.clone()) {
                    duplicates.insert(key);
                }
            }
        }
        Self {
            ctx: ctx.clone(),
            image: ctx.image(),
            replica_id: request.replica_id.0,
            isolation_level: request.isolation_level,
            duplicates,
        }
    }

    fn answer(&self, topics: Vec<ListOffsetsTopic>) -> ListOffsetsResponse {
        let topics = topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                let found = self.partition(&topic.name, partition);
                self.partition_response(partition.partition_index, found)
            });
            ListOffsetsTopicResponse::default()
                .with_partitions(partitions.collect())
                .with_name(topic.name)
        });
        ListOffsetsResponse::default().with_topics(topics.collect())
    }

    fn partition(&self, topic: &str, wanted: &ListOffsetsPartition) -> Result<Found, ErrorCode> {
        let index = wanted.partition_index;
        if self.duplicates.contains(&(topic.to_owned(), index)) {
            return Err(ErrorCode::InvalidRequest);
        }
        if !is_supported(wanted.timestamp, self.ctx.api_version) {
            return Err(ErrorCode::UnsupportedVersion);
        }
        let partition = locate::by_name(&self.ctx, &self.image, topic, index)?;
        self.find(&partition, wanted).map_err(|error| error.code())
    }

    fn find(&self, partition: &Partition, wanted: &ListOffsetsPartition) -> Result<Found, ReplicaError> {
        if self.replica_id == DEBUGGING {
            partition.check_epoch(wanted.current_leader_epoch)?;
        } else {
            partition.check_leader(wanted.current_leader_epoch)?;
        }
        let log = partition.log();
        let is_consumer = self.replica_id == CONSUMER;
        let available = if is_consumer {
            partition.check_offsets_available()
        } else {
            Ok(())
        };
        let bound = match (is_consumer, self.isolation_level) {
            (false, _) => log.log_end_offset(),
            (true, READ_COMMITTED) => log.last_stable_offset(),
            (true, _) => log.high_watermark(),
        };
        match wanted.timestamp {
            LATEST => {
                available?;
                Ok(Found {
                    timestamp: -1,
                    offset: bound,
                    leader_epoch: partition.leader_epoch(),
                })
            }
            EARLIEST | EARLIEST_LOCAL => Ok(earliest(&log)),
            LATEST_TIERED | EARLIEST_PENDING_UPLOAD => Ok(NOTHING),
            timestamp => {
                let found = by_time(&log, timestamp)?;
                if found.offset != NOTHING.offset && found.offset < bound {
                    return Ok(found);
                }
                // What lies behind the bound does not exist for this reader, unless the bound itself lags.
                available.map(|()| NOTHING)
            }
        }
    }

    fn partition_response(
        &self,
        index: i32,
        found: Result<Found, ErrorCode>,
    ) -> ListOffsetsPartitionResponse {
        let version = self.ctx.api_version;
        let (error, found) = match found {
            Ok(found) => (ErrorCode::None, found),
            Err(ErrorCode::OffsetNotAvailable) if version < OFFSET_NOT_AVAILABLE_FROM => {
                (ErrorCode::LeaderNotAvailable, NOTHING)
            }
            Err(error) => (error, NOTHING),
        };
        let leader_epoch = if version >= LEADER_EPOCH_FROM {
            found.leader_epoch
        } else {
            -1
        };
        ListOffsetsPartitionResponse::default()
            .with_partition_index(index)
            .with_error_code(error.code())
            .with_timestamp(found.timestamp)
            .with_offset(found.offset)
            .with_leader_epoch(leader_epoch)
    }
}

/// Words for places came one by one; a negative time that is none of them is from a newer client.
fn is_supported(timestamp: i64, version: i16) -> bool {
    match timestamp {
        0.. | LATEST | EARLIEST => true,
        MAX_TIMESTAMP => version >= 7,
        EARLIEST_LOCAL => version >= 8,
        LATEST_TIERED => version >= 9,
        EARLIEST_PENDING_UPLOAD => version >= 11,
        _ => false,
    }
}

fn earliest(log: &Log) -> Found {
    let offset = log.log_start_offset();
    Found {
        timestamp: -1,
        offset,
        leader_epoch: log.epoch_of(offset).unwrap_or(-1),
    }
}

fn by_time(log: &Log, timestamp: i64) -> Result<Found, ReplicaError> {
    let found = if timestamp == MAX_TIMESTAMP {
        log.max_timestamp_offset()?
    } else {
        log.offset_for_timestamp(timestamp)?
    };
    Ok(found.map_or(NOTHING, |found| Found {
        timestamp: found.timestamp,
        offset: found.offset,
        leader_epoch: found.leader_epoch,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_places_need_their_version() {
        // (time, first version that may ask for it)
        for (timestamp, from) in [
            (0, 1),
            (LATEST, 1),
            (EARLIEST, 1),
            (-3, 7),
            (-4, 8),
            (-5, 9),
            (-6, 11),
            (-7, 12),
        ] {
            for version in 1..=11 {
                assert_eq!(
                    is_supported(timestamp, version),
                    version >= from,
                    "{timestamp} {version}"
                );
            }
        }
    }
}
