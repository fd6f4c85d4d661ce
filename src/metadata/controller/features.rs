//! Feature levels are raised and lowered, all or none.

use std::ops::RangeInclusive;

use ottla_base::ErrorCode;
use ottla_base::config::Settings as _;

use super::{Controller, Outcome, Problem};
use crate::features::{self, ELR_VERSION, KRAFT_VERSION, METADATA_VERSION, MetadataVersion};
use crate::image::{ConfigKind, ConfigResource, Image};
use crate::records::{ConfigRecord, FeatureLevelRecord, Record};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeType {
    Upgrade,
    /// Only where no metadata is lost.
    SafeDowngrade,
    UnsafeDowngrade,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureUpdate {
    pub name: String,
    pub level: i16,
    pub upgrade_type: UpgradeType,
}

impl Controller {
    /// Checks the updates against every registered node and writes them.
    pub fn update_features(
        &self,
        image: &Image,
        updates: &[FeatureUpdate],
        validate_only: bool,
    ) -> Result<Outcome<()>, Problem> {
        let mut records = Vec::new();
        for update in updates {
            check(image, self.config.node_id, update).map_err(failed_for_all)?;
            if update.level == image.features.level(&update.name) {
                continue;
            }
            records.push(Record::from(FeatureLevelRecord {
                name: update.name.clone(),
                feature_level: update.level,
            }));
            if update.name == ELR_VERSION && update.level > 0 {
                records.extend(self.min_isr_for_elr(image));
            }
        }
        if validate_only {
            records.clear();
        }
        Ok(Outcome {
            records,
            response: (),
        })
    }

    /// With ELR the minimum of the cluster must stand in the log, so that every controller sees the same.
    pub(super) fn min_isr_for_elr(&self, image: &Image) -> Option<Record> {
        const KEY: &str = "min.insync.replicas";
        let cluster = ConfigResource::cluster_default();
        if image.configs.value(&cluster, KEY).is_some() {
            return None;
        }
        let record = ConfigRecord {
            resource_type: ConfigKind::Broker.code(),
            resource_name: cluster.name,
            name: KEY.into(),
            value: Some(self.config.i32(KEY).to_string()),
        };
        Some(record.into())
    }
}

fn failed_for_all(problem: Problem) -> Problem {
    let why = "The update failed for all features since the following feature had an error:";
    Problem::new(problem.code, format!("{why} {}", problem.message))
}

fn check(image: &Image, controller_id: i32, update: &FeatureUpdate) -> Result<(), Problem> {
    let FeatureUpdate { name, level, .. } = update;
    let refuse = |why: String| {
        let message = format!("Invalid update version {level} for feature {name}. {why}");
        Err(Problem::new(ErrorCode::InvalidUpdateVersion, message))
    };
    let range = features::find(name).map_or(0..=0, |feature| feature.min..=feature.max);
    if *level < 0 {
        return refuse("A feature version cannot be less than 0.".into());
    }
    if let Some(why) = not_supported(&format!("Local controller {controller_id}"), &range, *level) {
        return refuse(why);
    }
    for broker in image.brokers.values() {
        let range = broker.feature_range(name);
        if let Some(why) = not_supported(&format!("Broker {}", broker.id), &range, *level) {
            return refuse(why);
        }
    }
    let now = image.features.level(name);
    match update.upgrade_type {
        UpgradeType::Upgrade if *level < now => {
            refuse("Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.".into())
        }
        UpgradeType::SafeDowngrade | UpgradeType::UnsafeDowngrade if *level > now => {
            refuse("Can't downgrade to a newer version.".into())
        }
        _ if name == METADATA_VERSION => check_metadata_version(image, update),
        _ if name == KRAFT_VERSION && *level != now => {
            refuse("The voters of this cluster are configured statically.".into())
        }
        _ => Ok(()),
    }
}

fn not_supported(who: &str, range: &RangeInclusive<i16>, level: i16) -> Option<String> {
    if range.contains(&level) {
        return None;
    }
    Some(match range.end() {
        0 => format!("{who} does not support this feature."),
        max => format!("{who} only supports versions {}-{max}", range.start()),
    })
}

fn check_metadata_version(image: &Image, update: &FeatureUpdate) -> Result<(), Problem> {
    let (now, to) = (image.features.metadata_version(), MetadataVersion(update.level));
    if to >= now || !now.downgrade_loses_metadata(to) {
        return Ok(());
    }
    let why = match update.upgrade_type {
        UpgradeType::UnsafeDowngrade => "Unsafe metadata downgrade is not supported in this version.",
        _ => "Refusing to perform the requested downgrade because it might delete metadata information.",
    };
    let message = format!(
        "Unsupported metadata.version downgrade from {} to {}. {why}",
        now.0, to.0
    );
    Err(Problem::new(ErrorCode::InvalidUpdateVersion, message))
}
