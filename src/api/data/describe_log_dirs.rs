//! DescribeLogDirs 1-5: which replicas lie in which log directory, how large they are, and how full the disks are.
//!
//! Since 3 an error for the whole answer, since 4 bytes of the volume (KIP-827), since 5 whether the directory is cordoned.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use kafka_protocol::messages::DescribeLogDirsRequest;
use ottla_base::config::Settings;
use ottla_base::{ErrorCode, TopicPartition};
use ottla_storage::Log;
use ottla_storage::dirs::LogDir;

use crate::api::{Ctx, Reply};
use crate::wire::messages::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};

/// Asks the file system, so this does not run on a reactor thread.
pub fn handle(ctx: &Ctx, request: DescribeLogDirsRequest) -> Reply<DescribeLogDirsResponse> {
    let ctx = ctx.clone();
    Reply::later(async move {
        let described = tokio::task::spawn_blocking(move || describe(&ctx, request)).await;
        described.unwrap_or_else(|_| answer(ErrorCode::UnknownServerError, Vec::new()))
    })
}

fn answer(error: ErrorCode, results: Vec<DescribeLogDirsResult>) -> DescribeLogDirsResponse {
    DescribeLogDirsResponse {
        throttle_time_ms: 0,
        error_code: error.code(),
        results,
    }
}

fn describe(ctx: &Ctx, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    // No list of topics means all of them.
    let wanted: Option<HashSet<TopicPartition>> = request.topics.map(|topics| {
        let named = topics.iter().flat_map(|topic| {
            let name: Arc<str> = Arc::from(topic.topic.as_str());
            let of_topic = move |partition: &i32| TopicPartition::new(name.clone(), *partition);
            topic.partitions.iter().map(of_topic)
        });
        named.collect()
    });
    let is_wanted = |log: &Log| {
        wanted
            .as_ref()
            .is_none_or(|wanted| wanted.contains(log.topic_partition()))
    };
    let replicas = &ctx.node.replicas;
    let cordoned = replicas.config().list("cordoned.log.dirs");
    let current = replicas.log_dirs().logs();
    let futures = replicas.log_dirs().future_logs();
    let results = replicas.log_dirs().dirs().iter().map(|dir| {
        let mut topics = Topics::default();
        for log in current
            .iter()
            .filter(|log| log.dir_id() == dir.id() && is_wanted(log))
        {
            let lag = log.high_watermark().saturating_sub(log.log_end_offset()).max(0);
            topics.add(log, lag, false);
        }
        for log in futures
            .iter()
            .filter(|log| log.dir_id() == dir.id() && is_wanted(log))
        {
            let source = replicas.log_dirs().get(log.topic_partition());
            let lag = source.map_or(-1, |source| source.log_end_offset() - log.log_end_offset());
            topics.add(log, lag, true);
        }
        result_of(dir, topics, &cordoned)
    });
    answer(ErrorCode::None, results.collect())
}

#[derive(Default)]
struct Topics(BTreeMap<Arc<str>, Vec<DescribeLogDirsPartition>>);

impl Topics {
    fn add(&mut self, log: &Log, offset_lag: i64, is_future_key: bool) {
        let partition = log.topic_partition();
        self.0
            .entry(partition.topic.clone())
            .or_default()
            .push(DescribeLogDirsPartition {
                partition_index: partition.partition,
                partition_size: i64::try_from(log.size_bytes()).unwrap_or(i64::MAX),
                offset_lag,
                is_future_key,
            });
    }
}

fn result_of(dir: &LogDir, topics: Topics, cordoned: &[String]) -> DescribeLogDirsResult {
    let path = std::path::absolute(dir.path()).unwrap_or_else(|_| dir.path().to_path_buf());
    let volume = nix::sys::statvfs::statvfs(&path)
        .ok()
        .filter(|_| !dir.is_offline());
    let log_dir = path.to_string_lossy().into_owned();
    let Some(volume) = volume else {
        return DescribeLogDirsResult {
            error_code: ErrorCode::KafkaStorageError.code(),
            log_dir,
            topics: Vec::new(),
            total_bytes: -1,
            usable_bytes: -1,
            is_cordoned: false,
        };
    };
    let bytes =
        |blocks: u64| i64::try_from(blocks.saturating_mul(volume.fragment_size())).unwrap_or(i64::MAX);
    DescribeLogDirsResult {
        error_code: ErrorCode::None.code(),
        is_cordoned: cordoned.iter().any(|name| name == "*" || *name == log_dir),
        log_dir,
        topics: topics
            .0
            .into_iter()
            .map(|(name, partitions)| topic_of(&name, partitions))
            .collect(),
        total_bytes: bytes(volume.blocks()),
        usable_bytes: bytes(volume.blocks_available()),
    }
}

fn topic_of(name: &str, mut partitions: Vec<DescribeLogDirsPartition>) -> DescribeLogDirsTopic {
    partitions.sort_unstable_by_key(|partition| partition.partition_index);
    DescribeLogDirsTopic {
        name: name.to_owned(),
        partitions,
    }
}
