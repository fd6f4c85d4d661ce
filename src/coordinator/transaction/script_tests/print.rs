//! How the scripts show what happens.

use std::fmt::Write;

use crate::records::Encoded;
use crate::transaction::command::{Reply, Work};
use crate::transaction::shard::{StateRecord, TransactionShard};
use crate::transaction::state::{Partitions, State, Transaction};

/// `+ id = state producer:epoch partitions`, then what is not as usual.
pub fn record(record: &StateRecord) -> String {
    match &record.transaction {
        None => format!("- {}", record.transactional_id),
        Some(value) => format!("+ {} = {}", record.transactional_id, transaction(value)),
    }
}

fn transaction(value: &Transaction) -> String {
    let mut out = format!(
        "{} {}:{}{}",
        value.state.name(),
        value.producer_id,
        value.producer_epoch,
        partitions(&value.partitions),
    );
    if value.previous_producer_id != value.producer_id {
        let _ = write!(out, " was={}", value.previous_producer_id);
    }
    if value.next_producer_id >= 0 {
        let _ = write!(out, " next={}", value.next_producer_id);
    }
    if value.last_producer_epoch >= 0 {
        let _ = write!(out, " last={}", value.last_producer_epoch);
    }
    if value.state != State::Empty {
        let _ = write!(out, " since={} tv={}", value.start_ms, value.client_version);
    }
    out
}

/// All ids that are known.
pub fn state(shard: &TransactionShard) -> Vec<String> {
    let mut lines: Vec<String> = shard
        .entries
        .iter()
        .map(|(id, entry)| {
            let writing = if entry.is_writing { ", writing" } else { "" };
            format!("{id}: {}{writing}", transaction(&entry.current))
        })
        .collect();
    lines.sort();
    lines
}

pub fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Initialized {
            producer_id,
            producer_epoch,
        } => format!("is {producer_id}:{producer_epoch}"),
        Reply::Ended { producer_id: -1, .. } => "ended".to_owned(),
        Reply::Ended {
            producer_id,
            producer_epoch,
        } => format!("ended, goes on as {producer_id}:{producer_epoch}"),
        Reply::Verified(results) => {
            let each = results
                .iter()
                .map(|(topic, index, error)| format!("{topic}-{index} {}", error.name()));
            each.collect::<Vec<_>>().join(", ")
        }
        Reply::Described(found) => format!(
            "{} {} {}:{} timeout={} since={}{}",
            found.transactional_id,
            found.state,
            found.producer_id,
            found.producer_epoch,
            found.timeout_ms,
            found.start_ms,
            partitions(&found.partitions)
        ),
        Reply::Listed(listed) => {
            let each = listed
                .iter()
                .map(|one| format!("{} {} {}", one.transactional_id, one.producer_id, one.state));
            each.collect::<Vec<_>>().join(", ")
        }
        Reply::Done => "done".to_owned(),
        Reply::Failed(error) => error.name().to_owned(),
        Reply::NeedsProducerId | Reply::Work(_) => panic!("answered by the world"),
    }
}

pub fn work(work: &Work) -> String {
    match work {
        Work::FetchProducerId(id) => format!("a producer id for {id}"),
        Work::WriteMarkers(markers) => format!(
            "{} {} as {}:{} by {} tv={}{}",
            if markers.committed { "commit" } else { "abort" },
            markers.transactional_id,
            markers.producer_id,
            markers.producer_epoch,
            markers.coordinator_epoch,
            markers.transaction_version,
            partitions(&markers.partitions),
        ),
    }
}

pub fn bytes(record: &Encoded) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!(
        "{} = {}",
        hex(&record.key),
        record.value.as_deref().map(hex).unwrap_or_default()
    )
}

fn partitions(partitions: &Partitions) -> String {
    let mut out = String::new();
    for (topic, indexes) in partitions {
        for index in indexes {
            let _ = write!(out, " {topic}-{index}");
        }
    }
    out
}
