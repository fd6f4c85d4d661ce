//! Creates topics that a client named and nobody made.

use ottla_base::ErrorCode;
use ottla_base::ids::is_internal_topic;
use ottla_metadata::controller::CreateTopic;

use crate::api::Ctx;

/// Creates the topics with the cluster's defaults and returns those that could not be made, with the reason. Internal
/// topics are made by their coordinators, with settings of their own, and not here.
pub async fn create(ctx: &Ctx, names: Vec<String>) -> Vec<(String, ErrorCode)> {
    let wanted: Vec<CreateTopic> = names
        .into_iter()
        .filter(|name| !is_internal_topic(name))
        .map(defaults)
        .collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let write = ctx
        .node
        .controller
        .write(move |c, image, _now_ms| c.create_topics(image, &wanted, false));
    // A controller that is not there just now: the client asks again, as for any topic that is not there yet.
    let results = write.await.unwrap_or_default();
    let failed = results.into_iter().filter_map(|(name, result)| match result {
        // There meanwhile, or the name is the metadata log's, which is no topic for clients.
        Err(problem)
            if matches!(
                problem.code,
                ErrorCode::TopicAlreadyExists | ErrorCode::InvalidRequest
            ) =>
        {
            None
        }
        Err(problem) => Some((name, problem.code)),
        Ok(_) => None,
    });
    failed.collect()
}

fn defaults(name: String) -> CreateTopic {
    CreateTopic {
        name,
        partitions: -1,
        replication_factor: -1,
        ..CreateTopic::default()
    }
}
