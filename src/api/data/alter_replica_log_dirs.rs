//! AlterReplicaLogDirs 1-2: moves replicas between the log directories of this node (KIP-113).
//!
//! The answer says that the move has begun. It goes on in the background; DescribeLogDirs shows the growing copy. When it has
//! taken the replica's place, the controller is told where the replica lies now (KIP-858).

use std::path::Path;

use kafka_protocol::messages::alter_replica_log_dirs_request::AlterReplicaLogDir;
use kafka_protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use kafka_protocol::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};
use ottla_base::config::Settings;
use ottla_base::{ErrorCode, TopicPartition, Uuid};

use crate::api::{Ctx, Reply};
use crate::replica::moves::{Move, MoveError};

pub fn handle(ctx: &Ctx, request: AlterReplicaLogDirsRequest) -> Reply<AlterReplicaLogDirsResponse> {
    let ctx = ctx.clone();
    Reply::later(async move {
        let begun = tokio::task::spawn_blocking(move || begin_all(&ctx, request)).await;
        begun.unwrap_or_default()
    })
}

fn begin_all(ctx: &Ctx, request: AlterReplicaLogDirsRequest) -> AlterReplicaLogDirsResponse {
    let mut results: Vec<AlterReplicaLogDirTopicResult> = Vec::new();
    for wanted in request.dirs {
        let dir = directory(ctx, &wanted);
        for topic in wanted.topics {
            let answers = topic.partitions.iter().map(|index| {
                let name = TopicPartition::new(topic.name.as_str(), *index);
                let error = dir
                    .as_ref()
                    .map_err(|error| *error)
                    .and_then(|dir| begin(ctx, &name, *dir));
                AlterReplicaLogDirPartitionResult::default()
                    .with_partition_index(*index)
                    .with_error_code(error.err().unwrap_or(ErrorCode::None).code())
            });
            let answers: Vec<_> = answers.collect();
            match results.iter_mut().find(|result| result.topic_name == topic.name) {
                Some(result) => result.partitions.extend(answers),
                None => results.push(
                    AlterReplicaLogDirTopicResult::default()
                        .with_partitions(answers)
                        .with_topic_name(topic.name),
                ),
            }
        }
    }
    AlterReplicaLogDirsResponse::default().with_results(results)
}

/// The log directory at the path of the request, if this node has it and it takes replicas.
fn directory(ctx: &Ctx, wanted: &AlterReplicaLogDir) -> Result<Uuid, ErrorCode> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let path = absolute(Path::new(wanted.path.as_str()));
    let replicas = &ctx.node.replicas;
    let mut dirs = replicas.log_dirs().dirs().iter();
    let dir = dirs
        .find(|dir| absolute(dir.path()) == path)
        .ok_or(ErrorCode::LogDirNotFound)?;
    if dir.is_offline() {
        return Err(MoveError::UnknownDirectory.code());
    }
    let cordoned = replicas.config().list("cordoned.log.dirs");
    if cordoned
        .iter()
        .any(|name| name == "*" || absolute(Path::new(name)) == path)
    {
        return Err(MoveError::Cordoned.code());
    }
    Ok(dir.id())
}

fn begin(ctx: &Ctx, name: &TopicPartition, dir: Uuid) -> Result<(), ErrorCode> {
    match ctx.node.replicas.begin_move(name, dir) {
        Ok(None) => Ok(()),
        Ok(Some(begun)) => {
            let ctx = ctx.clone();
            tokio::spawn(async move { carry_out(&ctx, begun).await });
            Ok(())
        }
        Err(error) => {
            tracing::warn!(partition = %name, %error, "a replica is not moved");
            Err(error.code())
        }
    }
}

async fn carry_out(ctx: &Ctx, begun: Move) {
    let id = begun.partition().id();
    let (name, dir) = (begun.partition().name().clone(), begun.dir_id());
    match tokio::task::spawn_blocking(move || begun.run()).await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => return,
        Ok(Err(error)) => return tracing::error!(partition = %name, %error, "moving a replica failed"),
        Err(error) => return tracing::error!(partition = %name, %error, "moving a replica failed"),
    }
    let broker_id = ctx.node.replicas.node_id();
    let controller = &ctx.node.controller;
    let told =
        controller.write(move |c, image, _now_ms| c.assign_replicas_to_dirs(image, broker_id, &[(id, dir)]));
    if let Err(error) = told.await {
        tracing::warn!(partition = %name, error = error.name(), "the controller was not told where a replica lies now");
    }
}
