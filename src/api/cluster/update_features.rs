//! UpdateFeatures (57), versions 0-2: raises and lowers finalized feature levels, all of them or none.
//!
//! Version 0 has a flag for downgrades where later ones have the kind of change. Before version 2 the outcome stands at
//! each feature; from it on only at the top. A feature named twice is INVALID_REQUEST.

use std::collections::HashSet;

use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::update_features_response::UpdatableFeatureResult;
use kafka_protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_base::ErrorCode;
use ottla_metadata::controller::{FeatureUpdate, Problem, UpgradeType};

use crate::api::text::message;
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: UpdateFeaturesRequest) -> Reply<UpdateFeaturesResponse> {
    let version = ctx.api_version;
    let updates = match updates(version, &request.feature_updates) {
        Ok(updates) => updates,
        Err(problem) => return Reply::Now(answer(version, &request, Err(problem))),
    };
    let ctx = ctx.clone();
    Reply::later(async move {
        let validate_only = request.validate_only;
        let controller = &ctx.node.controller;
        let write =
            controller.try_write(move |c, image, _now_ms| c.update_features(image, &updates, validate_only));
        let result = write.await;
        answer(version, &request, result)
    })
}

fn updates(version: i16, asked: &[FeatureUpdateKey]) -> Result<Vec<FeatureUpdate>, Problem> {
    let invalid = |message: String| Problem::new(ErrorCode::InvalidRequest, message);
    let mut seen = HashSet::new();
    let mut updates = Vec::with_capacity(asked.len());
    for update in asked {
        let name = update.feature.to_string();
        if !seen.insert(name.clone()) {
            return Err(invalid(format!("Feature {name} is named more than once.")));
        }
        let upgrade_type = match (version, update.allow_downgrade, update.upgrade_type) {
            (0, true, _) => UpgradeType::SafeDowngrade,
            (0, false, _) | (_, _, 1) => UpgradeType::Upgrade,
            (_, _, 2) => UpgradeType::SafeDowngrade,
            (_, _, 3) => UpgradeType::UnsafeDowngrade,
            (_, _, other) => {
                let message = format!("Upgrade type {other} of feature {name} is not known.");
                return Err(Problem::new(ErrorCode::InvalidUpdateVersion, message));
            }
        };
        updates.push(FeatureUpdate {
            name,
            level: update.max_version_level,
            upgrade_type,
        });
    }
    Ok(updates)
}

fn answer(
    version: i16,
    request: &UpdateFeaturesRequest,
    result: Result<(), Problem>,
) -> UpdateFeaturesResponse {
    let (code, text) = match result {
        Ok(()) => (ErrorCode::None, None),
        Err(problem) => (problem.code, message(&problem.message)),
    };
    let response = UpdateFeaturesResponse::default()
        .with_error_code(code.code())
        .with_error_message(text);
    if version >= 2 || code != ErrorCode::None {
        return response;
    }
    // Before version 2 a success is told feature by feature.
    let results = request.feature_updates.iter().map(|update| {
        UpdatableFeatureResult::default()
            .with_feature(update.feature.clone())
            .with_error_code(code.code())
            .with_error_message(Some(StrBytes::from_static_str(code.name())))
    });
    response.with_results(results.collect())
}
