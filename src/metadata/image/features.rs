//! The finalized feature levels.

use imbl::OrdMap;

use super::ImageError;
use crate::delta::Delta;
use crate::features::{self, ELR_VERSION, KRAFT_VERSION, METADATA_VERSION, MetadataVersion};
use crate::records::FeatureLevelRecord;

/// The cluster's finalized features.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    levels: OrdMap<String, i16>,
    /// Set by a control record of the log, not by a metadata record.
    pub kraft_version: i16,
}

impl Features {
    /// The level of a feature; 0 when it is not finalized.
    pub fn level(&self, name: &str) -> i16 {
        if name == KRAFT_VERSION {
            return self.kraft_version;
        }
        self.levels.get(name).copied().unwrap_or(0)
    }

    /// The metadata version; the lowest one until the log has named it.
    pub fn metadata_version(&self) -> MetadataVersion {
        self.levels
            .get(METADATA_VERSION)
            .map_or(MetadataVersion::MIN, |level| MetadataVersion(*level))
    }

    pub fn is_elr_enabled(&self) -> bool {
        self.level(ELR_VERSION) > 0 && self.metadata_version().has_elr()
    }

    /// All features of the log with a level above zero, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i16)> {
        self.levels.iter().map(|(name, level)| (name.as_str(), *level))
    }

    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    pub(super) fn apply(&mut self, record: &FeatureLevelRecord, delta: &mut Delta) -> Result<(), ImageError> {
        let level = record.feature_level;
        delta.features = true;
        if level == 0 {
            self.levels.remove(&record.name);
            return Ok(());
        }
        let supported = features::find(&record.name).is_some_and(|f| (f.min..=f.max).contains(&level));
        if !supported {
            let name = record.name.clone();
            return Err(ImageError::UnsupportedFeature { name, level });
        }
        self.levels.insert(record.name.clone(), level);
        Ok(())
    }
}
