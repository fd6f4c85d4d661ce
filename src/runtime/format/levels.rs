//! Which feature levels a new cluster begins with.

use ottla_metadata::MetadataVersion;
use ottla_metadata::features::{KRAFT_VERSION, METADATA_VERSION, SUPPORTED};

use super::{FormatError, FormatOptions};

/// The level at which the quorum's voters live in the log (KIP-853).
pub const KRAFT_VERSION_MAX: i16 = 1;

/// The chosen level of every feature that this build supports.
pub struct Levels {
    pub metadata_version: MetadataVersion,
    kraft_version: i16,
    /// Without the two above, in the order of [`SUPPORTED`].
    others: Vec<(&'static str, i16)>,
}

impl Levels {
    pub fn choose(options: &FormatOptions) -> Result<Self, FormatError> {
        check_names(options)?;
        let metadata_version = metadata_version(options)?;
        let mut others = Vec::new();
        for feature in SUPPORTED
            .iter()
            .filter(|f| f.name != METADATA_VERSION && f.name != KRAFT_VERSION)
        {
            let default = if metadata_version >= feature.default_from {
                feature.default
            } else {
                0
            };
            let level = asked(options, feature.name).unwrap_or(default);
            if !(feature.min..=feature.max).contains(&level) {
                let (name, min, max) = (feature.name, feature.min, feature.max);
                return Err(FormatError::Levels(format!(
                    "No feature {name} with level {level}: it is supported from {min} to {max}."
                )));
            }
            others.push((feature.name, level));
        }
        Ok(Self {
            metadata_version,
            kraft_version: kraft_version(options)?,
            others,
        })
    }

    /// What is written as records: `metadata.version` first, then the features that are not at 0. `kraft.version` is no
    /// record; it stands in the head of snapshots.
    pub fn finalized(&self) -> impl Iterator<Item = (String, i16)> {
        let first = std::iter::once((METADATA_VERSION, self.metadata_version.0));
        let others = self.others.iter().copied().filter(|(_, level)| *level != 0);
        first.chain(others).map(|(name, level)| (name.to_owned(), level))
    }

    pub fn all(&self) -> impl Iterator<Item = (String, i16)> {
        self.finalized()
            .chain(std::iter::once((KRAFT_VERSION.to_owned(), self.kraft_version)))
    }
}

fn asked(options: &FormatOptions, name: &str) -> Option<i16> {
    options
        .features
        .iter()
        .find(|(asked, _)| asked == name)
        .map(|(_, level)| *level)
}

fn check_names(options: &FormatOptions) -> Result<(), FormatError> {
    for (name, _) in &options.features {
        if !SUPPORTED.iter().any(|feature| feature.name == name) {
            let mut known: Vec<&str> = SUPPORTED.iter().map(|feature| feature.name).collect();
            known.retain(|name| *name != METADATA_VERSION);
            known.sort_unstable();
            let known = known.join(", ");
            return Err(FormatError::Levels(format!(
                "Unsupported feature: {name}. Supported features are: {known}"
            )));
        }
    }
    Ok(())
}

fn metadata_version(options: &FormatOptions) -> Result<MetadataVersion, FormatError> {
    let level = asked(options, METADATA_VERSION).map(|level| level.to_string());
    let text = match (&options.release_version, &level) {
        (Some(_), Some(_)) => {
            return Err(FormatError::Levels(
                "Use either --release-version or --feature metadata.version, not both.".to_owned(),
            ));
        }
        (Some(text), None) | (None, Some(text)) => text,
        (None, None) => return Ok(MetadataVersion::LATEST),
    };
    MetadataVersion::parse(text).ok_or_else(|| {
        let known: Vec<String> = MetadataVersion::RANGE
            .map(|level| MetadataVersion(level).to_string())
            .collect();
        let known = known.join(", ");
        FormatError::Levels(format!(
            "Unknown metadata.version '{text}'. Supported metadata.version are: {known}"
        ))
    })
}

/// Follows from where the voters are; a level that contradicts it is refused.
fn kraft_version(options: &FormatOptions) -> Result<i16, FormatError> {
    let wanted = if options.is_dynamic_quorum {
        KRAFT_VERSION_MAX
    } else {
        0
    };
    match asked(options, KRAFT_VERSION) {
        Some(level) if level != wanted && options.is_dynamic_quorum => Err(FormatError::Levels(format!(
            "kraft.version {level} does not go with voters in the log: with --standalone, --initial-controllers or \
             --no-initial-controllers it is {wanted}."
        ))),
        Some(level) if level != wanted => Err(FormatError::Levels(format!(
            "kraft.version {level} needs the voters in the log: take controller.quorum.voters away and use one of \
             --standalone, --initial-controllers and --no-initial-controllers."
        ))),
        _ => Ok(wanted),
    }
}
